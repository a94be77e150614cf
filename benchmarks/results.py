"""Results as they lie on disk, and the Markdown table over them; bench and KEPLER runs alike.

Imports msgspec, torch, benchmarks.{metrics,ranking} and wikidata5m.
"""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, Literal

import msgspec
import torch

from benchmarks.metrics import Side, Ties, Values, metrics, per_relation, random_expectation
from benchmarks.ranking import Ranks
from wikidata5m import manifest
from wikidata5m.console import table
from wikidata5m.dataset import Dataset
from wikidata5m.errors import InputError
from wikidata5m.files import read_json, write_json
from wikidata5m.schema import Part, Setting

Kind = Literal["bench", "kepler"]
FORMAT: Final = 1
FILTER: Final = "train+valid+test"
COLUMNS: Final = ("mr", "mrr", "hits@1", "hits@3", "hits@10", "amri")


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetRef:
    """Which dataset was used."""

    name: str
    hash: str
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RankingProtocol:
    """How the ranks were found: without it a number means nothing."""

    candidates: int
    """How many entities each query ranks, before filtering."""
    triplets: int
    """How many triplets were ranked, each in both directions."""
    of: int
    """How many triplets the part holds."""
    filter: str = FILTER
    """Other true answers that are left out of a query's candidates."""
    ties: Ties = "realistic"
    directions: str = "head and tail"
    candidate_set: str = "all entities"
    sample_seed: int | None = None
    """The seed of the sample where fewer triplets were ranked than the part holds."""

    def in_words(self) -> str:
        """One sentence for a reader of the table."""
        sample = (
            f"{self.triplets:,} triplets"
            if self.triplets == self.of
            else f"a sample of {self.triplets:,} of {self.of:,} triplets (seed {self.sample_seed})"
        )
        return (
            f"Ranks of {sample}, {self.directions}, among {self.candidates:,} candidates "
            f"({self.candidate_set}), filtered by {self.filter}, {self.ties} ties."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CurvePoint:
    """One epoch of training."""

    epoch: float
    loss: float
    valid_mrr: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainSummary:
    """What training took and how it went."""

    epochs: float
    seconds: float
    triplets_per_second: float
    curve: tuple[CurvePoint, ...] = ()
    best_epoch: int | None = None
    """Whose vectors were kept: that of the best validation, or the last where none was made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One model ranked on one part of one split."""

    kind: Kind
    run: str
    """The name of the run's folder."""
    model: str
    dataset: DatasetRef
    setting: Setting
    part: Part
    protocol: RankingProtocol
    metrics: dict[Side, Values]
    """Side -> metric -> value, as benchmarks.metrics.metrics gives."""
    per_relation: dict[str, dict[Side, Values]]
    """The same by the relation's string id."""
    baselines: dict[str, dict[Side, Values]]
    """What to compare with: "random" always; the untrained encoder for KEPLER."""
    config: dict[str, Any]
    """The resolved configuration."""
    seed: int
    train: TrainSummary
    software: dict[str, str] = field(default_factory=dict)
    machine: dict[str, str] = field(default_factory=dict)
    git_commit: str | None = None
    created: str = ""
    format: int = FORMAT

    def save(self, path: Path) -> None:
        """Write the result as JSON, whole or not at all."""
        write_json(path, asdict(self))


def make_result(
    ranks: Ranks,
    dataset: Dataset,
    *,
    kind: Kind,
    run: Path,
    model: str,
    setting: Setting,
    part: Part,
    protocol: RankingProtocol,
    config: dict[str, Any],
    seed: int,
    train: TrainSummary,
    baselines: Mapping[str, dict[Side, Values]] | None = None,
) -> Result:
    """The result of `ranks`: metrics, per relation, the random baseline, and all provenance.

    `run` is the run's folder. Metrics follow protocol.ties.
    """
    names = dataset.relations["relation"]
    return Result(
        kind=kind,
        run=run.resolve().name,
        model=model,
        dataset=DatasetRef(
            name=dataset.manifest.name,
            hash=dataset.manifest.dataset_hash,
            path=str(dataset.path),
        ),
        setting=setting,
        part=part,
        protocol=protocol,
        metrics=metrics(ranks, protocol.ties),
        per_relation={names[r]: values for r, values in per_relation(ranks, protocol.ties).items()},
        baselines={"random": random_expectation(ranks), **(baselines or {})},
        config=config,
        seed=seed,
        train=train,
        software=software(),
        machine=machine(),
        git_commit=git_commit(),
        created=manifest.now(),
    )


def load_result(path: Path) -> Result:
    """Read a result. Raises InputError when it is none, or of another format."""
    values = read_json(path)
    if values.get("format") != FORMAT:
        problem = f"result format {values.get('format')}, this version reads {FORMAT}"
        raise InputError(path, problem, fix="evaluate the run again")
    try:
        return msgspec.convert(values, Result)
    except msgspec.ValidationError as error:
        raise InputError(path, str(error), fix="evaluate the run again") from None


def load_run_results(run: Path) -> list[Result]:
    """Every result of a run folder, by file name. Raises InputError when there is none."""
    files = sorted((run / "results").glob("*.json"))
    if not files:
        fix = f"run `wikidata5m bench evaluate {run}` (or `kepler evaluate`) first"
        raise InputError(run, "no results/*.json", fix=fix)
    return [load_result(file) for file in files]


def markdown_table(results: Sequence[Result]) -> str:
    """One row per result and side, and the protocol of each table in words below it.

    Results are comparable within a table only: one per dataset, setting, part and protocol.
    """
    return "\n\n".join(_group_table(group) for group in group_results(results))


def group_results(results: Sequence[Result]) -> list[list[Result]]:
    """The results that one table can hold, in the order given."""
    groups: dict[tuple[object, ...], list[Result]] = {}
    for result in results:
        key = (result.dataset.name, result.dataset.hash, result.setting, result.part)
        groups.setdefault((*key, result.protocol), []).append(result)
    return list(groups.values())


def rows_of(group: Sequence[Result]) -> list[list[object]]:
    """One row per result and side, then the baselines: model, side, COLUMNS."""
    names = _row_names(group)
    rows: list[list[object]] = [
        [name, side, *(values.get(column, "-") for column in COLUMNS)]
        for name, result in zip(names, group, strict=True)
        for side, values in result.metrics.items()
    ]
    rows += [
        [f"({name})", "both", *(values["both"].get(column, "-") for column in COLUMNS)]
        for name, values in _baselines(group, names).items()
    ]
    return rows


def distinct(names: Sequence[str], results: Sequence[Result]) -> list[str]:
    """The name of each result: with its run where two are alike, and a number where still alike."""
    found = [
        f"{name}, run {result.run}" if names.count(name) > 1 else name
        for name, result in zip(names, results, strict=True)
    ]
    return [
        f"{name} ({found[:n].count(name) + 1})" if found.count(name) > 1 else name
        for n, name in enumerate(found)
    ]


def _row_names(group: Sequence[Result]) -> list[str]:
    """The models, with their seeds where several of one model stand in one table."""
    models = [result.model for result in group]
    names = [f"{r.model}, seed {r.seed}" if models.count(r.model) > 1 else r.model for r in group]
    return distinct(names, group)


def _group_table(group: Sequence[Result]) -> str:
    first = group[0]
    header = ["model", "predicting", *(column.upper() for column in COLUMNS)]
    title = f"{first.dataset.name}, {first.setting} {first.part}"
    return f"{title}\n\n{table(header, rows_of(group))}\n\n{first.protocol.in_words()}"


def _baselines(group: Sequence[Result], names: Sequence[str]) -> dict[str, dict[Side, Values]]:
    """A random order's, which a table shares, and those that each result has of its own."""
    return {
        baseline if baseline == "random" else f"{name}: {baseline}": values
        for name, result in zip(names, group, strict=True)
        for baseline, values in result.baselines.items()
    }


def software() -> dict[str, str]:
    """The versions that made a result."""
    return manifest.software() | {name: version(name) for name in ("torch", "numpy", "safetensors")}


def machine() -> dict[str, str]:
    """The machine a result was made on."""
    cuda = torch.cuda.get_device_name() if torch.cuda.is_available() else "none"
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "cpus": str(os.cpu_count()),
        "torch_threads": str(torch.get_num_threads()),
        "cuda": cuda,
    }


def git_commit() -> str | None:
    """The commit of the project's working copy; None where it is installed without one."""
    here = Path(__file__).parents[1]
    if not (here / ".git").exists():
        return None
    command = ["git", "-C", str(here), "rev-parse", "HEAD"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    except OSError:
        return None
    return done.stdout.strip() or None
