"""What models answered best and worst, with names and texts.

Imports benchmarks.{datasets,examples,results} and benchmarks.report.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from benchmarks.datasets import Datasets
from benchmarks.examples import Example
from benchmarks.report.blocks import Answered, Answers, Block, Fold, Note, Section, Term
from benchmarks.report.names import named, run_labels
from benchmarks.results import Result

TEXT: Final = 300
"""Characters of a description that are shown."""
TITLES: Final = {"best": "Ranked best", "worst": "Ranked worst"}


def answers_section(results: Sequence[Result], datasets: Datasets) -> Section:
    """The stored examples of each result; the first one unfolded."""
    blocks: list[Block] = []
    for label, result in zip(run_labels(results), results, strict=True):
        if result.examples:
            blocks.append(Fold(label, _lists(result, datasets), is_open=not blocks))
    lacking = sum(not result.examples for result in results)
    if lacking:
        blocks.append(
            Note(
                f"{lacking} results hold no examples: they were ranked among a sample of the "
                "candidates, or by an earlier version; evaluate these runs again."
            )
        )
    intro = Note(
        "Drawn by the run's seed among queries of equal rank, at most two of one relation. "
        "Names and texts are of the dataset; an id stands where it is not at hand."
    )
    return Section("answers", "Best and worst predictions", [intro, *blocks])


def _lists(result: Result, datasets: Datasets) -> list[Block]:
    labels = datasets.relations(result)
    relations = {relation: named(label, relation) for relation, label in labels.items()}
    ids = [i for e in result.examples for i in (e.head, e.tail, *e.rivals)]
    entities = datasets.entities(result, ids)
    return [
        Answers(
            title,
            [
                _answered(example, relations, entities)
                for example in result.examples
                if example.verdict == verdict
            ],
        )
        for verdict, title in TITLES.items()
    ]


def _answered(
    example: Example, relations: Mapping[str, Term], entities: Mapping[str, tuple[str, str]]
) -> Answered:
    def name(entity: str) -> str:
        return str(named(entities[entity][0], entity)) if entity in entities else entity

    given, truth = example.head, example.tail
    if example.direction == "head":
        given, truth = truth, given
    return Answered(
        given=name(given),
        relation=str(relations.get(example.relation, example.relation)),
        asked_for=example.direction,
        truth=name(truth),
        verdict=f"rank {_rank(example.rank)} of {example.candidates:,}",
        rivals=[name(entity) for entity in example.rivals],
        texts=[(name(e), _short(entities[e][1])) for e in (given, truth) if e in entities],
    )


def _rank(rank: float) -> str:
    """Equal scores may leave a truth between two ranks."""
    return f"{rank:,.0f}" if rank == int(rank) else f"{rank:,.1f}"


def _short(text: str) -> str:
    return text if len(text) <= TEXT else text[: TEXT - 1] + "…"
