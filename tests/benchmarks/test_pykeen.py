"""The same ranks as PyKEEN's evaluator, for the same vectors in PyKEEN's own models."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks.metrics import SIDES, Ties, metrics
from benchmarks.ranking import EmbeddingPredictor, rank_triplets
from benchmarks.scorers import get_scorer
from tests.datasets import make_dataset
from wikidata5m.dataset import Triplets

with warnings.catch_warnings():
    # Importing PyKEEN meets deprecations in it and in what it imports; its numbers are the point.
    warnings.simplefilter("ignore")
    from pykeen.evaluation import RankBasedEvaluator
    from pykeen.models import ComplEx, TransE
    from pykeen.triples import CoreTriplesFactory

OURS_TO_THEIRS = {
    "mr": "arithmetic_mean_rank",
    "mrr": "inverse_harmonic_mean_rank",
    "hits@1": "hits_at_1",
    "hits@3": "hits_at_3",
    "hits@10": "hits_at_10",
    "amri": "adjusted_arithmetic_mean_rank_index",
}
TIES: tuple[Ties, ...] = ("optimistic", "realistic", "pessimistic")
DIM = 16


def pykeen_model(name: str, p: int, triplets: Triplets, entities: Any, relations: Any) -> Any:
    factory = CoreTriplesFactory(
        torch.from_numpy(triplets).long(),
        num_entities=len(entities),
        num_relations=len(relations),
    )
    model: Any
    tables: tuple[Any, ...]
    if name == "transe":
        model = TransE(triples_factory=factory, embedding_dim=DIM, scoring_fct_norm=p)
        tables = (entities, relations)
    else:
        model = ComplEx(triples_factory=factory, embedding_dim=DIM // 2)
        # PyKEEN keeps the two parts of a complex number side by side, we keep them in halves.
        tables = tuple(
            torch.stack(x.chunk(2, dim=-1), dim=-1).flatten(1) for x in (entities, relations)
        )
    for representations, table in zip(
        (model.entity_representations, model.relation_representations), tables, strict=True
    ):
        representations[0]._embeddings.weight.data.copy_(table)
    return model.eval()


def check(name: str, p: int, parts: dict[str, Triplets], entities: Any, relations: Any) -> None:
    test = parts["test"]
    evaluator = RankBasedEvaluator(filtered=True)
    theirs = evaluator.evaluate(
        pykeen_model(name, p, parts["train"], entities, relations),
        torch.from_numpy(test).long(),
        additional_filter_triples=[torch.from_numpy(parts[x]).long() for x in ("train", "valid")],
        batch_size=32,
        use_tqdm=False,
    )
    ranks = rank_triplets(
        EmbeddingPredictor(get_scorer(name, p=p), entities, relations),
        test,
        np.concatenate(list(parts.values())),
        np.arange(len(entities)),
    )
    for ties in TIES:
        ours = metrics(ranks, ties)
        for side in SIDES:
            for our_name, their_name in OURS_TO_THEIRS.items():
                if our_name == "amri" and ties != "realistic":
                    continue  # PyKEEN defines its adjusted metrics for realistic ranks alone.
                expected = theirs.get_metric(f"{side}.{ties}.{their_name}")
                assert ours[side][our_name] == pytest.approx(expected, rel=1e-6, abs=1e-6), (
                    f"{side} {ties} {our_name}"
                )


@pytest.mark.filterwarnings("ignore::FutureWarning:pykeen")
@pytest.mark.parametrize(("name", "p"), [("transe", 1), ("transe", 2), ("complex", 0)])
@pytest.mark.parametrize("tied", [False, True])
def test_metrics_equal_pykeens(tmp_path: Path, name: str, p: int, tied: bool) -> None:
    dataset = make_dataset(tmp_path / "dataset")
    generator = torch.Generator().manual_seed(3)
    entities = torch.randn(dataset.num_entities, DIM, generator=generator)
    relations = torch.randn(dataset.num_relations, DIM, generator=generator)
    if tied:
        # Small integers score exactly, whatever the order of summation, and tie often.
        entities, relations = entities.sign(), relations.sign()
    parts: dict[str, Triplets] = {
        "train": dataset.triplets("transductive", "train"),
        "valid": dataset.triplets("transductive", "valid"),
        "test": dataset.triplets("transductive", "test"),
    }
    check(name, p or 1, parts, entities, relations)
