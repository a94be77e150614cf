"""The measuring module runs, and its plain loop computes the loss that ours computes."""

from __future__ import annotations

from pathlib import Path

import pytest

from kepler_ke.config import KeplerConfig
from kepler_ke.init import init_encoder
from tests.datasets import make_dataset
from tests.performance import kepler


def test_both_loops_see_the_triplets_of_an_update(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kepler, "TOKENS", 64)
    dataset = make_dataset(tmp_path / "dataset", countries=6)
    init_encoder(tmp_path / "encoder", list(dataset.texts), vocabulary=400)
    config = KeplerConfig(batch=5, accumulate=1, mlm_batch=0, tokens=64)
    job = kepler.make_job(dataset, str(tmp_path / "encoder"), config, tmp_path / "run")
    assert kepler.plain_update(job, 0) == kepler.our_update(job, 0) == 5
    assert kepler.rate(kepler.our_update, job, rounds=1, updates=1) > 0
