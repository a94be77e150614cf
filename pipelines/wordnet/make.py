"""MAIN PATH: WordNet's files -> a dataset with splits. Read, make the graph, split, write.

    wikidata5m wordnet --out wordnet

Imports read, tables, pipelines.split and wikidata5m.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path

from pipelines.split import DEFAULT, SplitConfig, Whole, check_names, make_splits
from pipelines.wordnet.read import read_wordnet
from pipelines.wordnet.tables import make_graph
from wikidata5m.console import log, progress
from wikidata5m.errors import InputError
from wikidata5m.files import atomic_path, claim_output
from wikidata5m.manifest import Manifest, describe_source
from wikidata5m.writer import Provenance, Tables, write_dataset


@dataclass(frozen=True, slots=True, kw_only=True)
class WordNetConfig:
    """What becomes of WordNet."""

    lemmas: bool = True
    """Each word of a synset is a node too, as in the graph that KEPLER learned; else synsets alone,
    joined by what is stated of their words."""
    settings: tuple[str, ...] = DEFAULT
    """Which splits to make: transductive, inductive, semi_inductive, classification."""
    seed: int = 0
    """Of the splits."""
    split: SplitConfig = field(default_factory=SplitConfig)

    def __post_init__(self) -> None:
        check_names(self.settings)
        if self.seed < 0:
            raise ValueError("seed must not be negative")


def make_wordnet(
    source: Path, out: Path, config: WordNetConfig, *, overwrite: bool = False
) -> Manifest:
    """Write the dataset folder `out` from the files in `source`.

    Raises InputError on a file that is missing or damaged, OutputExistsError when `out` holds
    something already.
    """
    claim_output(out, overwrite=overwrite, inputs=[source], keep=True, whole=True)
    wordnet = read_wordnet(source)
    log(f"WordNet {wordnet.version or 'of no stated version'}: {len(wordnet.synsets):,} synsets")
    graph = make_graph(wordnet, lemmas=config.lemmas)
    if not len(graph.triplets):
        raise InputError(
            source, "states no relation", fix="use the files as WordNet publishes them"
        )
    whole = Whole(
        triplets=graph.triplets,
        num_entities=graph.entities.height,
        num_relations=graph.relations.height,
    )
    names = check_names(config.settings)
    with progress("split", len(names), "splits") as update:
        made = make_splits(whole, names, config.split, config.seed, update)
    without = graph.entities.height - graph.descriptions.height
    provenance = Provenance(
        name=out.resolve().name,
        sources=tuple(describe_source(path.name, path) for path in wordnet.files),
        config=asdict(config) | {"wordnet": wordnet.version},
        counts=graph.counts | made.counts,
        drops=graph.drops | made.drops,
        departures=made.departures | ({"entity_without_text": without} if without else {}),
        notes=made.notes,
    )
    tables = Tables(
        entities=graph.entities,
        relations=graph.relations,
        classes=graph.classes,
        triplets=graph.triplets,
        descriptions=[graph.descriptions],
    )
    with atomic_path(out) as folder:
        folder.mkdir()
        labelled = made.classification
        manifest = write_dataset(folder, tables, made.splits, provenance, classification=labelled)
        # What is to be replaced goes when nothing can fail any more.
        claim_output(out, overwrite=overwrite, inputs=[source])
    return manifest
