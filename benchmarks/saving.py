"""What a run leaves on disk while it trains, and what is still there after a fault.

    RUN/checkpoint/
      state.safetensors    tables and optimizer state after an epoch (benchmarks.checkpoint)
      best-<epoch>/        the artefact of the best validation so far; it ends as RUN/embeddings

Imports benchmarks.{checkpoint,embeddings,engines,results,schedule,tensors} and wikidata5m.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from benchmarks.checkpoint import FIX, STATE
from benchmarks.embeddings import EmbeddingsMeta, Ids, save_embeddings
from benchmarks.engines.torch_engine import TorchEngine
from benchmarks.results import CurvePoint
from benchmarks.schedule import best_point
from benchmarks.tensors import read_metadata
from wikidata5m.console import log
from wikidata5m.dataset import Dataset
from wikidata5m.errors import NO_ROOM, InputError, Wikidata5MError

CHECKPOINT: Final = "checkpoint"
EMBEDDINGS: Final = "embeddings"


def has_checkpoint(run: Path) -> bool:
    """Whether there is something to resume from."""
    return (run / CHECKPOINT / STATE).is_file()


class Saver:
    """Writes checkpoints when they are due, and keeps the vectors of the best validation.

    The best vectors are deleted only once a checkpoint knows better ones: whichever checkpoint a
    killed run resumes from, the best vectors up to it are there.
    """

    def __init__(
        self, run: Path, engine: TorchEngine, dataset: Dataset, curve: Sequence[CurvePoint]
    ) -> None:
        """`curve` is that of the checkpoint resumed from; empty at a start."""
        self.folder, self.artefact = run / CHECKPOINT, run / EMBEDDINGS
        self.engine, self.dataset = engine, dataset
        self._best_of_checkpoint = _best_epoch(curve)
        self._last_save = time.monotonic()

    def after_epoch(self, curve: Sequence[CurvePoint], *, last: bool) -> None:
        """Keep the vectors when this epoch is the best yet; write a checkpoint when it is due."""
        epoch, best = self.engine.epoch, _best_epoch(curve)
        if best == epoch:
            self._save_artefact(self._best(epoch), curve[-1])
            self._delete_all_but(best, self._best_of_checkpoint)
        if last or self._is_due(epoch):
            self.engine.save(self.folder)
            self._best_of_checkpoint, self._last_save = best, time.monotonic()
            self._delete_all_but(best)

    def finish(self, curve: Sequence[CurvePoint]) -> None:
        """Leave RUN/embeddings: the best vectors, or the last where nothing was validated."""
        best = _best_epoch(curve)
        if best is None:
            self._save_artefact(self.artefact, curve[-1])
        elif self._best(best).is_dir():
            self._best(best).replace(self.artefact)
        elif not self.artefact.is_dir():
            problem = f"the vectors of epoch {best}, the best, are gone"
            raise InputError(self._best(best), problem, fix=FIX)

    def _is_due(self, epoch: int) -> bool:
        train = self.engine.config.train
        minutes = (time.monotonic() - self._last_save) / 60
        return epoch % train.checkpoint_epochs == 0 or minutes >= train.checkpoint_minutes

    def _best(self, epoch: int) -> Path:
        return self.folder / f"best-{epoch}"

    def _delete_all_but(self, *epochs: int | None) -> None:
        kept = {self._best(epoch) for epoch in epochs if epoch is not None}
        for folder in self.folder.glob("best-*"):
            if folder not in kept:
                shutil.rmtree(folder)

    def _save_artefact(self, folder: Path, point: CurvePoint) -> None:
        engine, manifest = self.engine, self.dataset.manifest
        extra: dict[str, Any] = {"epochs": int(point.epoch), "seed": engine.config.seed}
        if point.valid_mrr is not None:
            extra["valid_mrr"] = point.valid_mrr
        meta = EmbeddingsMeta(
            scorer=engine.scorer.name,
            dim=engine.config.model.dim,
            dataset=manifest.name,
            dataset_hash=manifest.dataset_hash,
            gamma=engine.scorer.gamma,
            p=engine.scorer.p,
            reciprocal=engine.config.model.reciprocal,
            extra=extra,
        )
        whole = engine.collect(("entities", "relations"))
        ids = Ids.of(self.dataset)
        save_embeddings(folder, whole["entities"], whole["relations"], meta, ids=ids)


@contextmanager
def telling_what_is_kept(run: Path) -> Iterator[None]:
    """Add to a fault of training which checkpoint is there, and how to go on from it.

    Raises Wikidata5MError for a full disk, or any other that does not take what is written.
    """
    try:
        yield
    except OSError as error:
        place = error.filename or run
        problem = f"{place}: {error.strerror or error}"
        if error.errno in NO_ROOM:
            problem += "; make room there"
        raise Wikidata5MError(f"{problem}; {_kept(run, '--resume')}") from error
    except Wikidata5MError as error:
        other = f"--from {run} and other settings, into another folder"
        raise Wikidata5MError(f"{error}; {_kept(run, other)}") from error
    except KeyboardInterrupt:
        log(_kept(run, "--resume"))
        raise


def _kept(run: Path, how: str) -> str:
    if not has_checkpoint(run):
        return "there is no checkpoint yet: start again with --overwrite"
    epoch = read_metadata(run / CHECKPOINT / STATE, fix=FIX).get("epoch")
    return f"the checkpoint after epoch {epoch} is kept: go on from it with {how}"


def _best_epoch(curve: Sequence[CurvePoint]) -> int | None:
    best = best_point(curve)
    return None if best is None else int(best.epoch)
