"""The main path of a benchmark: train -> evaluate -> result.

    wikidata5m bench train DATASET --model transe --out RUN
    wikidata5m bench evaluate RUN

Imports numpy, torch, the other modules of benchmarks, and wikidata5m.

    RUN/
      config.yaml         the resolved RunConfig
      log.jsonl, log.csv  one line per epoch (benchmarks.runlog)
      checkpoint/         what --resume goes on from (benchmarks.saving)
      embeddings/         the artefact (benchmarks.embeddings), of the best validated epoch
      results/            one benchmarks.results.Result per evaluated part, as JSON, and what an
                          interrupted ranking had finished (benchmarks.unfinished)
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch

from benchmarks.config import EngineName, RunConfig, find_config, shipped
from benchmarks.distributed import make_engine
from benchmarks.embeddings import load_embeddings
from benchmarks.engines.graphvite import main as graphvite
from benchmarks.engines.torch_engine import TorchEngine, pick_device
from benchmarks.estimate import Clock, Estimate, estimate, timed
from benchmarks.examples import Example, find_examples
from benchmarks.incremental import continue_from, find_source, trained_before
from benchmarks.mean_rank import MeanRanks, estimate_mean_ranks
from benchmarks.processes import started
from benchmarks.ranking import EmbeddingPredictor, Ranks
from benchmarks.results import RankingProtocol, Result, TrainSummary, make_result
from benchmarks.runfolder import CONFIG, claim_config, load_run_config, open_dataset, require_same
from benchmarks.runlog import LogLine, RunLog, peak_bytes, summary, summary_writer
from benchmarks.saving import CHECKPOINT, EMBEDDINGS, Saver, has_checkpoint, telling_what_is_kept
from benchmarks.schedule import is_finished, make_rate
from benchmarks.scorers import get_scorer
from benchmarks.unfinished import Unfinished
from benchmarks.validation import known_triplets, rank_split, sample_triplets, validate
from benchmarks.weights import read_weights
from wikidata5m.config import load_config, override
from wikidata5m.console import Progress, duration, log, progress
from wikidata5m.dataset import Dataset
from wikidata5m.errors import (
    ConfigError,
    DatasetError,
    InputError,
    Wikidata5MError,
    telling_of_memory,
)
from wikidata5m.files import alone, claim_output, sha256
from wikidata5m.manifest import Manifest
from wikidata5m.published import is_wikidata5m, recognise
from wikidata5m.schema import Part

__all__ = [
    "CHECKPOINT",
    "CONFIG",
    "EMBEDDINGS",
    "evaluate",
    "load_predictor",
    "load_run_config",
    "resolve",
    "summary",
    "train",
]

LESS = (
    "free some and go on with --resume, or train in another folder with a lower train.batch, "
    "train.negatives or model.dim, or on a GPU with train.tables=host"
)
DIVERGED = 100.0
"""A mean loss of so many times the first epoch's is no training any more."""


def resolve(
    dataset: Path,
    *,
    model: str | None,
    config: str | None,
    overrides: Iterable[str],
    engine: EngineName | None = None,
    start: Path | None = None,
) -> RunConfig:
    """The configuration to train by.

    From `config` (a shipped name or a file); else the shipped one for this model and a dataset of
    this name or known to be that one, or for GraphVite that of its own settings on Wikidata5M;
    else, without a model, that of the run `start`; else the defaults. Then `model`, `engine` and
    the overrides. Raises ConfigError, and DatasetError when the dataset has nothing to train on.
    """
    if model:
        get_scorer(model)
    data = Dataset(dataset)
    names = [f"{model}-{name}" for name in _names(data.manifest)]
    if engine == "graphvite":
        names = [f"{model}-wikidata5m-graphvite"]
    found = (shipped()[name] for name in names if name in shipped())
    file = find_config(config) if config else next(found, None)
    if start and not (model or config) and (start / CONFIG).is_file():
        # What GraphVite trained goes on here: it starts from no vectors itself.
        file, engine = start / CONFIG, engine or "torch"
    if not (model or file):
        raise ConfigError("neither --model nor --config given; try --model transe")
    settings = [f"model.name={model}"] if model else []
    settings += [f"engine={engine}"] if engine else []
    settings += [override("start", str(start.resolve()))] if start else []
    resolved = load_config(RunConfig, file, [*settings, *overrides])
    none = f"the defaults, as none is shipped as {names[-1]}; see `wikidata5m bench list`"
    log(f"configuration: {file.stem if file else none}")
    return _on(data, resolved)


def _names(told: Manifest) -> list[str]:
    """What a dataset may be called by a shipped configuration: its name, and what it is known as.

    A download is named wikidata5m-v3, a build as its folder was.
    """
    known = recognise(told)
    if known is None:
        return [told.name]
    return [told.name, "wikidata5m" if is_wikidata5m(told) else known.name.lower()]


def resolve_again(dataset: Path, run: Path) -> RunConfig:
    """The configuration that `run` was started with, to resume it."""
    return _on(Dataset(dataset), load_run_config(run), begun=has_checkpoint(run))


def _on(dataset: Dataset, config: RunConfig, *, begun: bool = False) -> RunConfig:
    """What cannot be trained is refused here, before an output folder is claimed or emptied.

    What was `begun` needs no vectors to start from any more.
    """
    train = config.train
    pick_device(train.device)
    triplets_N3 = dataset.triplets(config.setting, "train")
    if not len(triplets_N3):
        raise DatasetError(f"{dataset.path}: no training triplets; build it from a larger graph")
    if not len(dataset.triplets(config.setting, "valid")):
        asked = [f"train.patience = {train.patience}"] if train.patience else []
        asked += ["train.schedule = plateau"] if train.schedule == "plateau" else []
        if asked:
            raise ConfigError(
                f"{' and '.join(asked)}: {dataset.path} has no validation triplets to go by; leave "
                "it out, or split the dataset with some"
            )
    if train.tensorboard:
        summary_writer()
    if config.start:
        start = Path(config.start).resolve()
        if not begun:
            find_source(start, config)
        config = replace(config, start=str(start))
    file = Path(train.weights).resolve() if train.weights else None
    if file:
        read_weights(file, dataset, triplets_N3, tell=False)
    return replace(
        config,
        dataset=str(dataset.path.resolve()),
        dataset_hash=dataset.manifest.dataset_hash,
        weights_hash=sha256(file) if file else "",
        train=replace(train, weights=str(file or "")),
    )


def claim(run: Path, inputs: Iterable[Path], *, overwrite: bool, resume: bool) -> None:
    """Make the folder of a run; see wikidata5m.files.claim_output for what it refuses."""
    claim_output(
        run, overwrite=overwrite, resume=resume, marker=CONFIG, work=CHECKPOINT, inputs=inputs
    )


def train(config: RunConfig, run: Path, *, resume: bool = False) -> TrainSummary:
    """Train, log, checkpoint, and leave the embeddings artefact of the best epoch in `run`.

    With `resume` it goes on from the last checkpoint and ends with the same embeddings as a run
    that was never interrupted; the dataset may have moved meanwhile. Raises ConfigError when `run`
    was started with another configuration, DatasetError on another dataset, and Wikidata5MError,
    which names the checkpoint that is kept, when training diverges, or the disk or memory is full;
    OutputExistsError where another process trains there.
    """
    dataset = Dataset(Path(config.dataset))
    require_same(dataset, config, run)
    with alone(run / CHECKPOINT):
        claim_config(run, config, dataset, resume=resume)
        if config.engine == "graphvite":
            graphvite.train(config, dataset, run, out=run / EMBEDDINGS)
            return summary(run)
        return _train(config, dataset, run, resume=resume)


def _train(config: RunConfig, dataset: Dataset, run: Path, *, resume: bool) -> TrainSummary:
    """`train` by our engine."""
    for line in estimate(config, dataset, run).lines():
        log(line)
    with telling_of_memory(LESS):
        engine = engine_for(config, dataset)
        if resume and has_checkpoint(run):
            engine.load(run / CHECKPOINT)
            log(f"resuming after epoch {engine.epoch}")
        elif config.start:
            continue_from(find_source(Path(config.start), config), engine, dataset, run)
            engine.save(run / CHECKPOINT)
        elif resume:
            log("no checkpoint yet: training starts over")
    history = RunLog(run, after=engine.epoch, tensorboard=config.train.tensorboard)
    saver = Saver(run, engine, dataset, history.curve)
    count = len(engine.triplets_N3)
    total, before = config.train.epochs * count, engine.epoch * count
    with (
        telling_what_is_kept(run),
        telling_of_memory(LESS),
        progress(f"training {config.model.name}", total, "triplets", before=before) as show,
    ):
        while not is_finished(config.train, history.curve):
            history.add(_epoch(engine, dataset, history, show))
            saver.after_epoch(history.curve, last=is_finished(config.train, history.curve))
        saver.finish(history.curve)
    return summary(run)


def dry_run(config: RunConfig, run: Path) -> Estimate:
    """What `train` by our engine would take, from a few seconds of its work; nothing is written.

    Time is told of one process alone: several cannot leave an epoch in its midst.
    """
    dataset = Dataset(Path(config.dataset))
    expected = estimate(config, dataset, run)
    if not expected.fits:
        return expected
    if started() > 1:
        log("time: not measured with several processes; a dry run without torchrun measures one")
        return expected
    return timed(expected, engine_for(config, dataset), dataset)


def evaluate(
    run: Path,
    *,
    dataset: Path | None = None,
    part: Part = "test",
    sample: int | None = None,
    sample_seed: int = 0,
    candidates: int | None = None,
) -> Result:
    """Rank a part of the split in both directions and write RUN/results/<part>.json.

    `sample` ranks so many triplets, drawn by `sample_seed`: the same for every run, so that runs
    compare. `candidates` estimates mean ranks among so many random entities. The result's protocol
    and its file name say both, as <part>-sample-<n>-candidates-<n>-seed-<n>.json, with a seed where
    it is not 0. What an interrupted exact ranking had finished is not ranked again. Raises
    DatasetError when the part holds no triplets, and when the dataset is not the one that the run
    was trained on.
    """
    config = load_run_config(run)
    data = open_dataset(dataset, config.dataset)
    predictor = load_predictor(run, data, config, verify=True)
    triplets = data.triplets(config.setting, part)
    if not len(triplets):
        raise DatasetError(
            f"{data.path}: its {config.setting} {part} part has no triplets to rank; "
            "build it from a larger graph"
        )
    drawn = sample_triplets(triplets, sample, sample_seed)
    if candidates and len(drawn) == 1 < len(triplets):
        raise ConfigError("a sample of 1 triplet has no interval of mean ranks; rank 2 or more")
    is_sample = len(drawn) < len(triplets)
    name = part + (f"-sample-{len(drawn)}" if is_sample else "")
    name += f"-candidates-{candidates}" if candidates else ""
    name += f"-seed-{sample_seed}" if sample_seed and (is_sample or candidates) else ""
    ranks: Ranks | MeanRanks
    examples: tuple[Example, ...] = ()
    with progress(f"ranking {part}", 2 * len(drawn), "queries") as show:
        if candidates is None:
            kept = run / "results" / f"{name}-unfinished.npz"
            with Unfinished(kept, run / EMBEDDINGS) as unfinished:
                ranks = rank_split(predictor, drawn, data, config.setting, show, unfinished)
        else:
            ranks = estimate_mean_ranks(
                predictor,
                drawn,
                known_triplets(data, config.setting),
                data.num_entities,
                candidates=candidates,
                population=len(triplets),
                seed=sample_seed,
                progress=show,
            )
    if isinstance(ranks, Ranks):
        everyone = np.arange(data.num_entities)
        examples = find_examples(
            predictor, ranks, drawn, data, config.setting, everyone, seed=config.seed
        )
    result = make_result(
        ranks,
        data,
        drawn,
        kind="bench",
        run=run,
        model=config.model.name,
        setting=config.setting,
        part=part,
        protocol=RankingProtocol(
            candidates=ranks.num_candidates,
            triplets=len(drawn),
            of=len(triplets),
            sample_seed=sample_seed if is_sample or candidates else None,
            sampled_candidates=candidates,
            trained_before=trained_before(run, part),
        ),
        config=asdict(config),
        seed=config.seed,
        train=summary(run),
        examples=examples,
    )
    result.save(run / "results" / f"{name}.json")
    if candidates is None:
        unfinished.finish()
    return result


def require_evaluable(run: Path, dataset: Path | None = None) -> None:
    """Raise, before anything is ranked, where `evaluate` would for want of vectors or dataset."""
    config = load_run_config(run)
    _require_trained(run, open_dataset(dataset, config.dataset), config)


def load_predictor(
    run: Path, dataset: Dataset, config: RunConfig, *, verify: bool = False
) -> EmbeddingPredictor:
    """RUN's embeddings, ready to score; `verify` reads them all to compare their checksums.

    Raises InputError where training is not finished or they are damaged, DatasetError on another
    dataset than RUN's.
    """
    _require_trained(run, dataset, config)
    embeddings = load_embeddings(
        run / EMBEDDINGS,
        dataset_hash=dataset.manifest.dataset_hash,
        device=str(_device_here(config.train.device, run)),
        verify=verify,
    )
    return EmbeddingPredictor.of(embeddings)


def _require_trained(run: Path, dataset: Dataset, config: RunConfig) -> None:
    require_same(dataset, config, run)
    if not (run / EMBEDDINGS).is_dir():
        fix = "finish it by `wikidata5m bench train` with --resume"
        raise InputError(run, f"no {EMBEDDINGS}/, so training is not finished", fix=fix)


def _device_here(name: str, run: Path) -> torch.device:
    """Where to rank what was trained on the device of that name, perhaps on another machine."""
    try:
        return pick_device(name)
    except ConfigError:
        found = pick_device("auto")
        log(f"{run}: trained on {name}, which is not here; ranked on {found}")
        return found


def engine_for(config: RunConfig, dataset: Dataset) -> TorchEngine:
    """The tables at their random start, and the triplets to train them on."""
    triplets_N3 = dataset.triplets(config.setting, "train")
    file = config.train.weights
    return make_engine(
        config,
        triplets_N3,
        dataset.num_entities,
        dataset.num_relations,
        weight_N=read_weights(Path(file), dataset, triplets_N3) if file else None,
    )


def _epoch(engine: TorchEngine, dataset: Dataset, history: RunLog, show: Progress) -> LogLine:
    """Train one epoch, validate when it is time; the line for the log."""
    config = engine.config.train
    before, triplets = engine.epoch, len(engine.triplets_N3)
    rate = make_rate(config, history.curve)
    first = history.lines[0].loss if history.lines else None
    clock = Clock()
    note = f", valid MRR {history.last_valid:.4f}" if history.last_valid is not None else ""

    def tell(seen: int, loss: float) -> None:
        nonlocal first
        first = loss if first is None else first
        if before == 0 and clock.is_enough(seen):
            left = duration(config.epochs * triplets / clock.rate)
            log(f"time: about {left} for {config.epochs} epochs, validations apart")
        done = before * triplets + seen
        show(done, f"epoch {before + 1}/{config.epochs}, loss {loss:.4f}{note}")

    start = time.perf_counter()
    loss = engine.train_epoch(tell, rate)
    seconds = time.perf_counter() - start
    _require_progress(engine, loss, first or 0.0)
    due = engine.epoch % config.validate_epochs == 0 or engine.epoch == config.epochs
    valid_mrr = validate(engine.predictor, dataset, engine.config) if due else None
    if valid_mrr is not None:
        log(f"epoch {engine.epoch}: loss {loss:.4f}, valid MRR {valid_mrr:.4f}")
    return LogLine(
        epoch=engine.epoch,
        loss=loss,
        seconds=seconds,
        triplets_per_second=triplets / seconds,
        rate=rate(engine.epoch),
        valid_mrr=valid_mrr,
        peak_bytes=peak_bytes(),
    )


def _require_progress(engine: TorchEngine, loss: float, first: float) -> None:
    """Raise Wikidata5MError when the loss, though finite, says that training diverged."""
    if loss > DIVERGED * max(1.0, first):
        train = engine.config.train
        raise Wikidata5MError(
            f"epoch {engine.epoch}: the loss rose from {first:.4g} to {loss:.4g}; training "
            f"diverged, most likely by its rate: lower train.lr ({train.lr}) or "
            f"train.relation_lr ({train.relation_lr})"
        )
