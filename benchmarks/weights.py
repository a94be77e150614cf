"""What each training triplet counts, from a file of one's own.

Imports numpy, polars and wikidata5m. Shapes: N training triplets.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from wikidata5m.console import log
from wikidata5m.dataset import Dataset, Triplets
from wikidata5m.errors import InputError
from wikidata5m.files import why_no_file

Weights = npt.NDArray[np.float32]
TRIPLET: Final = ["head", "relation", "tail"]


def read_weights(
    path: Path, dataset: Dataset, triplets_N3: Triplets, *, tell: bool = True
) -> Weights:
    """(N,) the weight of each triplet; 1 for those that the file does not name.

    The file is TSV without a header, `head, relation, tail, weight`, by string ids. Raises
    InputError on a line that is no such thing, names a triplet twice or one that is not trained
    on, or whose weight is not a finite number of zero or above.
    """
    frame = _read(path)
    _refuse(path, frame, frame.select(TRIPLET).is_duplicated(), "a triplet named twice")
    weight = pl.col("weight")
    wrong = frame.select((weight < 0) | ~weight.is_finite().fill_null(value=False))["weight"]
    _refuse(path, frame, wrong.fill_null(value=True), "a weight that is no number of 0 or above")
    ids = pl.DataFrame(
        {
            "head": dataset.entity_ids[triplets_N3[:, 0]],
            "relation": dataset.relations["relation"][triplets_N3[:, 1]],
            "tail": dataset.entity_ids[triplets_N3[:, 2]],
        }
    ).with_row_index("row")
    found = frame.join(ids, on=TRIPLET, how="left", maintain_order="left")
    _refuse(path, frame, found["row"].is_null(), "a triplet that is not trained on")
    weight_N = np.ones(len(triplets_N3), dtype=np.float32)
    weight_N[found["row"].to_numpy()] = found["weight"].to_numpy()
    if tell:
        log(f"weights: {len(found):,} of {len(triplets_N3):,} triplets named in {path}, the rest 1")
    if not weight_N.sum() > 0:
        raise InputError(path, "all weights are 0", fix="give some triplets a positive weight")
    return weight_N


def _read(path: Path) -> pl.DataFrame:
    if not path.is_file():
        raise InputError(path, why_no_file(path), fix="name a file of triplets and weights")
    columns = [*TRIPLET, "weight"]
    kinds = [pl.String] * 3 + [pl.Float32]
    try:
        return pl.read_csv(
            path,
            separator="\t",
            has_header=False,
            new_columns=columns,
            schema=dict(zip(columns, kinds, strict=True)),
            quote_char=None,
        )
    except (OSError, pl.exceptions.PolarsError) as error:
        problem = f"not readable as weights ({str(error).splitlines()[0]})"
        raise InputError(path, problem, fix="write head, relation, tail, weight by tabs") from None


def _refuse(path: Path, frame: pl.DataFrame, wrong: pl.Series, problem: str) -> None:
    """Raise InputError at the first line that `wrong` marks."""
    place = wrong.arg_max()
    if place is not None and wrong[place]:
        line = "  ".join(map(str, frame.row(place)))
        where, problem = f"line {place + 1}", f"{problem} ({line})"
        raise InputError(path, problem, where=where, fix="correct or delete the line")
