"""Scorers: one definition of a score, whichever way it is asked."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from benchmarks.scorers import SCORERS, Scorer, get_scorer
from wikidata5m.errors import ConfigError

ALL = [("transe", 1), ("transe", 2), ("complex", 0)]


def vectors(*shape: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def scorer_of(name: str, p: int) -> Scorer:
    return get_scorer(name, gamma=9.0, p=p)


@pytest.mark.parametrize(("name", "p"), ALL)
@pytest.mark.parametrize("lead", [(), (3,)])
def test_scoring_candidates_equals_scoring_triplets_one_by_one(
    name: str, p: int, lead: tuple[int, ...]
) -> None:
    scorer = scorer_of(name, p)
    head, relation, tail = (vectors(*lead, 5, 8, seed=i) for i in range(3))
    candidates = vectors(*lead, 7, 8, seed=3)
    tails = scorer.score_tails(head, relation, candidates)
    heads = scorer.score_heads(relation, tail, candidates)
    assert tails.shape == heads.shape == (*lead, 5, 7)
    for k in range(7):
        one = candidates[..., k : k + 1, :].expand_as(head)
        torch.testing.assert_close(tails[..., k], scorer.score_triplets(head, relation, one))
        torch.testing.assert_close(heads[..., k], scorer.score_triplets(one, relation, tail))


@pytest.mark.parametrize("p", [1, 2])
def test_transe_is_gamma_minus_the_norm(p: int) -> None:
    head, relation, tail = (vectors(4, 6, seed=i) for i in range(3))
    expected = [
        9.0 - np.linalg.norm(h + r - t, ord=p)
        for h, r, t in zip(head.numpy(), relation.numpy(), tail.numpy(), strict=True)
    ]
    found = scorer_of("transe", p).score_triplets(head, relation, tail)
    np.testing.assert_allclose(found.numpy(), expected)


def test_complex_is_the_real_part_of_the_trilinear_product() -> None:
    parts = [vectors(4, 6, seed=i).numpy() for i in range(3)]
    head, relation, tail = (x[:, :3] + 1j * x[:, 3:] for x in parts)
    expected = (head * relation * tail.conj()).sum(axis=1).real
    found = scorer_of("complex", 0).score_triplets(*(torch.from_numpy(x) for x in parts))
    np.testing.assert_allclose(found.numpy(), expected)
    moduli = scorer_of("complex", 0).magnitudes(torch.from_numpy(parts[0]))
    np.testing.assert_allclose(moduli.numpy(), np.abs(head))


@pytest.mark.parametrize(("name", "p"), ALL)
def test_gradients_are_those_of_finite_differences(name: str, p: int) -> None:
    scorer = scorer_of(name, p)
    head, relation, tail = (vectors(2, 3, 4, seed=i).requires_grad_() for i in range(3))
    candidates = vectors(2, 5, 4, seed=3).requires_grad_()
    assert torch.autograd.gradcheck(scorer.score_tails, (head, relation, candidates))
    assert torch.autograd.gradcheck(scorer.score_heads, (relation, tail, candidates))


@pytest.mark.parametrize("p", [1, 2])
def test_a_gradient_at_distance_zero_is_finite(p: int) -> None:
    head = torch.ones(1, 4, requires_grad=True)
    score = scorer_of("transe", p).score_tails(head, torch.zeros(1, 4), torch.ones(1, 4))
    score.sum().backward()
    assert head.grad is not None
    assert torch.isfinite(head.grad).all()


def test_every_registered_scorer_has_its_registry_name() -> None:
    assert {name: get_scorer(name).name for name in SCORERS} == {name: name for name in SCORERS}


def test_an_unknown_model_is_refused_with_the_closest_name() -> None:
    with pytest.raises(ConfigError, match="unknown model transE; did you mean transe"):
        get_scorer("transE")


def test_impossible_parameters_are_refused() -> None:
    with pytest.raises(ConfigError, match="p = 3"):
        get_scorer("transe", p=3)
    with pytest.raises(ConfigError, match="dim = 7"):
        get_scorer("complex").relation_width(7)
