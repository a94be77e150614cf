"""Similarities: partial sums, finishes and gradients by hand, against autograd."""

from __future__ import annotations

from typing import Final

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import kernels
from benchmarks.kernels import L1, L2, Dot, Modulus, Similarity, SimilarityName
from tests.benchmarks.test_scorers import vectors

SIMILARITIES: Final[dict[SimilarityName, type[Similarity]]] = {
    each.name: each for each in (Dot, L1, L2, Modulus)
}
NAMES = list(SIMILARITIES)


@settings(max_examples=40, deadline=None)
@given(
    name=st.sampled_from(NAMES),
    lead=st.sampled_from([(), (1,), (3,)]),
    queries=st.integers(1, 9),
    candidates=st.integers(1, 9),
    half=st.integers(1, 5),
    block=st.integers(1, 200),
)
def test_gradients_are_autograds_at_any_shape(
    name: SimilarityName,
    lead: tuple[int, ...],
    queries: int,
    candidates: int,
    half: int,
    block: int,
) -> None:
    similarity = SIMILARITIES[name](gamma=3.0)
    query = vectors(*lead, queries, 2 * half).requires_grad_()
    candidate = vectors(*lead, candidates, 2 * half, seed=1).requires_grad_()
    grad = vectors(*lead, queries, candidates, seed=2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernels, "BLOCK", block)
        partial = similarity.partial(query, candidate)
        expected = torch.autograd.grad(partial, (query, candidate), grad)
        with torch.no_grad():
            found = similarity.grads(query, candidate, grad)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other)
    torch.testing.assert_close(similarity.exact(query, candidate), partial)


@pytest.mark.parametrize("name", NAMES)
def test_pairs_are_the_diagonal_and_their_gradients_autograds(name: SimilarityName) -> None:
    similarity = SIMILARITIES[name](gamma=3.0)
    query, candidate = (vectors(4, 6, seed=i).requires_grad_() for i in range(2))
    pairs = similarity.pairs(query, candidate)
    torch.testing.assert_close(pairs, similarity.partial(query, candidate).diagonal())
    grad = vectors(4, seed=2)
    expected = torch.autograd.grad(pairs, (query, candidate), grad)
    with torch.no_grad():
        found = similarity.pairs_grads(query, candidate, grad)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("name", NAMES)
def test_partials_add_up_over_slices_of_the_dimensions(name: SimilarityName) -> None:
    """Slices take the same numbers of either half, as complex numbers need."""
    similarity = SIMILARITIES[name](gamma=3.0)
    query, candidate = vectors(4, 12), vectors(5, 12, seed=1)
    slices = [[0, 1, 6, 7], [2, 3, 4, 5, 8, 9, 10, 11]]
    total = sum(similarity.partial(query[:, s], candidate[:, s]) for s in slices)
    assert isinstance(total, torch.Tensor)
    torch.testing.assert_close(total, similarity.partial(query, candidate))


@pytest.mark.parametrize("name", NAMES)
def test_a_finish_passes_back_what_autograd_does(name: SimilarityName) -> None:
    similarity = SIMILARITIES[name](gamma=3.0)
    partial = vectors(7).square().requires_grad_()
    grad = vectors(7, seed=1)
    (expected,) = torch.autograd.grad(similarity.finish(partial), partial, grad)
    with torch.no_grad():
        torch.testing.assert_close(similarity.finish_grad(partial, grad), expected)
        assert torch.isfinite(similarity.finish_grad(torch.zeros(7), grad)).all()


@pytest.mark.parametrize("name", NAMES)
def test_equal_vectors_score_equal_to_the_last_bit(name: SimilarityName) -> None:
    query = torch.randn(3, 24, generator=torch.Generator().manual_seed(0))
    candidate = torch.randn(1, 24, generator=torch.Generator().manual_seed(1)).repeat(640, 1)
    scores = SIMILARITIES[name]().exact(query, candidate)
    assert (scores == scores[:, :1]).all()
