"""How fast and in how much memory exact filtered ranking runs at Wikidata5M's size.

    python -m tests.performance.ranking --model transe [--entities N] [--dim D] [--triplets N]
        [--vectors random|clustered | --embeddings FOLDER] [--json]

Tails are drawn so that their ranks spread evenly over the orders of magnitude, as a trained model's
do; the heads of the same triplets rank anywhere. A sample is ranked again by brute force, which
scores every candidate: the ranks must be the same.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
import ujson

from benchmarks import counting
from benchmarks.embeddings import load_embeddings
from benchmarks.predictors import DIRECTIONS, EmbeddingPredictor, Indices
from benchmarks.queries import make_queries
from benchmarks.ranking import Ranks, rank_triplets
from benchmarks.scorers import SCORERS, get_scorer

RELATIONS, KNOWN, DRAWN, SAMPLE = 822, 1_000_000, 4096, 64
CLUSTERS: Final = 1000
MODELS: Final = [*SCORERS, "transe-l2"]
"""TransE by p = 1, unless its name says otherwise."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One ranking, both directions."""

    model: str
    entities: int
    dim: int
    triplets: int
    seconds: float
    cpu_seconds: float
    """Of all threads."""
    peak_mb: float
    """Of the process's memory, above what it held with the embeddings loaded."""
    product_share: float
    """Of the machine's matrix-product rate, counting two operations for each float of a score."""
    mrr: float
    brute_force_agrees: int
    """Of the sampled ranks, both directions together."""
    brute_force_sample: int


def make_predictor(
    model: str, entities: int, dim: int, vectors: str, seed: int
) -> EmbeddingPredictor:
    """Vectors with the spread of trained ones, without structure or around centres."""
    generator = torch.Generator().manual_seed(seed)
    scorer = get_scorer(model.removesuffix("-l2"), p=2 if model.endswith("-l2") else 1)
    table_ED = torch.randn(entities, dim, generator=generator)
    if vectors == "clustered":
        centre_GD = torch.randn(CLUSTERS, dim, generator=generator)
        for rows_KD in table_ED.split(1 << 16):
            chosen_K = torch.randint(CLUSTERS, (len(rows_KD),), generator=generator)
            rows_KD.mul_(0.6).add_(centre_GD[chosen_K])
    relation_RD = 0.3 * torch.randn(RELATIONS, scorer.relation_width(dim), generator=generator)
    return EmbeddingPredictor(scorer, table_ED, relation_RD)


def make_triplets(predictor: EmbeddingPredictor, count: int, seed: int) -> Indices:
    """Triplets whose tails rank at every order of magnitude, (N, 3)."""
    rng = np.random.default_rng(seed)
    entities, relations = len(predictor.entities_ED), len(predictor.relations_RD)
    head_N, relation_N = rng.integers(entities, size=count), rng.integers(relations, size=count)
    drawn_K = rng.choice(entities, min(DRAWN, entities), replace=False)
    tails = []
    for rows_B in np.array_split(np.arange(count), max(1, count // 256)):
        scores_BK = predictor.score_tails(head_N[rows_B], relation_N[rows_B], drawn_K)
        wanted_B = len(drawn_K) ** rng.random(len(rows_B)) - 1
        order_BK = scores_BK.argsort(dim=1, descending=True).numpy()
        tails.append(drawn_K[order_BK[np.arange(len(rows_B)), wanted_B.astype(int)]])
    return np.stack([head_N, relation_N, np.concatenate(tails)], axis=1)


def agreeing(
    predictor: EmbeddingPredictor, triplets_N3: Indices, known_N3: Indices, ranks: Ranks, seed: int
) -> int:
    """Of a sample's ranks, how many are those of scoring every candidate; SAMPLE * 2 at most."""
    rng, found = np.random.default_rng(seed), 0
    chosen_S = rng.choice(len(triplets_N3), min(SAMPLE, len(triplets_N3)), replace=False)
    candidates_C = np.arange(len(predictor.entities_ED))
    for direction in DIRECTIONS:
        side = ranks.tail if direction == "tail" else ranks.head
        queries = make_queries(triplets_N3[chosen_S], known_N3, candidates_C, direction)
        counts = counting.count(predictor, queries, candidates_C)
        asked_S = chosen_S[queries.triplet_N]
        same_S = side.optimistic[asked_S] == 1 + counts.above
        same_S &= side.pessimistic[asked_S] == counts.above + counts.equal
        found += int(same_S.sum())
    return found


def product_rate(rounds: int = 20) -> float:
    """Operations per second of a large matrix product."""
    left, right = torch.randn(2, 2048, 2048)
    return 2 * 2048**3 / min(_seconds(lambda: left @ right) for _ in range(rounds))


def measure(predictor: EmbeddingPredictor, triplets_N3: Indices, seed: int) -> Measured:
    """Rank, time, and check a sample."""
    entities, dim = predictor.entities_ED.shape
    rng = np.random.default_rng(seed)
    known_N3 = rng.integers(entities, size=(KNOWN, 3))
    known_N3[:, 1] %= len(predictor.relations_RD)
    known_N3 = np.concatenate([known_N3, triplets_N3])
    candidates_C = np.arange(entities)
    found: list[Ranks] = []
    before = _forget_peak_mb()
    cpu = time.process_time()
    seconds = _seconds(
        lambda: found.append(rank_triplets(predictor, triplets_N3, known_N3, candidates_C))
    )
    cpu_seconds = time.process_time() - cpu
    peak_mb = _memory_mb("VmHWM") - before
    realistic_N = np.concatenate([found[0].head.realistic, found[0].tail.realistic])
    return Measured(
        model=predictor.scorer.name + ("-l2" if predictor.similarity.name == "l2" else ""),
        entities=entities,
        dim=dim,
        triplets=len(triplets_N3),
        seconds=seconds,
        cpu_seconds=cpu_seconds,
        peak_mb=peak_mb,
        product_share=4 * len(triplets_N3) * entities * dim / seconds / product_rate(),
        mrr=float((1 / realistic_N).mean()),
        brute_force_agrees=agreeing(predictor, triplets_N3, known_N3, found[0], seed),
        brute_force_sample=2 * min(SAMPLE, len(triplets_N3)),
    )


def main(arguments: list[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--model", choices=MODELS, default="transe")
    parser.add_argument("--entities", type=int, default=4_600_000)
    parser.add_argument("--dim", type=int, default=128)
    parser.add_argument("--triplets", type=int, default=5133)
    parser.add_argument("--vectors", choices=["random", "clustered"], default="clustered")
    parser.add_argument("--embeddings", type=Path, help="a folder of trained embeddings instead")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(arguments)
    if options.embeddings:
        predictor = EmbeddingPredictor.of(load_embeddings(options.embeddings))
    else:
        predictor = make_predictor(
            options.model, options.entities, options.dim, options.vectors, options.seed
        )
    triplets_N3 = make_triplets(predictor, options.triplets, options.seed)
    values = asdict(measure(predictor, triplets_N3, options.seed))
    lines = "\n".join(f"{name:20} {value}" for name, value in values.items())
    print(ujson.dumps(values) if options.json else lines)  # noqa: T201


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _forget_peak_mb() -> float:
    """Start a new peak of this process's memory, and say what it holds now."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return _memory_mb("VmRSS")


def _memory_mb(kind: str) -> float:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) for line in status.splitlines() if kind in line) / 1024


if __name__ == "__main__":
    main()
