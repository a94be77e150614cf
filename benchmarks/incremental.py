"""Going on from earlier vectors on another dataset, matched by string ids.

What both datasets know keeps its vector and its optimizer state; what is new starts where its known
neighbours say it should lie, or at random where it has none.

Imports numpy, polars, torch, safetensors, the other modules of benchmarks and wikidata5m.

Shapes: N rows of a table, M rows that are kept, T training triplets, D floats per entity.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
import polars as pl
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from benchmarks.checkpoint import STATE
from benchmarks.config import RunConfig
from benchmarks.embeddings import META, TENSORS, Ids, read_ids, read_meta
from benchmarks.engines.torch_engine import TorchEngine
from benchmarks.results import start_in_words
from benchmarks.runfolder import load_run_config, require_same
from benchmarks.saving import CHECKPOINT, EMBEDDINGS
from benchmarks.scorers import get_scorer
from benchmarks.tensors import require_intact
from wikidata5m.console import log
from wikidata5m.dataset import Dataset
from wikidata5m.errors import ConfigError, InputError, Wikidata5MError
from wikidata5m.files import read_json, write_json
from wikidata5m.schema import Part, Setting

STARTED: Final = "from.json"
TRAINED: Final = "trained_before"
ROWS: Final = 1 << 16

Kind = Literal["entities", "relations"]
Pairs = tuple[Tensor, Tensor]
ModelKey = tuple[str, int, int, bool]
"""Name, dimension, norm, and whether relations have inverses of their own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """How many ids both datasets know, only the new one, and only the old one."""

    kept: int
    new: int
    gone: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where earlier vectors lie."""

    vectors: Path
    """The file of the tables."""
    run: Path
    """The folder of the run that trained them."""
    state: Path | None
    """The checkpoint with the optimizer's state; None where only the artefact is there."""
    ids: Ids


def find_source(path: Path, config: RunConfig) -> Source:
    """The vectors of a run, or of an embeddings folder alone.

    Of a finished run the best vectors, of an unfinished one those of its checkpoint. Raises
    ConfigError when they are of another model than `config` is, InputError when there are none.
    """
    if (path / META).is_file():
        return _of_artefact(path, path.parent, config, state=None)
    before = load_run_config(path)
    checkpoint = path / CHECKPOINT / STATE
    state = checkpoint if checkpoint.is_file() else None
    if (path / EMBEDDINGS).is_dir():
        return _of_artefact(path / EMBEDDINGS, path, config, state)
    if state is None:
        raise InputError(path, "no vectors yet", fix="name a run that has a checkpoint")
    _require_model(path, _model_of(before), config)
    dataset = Dataset(Path(before.dataset))
    require_same(dataset, before, path)
    return Source(vectors=state, run=path, state=state, ids=Ids.of(dataset))


def continue_from(
    source: Source, engine: TorchEngine, dataset: Dataset, run: Path
) -> dict[Kind, Carried]:
    """Fill the engine from the source; tell, and write to RUN/from.json, how much was kept.

    And how many valid and test triplets the source was trained on, where its dataset is at hand.
    """
    ids = Ids.of(dataset)
    pairs: dict[Kind, Pairs] = {
        "entities": _match(ids.entities, source.ids.entities),
        "relations": _match(ids.relations, source.ids.relations),
    }
    carried: dict[Kind, Carried] = {
        "entities": _count(pairs["entities"], ids.entities, source.ids.entities),
        "relations": _count(pairs["relations"], ids.relations, source.ids.relations),
    }
    for kind, found in carried.items():
        log(f"{kind}: {found.kept:,} kept, {found.new:,} new, {found.gone:,} gone")
    trained = _trained_before(source, pairs, dataset, engine.config.setting)
    for part in ("valid", "test"):
        if told := start_in_words(trained[part] if trained else None):
            log(f"note: {part}: {told}")
    if engine.config.model.reciprocal:
        pairs["relations"] = _with_inverses(pairs["relations"], ids, source.ids)
    state = engine.collect(tuple(engine.state()))
    _copy(source, state, pairs)
    known_E = torch.zeros(dataset.num_entities, dtype=torch.bool)
    known_E[pairs["entities"][0]] = True
    place_new(engine, state["entities"], state["relations"], known_E)
    engine.receive(state, epoch=0)
    told_of = {kind: asdict(found) for kind, found in carried.items()}
    write_json(run / STARTED, told_of | {TRAINED: trained})
    return carried


def trained_before(run: Path, part: Part) -> int | None:
    """How many triplets of the part trained the vectors that RUN started from; None: not known."""
    if not load_run_config(run).start:
        return 0
    found = read_json(run / STARTED) if (run / STARTED).is_file() else {}
    trained = found.get(TRAINED)
    return int(trained[part]) if isinstance(trained, dict) else None


def _trained_before(
    source: Source, pairs: dict[Kind, Pairs], dataset: Dataset, setting: Setting
) -> dict[Part, int] | None:
    """Of each part that is ranked, the triplets that the source was trained on."""
    try:
        config = load_run_config(source.run)
        before = Dataset(Path(config.dataset))
        require_same(before, config, source.run)
    except Wikidata5MError:
        return None
    ours: dict[Kind, npt.NDArray[np.int64]] = {}
    for kind, (now_M, before_M) in pairs.items():
        ours[kind] = np.full(len(getattr(source.ids, kind)), -1, dtype=np.int64)
        ours[kind][before_M.numpy()] = now_M.numpy()
    head_N, relation_N, tail_N = before.triplets(config.setting, "train").T
    entity, relation = ours["entities"], ours["relations"]
    train_N3 = np.stack([entity[head_N], relation[relation_N], entity[tail_N]], axis=1)
    train_N = _numbers(train_N3[(train_N3 >= 0).all(axis=1)], dataset)
    return {
        part: int(np.isin(_numbers(dataset.triplets(setting, part), dataset), train_N).sum())
        for part in ("valid", "test")
    }


def _numbers(triplets_N3: npt.NDArray[np.integer], dataset: Dataset) -> npt.NDArray[np.int64]:
    """(N,) one number per triplet."""
    head_N, relation_N, tail_N = triplets_N3.astype(np.int64).T
    entities, relations = dataset.num_entities, dataset.num_relations
    return np.asarray((head_N * relations + relation_N) * entities + tail_N)


def place_new(engine: TorchEngine, table_ED: Tensor, relation_RD: Tensor, known_E: Tensor) -> None:
    """Move each entity that is not known to the mean of the queries that its triplets ask.

    Of its triplets with known entities, that is: h + r where it is TransE's tail. An entity without
    any stays where it is.
    """
    known_E = known_E.to(table_ED.device)
    new_M = (~known_E).nonzero()[:, 0]
    slot_E = known_E.new_zeros(len(known_E), dtype=torch.long)
    slot_E[new_M] = torch.arange(len(new_M), device=known_E.device)
    sum_MD = table_ED.new_zeros(len(new_M), table_ED.shape[1])
    count_M = table_ED.new_zeros(len(new_M))
    for start in range(0, len(engine.triplets_N3), ROWS):
        block_B3 = engine.triplets_N3[start : start + ROWS].to(table_ED.device).long()
        head_B, relation_B, tail_B = block_B3.unbind(1)
        for given_B, answer_B, is_tail in ((head_B, tail_B, True), (tail_B, head_B, False)):
            told_B = known_E[given_B] & ~known_E[answer_B]
            slot_B = slot_E[answer_B[told_B]]
            given_BD, asked_B = table_ED[given_B[told_B]], relation_B[told_B]
            query_BD = _query(engine, given_BD, relation_RD, asked_B, is_tail=is_tail)
            sum_MD.index_add_(0, slot_B, query_BD)
            count_M += torch.bincount(slot_B, minlength=len(new_M))
    told_M = count_M > 0
    table_ED[new_M[told_M]] = sum_MD[told_M] / count_M[told_M, None]


def _query(
    engine: TorchEngine, given_BD: Tensor, relation_RD: Tensor, relation_B: Tensor, *, is_tail: bool
) -> Tensor:
    """(B, D): what the similarity compares the wanted tail, or head, with."""
    if is_tail:
        return engine.scorer.query_tails(given_BD, relation_RD[relation_B])
    if engine.config.model.reciprocal:
        inverse_B = relation_B + engine.num_relations
        return engine.scorer.query_tails(given_BD, relation_RD[inverse_B])
    return engine.scorer.query_heads(relation_RD[relation_B], given_BD)


def _of_artefact(folder: Path, run: Path, config: RunConfig, state: Path | None) -> Source:
    meta = read_meta(folder)
    _require_model(folder, (meta.scorer, meta.dim, meta.p, meta.reciprocal), config)
    return Source(vectors=folder / TENSORS, run=run, state=state, ids=read_ids(folder))


def _model_of(config: RunConfig) -> ModelKey:
    model = config.model
    return (model.name, model.dim, get_scorer(model.name, p=model.p).p, model.reciprocal)


def _require_model(path: Path, found: ModelKey, config: RunConfig) -> None:
    names = ("model.name", "model.dim", "model.p", "model.reciprocal")
    for name, there, here in zip(names, found, _model_of(config), strict=True):
        if there != here:
            raise ConfigError(
                f"{path}: {name} is {there} there, {here} here; train the same model, or without "
                "--from"
            )


def _match(now: pl.Series, before: pl.Series) -> Pairs:
    """The rows of the ids that both have: (M,) in the new table, (M,) in the old one."""
    new, old = (
        pl.DataFrame({"id": ids}).with_row_index(name)
        for name, ids in (("now", now), ("before", before))
    )
    both = new.join(old, on="id", how="inner", maintain_order="left")
    now_M, before_M = (both[name].to_numpy().astype(np.int64) for name in ("now", "before"))
    return torch.from_numpy(now_M), torch.from_numpy(before_M)


def _count(pairs: Pairs, now: pl.Series, before: pl.Series) -> Carried:
    kept = len(pairs[0])
    return Carried(kept=kept, new=len(now) - kept, gone=len(before) - kept)


def _with_inverses(pairs: Pairs, now: Ids, before: Ids) -> Pairs:
    now_M, before_M = pairs
    return (
        torch.cat([now_M, now_M + len(now.relations)]),
        torch.cat([before_M, before_M + len(before.relations)]),
    )


def _copy(source: Source, state: dict[str, Tensor], pairs: dict[Kind, Pairs]) -> None:
    """Into the tables and, where the source has any, the optimizer's state."""
    tables: tuple[Kind, ...] = ("entities", "relations")
    for name, tensor in state.items():
        path = source.vectors if name in tables else source.state
        if path is None:
            continue
        now_M, before_M = pairs["entities" if name.startswith("entit") else "relations"]
        try:
            with safe_open(path, framework="pt") as file:
                there = name in {*file.keys()}
                # What has another width is another optimizer's, such as one number per row.
                if not there or file.get_slice(name).get_shape()[1:] != [*tensor.shape[1:]]:
                    log(f"{path}: no {name} of this optimizer; it starts anew")
                    continue
                old = file.get_tensor(name)
        except (OSError, SafetensorError) as error:
            problem = f"not readable ({str(error).splitlines()[0]})"
            raise InputError(path, problem, fix="train again") from None
        require_intact(path, {name: old}, fix="train again")
        for start in range(0, len(now_M), ROWS):
            block = slice(start, start + ROWS)
            tensor[now_M[block].to(tensor.device)] = old[before_M[block]].to(tensor.device)
