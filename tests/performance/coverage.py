"""How often does the confidence interval of a sample hold the exact value?

    python -m tests.performance.coverage RUN... --part valid --sizes 200 500 2000 --draws 1000

Each run of `wikidata5m bench train` ranks the whole part once; then samples of it are drawn and
judged against it. Without a RUN, on simulated ranks among Wikidata5M's entities: those of a trained
model, whose mean rank is made by a tail up to millions, and those of one that is rarely right.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from benchmarks.embeddings import load_embeddings
from benchmarks.estimator import intervals
from benchmarks.metrics import SIDES, Side, metrics
from benchmarks.ranking import DirectionRanks, EmbeddingPredictor, Ranks
from benchmarks.runfolder import load_run_config
from benchmarks.validation import rank_split
from wikidata5m import load
from wikidata5m.console import progress, table
from wikidata5m.schema import Part

METRICS = ("mrr", "hits@1", "hits@3", "hits@10", "mr", "amri")
ENTITIES = 4_594_485


def main() -> None:
    """Print one table per run or simulation."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", type=Path, nargs="*")
    parser.add_argument("--part", choices=["valid", "test"], default="valid")
    parser.add_argument("--sizes", type=int, nargs="+", default=[200, 500, 2000])
    parser.add_argument("--draws", type=int, default=1000)
    arguments = parser.parse_args()
    for name, ranks in _populations(arguments.runs, arguments.part):
        rows: list[list[object]] = []
        for size in arguments.sizes:
            found = coverage(ranks, size, draws=arguments.draws)
            rows += [[size, side, *(found[side][m] for m in METRICS)] for side in SIDES]
        exact = metrics(ranks)["both"]
        told = f"MRR {exact['mrr']:.4f}, MR {exact['mr']:,.0f}"
        print(f"{name}: {len(ranks.relation):,} triplets, {told}")  # noqa: T201
        print(table(["triplets", "side", *METRICS], rows), "\n")  # noqa: T201


def coverage(ranks: Ranks, size: int, *, draws: int, seed: int = 0) -> dict[Side, dict[str, float]]:
    """The share of samples of `size` triplets whose intervals hold the metrics of all."""
    rng = np.random.default_rng([seed, size])
    population = len(ranks.relation)
    exact = metrics(ranks)
    held = {side: dict.fromkeys(METRICS, 0) for side in SIDES}
    for _ in range(draws):
        drawn = rng.choice(population, size, replace=False, shuffle=False)
        for side, found in intervals(_subset(ranks, drawn), population).items():
            for metric, (low, high) in found.items():
                held[side][metric] += low <= exact[side][metric] <= high
    return {side: {m: n / draws for m, n in held[side].items()} for side in SIDES}


def simulated(name: str, triplets: int = 20_466, seed: int = 0) -> Ranks:
    """Ranks among ENTITIES: "typical" of a trained model there, or of a "poor" one.

    Typical: some queries are answered in the first few places, heads less often, and the ranks of
    the others are log-uniform. Poor: hardly a query is answered at all. Both queries of a triplet
    share a part of their luck.
    """
    rng = np.random.default_rng(seed)
    shared_N = rng.normal(size=triplets)

    def side(answered: float) -> DirectionRanks:
        luck_N = (shared_N + rng.normal(size=triplets)) / 2**0.5
        is_answered_N = luck_N < np.quantile(luck_N, answered)
        tail_N = np.exp(rng.uniform(0, np.log(ENTITIES), triplets)).astype(np.int64)
        other_N = tail_N if name == "typical" else 1 + rng.integers(ENTITIES, size=triplets)
        rank_N = np.where(is_answered_N, rng.geometric(0.6, triplets), other_N)
        return DirectionRanks(rank_N, rank_N, np.full(triplets, ENTITIES))

    low, high = (0.1, 0.5) if name == "typical" else (0.02, 0.04)
    return Ranks(side(low), side(high), np.zeros(triplets, dtype=np.int64), ENTITIES)


def _populations(runs: Sequence[Path], part: Part) -> Iterator[tuple[str, Ranks]]:
    for run in runs:
        config = load_run_config(run)
        dataset = load(config.dataset)
        predictor = EmbeddingPredictor.of(load_embeddings(run / "embeddings"))
        triplets = dataset.triplets(config.setting, part)
        with progress(f"ranking {part}", 2 * len(triplets), "queries") as show:
            ranks = rank_split(predictor, triplets, dataset, config.setting, show)
        yield f"{config.model.name} on {dataset.manifest.name}, {part}", ranks
    for name in () if runs else ("typical", "poor"):
        yield f"simulated, {name}", simulated(name)


def _subset(ranks: Ranks, rows: np.ndarray) -> Ranks:
    head, tail = (
        DirectionRanks(side.optimistic[rows], side.pessimistic[rows], side.candidates[rows])
        for side in (ranks.head, ranks.tail)
    )
    return Ranks(head, tail, ranks.relation[rows], ranks.num_candidates)


if __name__ == "__main__":
    main()
