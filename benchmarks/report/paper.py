"""Results beside the paper's Tables 4 and 9, where they belong there, and what differs.

Imports benchmarks.{datasets,results,tables}, benchmarks.report and wikidata5m.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, get_args

from benchmarks.datasets import Datasets
from benchmarks.report.blocks import Block, Note, Section, Table, Term
from benchmarks.results import Result
from benchmarks.tables import Row, group_results, result_tables
from wikidata5m.dataset import Dataset
from wikidata5m.published import (
    ONE_NEGATIVE,
    WIKIDATA5M,
    WIKIDATA5M_RESULTS,
    PaperTable,
    is_split_anew,
    is_wikidata5m,
)

CAPTIONS: Final[dict[PaperTable, str]] = {
    "4": "Table 4: embeddings, transductive",
    "9a": "Table 9a: encoders, transductive",
    "9b": "Table 9b: encoders, inductive",
}
NOT_THE_SAME: Final = "; ours on another version of the dataset, or another split of it"
COLUMNS: Final = ("mrr", "hits@1", "hits@3", "hits@10")
NOT_AT_HAND: Final = (
    "Results whose dataset is not at hand, so that nobody can tell whether it is Wikidata5M; name "
    "it by --dataset"
)
NOT_OURS: Final = (
    "Tables 4 and 9 of the paper rank the test part of Wikidata5M "
    f"({WIKIDATA5M.entities:,} entities). None of these results does, so that no figure of the "
    "paper can be compared with them, and none is shown."
)


def paper_section(results: Sequence[Result], datasets: Datasets) -> Section:
    """One table for each table of the paper that a result belongs to, by protocol."""
    blocks: list[Block] = []
    ranked = [r for r in results if r.part == "test" and "mrr" in r.metrics["both"]]
    at_hand = [(result, dataset) for result in ranked if (dataset := datasets.of(result))]
    found = [(result, dataset) for result, dataset in at_hand if is_wikidata5m(dataset.manifest)]
    known = {result.dataset.hash: dataset for result, dataset in found}
    for table in get_args(PaperTable):
        groups = group_results([result for result, _ in found if _belongs(result, table)])
        blocks += [_beside(table, group, known[group[0].dataset.hash]) for group in groups]
    blocks = blocks or [Note(NOT_OURS)]
    unknown = len(ranked) - len(at_hand)
    placed = [r for r, _ in found if any(_belongs(r, table) for table in get_args(PaperTable))]
    others = len(results) - unknown - len(placed)
    if found and others:
        blocks.append(
            Note(
                "Results on other datasets, parts or splits, not comparable with the paper: "
                f"{others}."
            )
        )
    if unknown:
        blocks.append(Note(f"{NOT_AT_HAND}: {unknown}."))
    return Section("paper", "Beside the paper", blocks)


def _belongs(result: Result, table: PaperTable) -> bool:
    """Embeddings to Table 4, encoders to 9; 9a has TransE as well."""
    if (result.setting == "inductive") != (table == "9b"):
        return False
    if result.setting not in {"inductive", "transductive"}:
        return False
    if result.kind == "kepler":
        return table != "4"
    name = _name(result)
    return name != ONE_NEGATIVE if table == "4" else table == "9a" and name.startswith("transe")


def _name(result: Result) -> str:
    """What the paper's rows call this model, in our words."""
    train = result.config.get("train")
    negatives = train.get("negatives") if isinstance(train, dict) else None
    return ONE_NEGATIVE if result.model == "transe" and negatives == 1 else result.model


def _beside(table: PaperTable, comparable: list[Result], dataset: Dataset) -> Table:
    """The paper's rows, each with ours of the same model below it; then ours that it lacks."""
    (found,) = result_tables(comparable, side="both")
    same = _is_the_papers(comparable[0], dataset)
    ours = [row for row in found.rows if row.runs]
    rows: list[list[object]] = []
    for each in (each for each in WIKIDATA5M_RESULTS if each.table == table):
        values = (each.mrr, each.hits_at_1, each.hits_at_3, each.hits_at_10)
        rows.append([Term(each.name, "the paper"), each.mr, *(f"{value:.1f}" for value in values)])
        mine = [row for row in ours if _name(row.runs[0]) == each.model]
        rows += [cells for row in mine for cells in _ours(row)]
        ours = [row for row in ours if row not in mine]
    rows += [cells for row in ours for cells in _ours(row)]
    return Table(
        caption=f"{CAPTIONS[table]} (% except MR){'' if same else NOT_THE_SAME}",
        header=["model", "MR", "MRR", "HITS@1", "HITS@3", "HITS@10"],
        rows=rows,
        note=" ".join([found.note, *_differences(comparable[0], dataset)]),
    )


def _ours(row: Row) -> Iterator[list[object]]:
    """With equal scores counted half; and as the paper counts them, where that differs."""
    seeds = " ".join(str(run.seed) for run in row.runs)
    name = Term(row.name, f"ours, {'seeds' if len(row.runs) > 1 else 'seed'} {seeds}")
    cells = [_percent(row, column) for column in COLUMNS]
    yield [name, _mean_rank(row), *cells]
    strict = [run.groups.get("ties", {}).get("pessimistic", {}).get("both") for run in row.runs]
    if len(strict) == 1 and strict[0] and not row.group:
        theirs = [f"{100 * strict[0][column]:.1f}" for column in COLUMNS]
        plain = [f"{100 * row.values[column]:.1f}" for column in COLUMNS]
        if theirs != plain:
            yield [Term(row.name, "ours, pessimistic ties"), round(strict[0]["mr"]), *theirs]


def _mean_rank(row: Row) -> object:
    value = row.values["mr"]
    if "mr" in row.spread:
        return f"{value:,.0f} ± {row.spread['mr']:,.0f}"
    if "mr" in row.interval:
        low, high = row.interval["mr"]
        return f"{value:,.0f} [{low:,.0f}, {high:,.0f}]"
    return round(value)


def _percent(row: Row, column: str) -> str:
    value = 100 * row.values[column]
    if column in row.spread:
        return f"{value:.1f} ± {100 * row.spread[column]:.1f}"
    if column in row.interval:
        low, high = row.interval[column]
        return f"{value:.1f} [{100 * low:.1f}, {100 * high:.1f}]"
    return f"{value:.1f}"


def _is_the_papers(result: Result, dataset: Dataset) -> bool:
    """Whether the split is the paper's by its counts; one drawn anew may have the same."""
    told = dataset.manifest
    theirs = WIKIDATA5M.transductive
    if result.setting == "inductive":
        theirs = {part: triplets for part, (_, _, triplets) in WIKIDATA5M.inductive.items()}
    counts = {part: told.counts.get(f"{result.setting}_{part}") for part in theirs}
    of_size = (dataset.num_entities, dataset.num_relations) in WIKIDATA5M.sizes
    return of_size and counts == theirs and not is_split_anew(told)


def _differences(result: Result, dataset: Dataset) -> Iterator[str]:
    """What must be known before the two are compared."""
    yield "The paper counts equal scores as ranked above the truth, and gives one run without seed."
    theirs = (
        WIKIDATA5M.entities if result.setting != "inductive" else WIKIDATA5M.inductive["test"][0]
    )
    if is_split_anew(dataset.manifest):
        yield "Not comparable without reserve: the test part is not the paper's, but drawn anew."
    elif not _is_the_papers(result, dataset):
        yield (
            "Not comparable without reserve: this is another version of the dataset than the "
            f"paper's of {WIKIDATA5M.entities:,} entities."
        )
    if result.protocol.candidates != theirs:
        yield (
            f"The paper ranks among {theirs:,} candidates, "
            f"and these results among {result.protocol.candidates:,}."
        )
