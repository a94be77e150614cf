"""MAIN PATH of a synthetic graph: plan, triplets, tables, dataset folder.

    wikidata5m synthetic --out graph

Imports graph, plan, tables and the package wikidata5m.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from pipelines.synthetic import tables
from pipelines.synthetic.config import SyntheticConfig
from pipelines.synthetic.graph import draw_triplets
from pipelines.synthetic.plan import Plan
from wikidata5m.console import log, progress
from wikidata5m.files import claim_output
from wikidata5m.manifest import Manifest
from wikidata5m.published import INVENTED
from wikidata5m.writer import Provenance, Tables, write_dataset


def write_synthetic(out: Path, config: SyntheticConfig, *, overwrite: bool = False) -> Manifest:
    """Write the dataset folder `out`, without splits.

    Raises OutputExistsError when it holds something, ConfigError when the graph cannot hold as many
    triplets as asked for.
    """
    claim_output(out, overwrite=overwrite, keep=True)
    plan = Plan(config)
    with progress("triplets", config.triplets, "triplets") as update:
        triplets = draw_triplets(plan, update)
    log("tables: names and texts")
    entities = tables.entities(plan)
    content = Tables(
        entities=entities,
        relations=tables.relations(plan),
        classes=tables.classes(plan),
        triplets=triplets,
        descriptions=tables.descriptions(plan, entities["label"]),
    )
    provenance = Provenance(
        name=out.resolve().name,
        sources=(),
        config={"synthetic": asdict(config)},
        drops={},
        notes=(INVENTED,),
    )
    claim_output(out, overwrite=overwrite)
    return write_dataset(out, content, {}, provenance)
