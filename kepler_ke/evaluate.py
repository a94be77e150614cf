"""Rank triplets by entities' descriptions: which candidates, which filter, which baselines.

Imports numpy, torch, transformers, benchmarks, wikidata5m, and kepler_ke's config, data, encode,
encoder, predictor, runs, stream, tokens and world.

Shapes: N triplets, C candidates, D width, R relations.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from benchmarks.embeddings import TENSORS, EmbeddingsMeta, Ids, load_embeddings
from benchmarks.examples import find_examples
from benchmarks.metrics import Side, Values, metrics
from benchmarks.ranking import Predictor, Ranks
from benchmarks.results import RankingProtocol, Result, make_result
from benchmarks.scorers import Scorer
from benchmarks.tensors import StoredRows
from benchmarks.validation import sample_triplets
from kepler_ke.data import generator, known_triplets, part_entities
from kepler_ke.encode import encode_texts, relation_vectors
from kepler_ke.encoder import Kepler, load_kepler, make_scorer
from kepler_ke.predictor import HEADS_IN_WORDS, Heads, choose_heads, make_predictor, rank
from kepler_ke.runs import RunInfo, read_config, read_run_on, train_summary
from kepler_ke.stream import holds_other, model_identity, stream_embeddings
from kepler_ke.tokens import Indices, Texts, graph_texts
from kepler_ke.world import World, device
from wikidata5m.dataset import Dataset, Triplets
from wikidata5m.errors import DatasetError, OutputExistsError
from wikidata5m.files import claim_output
from wikidata5m.schema import Part, Setting

_SCORES: Final = 1 << 24
CANDIDATES: Final[dict[Setting, str]] = {
    "transductive": "all entities",
    "inductive": "the entities of {part}, unseen",
    "semi_inductive": "all entities, known and unseen",
    "temporal": "all entities",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """A trained model on one of its graphs."""

    model: Kepler
    texts: Texts
    scorer: Scorer
    relations_RD: Tensor
    """(R, D), or (2 R, D) with inverses: those of this graph, on the CPU."""

    def predictor(
        self, vectors_CD: Tensor | StoredRows, entities: Indices, heads: Heads
    ) -> Predictor:
        """Rank these entities."""
        return make_predictor(
            self.model, self.texts, self.scorer, vectors_CD, self.relations_RD, entities, heads
        )

    def encode(self, entities: Indices, world: World | None = None) -> Tensor:
        """The entities' vectors, (C, D); of several processes only the first gets them."""
        return encode_texts(self.model, self.texts, self.texts.keys(entities), world=world)


def load_judge(folder: Path, dataset: Dataset, info: RunInfo) -> Judge:
    """The model of a folder of a run, on that dataset: the run's first graph or its second."""
    model, tokenizer = load_kepler(folder)
    return judge(model.to(device()).eval(), tokenizer, dataset, info)


def judge(
    model: Kepler,
    tokenizer: PreTrainedTokenizerBase,
    dataset: Dataset,
    info: RunInfo,
    texts: Texts | None = None,
) -> Judge:
    """See load_judge; `texts` spares tokenising again."""
    config = model.config
    texts = texts or graph_texts(tokenizer, dataset, config)
    second = dataset.manifest.dataset_hash != info.dataset_hash
    rows = dataset.num_relations * (2 if config.inverse else 1)
    start = len(model.relations_RD) - rows if second else 0
    relations_RD = relation_vectors(model, texts, rows, start)
    return Judge(
        model=model,
        texts=texts,
        scorer=make_scorer(config, config.second_gamma if second else None),
        relations_RD=relations_RD,
    )


def evaluate_run(
    run: Path,
    dataset: Dataset,
    part: Part,
    *,
    sample: int | None = None,
    sample_seed: int = 0,
    untrained: bool = True,
) -> Result:
    """Rank a part by the trained encoder and by the one it started from; write and return both.

    Without `untrained` by the trained one alone, which spares half the encoding.

    The setting is the run's own: the training part of one overlaps the test part of the other.
    Writes RUN/embeddings/<setting>-<part> and RUN/results/<setting>-<part>.json. `sample` ranks so
    many triplets, drawn by `sample_seed`, into <setting>-<part>-sample-<n>.json, with -seed-<n>
    behind it where the seed is not 0. What is of the second graph (Eq. 7) has -second behind
    <part>.
    Raises DatasetError when the run was trained on another dataset or the part is empty.
    """
    info = read_run_on(run, dataset)
    setting = info.setting
    whole = dataset.triplets(setting, part)
    if not len(whole):
        raise DatasetError(
            f"{dataset.path}: {setting} {part} has no triplets to rank; rank the other part, or "
            "build the split from a larger graph"
        )
    triplets = sample_triplets(whole, sample, sample_seed)
    entities = part_entities(dataset, setting, part)
    trained = load_judge(run / "model", dataset, info)
    heads = choose_heads(trained.model.config, len(entities), len(np.unique(triplets[:, 1])))
    name = f"{setting}-{part}{info.behind(dataset)}"
    folder = run / "embeddings" / name
    write_vectors(folder, run / "model", dataset, trained, entities)
    predictor = trained.predictor(load_embeddings(folder).entities, entities, heads)
    known = known_triplets(dataset, setting)
    ranks = rank(predictor, triplets, known, entities, what=f"rank {setting} {part}")
    result = make_result(
        ranks,
        dataset,
        triplets,
        kind="kepler",
        run=run,
        model=_name(info),
        setting=setting,
        part=part,
        protocol=RankingProtocol(
            candidates=len(entities),
            triplets=len(triplets),
            of=len(whole),
            sample_seed=sample_seed if len(triplets) < len(whole) else None,
            directions=HEADS_IN_WORDS[heads],
            candidate_set=CANDIDATES[setting].format(part=part),
        ),
        config=asdict(read_config(run))
        | {
            "encoder": info.encoder,
            "preset": info.preset,
            "top1_self": top1_self(predictor, triplets, entities, info.seed),
            "labels_only": trained.texts.labels_only,
        },
        seed=info.seed,
        train=train_summary(run),
        examples=find_examples(
            predictor, ranks, triplets, dataset, setting, entities, seed=info.seed
        ),
        baselines=_untrained(run, dataset, info, triplets, known, entities, heads, name)
        if untrained
        else {},
    )
    drawn = f"-sample-{len(triplets)}" if len(triplets) < len(whole) else ""
    drawn += f"-seed-{sample_seed}" if drawn and sample_seed else ""
    result.save(run / "results" / f"{name}{drawn}.json")
    return result


def _untrained(
    run: Path,
    dataset: Dataset,
    info: RunInfo,
    triplets: Triplets,
    known: Triplets,
    entities: Indices,
    heads: Heads,
    name: str,
) -> dict[str, dict[Side, Values]]:
    """The encoder that the run started from, with the relation vectors it started with.

    Its vectors are kept in RUN/embeddings/<name>-untrained, as the trained one's are.
    """
    start = load_judge(run / "start", dataset, info)
    folder = run / "embeddings" / f"{name}-untrained"
    write_vectors(folder, run / "start", dataset, start, entities)
    predictor = start.predictor(load_embeddings(folder).entities, entities, heads)
    ranks = rank(predictor, triplets, known, entities, what="rank by the untrained encoder")
    return {"untrained encoder": metrics(ranks)}


def _name(info: RunInfo) -> str:
    """The paper's names stand for themselves; others are settings of ours."""
    own = info.preset.startswith(("kepler", "our-roberta", "roberta", "dkrl", "contrastive"))
    return info.preset if own else f"kepler ({info.preset})"


def top1_self(predictor: Predictor, triplets: Triplets, entities: Indices, seed: int) -> float:
    """The share of (head, relation) queries whose best candidate is the head itself, unfiltered.

    h + r - h is short when r is: the entity that asks stands in the way of the answer. Of at most
    1,000 queries, drawn by the seed.
    """
    queries = np.unique(triplets[:, :2].astype(np.int64), axis=0)
    if len(queries) > 1000:
        queries = queries[generator(seed, "sample").choice(len(queries), 1000, replace=False)]
    batch = max(1, _SCORES // len(entities))
    found = 0
    for start in range(0, len(queries), batch):
        head_B, relation_B = (np.ascontiguousarray(x) for x in queries[start : start + batch].T)
        best_B = predictor.score_tails(head_B, relation_B, entities).argmax(dim=1)
        found += int((entities[best_B.cpu().numpy()] == head_B).sum())
    return found / max(len(queries), 1)


def symmetric_relations(triplets: Triplets) -> float:
    """The share of relations at least half of whose triplets also occur with ends exchanged.

    A translation can fit such a relation only as r = 0.
    """
    width = int(triplets.max(initial=0)) + 1
    head_N, relation_N, tail_N = triplets.astype(np.int64).T
    # One number per pair; relation by relation, so that it fits 64 bits.
    reversed_too = np.zeros(len(triplets), dtype=np.bool_)
    order_N = np.argsort(relation_N, kind="stable")
    for here in np.split(order_N, np.flatnonzero(np.diff(relation_N[order_N])) + 1):
        reversed_too[here] = np.isin(
            tail_N[here] * width + head_N[here], head_N[here] * width + tail_N[here]
        )
    total_R = np.bincount(relation_N)
    both_R = np.bincount(relation_N, weights=reversed_too)
    return float((2 * both_R >= total_R)[total_R > 0].mean())


@dataclass(frozen=True, slots=True, kw_only=True)
class Validation:
    """A fixed sample of valid triplets, ranked as the test will be; but see `measure`."""

    dataset: Dataset
    tokenizer: PreTrainedTokenizerBase
    info: RunInfo
    texts: Texts
    triplets: Triplets
    known: Triplets
    entities: Indices
    symmetric: float

    def measure(self, model: Kepler, world: World) -> dict[str, Any]:
        """MRR, of which queries, and the signs of two known weaknesses; of an empty part the last.

        Where heads must be encoded with each relation, the MRR is of tails alone; where there are
        inverse relations, those rank heads, even if the test part will rank them exactly. The
        processes share the encoding; the first one ranks, the others get nothing to tell.
        """
        if not len(self.triplets):
            return {"symmetric_relations": self.symmetric}
        now = judge(model, self.tokenizer, self.dataset, self.info, self.texts)
        tails_only = model.config.conditioned and not model.config.inverse
        heads: Heads = "inverse" if model.config.inverse else "plain"
        vectors_CD = now.encode(self.entities, world)
        if not world.first:
            return {}
        predictor = now.predictor(vectors_CD, self.entities, heads)
        ranks = self._rank(_TailsOnly(predictor) if tails_only else predictor)
        return {
            "valid_mrr": metrics(ranks)["tail" if tails_only else "both"]["mrr"],
            "valid_directions": "tails alone" if tails_only else HEADS_IN_WORDS[heads],
            "top1_self": top1_self(predictor, self.triplets, self.entities, self.info.seed),
            "symmetric_relations": self.symmetric,
        }

    def _rank(self, predictor: Predictor) -> Ranks:
        return rank(predictor, self.triplets, self.known, self.entities)


@dataclass(slots=True)
class _TailsOnly:
    """A Predictor whose heads nobody looks at."""

    of: Predictor

    def score_tails(self, head_B: Indices, relation_B: Indices, candidates_K: Indices) -> Tensor:
        """See Predictor."""
        return self.of.score_tails(head_B, relation_B, candidates_K)

    def score_heads(self, relation_B: Indices, tail_B: Indices, candidates_K: Indices) -> Tensor:
        """All alike."""
        return torch.zeros(len(tail_B), len(candidates_K))


def validation(
    dataset: Dataset, tokenizer: PreTrainedTokenizerBase, info: RunInfo, texts: Texts, size: int
) -> Validation:
    """The sample of a run, of up to `size` triplets: drawn by its seed."""
    valid = dataset.triplets(info.setting, "valid")
    if len(valid) > size:
        rng = generator(info.seed, "sample")
        valid = valid[rng.choice(len(valid), size, replace=False)]
    return Validation(
        dataset=dataset,
        tokenizer=tokenizer,
        info=info,
        texts=texts,
        triplets=valid,
        known=known_triplets(dataset, info.setting),
        entities=part_entities(dataset, info.setting, "valid"),
        symmetric=symmetric_relations(dataset.triplets(info.setting, "train")),
    )


def encode_run(
    run: Path, dataset: Dataset, folder: Path, *, overwrite: bool = False, resume: bool = False
) -> tuple[Texts, int]:
    """Encode all entities into `folder`; returns their texts and the vectors' width.

    What `folder` held is deleted, with `overwrite`, only when the run proved readable; with
    `resume` the same work goes on where it was interrupted.
    Raises DatasetError when the run was trained on another dataset, OutputExistsError.
    """
    info = read_run_on(run, dataset)
    trained = load_judge(run / "model", dataset, info)
    inputs, entities = [dataset.path, run], np.arange(dataset.num_entities)
    meta = meta_of(dataset, trained, model_identity(run / "model"))
    if resume and holds_other(folder, meta, entities):
        raise OutputExistsError(
            f"{folder}: holds the vectors of another model or dataset; name another folder, or "
            "pass --overwrite to replace them"
        )
    claim_output(folder, overwrite=overwrite, resume=resume, marker=TENSORS, inputs=inputs)
    write_vectors(folder, run / "model", dataset, trained, entities, ids=Ids.of(dataset))
    return trained.texts, trained.model.dim


def write_vectors(
    folder: Path,
    model: Path,
    dataset: Dataset,
    of: Judge,
    entities: Indices,
    *,
    ids: Ids | None = None,
) -> None:
    """The entities' vectors as an artefact; what an interrupted call wrote is kept."""
    meta = meta_of(dataset, of, model_identity(model))
    stream_embeddings(folder, of.model, of.texts, entities, of.relations_RD, meta, ids=ids)


def meta_of(dataset: Dataset, of: Judge, model: str) -> EmbeddingsMeta:
    """What must be known of a model's vectors."""
    config = of.model.config
    names = ("objective", "pooling", "tokens", "text", "conditioned")
    return EmbeddingsMeta(
        scorer=of.scorer.name,
        dim=of.model.dim,
        dataset=dataset.manifest.name,
        dataset_hash=dataset.manifest.dataset_hash,
        gamma=of.scorer.gamma,
        p=of.scorer.p,
        reciprocal=config.inverse,
        extra={"kind": "kepler", "model": model} | {name: getattr(config, name) for name in names},
    )
