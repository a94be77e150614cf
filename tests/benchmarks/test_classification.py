"""Thresholds and metrics against plain loops and scikit-learn, and the command."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import ujson
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sklearn  # type: ignore[import-untyped]

from benchmarks.classification import best_threshold, judge, roc_auc, score_triplets
from tests.benchmarks.test_cli import SETTINGS, invoke
from tests.benchmarks.test_predict import graph
from wikidata5m.dataset import Dataset
from wikidata5m.errors import Wikidata5MError

labelled = st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=1, max_size=30)


def arrays(rows: list[tuple[int, bool]]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([s / 2 for s, _ in rows]), np.array([t for _, t in rows])


@settings(deadline=None)
@given(labelled)
def test_no_threshold_is_better_than_the_chosen_one(rows: list[tuple[int, bool]]) -> None:
    score, true = arrays(rows)

    def accuracy(limit: float) -> float:
        return float(((score >= limit) == true).mean())

    assert accuracy(best_threshold(score, true)) == max(map(accuracy, np.arange(-1, 9) / 2 - 0.25))


@settings(deadline=None)
@given(labelled)
def test_metrics_are_those_of_scikit_learn(rows: list[tuple[int, bool]]) -> None:
    score, true = arrays(rows)
    found = judge(score, true, np.full(len(score), 1.25))
    called = score >= 1.25
    if called.any():
        assert found["precision"] == pytest.approx(sklearn.precision_score(true, called))
    if true.any():
        assert found["recall"] == pytest.approx(sklearn.recall_score(true, called))
        assert found["f1"] == pytest.approx(sklearn.f1_score(true, called))
    if true.any() and not true.all():
        assert roc_auc(score, true) == pytest.approx(sklearn.roc_auc_score(true, score))
    assert ("roc_auc" in found) == (true.any() and not true.all())


def test_a_triplet_scores_the_mean_of_its_two_directions() -> None:
    table, parts = graph(0)
    rows = parts["train"][:100]
    expected = table.scores[rows[:, 1], rows[:, 0], rows[:, 2]].double().numpy()
    np.testing.assert_allclose(score_triplets(table, rows), expected)
    table.scores[rows[70, 1], rows[70, 0], rows[70, 2]] = float("inf")
    with pytest.raises(Wikidata5MError, match="scores inf"):
        score_triplets(table, rows)


def test_the_command_judges_test_by_what_valid_chose(small: Dataset, tmp_path: Path) -> None:
    data, run = tmp_path / "data", tmp_path / "run"
    settings = ["--settings", "transductive,classification", "--set", "split.max_share=0.3"]
    invoke("split", small.path, "--out", data, *settings, "--valid", 40, "--test", 40)
    invoke("bench", "train", data, "--model", "complex", "--out", run, *SETTINGS)
    shown = invoke("bench", "classify", run, "--by", "relation").stdout
    assert "| one per relation" in shown
    assert "| P17" in shown
    found = ujson.loads(invoke("bench", "classify", run, "--json").stdout)
    assert ujson.loads((run / "classification.json").read_text())["metrics"] == found["metrics"]
    assert found["metrics"]["count"] == sum(v["count"] for v in found["per_relation"].values())
    assert set(found["fallback"]) | set(found["thresholds"]) >= set(found["per_relation"])
    valid = Dataset(data).read_triplets("classification/valid.parquet")
    ids = Dataset(data).relations["relation"]
    counts = {ids[r]: n for r, n in enumerate(np.bincount(valid[:, 1], minlength=len(ids)))}
    assert all(counts[name] for name in found["thresholds"])
    assert not any(counts[name] for name in found["fallback"])


def test_a_run_that_may_have_trained_on_the_test_set_is_refused(
    trained: dict[str, Path], tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(trained["transe"], run)
    config = (run / "config.yaml").read_text()
    (run / "config.yaml").write_text(config.replace("setting: transductive", "setting: temporal"))
    failed = invoke("bench", "classify", run, code=1)
    assert "train with --setting transductive" in failed.stderr


def test_a_dataset_without_labels_is_told_how_to_get_them(trained: dict[str, Path]) -> None:
    failed = invoke("bench", "classify", trained["transe"], code=1)
    assert "wikidata5m split" in failed.stderr
