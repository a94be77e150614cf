"""Results as they lie on disk; bench and KEPLER runs alike.

Imports msgspec, torch, wikidata5m and benchmarks.{buckets,estimator,examples,mean_rank,metrics,
ranking}.
"""

from __future__ import annotations

import os
import platform
import re
import subprocess
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, Literal

import msgspec
import torch

from benchmarks.buckets import GroupName, groupings
from benchmarks.estimator import intervals
from benchmarks.examples import Example
from benchmarks.mean_rank import MeanRanks
from benchmarks.metrics import TIES, Side, Ties, Values, by_group, metrics, random_expectation
from benchmarks.ranking import Ranks
from wikidata5m import manifest
from wikidata5m.dataset import Dataset, Triplets
from wikidata5m.errors import InputError
from wikidata5m.files import read_json, write_json
from wikidata5m.schema import Part, Setting

Kind = Literal["bench", "kepler"]
FORMAT: Final = 2
FILTER: Final = "train+valid+test"


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
    unseen: int = 0
    """How many of the ranked triplets have an entity that train lacks; they are kept."""
    sample_seed: int | None = None
    """The seed of the sample where fewer triplets were ranked than the part holds."""
    sampled_candidates: int | None = None
    """How many candidates were drawn, where mean ranks were estimated from a sample of them."""

    trained_before: int | None = 0
    """How many of the part's triplets trained the vectors that training started from; None where
    that is not known."""

    def in_words(self) -> str:
        """One sentence for a reader of the table."""
        sample = (
            f"{self.triplets:,} triplets"
            if self.triplets == self.of
            else f"a sample of {self.triplets:,} of {self.of:,} triplets (seed {self.sample_seed})"
        )
        unseen = f" {self.unseen:,} have an entity that train lacks." if self.unseen else ""
        before = start_in_words(self.trained_before)
        drawn, only = "", ""
        if self.sampled_candidates is not None:
            drawn = f"{self.sampled_candidates:,} drawn of "
            only = " A sample of candidates says nothing of MRR and Hits@k: mean ranks alone."
        return (
            f"Ranks of {sample}, {self.directions}, among {drawn}{self.candidates:,} candidates "
            f"({self.candidate_set}), filtered by {self.filter}, {self.ties} ties."
            f"{unseen}{' ' * bool(before)}{before}{only}"
        )


def start_in_words(trained: int | None) -> str:
    """Of how many triplets of a part trained what a run started from; empty where none did."""
    if trained is None:
        return "The run that it started from may have been trained on this part's triplets."
    told = f"The run that it started from was trained on {trained:,} of this part's triplets."
    return told if trained else ""


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
    best_epoch: float | None = None
    """Whose vectors or model were kept: that of the best validation, or the last where none was."""
    peak_bytes: int | None = None
    """The most memory that the training process held at once; on a device its own is apart."""


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
    groups: dict[GroupName, dict[str, dict[Side, Values]]]
    """The same for each group of queries, by grouping and the group's name."""
    intervals: dict[Side, dict[str, tuple[float, float]]] = field(default_factory=dict)
    """Confidence intervals of what the whole part would give, where a sample was ranked."""
    baselines: dict[str, dict[Side, Values]]
    """What to compare with: "random" always; the untrained encoder for KEPLER."""
    examples: tuple[Example, ...] = ()
    """Queries answered best and worst; none where candidates were sampled."""
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
    ranks: Ranks | MeanRanks,
    dataset: Dataset,
    triplets: Triplets,
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
    examples: tuple[Example, ...] = (),
) -> Result:
    """The result of `ranks` of `triplets`: metrics, groups, baselines, and all provenance.

    `run` is the run's folder. Metrics follow protocol.ties; protocol.unseen is counted here, and
    intervals are given where protocol.of says that the triplets are a sample.
    """
    queries = groupings(
        triplets,
        dataset.triplets(setting, "train"),
        dataset.num_entities,
        dataset.relations["relation"].to_list(),
    )
    groups: dict[GroupName, dict[str, dict[Side, Values]]] = {}
    random: dict[str, dict[Side, Values]] = {}
    if isinstance(ranks, MeanRanks):
        found, around = ranks.metrics, ranks.intervals
    else:
        found, around = metrics(ranks, protocol.ties), intervals(ranks, protocol.of, protocol.ties)
        groups |= {name: by_group(ranks, each, protocol.ties) for name, each in queries.items()}
        groups["ties"] = {ties: metrics(ranks, ties) for ties in TIES}
        random["random"] = random_expectation(ranks)
    return Result(
        kind=kind,
        run=_name(run.resolve()),
        model=model,
        dataset=DatasetRef(
            name=dataset.manifest.name,
            hash=dataset.manifest.dataset_hash,
            path=str(dataset.path),
        ),
        setting=setting,
        part=part,
        protocol=replace(protocol, unseen=int(queries["entities"].head_N.sum())),
        metrics=found,
        groups=groups,
        intervals=around,
        baselines={**random, **(baselines or {})},
        examples=examples,
        config=config,
        seed=seed,
        train=train,
        software=software(),
        machine=machine(),
        git_commit=git_commit(),
        created=manifest.now(),
    )


def _name(run: Path) -> str:
    """The folder's name; for one of several seeds with the name that they share."""
    return f"{run.parent.name}/{run.name}" if re.fullmatch(r"seed-\d+", run.name) else run.name


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


def load_run_results(run: Path, part: Part | None = None) -> list[Result]:
    """Every result of a run folder, by file name, or those on one part.

    Raises InputError when there is none.
    """
    found = [load_result(file) for file in sorted((run / "results").glob("*.json"))]
    chosen = [result for result in found if part in (None, result.part)]
    if not chosen:
        option = f" --part {part}" if part else ""
        fix = f"run `wikidata5m bench evaluate {run}{option}` (or `kepler evaluate`) first"
        if any(run.glob("*/config.yaml")):
            fix = f"it holds runs: name them as {run}/*"
        raise InputError(run, f"no results/*.json{f' on {part}' if part else ''}", fix=fix)
    return chosen


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
