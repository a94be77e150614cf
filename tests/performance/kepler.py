"""Triplets per second of KEPLER's training, against a plain loop, in one run and in turn.

    python -m tests.performance.kepler DATASET --encoder FOLDER [--batch 8] [--rounds 2]

The plain loop does what the original did: six texts per triplet (both ends, both ends again, two
negatives), each padded to 512 tokens, one forward and backward pass and one step of AdamW. Ours is
`kepler_ke.step.update` with the same encoder, batch and loss: one encoding per distinct text,
length buckets; triplets at random, or as subgraphs with negatives from the batch.

Times are of this process's processors, in turn and repeated, and the best round counts.

Imports numpy, torch, benchmarks and kepler_ke.
"""

from __future__ import annotations

import argparse
import dataclasses
import platform
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from benchmarks.results import git_commit
from benchmarks.scorers import TransE
from kepler_ke.config import KeplerConfig
from kepler_ke.objectives import knowledge_loss
from kepler_ke.prepare import prepare, start
from kepler_ke.runs import RunInfo
from kepler_ke.step import Job, update
from kepler_ke.world import World
from wikidata5m.console import table
from wikidata5m.dataset import Dataset

TOKENS = 512
TEXTS = 6
"""Encodings per triplet in the original: both ends twice, and two negatives."""


def make_job(dataset: Dataset, encoder: str, config: KeplerConfig, folder: Path) -> Job:
    """A job as `kepler train` prepares it."""
    shutil.rmtree(folder, ignore_errors=True)
    info = RunInfo(
        dataset=str(dataset.path), dataset_hash=dataset.manifest.dataset_hash, encoder=encoder,
        setting="inductive", seed=0, preset="kepler-ke",
    )  # fmt: skip
    start([dataset], folder, info, config, overwrite=False, resume=False)
    return prepare([dataset], folder, info, config, World())


def plain_update(job: Job, step: int) -> int:
    """One update as the original computes it; returns the triplets seen."""
    (graph,) = job.graphs
    triplets_B3 = graph.order.batch(step)
    rng = np.random.default_rng(step)
    head_B, relation_B, tail_B = triplets_B3.T
    others = (rng.choice(graph.entities, len(triplets_B3)) for _ in range(2))
    columns = [head_B, tail_B, head_B, tail_B, *others]

    def encode(entity_B: np.ndarray) -> torch.Tensor:
        ids_BT, mask_BT = graph.texts.batch(graph.texts.keys(entity_B))
        room = (0, TOKENS - ids_BT.shape[1])
        padded_BT = torch.nn.functional.pad(ids_BT, room, value=graph.texts.layout.padding)
        return job.model.encode(padded_BT, torch.nn.functional.pad(mask_BT, room))

    head, tail, head_again, tail_again, other_head, other_tail = map(encode, columns)
    relation = job.model.relations_RD[torch.from_numpy(relation_B.copy())]
    scorer = TransE(gamma=9.0)
    true = scorer.score_triplets(head, relation, tail_again)
    true = (true + scorer.score_triplets(head_again, relation, tail)) / 2
    wrong = [
        scorer.score_triplets(other_head, relation, tail_again),
        scorer.score_triplets(head_again, relation, other_tail),
    ]
    job.optimizer.zero_grad()
    torch.autograd.backward(knowledge_loss(true, torch.stack(wrong, dim=1)))
    job.optimizer.step()
    return len(triplets_B3)


def our_update(job: Job, step: int) -> int:
    """One update as `kepler train` computes it; returns the triplets seen."""
    return update(job, step, 1e-5).triplets


def rate(work: Callable[[Job, int], int], job: Job, rounds: int, updates: int) -> float:
    """The best triplets per second of one processor."""
    found = []
    for number in range(rounds):
        begin = time.process_time()
        seen = sum(work(job, number * updates + i) for i in range(updates))
        found.append(seen / (time.process_time() - begin))
    return max(found)


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--encoder", required=True)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--updates", type=int, default=2)
    options = parser.parse_args()
    dataset = Dataset(options.dataset)
    config = KeplerConfig(batch=options.batch, accumulate=1, mlm_batch=0, tokens=TOKENS)
    subgraphs = dataclasses.replace(config, batching="subgraphs", negative_source="batch")
    rows: list[tuple[str, float, float]] = []
    with tempfile.TemporaryDirectory() as folder:
        for name, work, settings in (
            ("plain loop, six texts of 512 tokens", plain_update, config),
            ("random triplets, negatives from the graph", our_update, config),
            ("subgraphs, negatives from the batch", our_update, subgraphs),
        ):
            job = make_job(dataset, options.encoder, settings, Path(folder) / "run")
            found = rate(work, job, options.rounds, options.updates)
            rows.append((name, found, found / (rows[0][1] if rows else found)))
    print(table(["loop", "triplets per processor second", "times the plain loop"], rows))  # noqa: T201
    print(  # noqa: T201
        f"\n{platform.processor() or platform.machine()}, {torch.get_num_threads()} threads, torch "
        f"{torch.__version__}, commit {git_commit()}"
    )


if __name__ == "__main__":
    main()
