"""Is a triplet true? A threshold per relation, chosen on valid, judged on test.

Imports numpy, polars, benchmarks.{metrics,ranking,results} and wikidata5m. The triplets are the
dataset's classification sets: true ones, and hard false ones of the same kind:
docs/explanation/splits.md.

Shapes: N labelled triplets, B of a batch.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from benchmarks.metrics import Values
from benchmarks.ranking import Predictor
from benchmarks.results import DatasetRef, git_commit, machine, software
from wikidata5m import manifest, schema
from wikidata5m.dataset import Dataset, Triplets
from wikidata5m.errors import ConfigError, DatasetError, Wikidata5MError
from wikidata5m.files import write_json
from wikidata5m.schema import Part, Setting

FORMAT: Final = 1
BATCH: Final = 64
"""Triplets scored together: a Predictor scores each query against every candidate."""
METRICS: Final = ("accuracy", "precision", "recall", "f1", "roc_auc")
Mask = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Labelled:
    """Triplets and whether each is true."""

    triplets_N3: Triplets
    true_N: Mask


@dataclass(frozen=True, slots=True, kw_only=True)
class Classification:
    """How well a model tells true from false triplets; saved as RUN/classification.json."""

    dataset: DatasetRef
    model: str
    seed: int
    metrics: Values
    """METRICS and `count`, on test, with the thresholds of the relations."""
    one_threshold: Values
    """The same with the one threshold that is best on all of valid."""
    per_relation: dict[str, Values]
    """The same by relation id, for those that occur in test."""
    thresholds: dict[str, float]
    """A triplet is held true when it scores as much or more; by relation id."""
    threshold: float
    """That of the other relations."""
    fallback: tuple[str, ...]
    """Relations of test of which valid has no triplets, or only true or only false ones."""
    software: dict[str, str] = field(default_factory=software)
    machine: dict[str, str] = field(default_factory=machine)
    git_commit: str | None = field(default_factory=git_commit)
    created: str = field(default_factory=manifest.now)
    format: int = FORMAT

    def save(self, path: Path) -> None:
        """Write it as JSON, whole or not at all."""
        write_json(path, asdict(self))


def require_unseen(setting: Setting, run: Path) -> None:
    """Raise ConfigError where the run may have trained on what it would be judged by."""
    if setting != "transductive":
        raise ConfigError(
            f"{run}: trained on the {setting} split, while classification sets are kept apart from "
            "the transductive one alone; train with --setting transductive"
        )


def classify(predictor: Predictor, dataset: Dataset, *, model: str, seed: int) -> Classification:
    """Choose thresholds on the dataset's valid set and judge its test set by them.

    Raises DatasetError when the dataset has no classification sets.
    """
    valid, test = (read_labelled(dataset, part) for part in ("valid", "test"))
    names = dataset.relations["relation"]
    valid_N, test_N = (score_triplets(predictor, each.triplets_N3) for each in (valid, test))
    one = best_threshold(valid_N, valid.true_N)
    own = _own_thresholds(valid, valid_N)
    relation_N = test.triplets_N3[:, 1]
    limit_N = np.array([own.get(int(relation), one) for relation in relation_N])
    found = {
        int(relation): judge(test_N, test.true_N, limit_N, relation_N == relation)
        for relation in np.unique(relation_N)
    }
    return Classification(
        dataset=DatasetRef(
            name=dataset.manifest.name,
            hash=dataset.manifest.dataset_hash,
            path=str(dataset.path),
        ),
        model=model,
        seed=seed,
        metrics=judge(test_N, test.true_N, limit_N),
        one_threshold=judge(test_N, test.true_N, np.full(len(test_N), one)),
        per_relation={names[relation]: values for relation, values in found.items()},
        thresholds={names[relation]: limit for relation, limit in own.items()},
        threshold=one,
        fallback=tuple(names[relation] for relation in found if relation not in own),
    )


def read_labelled(dataset: Dataset, part: Part) -> Labelled:
    """One classification set. Raises DatasetError when there is none, or an empty one."""
    name = schema.classification_file(part)
    if name not in dataset.manifest.files:
        raise DatasetError(
            f"{dataset.path}: has no {name}; make a dataset with it by `wikidata5m split "
            f"{dataset.path} --settings transductive,classification --out OTHER`, and train on that"
        )
    true_N = dataset.read_column(name, "label").cast(pl.Boolean).to_numpy()
    if true_N.all() or not true_N.any():
        raise DatasetError(f"{dataset.path / name}: needs true and false triplets; split anew")
    return Labelled(dataset.read_triplets(name), true_N)


def score_triplets(predictor: Predictor, triplets_N3: Triplets) -> Floats:
    """(N,) the mean of a triplet's scores as an answer for its tail and for its head.

    They differ where a model has other vectors for the inverse of a relation. Raises
    Wikidata5MError when a score is not finite.
    """
    found = [np.zeros(0)]
    for start in range(0, len(triplets_N3), BATCH):
        head_B, relation_B, tail_B = triplets_N3[start : start + BATCH].T.astype(np.int64)
        as_tail_B = predictor.score_tails(head_B, relation_B, tail_B).diagonal()
        as_head_B = predictor.score_heads(relation_B, tail_B, head_B).diagonal()
        found.append(((as_tail_B.double() + as_head_B.double()) / 2).cpu().numpy())
    score_N = np.concatenate(found)
    if not np.isfinite(score_N).all():
        n = int(np.argmin(np.isfinite(score_N)))
        raise Wikidata5MError(
            f"triplet {tuple(triplets_N3[n].tolist())} scores {score_N[n]}; "
            "the model has diverged, train with a smaller rate"
        )
    return score_N


def best_threshold(score_N: Floats, true_N: Mask) -> float:
    """From which score on to call a triplet true, for the highest accuracy.

    Half-way between two scores; of several that are as good, the middle one.
    """
    order_N = np.argsort(-score_N, kind="stable")
    ordered_N, gain_N = score_N[order_N], np.where(true_N[order_N], 1, -1)
    # After n triplets the n best are called true: each right one gains, each wrong one loses.
    gained = np.concatenate([[0], np.cumsum(gain_N)])
    ends = np.concatenate([[True], ordered_N[:-1] != ordered_N[1:], [True]])
    best = np.flatnonzero(ends & (gained == gained[ends].max()))
    n = int(best[len(best) // 2])
    if n == 0:
        return float(np.nextafter(ordered_N[0], np.inf))
    return float(ordered_N[-1] if n == len(ordered_N) else (ordered_N[n - 1] + ordered_N[n]) / 2)


def judge(score_N: Floats, true_N: Mask, limit_N: Floats, among_N: Mask | None = None) -> Values:
    """METRICS and `count` of triplets called true when they reach their limit.

    What has no meaning is absent: precision where none is called true, recall, f1 and roc_auc where
    none is true, roc_auc where none is false.
    """
    if among_N is not None:
        score_N, true_N, limit_N = score_N[among_N], true_N[among_N], limit_N[among_N]
    called_N = score_N >= limit_N
    right, called, true = (int(x.sum()) for x in (called_N & true_N, called_N, true_N))
    found = {"accuracy": float((called_N == true_N).mean())}
    if called:
        found["precision"] = right / called
    if true:
        found |= {"recall": right / true, "f1": 2 * right / (called + true)}
    if 0 < true < len(true_N):
        found["roc_auc"] = roc_auc(score_N, true_N)
    return found | {"count": float(len(true_N))}


def roc_auc(score_N: Floats, true_N: Mask) -> float:
    """How often a true triplet scores above a false one; equal scores count half."""
    _, level_N, size_L = np.unique(score_N, return_inverse=True, return_counts=True)
    rank_L = np.cumsum(size_L) - (size_L - 1) / 2
    true, false = int(true_N.sum()), int((~true_N).sum())
    return float((rank_L[level_N][true_N].sum() - true * (true + 1) / 2) / (true * false))


def _own_thresholds(valid: Labelled, score_N: Floats) -> dict[int, float]:
    """The threshold of each relation that valid has true and false triplets of, be they few."""
    relation_N, found = valid.triplets_N3[:, 1], {}
    for relation in np.unique(relation_N):
        here_N = relation_N == relation
        true_N = valid.true_N[here_N]
        if true_N.any() and not true_N.all():
            found[int(relation)] = best_threshold(score_N[here_N], true_N)
    return found
