"""Splits of a graph: pure functions of (triplets, configuration, seed), on arrays.

    make_splits(whole, ("transductive", "inductive"), SplitConfig(), seed=0, update)

`transductive`, `inductive`, `semi_inductive` and `temporal` hold triplets out; `classification`
sets false triplets beside the transductive ones. `make` runs those that are asked for, `resplit`
writes a dataset anew with them. Imports the package's own modules.
"""

from pipelines.split.classification import Classified, classification
from pipelines.split.config import SplitConfig, SplitResult
from pipelines.split.inductive import inductive
from pipelines.split.make import (
    DEFAULT,
    SPLIT_NAMES,
    SplitName,
    Splits,
    Whole,
    check_names,
    make_splits,
)
from pipelines.split.semi_inductive import semi_inductive
from pipelines.split.temporal import Earlier, read_earlier, temporal
from pipelines.split.transductive import transductive

__all__ = [
    "DEFAULT",
    "SPLIT_NAMES",
    "Classified",
    "Earlier",
    "SplitConfig",
    "SplitName",
    "SplitResult",
    "Splits",
    "Whole",
    "check_names",
    "classification",
    "inductive",
    "make_splits",
    "read_earlier",
    "semi_inductive",
    "temporal",
    "transductive",
]
