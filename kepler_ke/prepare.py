"""From arguments to a job: check, write the run folder's beginning, load what training needs.

Imports numpy, torch, transformers, wikidata5m and kepler_ke's config, data, encoder, graph, order,
predictor, runs, step, tokens and world.
"""

from __future__ import annotations

import shutil
from dataclasses import asdict
from itertools import permutations
from pathlib import Path
from typing import Final

import numpy as np
import torch
from transformers import PreTrainedTokenizerBase

from kepler_ke.config import KeplerConfig, save_config
from kepler_ke.data import check_unseen, part_entities, trained_elsewhere
from kepler_ke.encoder import Kepler, build_kepler, load_kepler, make_scorer, save_kepler
from kepler_ke.graph import TrainGraph
from kepler_ke.order import Batches, Order, SubgraphOrder
from kepler_ke.predictor import choose_heads
from kepler_ke.runs import CONFIG, RUN, RunInfo, read_config, read_run
from kepler_ke.step import Graph, Job, Memory
from kepler_ke.tokens import (
    Indices,
    Layout,
    MaskedTexts,
    corpus_tokens,
    entity_tokens,
    graph_texts,
)
from kepler_ke.world import World, device
from wikidata5m.console import log
from wikidata5m.dataset import Dataset
from wikidata5m.errors import ConfigError, DatasetError
from wikidata5m.files import atomic_path, claim_output, write_json
from wikidata5m.schema import Setting

START: Final = "start"
"""Of a run folder: the model as training starts with it."""
_TWO_GRAPHS: Final = "kepler-w+w"


def check_arguments(
    datasets: list[Dataset],
    config: KeplerConfig,
    setting: Setting,
    preset: str,
    corpus: Path | None,
) -> None:
    """Refuse what cannot be trained on. Raises DatasetError, ConfigError; nothing is written."""
    for dataset in datasets:
        if setting == "inductive":
            check_unseen(dataset)
        if not len(dataset.triplets(setting, "train")):
            raise DatasetError(f"{dataset.path}: {setting} train is empty; use a larger graph")
    if len(datasets) == 1 and preset.startswith(_TWO_GRAPHS):
        raise ConfigError(f"{preset}: trains on two graphs; name the second by --second DATASET")
    if len(datasets) == 2 and config.objective == "none":
        raise ConfigError("objective = none: no graph's triplets are read; leave --second away")
    if len(datasets) == 2 and config.memory:
        raise ConfigError("memory: keeps the encodings of one graph; set memory=0, or no --second")
    reads_corpus = config.mlm_batch > 0 and config.mlm_text == "corpus"
    if reads_corpus and corpus is None:
        raise ConfigError(
            "the masked-language-model loss reads a corpus: pass --corpus DIR (a folder that "
            "`wikidata5m corpus` wrote, or one of *.txt files), or --set mlm_text=descriptions, "
            "or leave that loss out with --set mlm_batch=0"
        )
    if corpus is not None and not reads_corpus:
        raise ConfigError(f"{corpus}: these settings read no corpus; leave --corpus away")
    if corpus is not None and not corpus.is_dir():
        raise ConfigError(f"{corpus}: no such folder; check --corpus")


def start(
    datasets: list[Dataset],
    run: Path,
    info: RunInfo,
    config: KeplerConfig,
    *,
    overwrite: bool,
    resume: bool,
) -> None:
    """Write start/, config.yaml and, last, run.json; an older run goes once nothing is refused."""
    given = [info.encoder, info.corpus]
    inputs = [*(dataset.path for dataset in datasets), *(Path(x) for x in given if x)]

    def claim(*, keep: bool) -> None:
        claim_output(
            run, overwrite=overwrite, resume=resume, marker=START, inputs=inputs, keep=keep
        )

    _tell_of_heads(datasets[0], info, config)
    for one, other in permutations(datasets, 2):
        _tell_of_unseen(one, other, info.setting)
    rows = sum(dataset.num_relations for dataset in datasets) * (2 if config.inverse else 1)
    model, tokenizer = build_kepler(info.encoder, rows, config, info.seed)
    Layout.of(tokenizer, config.tokens)
    claim(keep=True)
    for dataset in datasets:
        entity_tokens(tokenizer, dataset, config)
    if info.corpus:
        corpus_tokens(tokenizer, Path(info.corpus), info.corpus_hash, config.tokens)
    claim(keep=False)
    with atomic_path(run / START) as temporary:
        temporary.mkdir()
        save_kepler(temporary, model, tokenizer)
        if (run / START).is_dir():  # killed before run.json was there
            shutil.rmtree(run / START)
    save_config(run / CONFIG, config)
    write_json(run / RUN, asdict(info))


def _tell_of_heads(dataset: Dataset, info: RunInfo, config: KeplerConfig) -> None:
    """Say now that the test part will be too much to rank, which `evaluate` would say too late."""
    test_N3 = dataset.triplets(info.setting, "test")
    candidates = len(part_entities(dataset, info.setting, "test"))
    try:
        choose_heads(config, candidates, len(np.unique(test_N3[:, 1])))
    except ConfigError as error:
        log(f"note: {error}")


def _tell_of_unseen(one: Dataset, other: Dataset, setting: Setting) -> None:
    """Say that the other graph gives away what is unseen in this one, if ids mean the same."""
    shared = trained_elsewhere(one, other, setting)
    if len(shared):
        log(
            f"note: {other.path} trains on {len(shared):,} entities that {one.path} keeps unseen "
            f"for valid and test ({shared[0]} is one); unless the ids mean other things there, its "
            "ranks are too good"
        )


def resume_run(run: Path, info: RunInfo, config: KeplerConfig) -> None:
    """Refuse to go on with other settings; what has moved is noted in run.json.

    Smaller passes may make up the same update: what is left to do when memory ran out.
    """
    claim_output(run, resume=True, marker=START)
    before = read_config(run)
    given = asdict(read_run(run, finished=False)) | asdict(before)
    asked = asdict(info) | asdict(config)
    moved = {"dataset", "second", "corpus"}
    if Path(info.encoder).resolve() == Path(given["encoder"]).resolve():
        moved.add("encoder")
    changed = sorted({k for k in asked if asked[k] != given[k]} - moved)
    finished = (run / "model").is_dir()
    if not finished and _same_triplets(before, config):
        _check_mlm_batch(before, config)
        changed = [k for k in changed if k not in ("batch", "accumulate", "mlm_batch")]
    if changed:
        raise ConfigError(
            f"{run}: started with other values of {', '.join(changed)} (see {RUN} and "
            f"{CONFIG} there); resume with those, or pass --overwrite to start anew"
        )
    save_config(run / CONFIG, config)
    write_json(run / RUN, asdict(info))


def _same_triplets(before: KeplerConfig, config: KeplerConfig) -> bool:
    """Whether each update has the same triplets, though in other passes."""
    triplets = before.batch * before.accumulate == config.batch * config.accumulate
    return smaller_passes(before) and triplets and before.accumulate != config.accumulate


def _check_mlm_batch(before: KeplerConfig, config: KeplerConfig) -> None:
    """Raise ConfigError where the passes of an update would read more or fewer masked texts."""
    texts = before.mlm_batch * before.accumulate
    share = max(1, texts // config.accumulate) if texts else 0
    if config.mlm_batch != share:
        raise ConfigError(
            f"mlm_batch = {config.mlm_batch}: with accumulate = {config.accumulate} the run goes "
            f"on with --set mlm_batch={share}, by which an update reads as many texts as before"
        )


def smaller_passes(config: KeplerConfig) -> bool:
    """Whether an update may be cut into other passes: none sees more than its own triplets."""
    return config.objective == "kepler" and config.batching == "triplets"


def prepare(
    datasets: list[Dataset], run: Path, info: RunInfo, config: KeplerConfig, world: World
) -> Job:
    """Load the model that the run started with, and everything it reads."""
    model, tokenizer = load_kepler(run / "start", training=True)
    model.config = config  # the start was saved with the settings of then
    model.to(device()).train()
    graphs: list[Graph] = []
    row = 0
    for number, dataset in enumerate(datasets):
        gamma = config.second_gamma if number else config.gamma
        graphs.append(_graph(dataset, tokenizer, info, config, gamma, row))
        row += dataset.num_relations * (2 if config.inverse else 1)
    return Job(
        model=model,
        tokenizer=tokenizer,
        optimizer=_optimizer(model, config),
        scaler=torch.amp.GradScaler(device().type, enabled=config.precision == "fp16"),
        graphs=tuple(graphs),
        masked=_masked(graphs[0], tokenizer, info, config) if config.mlm_batch else None,
        memory=Memory(config.memory, model.dim, device()),
        config=config,
        seed=info.seed,
        world=world,
    )


def _graph(
    dataset: Dataset,
    tokenizer: PreTrainedTokenizerBase,
    info: RunInfo,
    config: KeplerConfig,
    gamma: float,
    first_relation: int,
) -> Graph:
    triplets_N3 = dataset.triplets(info.setting, "train").astype(np.int64)
    train = (
        TrainGraph(triplets_N3, dataset.num_entities, dataset.num_relations)
        if config.objective == "contrastive"
        else None
    )
    entities = np.unique(triplets_N3[:, [0, 2]])
    if config.inverse and config.objective == "kepler":
        turned_N3 = triplets_N3[:, ::-1] + np.array([0, dataset.num_relations, 0])
        triplets_N3 = np.concatenate([triplets_N3, turned_N3])
    return Graph(
        texts=graph_texts(tokenizer, dataset, config),
        order=_order(triplets_N3, dataset.num_entities, config, info.seed),
        entities=entities,
        train=train,
        scorer=make_scorer(config, gamma),
        first_relation=first_relation,
        num_relations=dataset.num_relations,
    )


def _order(triplets_N3: Indices, num_entities: int, config: KeplerConfig, seed: int) -> Batches:
    if config.batching == "subgraphs":
        return SubgraphOrder(triplets_N3, num_entities, config.batch, config.accumulate, seed)
    return Order(triplets_N3, config.batch * config.accumulate, seed)


def _masked(
    graph: Graph, tokenizer: PreTrainedTokenizerBase, info: RunInfo, config: KeplerConfig
) -> MaskedTexts:
    """A corpus's texts, or the descriptions of training entities and of no other."""
    if not info.corpus:
        layout = graph.texts.layout
        return MaskedTexts(tokens=graph.texts.entities, rows=graph.entities, layout=layout)
    tokens = corpus_tokens(tokenizer, Path(info.corpus), info.corpus_hash, config.tokens)
    return MaskedTexts(tokens=tokens, rows=np.arange(len(tokens)), layout=graph.texts.layout)


def _optimizer(model: Kepler, config: KeplerConfig) -> torch.optim.Optimizer:
    fresh = model.fresh()
    others = {id(x) for x in fresh}
    encoder = [x for x in model.parameters() if x.requires_grad and id(x) not in others]
    groups = [
        {"params": encoder, "multiple": 1.0},
        {"params": fresh, "multiple": config.relation_lr},
    ]
    return torch.optim.AdamW(
        [group for group in groups if group["params"]],
        lr=config.lr,
        betas=(config.beta1, config.beta2),
        eps=config.eps,
        weight_decay=config.weight_decay,
    )
