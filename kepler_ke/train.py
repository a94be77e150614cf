"""MAIN PATH: train KEPLER, one loop over knowledge batches and masked-language batches (Eq. 6).

    wikidata5m kepler train DATASET --encoder roberta-base --corpus CORPUS --out RUN
    torchrun --nproc-per-node 8 -m wikidata5m kepler train DATASET ...

Imports ujson, benchmarks.runlog, wikidata5m and the rest of kepler_ke but cli and init.

RUN holds config.yaml (all settings), run.json (dataset, encoder, seed), log.jsonl, start/ (the
model before the first update: the baseline), checkpoint/, best/ and, when finished, model/.
"""

from __future__ import annotations

import math
import shutil
import time
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import ujson

from benchmarks.runlog import peak_bytes
from kepler_ke.checkpoint import (
    Place,
    keep_steps,
    load_checkpoint,
    save_checkpoint,
    step_folder,
)
from kepler_ke.config import KeplerConfig
from kepler_ke.encoder import save_kepler
from kepler_ke.estimate import estimate
from kepler_ke.evaluate import Validation, validation
from kepler_ke.prepare import (
    START,
    check_arguments,
    prepare,
    resume_run,
    smaller_passes,
    start,
)
from kepler_ke.runs import LOG, RUN, RunInfo, read_config, read_log, read_run
from kepler_ke.step import Job, Seen, update
from kepler_ke.tokens import corpus_hash
from kepler_ke.world import World, world
from wikidata5m.console import log, progress
from wikidata5m.dataset import Dataset
from wikidata5m.errors import InputError, telling_of_memory
from wikidata5m.files import alone, atomic_path
from wikidata5m.schema import Setting

BEST: Final = "best"
WORTH_ESTIMATING: Final = 100
"""Passes: an estimate takes two."""


def train(
    dataset: Dataset,
    encoder: str,
    run: Path,
    config: KeplerConfig,
    *,
    setting: Setting = "inductive",
    seed: int = 0,
    preset: str = "kepler-wiki",
    corpus: Path | None = None,
    second: Dataset | None = None,
    overwrite: bool = False,
    resume: bool = False,
) -> dict[str, Any]:
    """Train into the folder `run`; with `resume` go on where a run there stopped.

    Returns the last log line, and under `best` that of the model which is kept, where any was
    validated. The same data, encoder, settings and seed give the same weights, interrupted or not.
    What `overwrite` deletes is deleted once all arguments proved usable.
    Raises DatasetError without that split or when its parts share entities, ConfigError on an
    encoder or setting that does not fit, OutputExistsError, Wikidata5MError when the loss diverges.
    """
    datasets = [dataset, *([second] if second else [])]
    check_arguments(datasets, config, setting, preset, corpus)
    info = RunInfo(
        dataset=str(dataset.path.resolve()),
        dataset_hash=dataset.manifest.dataset_hash,
        encoder=encoder,
        setting=setting,
        seed=seed,
        preset=preset,
        corpus=str(corpus.resolve()) if corpus else "",
        corpus_hash=corpus_hash(corpus) if corpus else "",
        second=str(second.path.resolve()) if second else "",
        second_hash=second.manifest.dataset_hash if second else "",
    )
    with world() as here:
        if here.first:
            if resume and (run / RUN).is_file():
                resume_run(run, info, config)
            else:
                start(datasets, run, info, config, overwrite=overwrite, resume=resume)
        with alone(run / START) if here.first else nullcontext():
            here.wait()
            if (run / "model").is_dir():
                log(f"{run}: already trained")
                return _summary(run)
            return _train(datasets, run, info, config, here)


def resume_training(
    dataset: Dataset, run: Path, *, corpus: Path | None = None, second: Dataset | None = None
) -> dict[str, Any]:
    """Go on where the run in the folder `run` stopped, with the settings it was started with.

    `corpus` and `second` are wanted only where those folders have moved. Returns and raises as
    `train` does; ConfigError when `run` is no KEPLER run.
    """
    info = read_run(run, finished=False)
    return train(
        dataset,
        info.encoder,
        run,
        read_config(run),
        setting=info.setting,
        seed=info.seed,
        preset=info.preset,
        corpus=corpus or (Path(info.corpus) if info.corpus else None),
        second=second or (Dataset(Path(info.second)) if info.second else None),
        resume=True,
    )


def _summary(run: Path) -> dict[str, Any]:
    """The last line of the log, and the best one under `best`."""
    lines = read_log(run)
    if not lines:
        raise InputError(
            run / LOG, "missing or empty", fix="read the model as it is, or pass --overwrite"
        )
    validated = [line for line in lines if "valid_mrr" in line]
    best = max(validated, key=lambda line: line["valid_mrr"], default=None)
    return lines[-1] | ({"best": best} if best else {})


def _train(
    datasets: list[Dataset], run: Path, info: RunInfo, config: KeplerConfig, here: World
) -> dict[str, Any]:
    with telling_of_memory(_with_less(config)):
        job = prepare(datasets, run, info, config, here)
        here.wait()
        place = load_checkpoint(run / "checkpoint", job) or Place()
        if here.first:
            place = _go_back(run, place)
        texts = job.graphs[0].texts
        check = validation(datasets[0], job.tokenizer, info, texts, config.validate_triplets)
        return _loop(job, check, run, place)


def _with_less(config: KeplerConfig) -> str:
    """What to do where memory does not reach."""
    if not smaller_passes(config) or config.batch % 2:
        return "start anew with --overwrite and a smaller batch, fewer tokens or a lower mlm_batch"
    sizes = {"batch": config.batch // 2, "accumulate": 2 * config.accumulate}
    if config.mlm_batch > 1:
        sizes["mlm_batch"] = config.mlm_batch // 2
    told = " ".join(f"--set {name}={size}" for name, size in sizes.items())
    return f"give the whole command again with --resume {told}: the same updates in smaller passes"


def _loop(job: Job, check: Validation, run: Path, place: Place) -> dict[str, Any]:
    config, total = job.config, math.ceil(job.steps * job.config.epochs)
    if (total - place.step) * config.accumulate >= WORTH_ESTIMATING:
        steps = range(place.step + 1, total + 1)
        validations = sum(_validated(config, step, total) for step in steps)
        expected = estimate(job, check, len(steps), validations)
        if job.world.first:
            log(f"{total - place.step:,} updates; {expected}")
    window, saved = _Window(), place
    with progress("kepler train", total, "updates", before=place.step) as told:
        for step in range(place.step, total):
            window.add(update(job, step, learning_rate(config, step, total)))
            place = replace(place, step=step + 1, scaler=job.scaler.state_dict())
            told(place.step, f"loss {window.loss:.3f}")
            validated = _validated(config, place.step, total)
            if validated or _due(config.log_steps, place.step):
                rate = learning_rate(config, step, total)
                means = window.means() | {"lr": rate}
                place = _report(job, check, run, place, means, validated=validated)
                window = _Window()
                if job.world.first:
                    keep_steps(run / BEST, place.best_step, saved.best_step)
            if _due(config.checkpoint_steps, place.step) and job.world.first:
                save_checkpoint(run / "checkpoint", job, place)
                saved = place
    if not total:
        place = _report(job, check, run, place, window.means() | {"lr": 0.0}, validated=True)
    return _finish(job, run, place)


def _validated(config: KeplerConfig, step: int, total: int) -> bool:
    """Whether valid triplets are ranked after this update."""
    return step == total or _due(config.validate_steps, step)


def _due(every: int, step: int) -> bool:
    return every > 0 and step % every == 0


def _report(
    job: Job,
    check: Validation,
    run: Path,
    place: Place,
    means: dict[str, float],
    *,
    validated: bool,
) -> Place:
    """Write a log line and, when it is the best ranking so far, the model."""
    found = check.measure(job.model, job.world) if validated else {}
    if job.world.first:
        line = {"epoch": place.step / job.steps, "step": place.step} | means | found
        with (run / LOG).open("a", encoding="utf-8") as stream:
            stream.write(ujson.dumps(line) + "\n")
        score = found.get("valid_mrr")
        if score is not None and (place.best is None or score > place.best):
            place = replace(place, best=score, best_step=place.step)
            _save_model(step_folder(run / BEST, place.step), job)
    job.world.wait()
    return place


def _save_model(folder: Path, job: Job) -> None:
    with atomic_path(folder) as temporary:
        temporary.mkdir()
        save_kepler(temporary, job.model, job.tokenizer)
        if folder.is_dir():
            shutil.rmtree(folder)


def _finish(job: Job, run: Path, place: Place) -> dict[str, Any]:
    """RUN/model: the best by validation, or the last where there is nothing to validate on."""
    if job.world.first:
        best = step_folder(run / BEST, place.best_step)
        if not best.is_dir():
            _save_model(best, job)
        best.rename(run / "model")
        shutil.rmtree(run / BEST)
    job.world.wait()
    return _summary(run)


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
        self.sums = Seen()
        self.updates = 0
        self.start = time.monotonic()

    def add(self, seen: Seen) -> None:
        """One more update."""
        self.sums.add(seen)
        self.updates += 1

    @property
    def loss(self) -> float:
        """L of Eq. 6 or 7, mean over the window."""
        return (self.sums.knowledge + self.sums.masked) / max(self.updates, 1)

    def means(self) -> dict[str, float]:
        """What a log line says of the window."""
        seconds = max(time.monotonic() - self.start, 1e-9)
        updates = max(self.updates, 1)
        return {
            "loss": self.loss,
            "loss_ke": self.sums.knowledge / updates,
            "loss_mlm": self.sums.masked / updates,
            "seconds": seconds,
            "texts": self.sums.texts,
            "triplets_per_second": self.sums.triplets / seconds,
            "tokens_per_second": self.sums.tokens / seconds,
            "peak_bytes": peak_bytes(),
        }


def _go_back(run: Path, place: Place) -> Place:
    """Forget what came after the checkpoint, since it will come again; returns where to go on."""
    lines = read_log(run)
    kept = [line for line in lines if line["step"] <= place.step]
    if lines and not place.step:
        log(f"{run}: no checkpoint there; begins at the first update")
    keep_steps(run / BEST, place.best_step)
    if place.best is not None and not step_folder(run / BEST, place.best_step).is_dir():
        log(f"{run}: the best model so far is gone; the best of what follows is kept")
        place = replace(place, best=None, best_step=0)
    with atomic_path(run / LOG) as temporary:
        temporary.write_text("".join(ujson.dumps(line) + "\n" for line in kept), "utf-8")
    return place
