"""The demo end to end: what a newcomer runs first, and what it promises."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import ujson

from tests.conftest import REPOSITORY
from wikidata5m import load
from wikidata5m.demo import DATASET
from wikidata5m.verify import verify

INDEX = (REPOSITORY / "docs" / "index.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_demo_builds_trains_ranks_and_reports(tmp_path: Path) -> None:
    out = tmp_path / "demo"
    # A smaller world than by default: half of the time, and what is promised holds as well.
    command = [sys.executable, "-m", "wikidata5m", "demo", "--out", str(out), "--entities", "2000"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == f"report: {out / 'report' / 'index.html'}"
    assert verify(load(out / DATASET)) == []
    shown = re.findall(r"^\$ wikidata5m (.* demo-output/.*)$", INDEX, re.MULTILINE)
    assert shown
    for words in (line.replace("demo-output", str(out)).split() for line in shown):
        if words[0] != "explore":
            subprocess.run([*command[:3], *words], check=True, capture_output=True)
    page = (out / "report" / "index.html").read_text()
    assert "<svg" in page
    assert f"{DATASET}, transductive test" in page
    for run in ("transe", "complex"):
        result = ujson.loads((out / "runs" / run / "results" / "test.json").read_text())
        chance = result["baselines"]["random"]["both"]["mrr"]
        assert result["metrics"]["both"]["mrr"] > 20 * chance
    result = ujson.loads((out / "runs/kepler-wiki/results/inductive-test.json").read_text())
    reached = result["metrics"]["both"]["mrr"]
    for baseline in ("random", "untrained encoder"):
        assert reached >= 3 * result["baselines"][baseline]["both"]["mrr"]
