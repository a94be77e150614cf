"""Exact ranking by distances, most candidates decided by bounds.

Imports numpy, torch and benchmarks.{bounds,counting,native,predictors,queries}; its loops
are in pruning.cpp.

benchmarks.bounds knows nearly every candidate to be farther or nearer than the truth, by a byte per
dimension or by a product of matrices. Only what lies between is computed, and gets the very bits
that the dense loops of benchmarks.counting give it.

Truths that leave many undecided, as amid the bulk of the candidates, are counted densely.

Shapes: N truths, U queries, C candidates, K candidates of a block, D floats of a vector, P and M
pairs of a query and a candidate.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Final, cast

import numpy as np
import numpy.typing as npt
import torch

from benchmarks import counting
from benchmarks.bounds import Bytes, Codes, Floats, Products, rounding
from benchmarks.counting import BLOCK, Counts, Taken
from benchmarks.native import call, load_native
from benchmarks.predictors import Indices, Predictor, VectorPredictor
from benchmarks.queries import Queries

SOURCE: Final = Path(__file__).with_name("pruning.cpp")
KINDS: Final = ("l1", "modulus", "l2")
"""The distances that pruning.cpp knows, in its order."""

WORTH_BUILDING: Final = 1 << 32
"""Queries x candidates x floats from which the second or two of a C++ compiler are repaid."""

SAMPLE: Final = 1024
"""Candidates that show which truths leave how many undecided."""

PAIRS: Final = 1 << 14
"""Known answers scored together."""

UNDECIDED: Final = 1 / 8
"""Share of undecided candidates from which the dense loops are faster."""


def count(
    predictor: Predictor, queries: Queries, candidates_C: Indices, block: int = BLOCK
) -> Counts:
    """As counting.count and with its result, by pruning for the queries where that is faster."""
    library = _library(predictor, queries, len(candidates_C))
    if library is None:
        return counting.count(predictor, queries, candidates_C, block)
    pruner = Pruner(library, cast("VectorPredictor", predictor), candidates_C)
    easy_U = pruner.easy(queries)
    found = pruner.count(queries.select(easy_U)) if easy_U.any() else None
    if found is None or easy_U.all():
        return found or counting.count(predictor, queries, candidates_C, block)
    rest = counting.count(predictor, queries.select(~easy_U), candidates_C, block)
    return _merged(easy_U[queries.truth_row_N], found, rest)


def _merged(first_N: npt.NDArray[np.bool_], first: Counts, second: Counts) -> Counts:
    """The counts of all truths, from those of the first and those of the others."""
    fields = []
    for one, other in zip(astuple(first), astuple(second), strict=True):
        both_N = np.empty(len(first_N), dtype=np.int64)
        both_N[first_N], both_N[~first_N] = one, other
        fields.append(both_N)
    return Counts(*fields)


def _library(predictor: Predictor, queries: Queries, num_candidates: int) -> ctypes.CDLL | None:
    """The compiled loops, where they can and should be used."""
    if not isinstance(predictor, VectorPredictor):
        return None
    name = predictor.similarity.name
    if name not in KINDS or (name == "l2" and torch.get_float32_matmul_precision() != "highest"):
        return None
    probe = predictor.vectors(np.zeros(0, dtype=np.int64))
    work = len(queries) * num_candidates * probe.shape[1]
    if work < WORTH_BUILDING or probe.device.type != "cpu":
        return None
    return load_native(SOURCE) if probe.dtype == torch.float32 else None


class Pruner:
    """Counts among the candidates of one table by bounds on their distances."""

    def __init__(
        self, library: ctypes.CDLL, predictor: VectorPredictor, candidates_C: Indices
    ) -> None:
        self.library, self.predictor, self.candidates_C = library, predictor, candidates_C
        self.gamma, name = predictor.similarity.gamma, predictor.similarity.name
        self.kind = KINDS.index(name)
        rng = np.random.default_rng(0)
        drawn_S = np.sort(rng.choice(candidates_C, min(SAMPLE, len(candidates_C)), replace=False))
        sample_SD = predictor.vectors(drawn_S)
        dim = sample_SD.shape[1]
        self.bounds = Products(dim) if name == "l2" else Bytes(library, name, sample_SD)
        self.sample = self.bounds.encode(sample_SD)

    def easy(self, queries: Queries) -> npt.NDArray[np.bool_]:
        """(U,): the queries all of whose truths leave few candidates undecided."""
        truths = self._truths(queries)
        undecided_N = self._count_block(truths, self.sample)[2]
        limit = UNDECIDED * len(self.sample.low_K)
        easy_U = np.ones(len(queries), dtype=np.bool_)
        easy_U[truths.row_N[~np.isfinite(truths.far_N) | (undecided_N > limit)]] = False
        return easy_U

    def count(self, queries: Queries) -> Counts | None:
        """Of all candidates; None where the vector of one is not finite."""
        truths = self._truths(queries)
        sums_3N = np.zeros((3, len(truths.row_N)), dtype=np.int64)
        starts = range(0, len(self.candidates_C), BLOCK)
        with _workers() as pool:
            for finite, part_3N in pool.map(lambda start: self._visit(truths, start), starts):
                sums_3N += part_3N
                if not finite:
                    pool.shutdown(cancel_futures=True)
                    return None
        taken = Taken(queries, torch.from_numpy(truths.score_N), BLOCK)
        taken.score_M[:] = self._scores(truths.codes.vectors_KD, taken.row_M, taken.column_M)
        return taken.subtract_from(sums_3N[0], sums_3N[1], len(self.candidates_C))

    def _visit(self, truths: _Truths, start: int) -> tuple[bool, Indices]:
        """Whether a block of candidates is finite, and what was counted of it, (3, N)."""
        vectors_KD = self.predictor.vectors(self.candidates_C[start : start + BLOCK])
        codes = self.bounds.encode(vectors_KD)
        return bool(np.isfinite(codes.high_K).all()), self._count_block(truths, codes)

    def _count_block(self, truths: _Truths, codes: Codes) -> Indices:
        """Candidates above, equal and undecided, (3, N)."""
        sums_3N = np.zeros((3, len(truths.row_N)), dtype=np.int64)
        mine = truths.codes
        call(
            self.library, "count_block", mine.vectors_KD, mine.bytes_KF,
            self.bounds.products(mine, codes), truths.row_N, truths.score_N, truths.margin_N,
            truths.near_N, truths.far_N, codes.vectors_KD, codes.bytes_KF, codes.low_K,
            codes.high_K, self.gamma, len(truths.row_N), *codes.vectors_KD.shape,
            codes.bytes_KF.shape[1], self.kind, *sums_3N,
        )  # fmt: skip
        return sums_3N

    def _truths(self, queries: Queries) -> _Truths:
        asked = queries.direction, queries.given_U, queries.relation_U
        codes, row_N = self.bounds.encode(self.predictor.queries(*asked)), queries.truth_row_N
        score_N = self._scores(codes.vectors_KD, row_N, queries.truth_column_N)
        with np.errstate(invalid="ignore", over="ignore"):  # what is not finite is not easy
            distance_N = self.gamma - score_N
            margin_N = rounding(codes.vectors_KD.shape[1]) * (distance_N + abs(self.gamma))
            near_N, far_N = self.bounds.units(distance_N - margin_N, distance_N + margin_N)
            limits = margin_N, near_N - codes.high_K[row_N], far_N - codes.low_K[row_N]
            return _Truths(codes, row_N, score_N, *(x.astype(np.float32) for x in limits))

    def _scores(self, query_UD: Floats, row_M: Indices, column_M: Indices) -> Floats:
        """Of pairs, to the bit as the dense loops give them, (M,)."""
        score_M = np.empty(len(row_M), np.float32)
        for start in range(0, len(row_M), PAIRS):
            part = slice(start, start + PAIRS)
            candidate_PD = self.predictor.vectors(self.candidates_C[column_M[part]]).numpy()
            call(
                self.library, "score_pairs", query_UD[row_M[part]],
                np.ascontiguousarray(candidate_PD), self.gamma, *candidate_PD.shape, self.kind,
                score_M[part],
            )  # fmt: skip
        return score_M


@dataclass(frozen=True, slots=True)
class _Truths:
    """N truths, and which candidates are decided: see benchmarks.bounds for their units."""

    codes: Codes
    """Of the queries."""
    row_N: Indices
    score_N: Floats
    margin_N: Floats
    """Distances that differ by less may be equal in the dense loops."""
    near_N: Floats
    """Nearer is a candidate whose rough distance and high are together below this, ..."""
    far_N: Floats
    """... and farther one whose rough distance and low are together above this."""


@contextmanager
def _workers() -> Iterator[ThreadPoolExecutor]:
    """As many threads as torch uses, each of which computes alone."""
    threads = torch.get_num_threads()
    try:
        with ThreadPoolExecutor(threads, "prune", torch.set_num_threads, (1,)) as pool:
            yield pool
    finally:
        torch.set_num_threads(threads)  # of threads that are started from now on, too
