"""What a run folder says of itself: where it came from, its settings, its log.

Imports msgspec, yaml, benchmarks.{results,schedule}, kepler_ke.config and wikidata5m.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
import yaml

from benchmarks.results import CurvePoint, TrainSummary
from benchmarks.schedule import best_point
from kepler_ke.config import KeplerConfig
from wikidata5m.dataset import Dataset
from wikidata5m.errors import ConfigError, DatasetError, InputError
from wikidata5m.files import read_json
from wikidata5m.schema import Setting

RUN: Final = "run.json"
LOG: Final = "log.jsonl"
CONFIG: Final = "config.yaml"
Written = TypeVar("Written", bound="RunInfo | KeplerConfig")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunInfo:
    """What a run was made from, besides its settings."""

    dataset: str
    """The dataset's folder."""
    dataset_hash: str
    encoder: str
    """The encoder the run started from, as it was named; its weights are in RUN/start."""
    setting: Setting
    seed: int
    preset: str
    corpus: str = ""
    """The folder of texts that the masked-language-model loss read; empty for descriptions."""
    corpus_hash: str = ""
    """kepler_ke.tokens.corpus_hash of it."""
    second: str = ""
    """The second graph's folder (Eq. 7), if there is one."""
    second_hash: str = ""

    def __post_init__(self) -> None:
        """Refuse a seed that not every generator takes."""
        if not 0 <= self.seed < 1 << 32:
            raise ConfigError(f"seed = {self.seed}: must be at least 0 and below 2^32")

    def behind(self, dataset: Dataset) -> str:
        """What ends the names of files about this dataset: something where it is the second."""
        return "" if dataset.manifest.dataset_hash == self.dataset_hash else "-second"


def read_run(run: Path, *, finished: bool = True) -> RunInfo:
    """RUN/run.json. Raises ConfigError when the folder is no KEPLER run, or not `finished`."""
    if not (run / RUN).is_file():
        raise ConfigError(f"{run}: no {RUN}; name a folder that `wikidata5m kepler train` wrote")
    if finished and not (run / "model").is_dir():
        raise ConfigError(f"{run}: training is not finished; run kepler train again with --resume")
    return _as_written(read_json(run / RUN), RunInfo, run / RUN)


def preset_of(config: Path) -> str:
    """The preset of the run that this config.yaml is of; empty where it is of none."""
    if config.name != CONFIG or not (config.parent / RUN).is_file():
        return ""
    return read_run(config.parent, finished=False).preset


def read_run_on(run: Path, dataset: Dataset) -> RunInfo:
    """As read_run. Raises DatasetError when the run was trained on another dataset."""
    info = read_run(run)
    if dataset.manifest.dataset_hash not in {info.dataset_hash, info.second_hash}:
        raise DatasetError(
            f"{dataset.path}: the run {run} was trained on another dataset ({info.dataset}); "
            "name that one with --dataset: relations and unseen entities are its own"
        )
    return info


def read_config(run: Path) -> KeplerConfig:
    """The settings that RUN/config.yaml holds. Raises InputError when it is damaged."""
    try:
        values = yaml.safe_load((run / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        problem = f"cannot be read ({str(error).splitlines()[0]})"
        raise InputError(run / CONFIG, problem, fix="train again with --overwrite") from None
    return _as_written(values, KeplerConfig, run / CONFIG)


def _as_written(values: object, kind: type[Written], path: Path) -> Written:
    try:
        return msgspec.convert(values, kind)
    except msgspec.ValidationError as error:
        raise InputError(path, f"damaged ({error})", fix="train again with --overwrite") from None


def read_log(run: Path) -> list[dict[str, Any]]:
    """The lines of RUN/log.jsonl, oldest first; none when there is no such file.

    A last line that was cut, by a power cut or a full disk, is left out. Raises InputError when
    another is damaged.
    """
    path = run / LOG
    lines = path.read_bytes().splitlines() if path.is_file() else []
    found = []
    for number, line in enumerate(lines, start=1):
        try:
            found.append(msgspec.json.decode(line))
        except msgspec.DecodeError as error:
            if number < len(lines):
                fix, where = "delete that line", f"line {number}"
                raise InputError(path, f"not JSON ({error})", fix=fix, where=where) from None
    return found


def train_summary(run: Path) -> TrainSummary:
    """What RUN/log.jsonl says of the training."""
    log = read_log(run)
    seconds = sum(line["seconds"] for line in log)
    seen = sum(line["seconds"] * line["triplets_per_second"] for line in log)
    curve = tuple(
        CurvePoint(epoch=line["epoch"], loss=line["loss"], valid_mrr=line.get("valid_mrr"))
        for line in log
    )
    best = best_point(curve)
    epochs = log[-1]["epoch"] if log else 0
    return TrainSummary(
        epochs=epochs,
        seconds=seconds,
        triplets_per_second=seen / max(seconds, 1e-9),
        curve=curve,
        best_epoch=best.epoch if best else epochs,
        peak_bytes=max((line.get("peak_bytes", 0) for line in log), default=0) or None,
    )
