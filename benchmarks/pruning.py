"""Exact ranking by distances, most candidates decided by a byte per dimension.

Imports numpy, torch and benchmarks.{counting,kernels,native,predictors,queries}; its loops are in
pruning.cpp.

A vector x is coded as bytes: x_d is about offset_d + step * code_d. Sums of absolute differences of
bytes are several times faster than of floats, and by the triangle inequality

    | ||q - c||_1 - step * ||code(q) - code(c)||_1 |  <=  slack(q) + slack(c),

where slack(x) is the L1 distance of x from its coded self, rounding included. So nearly every
candidate is known to be farther or nearer than the truth; only what lies between is computed, and
gets the very bits that the dense loops of benchmarks.counting give it.

The modulus of a complex number is bounded by its projections on four axes 45 degrees apart, whose
absolute values add up to between cot(pi/8) and 1/sin(pi/8) times the modulus: RotatE's distance is
then a sum over twice as many features.

Truths amid the bulk of the candidates leave many undecided; their queries are counted densely.

Shapes: N truths, U queries, C candidates, K candidates of a block, D floats of a vector, F features
of it, M pairs of a query and a candidate.
"""

from __future__ import annotations

import ctypes
import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Final, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from benchmarks import counting
from benchmarks.counting import BLOCK, Counts, Taken
from benchmarks.kernels import L1, Modulus
from benchmarks.native import load_native
from benchmarks.predictors import Indices, Predictor, VectorPredictor
from benchmarks.queries import Queries

SOURCE: Final = Path(__file__).with_name("pruning.cpp")
LANES: Final = 128
"""Codes are filled up to a multiple of this, as in pruning.cpp."""
SAMPLE: Final = 1024
"""Candidates that show which truths leave how many undecided."""

PAIRS: Final = 1 << 14
"""Known answers scored together."""

UNDECIDED: Final = 1 / 8
"""Share of undecided candidates from which the dense loops are faster."""

AXES: Final = {"l1": (1.0, 1.0), "modulus": (1 / math.tan(math.pi / 8), 1 / math.sin(math.pi / 8))}
"""The features' distance lies between so many times the distance."""

Floats = npt.NDArray[np.float32]


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
    if not isinstance(predictor.similarity, L1 | Modulus):
        return None
    probe = predictor.vectors(np.zeros(0, dtype=np.int64))
    work = len(queries) * num_candidates * probe.shape[1]
    if work < counting.WORTH_COMPILING or probe.device.type != "cpu":
        return None
    return load_native(SOURCE) if probe.dtype == torch.float32 else None


@dataclass(frozen=True, slots=True)
class Codes:
    """Vectors and what is known of them by bytes."""

    vectors_KD: Floats
    bytes_KF: npt.NDArray[np.uint8]
    slack_K: Floats
    """In steps; not finite where a vector is not."""


class Pruner:
    """Distances of one table by its codes."""

    def __init__(
        self, library: ctypes.CDLL, predictor: VectorPredictor, candidates_C: Indices
    ) -> None:
        self.library, self.predictor, self.candidates_C = library, predictor, candidates_C
        self.similarity = predictor.similarity
        self.modulus = isinstance(self.similarity, Modulus)
        rng = np.random.default_rng(0)
        drawn_S = np.sort(rng.choice(candidates_C, min(SAMPLE, len(candidates_C)), replace=False))
        sample_SD = predictor.vectors(drawn_S)
        features_SF = self._features(sample_SD)
        offset_F = features_SF.mean(dim=0)
        spread = (features_SF - offset_F).abs().quantile(0.999, dim=0).max().item()
        self.offset_F = np.ascontiguousarray(offset_F.numpy(), dtype=np.float32)
        self.step = max(spread, 1e-30) / 127
        # A sum of D terms is off by D roundings at most; some more are for what surrounds it.
        self.rounding = (sample_SD.shape[1] + 16) * 2.0**-23
        self.sample = self.encode(sample_SD)

    def encode(self, vectors_KD: Tensor) -> Codes:
        """Codes of vectors (K, D)."""
        vectors = np.ascontiguousarray(vectors_KD.numpy())
        num, dim = vectors.shape
        width = -(-len(self.offset_F) // LANES) * LANES
        codes, slack = np.empty((num, width), np.uint8), np.empty(num, np.float32)
        self._call(
            "encode", vectors, self.offset_F, self.step, num, dim, width, self.modulus,
            self.rounding, codes, slack,
        )  # fmt: skip
        return Codes(vectors, codes, slack)

    def easy(self, queries: Queries) -> npt.NDArray[np.bool_]:
        """(U,): the queries all of whose truths leave few candidates undecided."""
        truths = self._truths(queries)
        undecided_N = self._count_block(truths, self.sample)[2]
        limit = UNDECIDED * len(self.sample.slack_K)
        easy_U = np.ones(len(queries), dtype=np.bool_)
        easy_U[truths.row_N[~np.isfinite(truths.far_N) | (undecided_N > limit)]] = False
        return easy_U

    def count(self, queries: Queries) -> Counts | None:
        """Of all candidates; None where the vector of one is not finite."""
        truths = self._truths(queries)
        sums_3N = np.zeros((3, len(truths.row_N)), dtype=np.int64)
        starts = range(0, len(self.candidates_C), BLOCK)
        with ThreadPoolExecutor(torch.get_num_threads()) as pool:
            for codes, part_3N in pool.map(lambda start: self._visit(truths, start), starts):
                sums_3N += part_3N
                if not codes:
                    pool.shutdown(cancel_futures=True)
                    return None
        taken = Taken(queries, torch.from_numpy(truths.score_N), BLOCK)
        taken.score_M[:] = self._scores(truths.codes.vectors_KD, taken.row_M, taken.column_M)
        return taken.subtract_from(sums_3N[0], sums_3N[1], len(self.candidates_C))

    def _visit(self, truths: _Truths, start: int) -> tuple[bool, Indices]:
        """Whether a block of candidates is finite, and what was counted of it, (3, N)."""
        codes = self.encode(self.predictor.vectors(self.candidates_C[start : start + BLOCK]))
        return bool(np.isfinite(codes.slack_K).all()), self._count_block(truths, codes)

    def _count_block(self, truths: _Truths, codes: Codes) -> Indices:
        """Candidates above, equal and undecided, (3, N)."""
        sums_3N = np.zeros((3, len(truths.row_N)), dtype=np.int64)
        mine = truths.codes
        self._call(
            "count_block", mine.vectors_KD, mine.bytes_KF, truths.row_N, truths.score_N,
            truths.margin_N, truths.near_N, truths.far_N, codes.vectors_KD, codes.bytes_KF,
            codes.slack_K, self.similarity.gamma, len(truths.row_N), *codes.vectors_KD.shape,
            codes.bytes_KF.shape[1], self.modulus, *sums_3N,
        )  # fmt: skip
        return sums_3N

    def _truths(self, queries: Queries) -> _Truths:
        asked = queries.direction, queries.given_U, queries.relation_U
        codes, row_N = self.encode(self.predictor.queries(*asked)), queries.truth_row_N
        score_N = self._scores(codes.vectors_KD, row_N, queries.truth_column_N)
        gamma, slack_N = self.similarity.gamma, codes.slack_K[row_N]
        distance_N = gamma - score_N
        margin_N = self.rounding * (distance_N + abs(gamma))
        low, high = AXES[self.similarity.name]
        near_N = low * (distance_N - margin_N) / self.step - slack_N
        far_N = high * (distance_N + margin_N) / self.step + slack_N
        bounds = (x.astype(np.float32) for x in (margin_N, near_N, far_N))
        return _Truths(codes, row_N, score_N, *bounds)

    def _scores(self, query_UD: Floats, row_M: Indices, column_M: Indices) -> Floats:
        """Of pairs, to the bit as the dense loops give them, (M,)."""
        score_M = np.empty(len(row_M), np.float32)
        for start in range(0, len(row_M), PAIRS):
            part = slice(start, start + PAIRS)
            candidate_PD = self.predictor.vectors(self.candidates_C[column_M[part]]).numpy()
            self._call(
                "score_pairs", query_UD[row_M[part]], np.ascontiguousarray(candidate_PD),
                self.similarity.gamma, *candidate_PD.shape, self.modulus, score_M[part],
            )  # fmt: skip
        return score_M

    def _features(self, vectors_KD: Tensor) -> Tensor:
        """What distances are sums of absolute differences of, (K, F)."""
        if not self.modulus:
            return vectors_KD
        real, imaginary = vectors_KD.chunk(2, dim=1)
        turned = [math.sqrt(0.5) * (real + imaginary), math.sqrt(0.5) * (real - imaginary)]
        return torch.cat([real, imaginary, *turned], dim=1)

    def _call(self, name: str, *arguments: object) -> None:
        self.library[name](*map(_as_c, arguments))


@dataclass(frozen=True, slots=True)
class _Truths:
    """N truths and their bounds, in steps."""

    codes: Codes
    """Of the queries."""
    row_N: Indices
    score_N: Floats
    margin_N: Floats
    near_N: Floats
    far_N: Floats


def _as_c(value: object) -> object:
    if isinstance(value, np.ndarray):
        assert value.flags.c_contiguous
        return ctypes.c_void_p(value.ctypes.data)
    if isinstance(value, bool):
        return ctypes.c_bool(value)
    return ctypes.c_float(value) if isinstance(value, float) else ctypes.c_long(cast("int", value))
