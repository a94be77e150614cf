"""The losses against plain loops written from the paper's equations."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.scorers import TransE, get_scorer
from kepler_ke.config import KeplerConfig
from kepler_ke.data import KnowledgeBatch, generator, knowledge_batch, mask_tokens
from kepler_ke.encoder import make_scorer
from kepler_ke.objectives import (
    contrastive_loss,
    knowledge_loss,
    knowledge_scores,
    masked_loss,
)
from kepler_ke.prepare import prepare, start
from kepler_ke.runs import RunInfo
from kepler_ke.step import Job, accumulate
from kepler_ke.world import World
from tests.datasets import make_dataset
from tests.kepler_ke.conftest import SHORT
from wikidata5m.dataset import Dataset


def _sigmoid(x: float) -> float:
    return float(1 / (1 + np.exp(-x)))


@pytest.mark.parametrize("told", [False, True], ids=["equation 1", "equation 4"])
@pytest.mark.parametrize("p", [1, 2])
def test_knowledge_loss_is_equation_2_with_the_distance_of_equation_3(p: int, told: bool) -> None:
    rng = np.random.default_rng(0)
    vectors_MD, table_RD = rng.normal(size=(9, 5)), rng.normal(size=(3, 5))
    relations_RD = vectors_MD if told else table_RD
    batch = KnowledgeBatch(
        keys=np.arange(9),
        head=torch.tensor([0, 8, 4]),
        relation=torch.tensor([1, 2, 0]),
        tail=torch.tensor([4, 3, 0]),
        other_head=torch.tensor([[1, 2], [0, 0], [7, 8]]),
        other_tail=torch.tensor([[5, 6], [1, 2], [3, 3]]),
    )
    gamma = 3.0

    def distance(head: int, relation: int, tail: int) -> float:
        h, t = vectors_MD[head], vectors_MD[tail]
        return float(np.linalg.norm(h + relations_RD[relation] - t, ord=p))

    expected = []
    for h, r, t, heads, tails in zip(
        batch.head.tolist(),
        batch.relation.tolist(),
        batch.tail.tolist(),
        batch.other_head.tolist(),
        batch.other_tail.tolist(),
        strict=True,
    ):
        corrupted = [distance(x, r, t) for x in heads] + [distance(h, r, x) for x in tails]
        expected.append(
            -np.log(_sigmoid(gamma - distance(h, r, t)))
            - sum(np.log(_sigmoid(d - gamma)) for d in corrupted) / len(corrupted)
        )
    scores = knowledge_scores(
        TransE(gamma=gamma, p=p),
        torch.from_numpy(vectors_MD),
        torch.from_numpy(relations_RD),
        batch,
    )
    assert float(knowledge_loss(*scores)) == pytest.approx(np.mean(expected))


def test_a_step_down_the_gradient_brings_truths_nearer_and_negatives_farther() -> None:
    score_B = torch.zeros(4, requires_grad=True)
    negative_BN = torch.zeros(4, 6, requires_grad=True)
    knowledge_loss(score_B, negative_BN).backward()
    assert score_B.grad is not None
    assert negative_BN.grad is not None
    assert bool((score_B.grad < 0).all())
    assert bool((negative_BN.grad > 0).all())


def test_a_batch_without_chosen_positions_has_no_masked_loss() -> None:
    logits_MV = torch.zeros(0, 7, requires_grad=True)
    loss = masked_loss(logits_MV, torch.zeros(0, dtype=torch.int64))
    loss.backward()
    assert float(loss.detach()) == 0


def test_masked_loss_is_the_mean_negative_log_likelihood_also_when_shared() -> None:
    logits_MV = torch.tensor([[0.0, 0.0], [2.0, 0.0]])
    expected = (np.log(2) - np.log(_sigmoid(-2.0))) / 2
    assert float(masked_loss(logits_MV, torch.tensor([0, 1]))) == pytest.approx(expected)
    shares = [masked_loss(logits_MV[i : i + 1], torch.tensor([i]), 2) for i in range(2)]
    assert float(sum(shares)) == pytest.approx(expected)


def test_contrastive_loss_is_the_cross_entropy_among_what_is_not_hidden() -> None:
    score_QC = torch.tensor([[1.0, 2.0, 9.0], [0.5, -1.0, 0.0]])
    hidden_QC = torch.tensor([[False, False, True], [False, False, False]])
    loss = contrastive_loss(score_QC, torch.tensor([0, 2]), hidden_QC, torch.tensor(3.0))
    first = -np.log(np.exp(3) / (np.exp(3) + np.exp(6)))
    second = -np.log(1 / (np.exp(1.5) + np.exp(-3) + 1))
    assert float(loss) == pytest.approx((first + second) / 2, rel=1e-5)


@pytest.mark.parametrize("scorer", ["distmult", "complex", "transe"])
def test_new_relations_leave_a_query_near_its_own_entity(scorer: str, encoder: Path) -> None:
    from kepler_ke.encoder import new_relations

    relation_1D = new_relations(1, 8, 0, scorer)  # type: ignore[arg-type]
    head_1D = torch.randn(1, 8, generator=torch.Generator().manual_seed(1))
    query_1D = get_scorer(scorer).query_tails(head_1D, relation_1D)
    torch.testing.assert_close(query_1D, head_1D, atol=0.3, rtol=0.3)


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return make_dataset(tmp_path_factory.mktemp("second") / "dataset", countries=6, seed=4)


def _job(folder: Path, datasets: list[Dataset], encoder: Path, config: KeplerConfig) -> Job:
    info = RunInfo(
        dataset="d", dataset_hash=datasets[0].manifest.dataset_hash, encoder=str(encoder),
        setting="inductive", seed=3, preset="p",
    )  # fmt: skip
    start(datasets, folder, info, config, overwrite=False, resume=False)
    return prepare(datasets, folder, info, config, World())


def _plain_knowledge(job: Job, which: int, dataset: Dataset) -> Tensor:
    """Eq. 1 to 5 for the first update of one graph, a text at a time."""
    graph, config = job.graphs[which], job.config
    triplets = graph.order.batch(0)
    rng = generator(job.seed, "negatives", 0, which, 0)
    batch = knowledge_batch(triplets, graph.entities, graph.texts, config, rng)
    names = dataset.relations.select("label", "description").rows()

    def encode(*texts: str) -> Tensor:
        ids = [job.tokenizer.cls_token_id]
        for text in texts:
            ids += job.tokenizer(text, add_special_tokens=False)["input_ids"]
            ids.append(job.tokenizer.sep_token_id)
        states = job.model.hidden(torch.tensor([ids]), torch.ones(1, len(ids), dtype=torch.bool))
        return states[0, 0]

    def text(key: int) -> tuple[str, ...]:
        (entity,), (relation,) = graph.texts.pieces(np.array([key]))
        told = names[relation][1] or names[relation][0]
        parts = [dataset.texts[int(entity)]] if entity >= 0 else []
        return (*parts, told) if relation >= 0 else tuple(parts)

    vectors = {place: encode(*text(int(key))) for place, key in enumerate(batch.keys)}
    losses = []
    for row, relation in enumerate(batch.relation.tolist()):
        r = (
            vectors[relation]
            if config.relations == "text"
            else job.model.relations_RD[graph.first_relation + relation]
        )
        h, t = vectors[int(batch.head[row])], vectors[int(batch.tail[row])]
        gamma = graph.scorer.gamma
        near = functional.logsigmoid(gamma - (h + r - t).abs().sum())
        wrong = [vectors[x] + r - t for x in batch.other_head[row].tolist()]
        wrong += [h + r - vectors[x] for x in batch.other_tail[row].tolist()]
        far = [functional.logsigmoid(x.abs().sum() - gamma) for x in wrong]
        losses.append(-near - torch.stack(far).mean())
    return torch.stack(losses).mean()


def _plain_masked(job: Job) -> Tensor:
    assert job.masked is not None
    rng = generator(job.seed, "mlm", 0, 0, 0)
    ids, mask = job.masked.batch(rng.integers(len(job.masked), size=job.config.mlm_batch))
    corrupted, chosen = mask_tokens(ids, job.tokenizer, 0.15, rng)
    logits = job.model.language_model(input_ids=corrupted, attention_mask=mask.long()).logits
    return functional.cross_entropy(logits[chosen], ids[chosen])


@pytest.mark.parametrize(
    "change",
    [{}, {"relations": "text"}, {"conditioned": True}],
    ids=["equation 1", "equation 4", "equation 5"],
)
@pytest.mark.parametrize("graphs", [1, 2], ids=["equation 6", "equation 7"])
def test_an_update_adds_up_the_losses_of_a_plain_loop(
    dataset: Dataset,
    second: Dataset,
    encoder: Path,
    tmp_path: Path,
    change: dict[str, str | bool],
    graphs: int,
) -> None:
    config = dataclasses.replace(
        SHORT, batch=6, negatives=1, negative_source="graph", tokens=200, mlm_batch=3,
        second_gamma=1.0, **change,  # type: ignore[arg-type]
    )  # fmt: skip
    datasets = [dataset, second][:graphs]
    job = _job(tmp_path / "run", datasets, encoder, config)
    seen = accumulate(job, 0)
    ours = {name: x.grad for name, x in job.model.named_parameters() if x.grad is not None}
    job.model.zero_grad(set_to_none=True)
    knowledge = [_plain_knowledge(job, i, d) for i, d in enumerate(datasets)]
    masked = _plain_masked(job)
    torch.autograd.backward(torch.stack(knowledge).sum() + masked)
    assert seen.knowledge == pytest.approx(float(torch.stack(knowledge).sum().detach()), rel=1e-4)
    assert seen.masked == pytest.approx(float(masked.detach()), rel=1e-4)
    assert [g.scorer.gamma for g in job.graphs] == [SHORT.gamma, 1.0][:graphs]
    for name, x in job.model.named_parameters():
        if x.grad is not None:
            torch.testing.assert_close(ours[name], x.grad, atol=1e-4, rtol=1e-3)


def test_the_cosine_is_distmult_with_relations_of_ones() -> None:
    config = dataclasses.replace(
        SHORT, objective="contrastive", scorer="cosine", conditioned=True, normalize=True
    )
    a, b = (functional.normalize(torch.randn(2, 6), dim=-1) for _ in range(2))
    ours = make_scorer(config).score_triplets(a, torch.ones(2, 6), b)
    torch.testing.assert_close(ours, functional.cosine_similarity(a, b))


def test_gradients_add_up_in_one_order_with_several_threads() -> None:
    # Or two runs of one seed, and one that was resumed, would part from each other.
    draw = torch.Generator().manual_seed(0)
    rows = {
        name: torch.randint(130, shape, generator=draw)
        for name, shape in {
            "head": (64,), "relation": (64,), "tail": (64,),
            "other_head": (64, 32), "other_tail": (64, 32),
        }.items()
    }  # fmt: skip
    batch = KnowledgeBatch(keys=np.arange(130), **rows)
    table, scorer = torch.randn(130, 128, generator=draw), TransE(gamma=12, p=2)

    def gradients() -> Tensor:
        vectors_MD, relations_RD = table.clone().requires_grad_(), table.clone().requires_grad_()
        scores = knowledge_scores(scorer, vectors_MD, relations_RD, batch)
        return torch.cat(torch.autograd.grad(knowledge_loss(*scores), [vectors_MD, relations_RD]))

    threads = torch.get_num_threads()
    torch.set_num_threads(4)
    try:
        first = gradients()
        assert all(torch.equal(first, gradients()) for _ in range(30))
    finally:
        torch.set_num_threads(threads)
