"""Two gloo processes train what one process trains."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import ujson
from safetensors.torch import load_file

from kepler_ke.encode import encode_keys
from kepler_ke.encoder import build_kepler
from kepler_ke.runs import read_log
from kepler_ke.tokens import graph_texts
from kepler_ke.world import World
from tests.kepler_ke.conftest import SHORT
from wikidata5m.cli import main
from wikidata5m.dataset import Dataset
from wikidata5m.errors import Wikidata5MError

COMMON = ["mlm_batch=3", "epochs=1", "tokens=24", "checkpoint_steps=0", "mlm_text=descriptions"]
JOBS = {
    "kepler": [*COMMON, "batch=12", "accumulate=3", "lr=1e-3"],
    "contrastive": [
        *COMMON, "objective=contrastive", "scorer=distmult", "inverse=true", "normalize=true",
        "memory=40", "batch=16", "accumulate=2", "lr=1e-3",
    ],
}  # fmt: skip
SCRIPT = """
import os, sys, json
from wikidata5m.cli import main
for port, arguments in json.loads(sys.argv[1]):
    os.environ["MASTER_PORT"] = str(port)
    main(arguments, standalone_mode=False)
"""


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.mark.slow
def test_two_processes_equal_one(dataset: Dataset, encoder: Path, tmp_path: Path) -> None:
    def commands(folder: str) -> list[tuple[int, list[str]]]:
        return [
            (
                _free_port(),
                ["kepler", "train", str(dataset.path), "--encoder", str(encoder)]
                + ["--preset", "kepler-wiki", "--out", str(tmp_path / folder / name)]
                + [word for setting in settings for word in ("--set", setting)],
            )
            for name, settings in JOBS.items()
        ]

    said = ujson.dumps(commands("two"))
    common = {"OMP_NUM_THREADS": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1"}
    common["WIKIDATA5M_PROGRESS"] = "on"
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", SCRIPT, said],
            env=os.environ | common | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for rank in range(2)
    ]
    for _, arguments in commands("one"):
        main(arguments, standalone_mode=False)
    told = [process.communicate(timeout=240) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], told
    (results, progress), (no_results, no_progress) = told
    assert results.count(b"next: wikidata5m kepler evaluate") == len(JOBS)
    assert progress.count(b"kepler train:") >= len(JOBS)
    assert not no_results
    assert b"kepler train:" not in no_progress
    for name in JOBS:
        _assert_same(tmp_path / "one" / name, tmp_path / "two" / name)


def _assert_same(one: Path, two: Path) -> None:
    ours, theirs = read_log(one), read_log(two)
    assert [x["loss"] for x in ours] == pytest.approx([x["loss"] for x in theirs], rel=1e-4)
    ours_mrr, theirs_mrr = ours[-1]["valid_mrr"], theirs[-1]["valid_mrr"]
    assert theirs_mrr == pytest.approx(ours_mrr, rel=1e-2)
    for name in ("texts", "step", "epoch"):
        assert [x[name] for x in ours] == [x[name] for x in theirs]
    for file in ("model.safetensors", "relations.safetensors"):
        expected, found = load_file(one / "model" / file), load_file(two / "model" / file)
        for name, x in expected.items():
            torch.testing.assert_close(found[name], x, atol=2e-3, rtol=1e-2)


@pytest.mark.parametrize("count", [1, 2, 7])
def test_shares_of_texts_come_back_in_the_order_asked_for(
    count: int, dataset: Dataset, encoder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, tokenizer = build_kepler(str(encoder), 5, SHORT, seed=0)
    texts = graph_texts(tokenizer, dataset, SHORT)
    keys = texts.keys(torch.randperm(50)[:count].numpy())
    shares: list[torch.Tensor] = []

    def keep(_: World, own_SD: torch.Tensor) -> torch.Tensor:
        shares.append(own_SD)
        return torch.cat([*shares, *[own_SD] * (2 - len(shares))])

    monkeypatch.setattr(World, "gather", keep)
    with torch.no_grad():
        encode_keys(model, texts, keys, World(0, 2))
        together = encode_keys(model, texts, keys, World(1, 2))
        monkeypatch.undo()
        torch.testing.assert_close(together, encode_keys(model, texts, keys), atol=1e-5, rtol=1e-4)


def test_a_lost_process_is_one_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def lost(*_: object) -> None:
        raise RuntimeError("[gloo/pair.cc:547] Connection closed by peer")

    for name in ("all_gather", "all_reduce", "barrier"):
        monkeypatch.setattr(torch.distributed, name, lost)
    here = World(0, 2)
    calls: list[Callable[[], object]] = [
        lambda: here.gather(torch.ones(2, 3)),
        lambda: here.sum_gradients([torch.nn.Parameter(torch.ones(2))], []),
        lambda: here.total(1.0),
        here.wait,
    ]
    for call in calls:
        with pytest.raises(Wikidata5MError, match="a process that trains with this one failed"):
            call()
