"""`wikidata5m synthetic`. Imports click and console; the rest when run."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from wikidata5m.console import emit, json_option, log, table


@click.command(short_help="Write a synthetic graph of full size as a dataset.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Output folder.")
@click.option("--overwrite", is_flag=True, help="Replace what the output folder holds.")
@click.option("--entities", type=int, default=4_594_485, show_default=True, help="How many.")
@click.option("--relations", type=int, default=822, show_default=True, help="How many.")
@click.option(
    "--triplets", type=int, default=20_624_575, show_default=True, help="Exactly how many."
)
@click.option(
    "--mutual",
    type=float,
    default=0.3,
    show_default=True,
    help="Share of the facts of symmetric and inverse relations that are stated both ways; "
    "near 1 they leak from train into test.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of names, facts, texts.")
@json_option
def synthetic(
    out: Path,
    overwrite: bool,
    entities: int,
    relations: int,
    triplets: int,
    mutual: float,
    seed: int,
    as_json: bool,
) -> None:
    """Write a synthetic graph of Wikidata5M's size and shape, as a dataset without splits.

    For measurements at full size without a download or a build. (`world` writes dumps to build.)

    \b
    Example:
      wikidata5m synthetic --out graph && wikidata5m split graph --out data
      wikidata5m synthetic --entities 100000 --triplets 450000 --mutual 0.95 --out leaky
    """
    from pipelines.synthetic.config import SyntheticConfig
    from pipelines.synthetic.write import write_synthetic

    config = SyntheticConfig(
        entities=entities, relations=relations, triplets=triplets, mutual=mutual, seed=seed
    )
    manifest = write_synthetic(out, config, overwrite=overwrite)
    counts = table(["what", "count"], list(manifest.counts.items()))
    emit(asdict(manifest), as_json=as_json, text=counts)
    log(f"dataset: {out}")
