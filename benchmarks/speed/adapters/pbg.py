"""PyTorch-BigGraph (Lerer et al. 2019). Loaded by benchmarks/speed/worker.py.

Imports torchbiggraph, torch, h5py and numpy, all of an environment of its own: version 1.0.0 wants
setuptools below 80 and numpy below 2.
"""

from __future__ import annotations

import logging
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

if TYPE_CHECKING:
    from benchmarks.speed.worker import Work

NAME = "entity"
PROCESSED = re.compile(r"Processed (\d+) edges in ([\d.]+) s")


class Adapter:
    """Its trainer over one partition, one process per thread, and its filtered evaluator.

    A positive gets half of its negatives as wrong heads, half as wrong tails, shared by as many
    positives as there are of them. PBG has no TransE by L1, RotatE, SimplE or QuatE.
    """

    TITLE: ClassVar = "PyTorch-BigGraph"
    MODULE: ClassVar = "torchbiggraph"
    MODELS: ClassVar[dict[str, Any]] = {
        "transe-l2": {"operator": "translation", "comparator": "l2"},
        "distmult": {"operator": "diagonal", "comparator": "dot"},
        "complex": {"operator": "complex_diagonal", "comparator": "dot"},
    }

    def __init__(self, work: Work, train_N3: Any, ranked_M3: Any) -> None:
        self.work, self.train_N3, self.ranked_M3 = work, train_N3, ranked_M3
        self.folder = Path(work.folder)
        self.epochs = 0
        self.seconds: list[float] = []
        (self.folder / f"entity_count_{NAME}_0.txt").write_text(f"{work.num_entities}\n")
        (self.folder / "dynamic_rel_count.txt").write_text(f"{work.num_relations}\n")
        logger = logging.getLogger("torchbiggraph")
        logger.setLevel(logging.INFO)
        logger.addFilter(self._hear)

    @property
    def version(self) -> str:
        """See Engine."""
        from torchbiggraph import __version__

        return str(__version__)

    def train(self, count: int) -> float:
        """See Engine. The seconds are those that PBG reports for the edges alone.

        It trains two epochs, since its workers are still starting in the first.
        """
        from torchbiggraph.train import train

        self.epochs += 2
        edges = self._write(f"train-{count}", self.train_N3[:count])
        self.seconds.clear()
        train(self._config([edges], num_epochs=self.epochs, batch_size=self.work.batch))
        return self.seconds[-1]

    def rank(self, count: int) -> float:
        """See Engine. Only the known triplets that answer one of the queries are handed over."""
        import torch
        from torchbiggraph.checkpoint_manager import CheckpointManager
        from torchbiggraph.filtered_eval import FilteredRankingEvaluator
        from torchbiggraph.graph_storages import EDGE_STORAGES
        from torchbiggraph.model import make_model
        from torchbiggraph.types import Partition, Side

        asked_M3 = self.ranked_M3[:count]
        known = self._write(f"known-{count}", _answers(self.train_N3, asked_M3))
        config = self._config([self._write(f"ranked-{count}", asked_M3)], all_negs=True)
        evaluator = FilteredRankingEvaluator(config, [known])
        checkpoint = CheckpointManager(config.checkpoint_path)
        state, _ = checkpoint.maybe_read_model()
        model = make_model(config)
        model.load_state_dict(state, strict=False)
        vectors = torch.nn.Parameter(checkpoint.read(NAME, Partition(0))[0])
        for side in (Side.LHS, Side.RHS):
            model.set_embeddings(NAME, vectors, side)
        edges = EDGE_STORAGES.make_instance(config.edge_paths[0]).load_edges(0, 0)
        torch.set_num_threads(self.work.threads)
        start = time.perf_counter()
        for first in range(0, count, 64):
            evaluator.process_one_batch(model, edges[first : min(first + 64, count)])
        return time.perf_counter() - start

    def _config(self, edges: list[str], *, all_negs: bool = False, **settings: Any) -> Any:
        from torchbiggraph.config import ConfigSchema

        relation = {"name": "all", "lhs": NAME, "rhs": NAME, "all_negs": all_negs}
        kind = self.MODELS[self.work.model]
        return ConfigSchema.from_dict(
            {
                "entity_path": str(self.folder),
                "edge_paths": edges,
                "checkpoint_path": str(self.folder / "model"),
                "entities": {NAME: {"num_partitions": 1}},
                "relations": [{**relation, "operator": kind["operator"]}],
                "dynamic_relations": True,
                "dimension": self.work.dim,
                "global_emb": False,
                "comparator": kind["comparator"],
                "loss_fn": "logistic",
                "lr": 0.1,
                "num_batch_negs": 0,
                "num_uniform_negs": max(1, self.work.negatives // 2),
                "workers": self.work.threads,
                "eval_fraction": 0.0,
                "hogwild_delay": 0.0,
                **settings,
            }
        )

    def _write(self, name: str, triplets_N3: Any) -> str:
        """The triplets as PBG reads them; the folder's path."""
        import h5py

        folder = self.folder / name
        if not folder.is_dir():
            folder.mkdir()
            with h5py.File(folder / "edges_0_0.h5", "w") as file:
                file.attrs["format_version"] = 1
                for key, column in zip(("lhs", "rel", "rhs"), triplets_N3.T, strict=True):
                    file.create_dataset(key, data=np.ascontiguousarray(column))
        return str(folder)

    def _hear(self, record: logging.LogRecord) -> bool:
        found = PROCESSED.search(record.getMessage())
        if found:
            self.seconds.append(float(found[2]))
        return False


def _answers(known_N3: Any, asked_M3: Any) -> Any:
    """The known triplets that answer (h, r, ?) or (?, r, t) of an asked one."""
    width = int(known_N3.max()) + 1
    keys = [(column, known_N3[:, column] * width + known_N3[:, 1]) for column in (0, 2)]
    kept = [np.isin(key, asked_M3[:, column] * width + asked_M3[:, 1]) for column, key in keys]
    return known_N3[kept[0] | kept[1]]
