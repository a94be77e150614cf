"""Scorers: one definition of a score, whichever way it is asked, and its gradients by hand."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from benchmarks.scorers import SCORERS, Scorer, get_scorer
from wikidata5m.errors import ConfigError

ALL = [
    ("transe", 1),
    ("transe", 2),
    ("distmult", 0),
    ("complex", 0),
    ("simple", 0),
    ("rotate", 0),
    ("quate", 0),
]


def vectors(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def scorer_of(name: str, p: int) -> Scorer:
    return get_scorer(name, gamma=9.0, p=p or 1)


def triplets(scorer: Scorer, *lead: int, dim: int = 8) -> tuple[Tensor, Tensor, Tensor]:
    head, tail = (vectors(*lead, dim, seed=i) for i in (0, 2))
    return head, vectors(*lead, scorer.relation_width(dim), seed=1), tail


@pytest.mark.parametrize(("name", "p"), ALL)
@pytest.mark.parametrize("lead", [(), (3,)])
def test_scoring_candidates_equals_scoring_triplets_one_by_one(
    name: str, p: int, lead: tuple[int, ...]
) -> None:
    scorer = scorer_of(name, p)
    head, relation, tail = triplets(scorer, *lead, 5)
    candidates = vectors(*lead, 7, 8, seed=3)
    tails = scorer.score_tails(head, relation, candidates)
    heads = scorer.score_heads(relation, tail, candidates)
    assert tails.shape == heads.shape == (*lead, 5, 7)
    for k in range(7):
        one = candidates[..., k : k + 1, :].expand_as(head)
        torch.testing.assert_close(tails[..., k], scorer.score_triplets(head, relation, one))
        torch.testing.assert_close(heads[..., k], scorer.score_triplets(one, relation, tail))


def complex_of(x: np.ndarray) -> np.ndarray:
    half = len(x) // 2
    found: np.ndarray = x[:half] + 1j * x[half:]
    return found


def hamilton(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The product of two quaternions by their matrices."""
    w, x, y, z = a
    left = np.array([[w, -x, -y, -z], [x, w, -z, y], [y, z, w, -x], [z, -y, x, w]])
    return np.asarray(left @ b)


def quate(h: np.ndarray, r: np.ndarray, t: np.ndarray) -> float:
    score = 0.0
    for a, b, c in zip(*(x.reshape(4, -1).T for x in (h, r, t)), strict=True):
        score += hamilton(a, b / np.linalg.norm(b)) @ c
    return score


def simple(h: np.ndarray, r: np.ndarray, t: np.ndarray) -> float:
    (h_head, h_tail), (t_head, t_tail), (one, inverse) = (np.split(x, 2) for x in (h, t, r))
    return float((h_head * one * t_tail).sum() + (t_head * inverse * h_tail).sum()) / 2


DEFINITIONS: dict[tuple[str, int], Callable[[np.ndarray, np.ndarray, np.ndarray], float]] = {
    ("transe", 1): lambda h, r, t: 9 - float(np.linalg.norm(h + r - t, ord=1)),
    ("transe", 2): lambda h, r, t: 9 - float(np.linalg.norm(h + r - t, ord=2)),
    ("distmult", 0): lambda h, r, t: float((h * r * t).sum()),
    ("complex", 0): lambda h, r, t: (
        (complex_of(h) * complex_of(r) * complex_of(t).conj()).sum().real
    ),
    ("simple", 0): simple,
    ("rotate", 0): lambda h, r, t: (
        9 - float(np.abs(complex_of(h) * np.exp(1j * r) - complex_of(t)).sum())
    ),
    ("quate", 0): quate,
}


@pytest.mark.parametrize(("name", "p"), ALL)
def test_a_score_is_what_the_model_is_defined_by(name: str, p: int) -> None:
    scorer = scorer_of(name, p)
    parts = triplets(scorer, 4)
    expected = [DEFINITIONS[name, p](*row) for row in zip(*(x.numpy() for x in parts), strict=True)]
    np.testing.assert_allclose(scorer.score_triplets(*parts).numpy(), expected)


@pytest.mark.parametrize(("name", "p"), ALL)
@pytest.mark.parametrize(("lead", "dim"), [((5,), 8), ((2, 3), 12), ((1, 1), 4)])
def test_gradients_of_queries_are_autograds(
    name: str, p: int, lead: tuple[int, ...], dim: int
) -> None:
    scorer = scorer_of(name, p)
    head, relation, tail = (x.requires_grad_() for x in triplets(scorer, *lead, dim=dim))
    grad = vectors(*lead, dim, seed=5)
    for query, by_hand, inputs in (
        (scorer.query_tails, scorer.query_tails_grad, (head, relation)),
        (scorer.query_heads, scorer.query_heads_grad, (relation, tail)),
    ):
        expected = torch.autograd.grad(query(*inputs), inputs, grad)
        with torch.no_grad():
            found = by_hand(*inputs, grad)
        for one, other in zip(found, expected, strict=True):
            torch.testing.assert_close(one, other)


@pytest.mark.parametrize(("name", "p"), ALL)
def test_autograd_passes_through_scores(name: str, p: int) -> None:
    scorer = scorer_of(name, p)
    head, relation, tail = (x.requires_grad_() for x in triplets(scorer, 2, 3, dim=4))
    candidates = vectors(2, 5, 4, seed=3).requires_grad_()
    assert torch.autograd.gradcheck(scorer.score_tails, (head, relation, candidates))
    assert torch.autograd.gradcheck(scorer.score_heads, (relation, tail, candidates))
    assert torch.autograd.gradcheck(scorer.score_triplets, (head, relation, tail))


@pytest.mark.parametrize(("name", "p"), ALL)
def test_candidates_without_chunks_serve_every_chunk(name: str, p: int) -> None:
    scorer = scorer_of(name, p)
    head, relation, _ = (x.requires_grad_() for x in triplets(scorer, 2, 3, dim=4))
    candidates = vectors(5, 4, seed=3).requires_grad_()
    assert torch.autograd.gradcheck(scorer.score_tails, (head, relation, candidates))


@pytest.mark.parametrize(("name", "p"), [("transe", 1), ("transe", 2), ("rotate", 0)])
def test_a_gradient_at_distance_zero_is_finite(name: str, p: int) -> None:
    scorer = scorer_of(name, p)
    head = torch.ones(1, 4, requires_grad=True)
    relation = torch.zeros(1, scorer.relation_width(4))
    scorer.score_tails(head, relation, torch.ones(1, 4)).sum().backward()
    scorer.score_triplets(head, relation, torch.ones(1, 4)).sum().backward()
    assert head.grad is not None
    assert torch.isfinite(head.grad).all()


def test_a_relation_of_no_length_turns_quaternions_to_nothing() -> None:
    relation = torch.zeros(1, 8, requires_grad=True)
    score = scorer_of("quate", 0).score_triplets(torch.ones(1, 8), relation, torch.ones(1, 8))
    score.sum().backward()
    assert score.item() == 0
    assert relation.grad is not None
    assert torch.isfinite(relation.grad).all()


@pytest.mark.parametrize(("name", "parts"), [("distmult", 1), ("complex", 2), ("quate", 4)])
def test_magnitudes_are_those_of_the_numbers_of_a_vector(name: str, parts: int) -> None:
    some = vectors(3, 8)
    expected = np.linalg.norm(some.numpy().reshape(3, parts, -1), axis=1)
    np.testing.assert_allclose(scorer_of(name, 0).magnitudes(some).numpy(), expected)


def test_every_registered_scorer_has_its_registry_name() -> None:
    assert {name: get_scorer(name).name for name in SCORERS} == {name: name for name in SCORERS}


def test_only_distances_have_a_margin_and_only_transe_a_norm() -> None:
    found = {name: (get_scorer(name, gamma=5, p=2).gamma, get_scorer(name).p) for name in SCORERS}
    bilinear = dict.fromkeys(("distmult", "complex", "simple", "quate"), (0.0, 0))
    assert found == {"transe": (5.0, 1), "rotate": (5.0, 0), **bilinear}


def test_an_unknown_model_is_refused_with_the_closest_name() -> None:
    with pytest.raises(ConfigError, match="unknown model transE; did you mean transe"):
        get_scorer("transE")


def test_impossible_parameters_are_refused() -> None:
    with pytest.raises(ConfigError, match="p = 3"):
        get_scorer("transe", p=3)
    for name, dim in (("complex", 7), ("simple", 7), ("rotate", 7), ("quate", 6)):
        with pytest.raises(ConfigError, match=f"dim = {dim}: {SCORERS[name].__name__}"):  # type: ignore[index]
            get_scorer(name).relation_width(dim)
