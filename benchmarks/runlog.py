"""How training went, epoch by epoch: RUN/log.jsonl, the same as log.csv; TensorBoard if asked for.

Imports msgspec, torch, ujson, benchmarks.{results,schedule} and wikidata5m.
"""

from __future__ import annotations

import csv
import io
import resource
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Final

import msgspec
import ujson

from benchmarks.results import CurvePoint, TrainSummary
from benchmarks.schedule import best_point
from wikidata5m.errors import InputError, MissingExtraError, how_to_install
from wikidata5m.files import atomic_path

LOG: Final = "log.jsonl"
CSV: Final = "log.csv"
TENSORBOARD: Final = "tensorboard"


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """One epoch."""

    epoch: int
    """Counted from 1."""
    loss: float
    """The mean over the epoch."""
    seconds: float
    """Training alone; validation is not counted."""
    triplets_per_second: float
    rate: float = 1.0
    """The share of train.lr that the epoch ended with."""
    valid_mrr: float | None = None
    """Where the epoch was validated."""
    peak_bytes: int | None = None
    """The most memory that the process held until then."""


def peak_bytes() -> int:
    """The most memory that this process held at once so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


class RunLog:
    """The lines of a run so far; each addition is on disk when `add` returns."""

    def __init__(self, run: Path, *, after: int = 0, tensorboard: bool = False) -> None:
        """Go on after epoch `after`: what a killed run logged beyond its checkpoint is dropped.

        Raises InputError when the log lacks one of the epochs before, MissingExtraError when
        TensorBoard is asked for and not installed.
        """
        self.run = run
        self.lines = read_log(run)[:after]
        if len(self.lines) != after:
            problem = f"has {len(self.lines)} epochs, the checkpoint {after}"
            raise InputError(run / LOG, problem, fix="start again with --overwrite")
        self._board = _open_board(run / TENSORBOARD, after) if tensorboard else None

    @property
    def curve(self) -> tuple[CurvePoint, ...]:
        """The epochs so far, as results keep them."""
        return curve_of(self.lines)

    @property
    def last_valid(self) -> float | None:
        """The MRR of the last validation."""
        return next((x.valid_mrr for x in reversed(self.lines) if x.valid_mrr is not None), None)

    def add(self, line: LogLine) -> None:
        """Log an epoch."""
        self.lines.append(line)
        jsonl = "".join(ujson.dumps(_without_none(each)) + "\n" for each in self.lines)
        for name, text in ((LOG, jsonl), (CSV, _csv(self.lines))):
            with atomic_path(self.run / name) as temporary:
                temporary.write_text(text, encoding="utf-8")
        if self._board is not None:
            for key, value in _without_none(line).items():
                self._board.add_scalar(key, value, line.epoch)
            self._board.flush()


def read_log(run: Path) -> list[LogLine]:
    """RUN/log.jsonl; empty when there is none. Raises InputError, with the line, when damaged."""
    path = run / LOG
    if not path.is_file():
        return []
    lines = []
    for number, text in enumerate(path.read_bytes().splitlines(), start=1):
        try:
            lines.append(msgspec.json.decode(text, type=LogLine))
        except msgspec.MsgspecError as error:
            fix = "start again with --overwrite"
            raise InputError(path, str(error), where=f"line {number}", fix=fix) from None
    return lines


def curve_of(lines: Sequence[LogLine]) -> tuple[CurvePoint, ...]:
    """The epochs as results keep them."""
    return tuple(
        CurvePoint(epoch=line.epoch, loss=line.loss, valid_mrr=line.valid_mrr) for line in lines
    )


def summary(run: Path) -> TrainSummary:
    """What RUN/log.jsonl says of the training."""
    lines = read_log(run)
    best = best_point(curve_of(lines))
    # GraphVite tells losses of a few epochs alone.
    last = lines[-1].epoch if lines else 0
    seconds = sum(line.seconds for line in lines)
    triplets = sum(line.seconds * line.triplets_per_second for line in lines)
    return TrainSummary(
        epochs=last,
        seconds=seconds,
        triplets_per_second=triplets / seconds if seconds else 0.0,
        curve=curve_of(lines),
        best_epoch=int(best.epoch) if best else last or None,
        peak_bytes=max((line.peak_bytes or 0 for line in lines), default=0) or None,
    )


def _csv(lines: Sequence[LogLine]) -> str:
    text = io.StringIO()
    names = [field.name for field in fields(LogLine)]
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(line) for line in lines)
    return text.getvalue()


def _without_none(line: LogLine) -> dict[str, float]:
    return {key: value for key, value in asdict(line).items() if value is not None}


def summary_writer() -> Any:
    """TensorBoard's class. Raises MissingExtraError when it is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter  # noqa: PLC0415 - an optional dependency
    except ModuleNotFoundError:
        raise MissingExtraError(
            "train.tensorboard needs the package tensorboard, which is not installed; "
            f"{how_to_install('tensorboard')}, or leave the setting out: log.csv has the same"
        ) from None
    return SummaryWriter


def _open_board(folder: Path, after: int) -> Any:
    """A writer that hides what an interrupted run wrote beyond epoch `after`."""
    return summary_writer()(str(folder), purge_step=after + 1)
