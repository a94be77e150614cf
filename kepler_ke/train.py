"""MAIN PATH: train KEPLER, one loop over a knowledge batch and a masked-language batch (Eq. 6).

    wikidata5m kepler train DATASET --encoder roberta-base --out RUN --preset kepler-wiki

Imports torch, transformers, benchmarks, wikidata5m and the rest of kepler_ke but cli and init.

Shapes: B triplets, K negatives, M texts, D vector width.

RUN holds config.yaml (all settings), run.json (dataset, encoder, seed), log.jsonl, start/ (the
model before the first update: the baseline), checkpoint/ and, when finished, model/.
"""

from __future__ import annotations

import shutil
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import ujson
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from benchmarks.scorers import Scorer, TransE
from kepler_ke.checkpoint import Place, load_checkpoint, save_checkpoint
from kepler_ke.config import KeplerConfig, save_config
from kepler_ke.data import (
    Indices,
    KnowledgeBatch,
    Order,
    Texts,
    check_unseen,
    generator,
    knowledge_batch,
    mask_tokens,
    tokenize,
)
from kepler_ke.encode import encode_rows
from kepler_ke.encoder import (
    Kepler,
    check_tokens,
    load_encoder,
    load_kepler,
    new_relations,
    save_kepler,
)
from kepler_ke.evaluate import (
    LOG,
    RUN,
    RunInfo,
    Validation,
    device,
    read_config,
    read_log,
    validation,
)
from kepler_ke.objectives import knowledge_loss, masked_loss
from wikidata5m.console import log, progress
from wikidata5m.dataset import Dataset
from wikidata5m.errors import ConfigError, DatasetError, Wikidata5MError
from wikidata5m.files import atomic_path, claim_output, read_json, write_json
from wikidata5m.schema import Setting


def train(
    dataset: Dataset,
    encoder: str,
    run: Path,
    config: KeplerConfig,
    *,
    setting: Setting = "inductive",
    seed: int = 0,
    preset: str = "kepler-wiki",
    overwrite: bool = False,
    resume: bool = False,
) -> dict[str, Any]:
    """Train into the folder `run`; with `resume` go on where a run there stopped.

    Returns the last log line. The same dataset, encoder, settings and seed give the same weights,
    interrupted or not. What `overwrite` deletes is deleted once all arguments proved usable.
    Raises DatasetError without that split or when its parts share entities, ConfigError on an
    encoder or setting that does not fit, OutputExistsError, Wikidata5MError when the loss diverges.
    """
    if setting == "inductive":
        check_unseen(dataset)
    if not len(dataset.triplets(setting, "train")):
        raise DatasetError(f"{dataset.path}: {setting} train is empty; use a larger graph")
    info = RunInfo(
        dataset=str(dataset.path.resolve()),
        dataset_hash=dataset.manifest.dataset_hash,
        encoder=encoder,
        setting=setting,
        seed=seed,
        preset=preset,
    )
    if resume and (run / RUN).is_file():
        _resume(run, info, config)
    else:
        _start(dataset, run, info, config, overwrite=overwrite, resume=resume)
    if (run / "model").is_dir():
        log(f"{run}: already trained")
        return read_log(run)[-1]
    job = _prepare(dataset, run, info, config)
    place = load_checkpoint(run / "checkpoint", job.model, job.optimizer) or Place(step=0)
    _keep_log(run, place.step)
    try:
        last = _loop(job, run, place)
    except torch.OutOfMemoryError:
        raise Wikidata5MError(
            f"{run}: out of GPU memory; halve batch and double accumulate (--set batch=... "
            "--set accumulate=...), or lower tokens or mlm_batch"
        ) from None
    with atomic_path(run / "model") as temporary:
        save_kepler(temporary, job.model, job.tokenizer, config)
    return last


def _loop(job: _Job, run: Path, place: Place) -> dict[str, Any]:
    config, total = job.config, job.order.steps * job.config.epochs
    window, line = _Window(), read_log(run)[-1:]
    with progress("kepler train", total, "updates") as update:
        for step in range(place.step, total):
            window.add(*_update(job, step, total))
            done = step + 1
            update(done, f"loss {window.loss:.3f}")
            validated = done == total or (
                config.validate_steps > 0 and done % config.validate_steps == 0
            )
            if validated or done % config.log_steps == 0:
                line = [
                    {"epoch": done / job.order.steps, "step": done}
                    | window.means()
                    | {"lr": learning_rate(config, step, total)}
                    | (job.validation.measure(job.model, job.scorer) if validated else {})
                ]
                _append_log(run, line[0])
                window = _Window()
            if config.checkpoint_steps and done % config.checkpoint_steps == 0:
                save_checkpoint(run / "checkpoint", job.model, job.optimizer, Place(step=done))
    return line[0]


def _update(job: _Job, step: int, total: int) -> tuple[float, float, int]:
    """One update of the weights; returns L_KE, L_MLM and the number of triplets it saw."""
    config = job.config
    rate = learning_rate(config, step, total)
    for group in job.optimizer.param_groups:
        group["lr"] = rate * group["multiple"]
    torch.manual_seed(int(generator(job.seed, "dropout", step).integers(2**62)))
    triplets_N3 = job.order.batch(step)
    passes = range(0, len(triplets_N3), config.batch)
    job.optimizer.zero_grad()
    sums = [0.0, 0.0]
    for number, first in enumerate(passes):
        triplets_B3 = triplets_N3[first : first + config.batch]
        share = len(triplets_B3) / len(triplets_N3)
        knowledge = share * _knowledge(job, triplets_B3, (step, number))
        masked = _masked(job, (step, number)) / len(passes) if config.mlm_batch else 0 * knowledge
        loss = knowledge + masked
        if not torch.isfinite(loss):
            raise Wikidata5MError(
                f"the loss is not finite at update {step + 1} (knowledge {knowledge.item():.3g}, "
                f"language {masked.item():.3g}); the learning rate, {config.lr:g}, is the likely "
                "cause: lower it with --set lr=... and train again with --overwrite"
            )
        torch.autograd.backward(loss)
        sums = [sums[0] + knowledge.item(), sums[1] + masked.item()]
    job.optimizer.step()
    return sums[0], sums[1], len(triplets_N3)


def _knowledge(job: _Job, triplets_B3: Indices, place: tuple[int, int]) -> Tensor:
    """Eq. 2 on a batch, each distinct text encoded once."""
    rng = generator(job.seed, "negatives", *place)
    batch = knowledge_batch(
        triplets_B3, len(job.texts), job.config.negatives, job.config.negative_source, rng
    )
    vectors_MD = encode_rows(job.model, job.texts, batch.rows)
    return knowledge_loss(*batch_scores(job.scorer, vectors_MD, job.model.relations_RD, batch))


def batch_scores(
    scorer: Scorer, vectors_MD: Tensor, relations_RD: Tensor, batch: KnowledgeBatch
) -> tuple[Tensor, Tensor]:
    """Scores of the triplets (B,), and of their corruptions on either side (B, 2 K)."""
    head_BD, tail_BD = vectors_MD[batch.head], vectors_MD[batch.tail]
    relation_BD = relations_RD[batch.relation]
    head_B1D, relation_B1D, tail_B1D = (x.unsqueeze(1) for x in (head_BD, relation_BD, tail_BD))
    negative_BN = torch.cat(
        [
            scorer.score_triplets(vectors_MD[batch.other_head], relation_B1D, tail_B1D),
            scorer.score_triplets(head_B1D, relation_B1D, vectors_MD[batch.other_tail]),
        ],
        dim=1,
    )
    return scorer.score_triplets(head_BD, relation_BD, tail_BD), negative_BN


def _masked(job: _Job, place: tuple[int, int]) -> Tensor:
    """The masked-language-model loss on random descriptions."""
    rng = generator(job.seed, "mlm", *place)
    ids_BT, mask_BT = job.texts.batch(rng.integers(len(job.texts), size=job.config.mlm_batch))
    corrupted_BT, chosen_BT = mask_tokens(ids_BT, job.tokenizer, job.config.mlm_share, rng)
    there = job.model.device
    logits_MV = job.model.logits(corrupted_BT.to(there), mask_BT.to(there), chosen_BT.to(there))
    return masked_loss(logits_MV, ids_BT[chosen_BT].to(there))


def learning_rate(config: KeplerConfig, step: int, total: int) -> float:
    """The rate of update `step` (from 0): linear warm-up, then polynomial decay to 0."""
    warm = max(1, round(config.warmup * total))
    if step < warm:
        return config.lr * (step + 1) / warm
    left = (total - step) / (total - warm)
    return config.lr * float(left**config.decay_power)


class _Window:
    """Sums since the last log line."""

    def __init__(self) -> None:
        self.knowledge = self.masked = 0.0
        self.updates = self.triplets = 0
        self.start = time.monotonic()

    def add(self, knowledge: float, masked: float, triplets: int) -> None:
        """One more update."""
        self.knowledge += knowledge
        self.masked += masked
        self.updates += 1
        self.triplets += triplets

    @property
    def loss(self) -> float:
        """L of Eq. 6, mean over the window."""
        return (self.knowledge + self.masked) / max(self.updates, 1)

    def means(self) -> dict[str, float]:
        """What a log line says of the window."""
        seconds = time.monotonic() - self.start
        return {
            "loss": self.loss,
            "loss_ke": self.knowledge / self.updates,
            "loss_mlm": self.masked / self.updates,
            "seconds": seconds,
            "triplets_per_second": self.triplets / max(seconds, 1e-9),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    """What a run holds in memory."""

    model: Kepler
    tokenizer: PreTrainedTokenizerBase
    scorer: TransE
    optimizer: torch.optim.Optimizer
    texts: Texts
    """The training entities' descriptions: all that either loss ever reads."""
    order: Order
    validation: Validation
    config: KeplerConfig
    seed: int


def _prepare(dataset: Dataset, run: Path, info: RunInfo, config: KeplerConfig) -> _Job:
    triplets = dataset.triplets(info.setting, "train").astype(np.int64)
    model, tokenizer, scorer, _ = load_kepler(run / "start")
    model.precision = config.precision
    model.to(device()).train()
    entities = np.unique(triplets[:, [0, 2]])
    texts = tokenize(tokenizer, dataset, entities, config.tokens)
    if texts.labels_only:
        log(f"{texts.labels_only:,} of {len(texts):,} entities have no description: label used")
    triplets[:, [0, 2]] = texts.rows(triplets[:, [0, 2]])
    return _Job(
        model=model,
        tokenizer=tokenizer,
        scorer=scorer,
        optimizer=_optimizer(model, config),
        texts=texts,
        order=Order(triplets, config.batch * config.accumulate, info.seed),
        validation=validation(dataset, tokenizer, info, config),
        config=config,
        seed=info.seed,
    )


def _optimizer(model: Kepler, config: KeplerConfig) -> torch.optim.Optimizer:
    encoder = [x for name, x in model.named_parameters() if name != "relations_RD"]
    return torch.optim.AdamW(
        [
            {"params": encoder, "multiple": 1.0},
            {"params": [model.relations_RD], "multiple": config.relation_lr},
        ],
        lr=config.lr,
        betas=(config.beta1, config.beta2),
        eps=config.eps,
        weight_decay=config.weight_decay,
    )


def _start(
    dataset: Dataset,
    run: Path,
    info: RunInfo,
    config: KeplerConfig,
    *,
    overwrite: bool,
    resume: bool,
) -> None:
    """Write start/, config.yaml and, last, run.json; an older run goes once nothing is refused."""
    language_model, tokenizer = load_encoder(info.encoder, seed=info.seed)
    check_tokens(language_model, config.tokens, info.encoder)
    inputs = [dataset.path, Path(info.encoder)]
    claim_output(run, overwrite=overwrite, resume=resume, marker="start", inputs=inputs)
    width = int(language_model.config.hidden_size)
    relations_RD = new_relations(dataset.num_relations, width, info.seed)
    model = Kepler(language_model, relations_RD, pooling=config.pooling)
    with atomic_path(run / "start") as temporary:
        save_kepler(temporary, model, tokenizer, config)
        if (run / "start").is_dir():  # killed before run.json was there
            shutil.rmtree(run / "start")
    save_config(run / "config.yaml", config)
    write_json(run / RUN, asdict(info))


def _resume(run: Path, info: RunInfo, config: KeplerConfig) -> None:
    """Refuse to go on with other settings; a dataset that moved is noted in run.json."""
    claim_output(run, resume=True)
    given = read_json(run / RUN) | read_config(run)
    asked = asdict(info) | asdict(config)
    differs = {k for k in asked.keys() | given.keys() if asked.get(k) != given.get(k)}
    changed = sorted(differs - {"dataset"})
    if changed:
        raise ConfigError(
            f"{run}: started with other values of {', '.join(changed)} (see {RUN} and "
            "config.yaml there); resume with those, or pass --overwrite to start anew"
        )
    write_json(run / RUN, asdict(info))


def _keep_log(run: Path, step: int) -> None:
    """Forget what was logged after the checkpoint, since it will be logged again."""
    kept = [line for line in read_log(run) if line["step"] <= step]
    with atomic_path(run / LOG) as temporary:
        temporary.write_text("".join(ujson.dumps(line) + "\n" for line in kept), "utf-8")


def _append_log(run: Path, line: dict[str, Any]) -> None:
    with (run / LOG).open("a", encoding="utf-8") as stream:
        stream.write(ujson.dumps(line) + "\n")
