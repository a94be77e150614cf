"""The main path of `bench tune`: rounds of trials, each cheaper and wider than the next.

    wikidata5m bench tune DATASET --model complex --budget 2h --out TUNE

Imports msgspec, numpy, optuna, yaml, benchmarks, benchmarks.tuning.{rounds,space} and wikidata5m.

    TUNE/
      tune.yaml       the resolved TuneConfig
      base.yaml       the RunConfig that every candidate starts from
      journal.log     Optuna's: every trial with its figures; what --resume goes on from
      config.yaml     the winner, to train with; trials.csv and tune.svg: all trials

Candidates of the first round come from Optuna's TPE sampler; each later round takes the best of the
round before. Of the dataset, the training and the validation triplets alone are read.
"""

from __future__ import annotations

import math
import time
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import optuna
import yaml
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState, create_trial

from benchmarks.checkpoint import difference, flat_settings
from benchmarks.config import RunConfig
from benchmarks.engines.torch_engine import TorchEngine
from benchmarks.metrics import metrics
from benchmarks.ranking import rank_triplets
from benchmarks.tuning.rounds import Round, Subgraph, plan, subgraph
from benchmarks.tuning.space import Space, Values, candidate
from benchmarks.validation import sample_triplets
from wikidata5m.config import load_config
from wikidata5m.console import log, progress
from wikidata5m.dataset import Dataset
from wikidata5m.errors import (
    ConfigError,
    DatasetError,
    OutputExistsError,
    Wikidata5MError,
    telling_of_memory,
)
from wikidata5m.files import atomic_path
from wikidata5m.locks import taken

TUNE, BASE, JOURNAL, WINNER = "tune.yaml", "base.yaml", "journal.log", "config.yaml"
SETTING: Final = "transductive"


@dataclass(frozen=True, slots=True, kw_only=True)
class TuneConfig:
    """What a search was told; saved as TUNE/tune.yaml."""

    dataset: str
    dataset_hash: str
    space: Space
    trials: int = 0
    """Candidates of the first round; 0 where the budget is time."""
    seconds: float = 0.0
    """What all trials together may take, each round an equal part; 0 where it is a number."""
    rounds: int = 3
    keep: int = 4
    """One of so many candidates goes on to the next round, whose trials cost so much more."""
    valid: int = 5_000
    """Validation triplets that a trial ranks, at most: a seeded sample."""
    seed: int = 0
    """What Optuna draws follows from it; the runs themselves have the base's seed."""

    def __post_init__(self) -> None:
        if bool(self.trials) == bool(self.seconds):
            raise ConfigError("a budget is a number of trials or a time, above zero")
        if self.rounds < 1 or self.keep < 2 or self.valid < 1:
            raise ConfigError("--rounds and --valid must be at least 1, --keep at least 2")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What one candidate reached in one round."""

    round: int
    candidate: int
    """Its number in the first round."""
    mrr: float
    """On validation triplets; 0 where training failed, for which see `error`."""
    settings: Values
    """What it changes of the base configuration."""
    epochs: int
    k: int
    """Trained on the k-core of the graph; 0 for the whole."""
    entities: int
    triplets: int
    ranked: int
    """Validation triplets."""
    seconds: float
    metrics: dict[str, Any] = field(default_factory=dict)
    error: str = ""


def tune(config: TuneConfig, base: RunConfig, out: Path) -> list[Trial]:
    """Search, or go on searching, and write the winner to `out`; every trial, the winner first.

    It is the best of the last round that any candidate survived.

    Raises ConfigError when `out` holds a search that was told something else, OutputExistsError
    where another process searches there, DatasetError when there is nothing to validate on, and
    Wikidata5MError when every candidate failed.
    """
    dataset = Dataset(Path(config.dataset))
    require_valid(dataset)
    out.mkdir(parents=True, exist_ok=True)
    with (out / JOURNAL).open("ab") as held:
        if not taken(held):
            raise OutputExistsError(f"{out}: another process searches in it; wait for it")
        return _tune(config, base, dataset, out)


def _tune(config: TuneConfig, base: RunConfig, dataset: Dataset, out: Path) -> list[Trial]:
    _claim(config, base, out)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    search = _Search(config, dataset, out)
    triplets = len(dataset.triplets(SETTING, "train"))
    for stage in plan(config.rounds, config.keep, base.train.epochs, triplets):
        search.finish(stage)
    trials = sorted(search.trials(), key=lambda x: (bool(x.error), -x.round, -x.mrr))
    if trials[0].error:
        raise Wikidata5MError(f"every candidate failed, the last by: {trials[0].error}")
    _write_winner(trials[0], out)
    return trials


def require_valid(dataset: Dataset) -> None:
    """Raise DatasetError where there is nothing to choose by."""
    if not len(dataset.triplets(SETTING, "valid")):
        raise DatasetError(
            f"{dataset.path}: no validation triplets to choose by; make a split that has some with "
            "`wikidata5m split`"
        )


class _Search:
    """The rounds of one search, one Optuna study each, and the trials that storage holds."""

    def __init__(self, config: TuneConfig, dataset: Dataset, out: Path) -> None:
        self.config, self.base = config, out / BASE
        self.storage = JournalStorage(JournalFileBackend(str(out / JOURNAL)))
        self.graph = lru_cache(maxsize=1)(lambda share: subgraph(dataset, share))

    def finish(self, stage: Round) -> None:
        """Run the trials that the round still lacks."""
        study = self._study(stage.number)
        for interrupted in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            # Its candidate is drawn again: what is drawn depends on complete trials alone.
            study.tell(interrupted.number, state=TrialState.FAIL)
        run = self._draw if stage.number == 1 else self._promote
        with progress(f"round {stage.number}", self._wanted(stage.number), "trials") as show:
            while self._goes_on(stage.number):
                run(study, stage)
                done = self.trials(stage.number)
                show(len(done), f"best valid MRR {max(trial.mrr for trial in done):.4f}")

    def trials(self, number: int | None = None) -> list[Trial]:
        """The complete trials of a round, or of all, in the order they were run."""
        numbers = range(1, self.config.rounds + 1) if number is None else [number]
        return [
            msgspec.convert(each.user_attrs["trial"], Trial)
            for n in numbers
            for each in self._study(n).get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        ]

    def _study(self, number: int) -> optuna.Study:
        return optuna.create_study(
            storage=self.storage,
            study_name=f"round {number}",
            direction="maximize",
            load_if_exists=True,
        )

    def _wanted(self, number: int) -> int | None:
        """How many trials the round should have; None where only time limits it."""
        if number == 1:
            return self.config.trials or None
        return math.ceil(len(self.trials(number - 1)) / self.config.keep)

    def _goes_on(self, number: int) -> bool:
        done, wanted = len(self.trials(number)), self._wanted(number)
        if wanted is not None and done >= wanted:
            return False
        spent = sum(trial.seconds for n in range(number) for trial in self.trials(n + 1))
        until = self.config.seconds * number / self.config.rounds
        return not done or not self.config.seconds or spent < until

    def _draw(self, study: optuna.Study, stage: Round) -> None:
        """A new candidate, from what the ones before it reached."""
        number = len(self.trials(stage.number))
        seed = np.random.SeedSequence([self.config.seed, number]).generate_state(1)[0]
        study.sampler = optuna.samplers.TPESampler(seed=int(seed))
        asked = study.ask(self.config.space.distributions())
        trial = self._evaluate(stage, number, self.config.space.settings(asked.params))
        asked.set_user_attr("trial", asdict(trial))
        study.tell(asked, trial.mrr)

    def _promote(self, study: optuna.Study, stage: Round) -> None:
        """The best candidate of the round before that this one has not seen."""
        seen = {trial.candidate for trial in self.trials(stage.number)}
        before = [trial for trial in self.trials(stage.number - 1) if trial.candidate not in seen]
        best = max(before, key=lambda trial: trial.mrr)
        trial = self._evaluate(stage, best.candidate, best.settings)
        distributions = self.config.space.distributions()
        study.add_trial(
            create_trial(
                value=trial.mrr,
                params={name: trial.settings[name] for name in distributions},
                distributions=distributions,
                user_attrs={"trial": asdict(trial)},
            )
        )

    def _evaluate(self, stage: Round, number: int, settings: Values) -> Trial:
        """Train and rank on what the round allows."""
        graph: Subgraph = self.graph(stage.share)
        start = time.perf_counter()
        reached: dict[str, float] = {}
        error = ""
        try:
            config = candidate(self.base, settings | {"train.epochs": stage.epochs})
            with telling_of_memory("search smaller values"):
                reached = train_and_rank(config, graph, self.config.valid)
        except Wikidata5MError as failed:
            error = str(failed)
            log(f"candidate {number}: {error}")
        return Trial(
            round=stage.number,
            candidate=number,
            mrr=reached.get("mrr", 0.0),
            settings=settings,
            epochs=stage.epochs,
            k=graph.k,
            entities=graph.num_entities,
            triplets=len(graph.train_N3),
            ranked=min(self.config.valid, len(graph.valid_V3)),
            seconds=time.perf_counter() - start,
            metrics=reached,
            error=error,
        )


def train_and_rank(config: RunConfig, graph: Subgraph, valid: int) -> dict[str, float]:
    """The metrics of both directions on validation triplets, filtered by train and valid."""
    engine = TorchEngine(config, graph.train_N3, graph.num_entities, graph.num_relations)
    while engine.epoch < config.train.epochs:
        engine.train_epoch()
    ranked = sample_triplets(graph.valid_V3, valid, config.seed)
    known = np.concatenate([graph.train_N3, graph.valid_V3])
    ranks = rank_triplets(engine.predictor, ranked, known, np.arange(graph.num_entities))
    return dict(metrics(ranks)["both"])


def _claim(config: TuneConfig, base: RunConfig, out: Path) -> None:
    """Save what the search was told; on resuming, first require all but the budget to be as saved.

    A larger budget goes on where the smaller one ended.
    """
    for name, value in ((TUNE, config), (BASE, replace(base, dataset="", dataset_hash=""))):
        path, told = out / name, msgspec.to_builtins(value)
        if path.is_file():
            saved = msgspec.to_builtins(load_config(type(value), path))
            asked = {k: x for k, x in told.items() if k not in {"dataset", "trials", "seconds"}}
            if found := difference(flat_settings(saved), flat_settings(asked)):
                raise ConfigError(
                    f"{path}: {found}; resume with the same settings, or start a search in another "
                    "folder"
                )
        _write_yaml(path, told)


def _write_winner(winner: Trial, out: Path) -> None:
    config = candidate(out / BASE, winner.settings)
    comment = (
        f"# Candidate {winner.candidate} of a search: validation MRR {winner.mrr:.4f} "
        f"after {winner.epochs} epochs on {winner.triplets:,} triplets.\n"
    )
    _write_yaml(out / WINNER, asdict(config), comment)


def _write_yaml(path: Path, values: object, comment: str = "") -> None:
    with atomic_path(path) as temporary:
        text = comment + yaml.safe_dump(values, sort_keys=False)
        temporary.write_text(text, encoding="utf-8")
