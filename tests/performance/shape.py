"""The shape of graphs side by side: degrees, hubs, relations, what hangs together.

python -m tests.performance.shape DATASET [DATASET ...]
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt

from wikidata5m import load
from wikidata5m.console import table
from wikidata5m.dataset import Dataset


def main() -> None:
    """Print one column per dataset."""
    folders = sys.argv[1:]
    shapes = [shape(load(folder)) for folder in folders]
    rows = [[name, *(each[name] for each in shapes)] for name in shapes[0]]
    print(table(["", *(Path(folder).name for folder in folders)], rows))  # noqa: T201


def shape(dataset: Dataset) -> dict[str, str]:
    """What is compared."""
    triplets_N3, entities = dataset.triplets(), dataset.num_entities
    out_E = np.bincount(triplets_N3[:, 0], minlength=entities)
    in_E = np.bincount(triplets_N3[:, 2], minlength=entities)
    relation_R = np.sort(np.bincount(triplets_N3[:, 1]))[::-1]
    count = len(triplets_N3)
    return {
        "entities": f"{entities:,}",
        "relations": f"{dataset.num_relations:,}",
        "triplets": f"{count:,}",
        "triplets per entity": f"{count / entities:.2f}",
        "out-degree: median, 90%, 99%, largest": _quantiles(out_E),
        "in-degree: median, 90%, 99%, largest": _quantiles(in_E),
        "largest in-degree, share of entities": f"{in_E.max() / entities:.1%}",
        "most frequent relation": f"{relation_R[0] / count:.1%}",
        "ten most frequent relations": f"{relation_R[:10].sum() / count:.1%}",
        "hundred most frequent relations": f"{relation_R[:100].sum() / count:.1%}",
        "entities in the largest component": f"{_largest(triplets_N3, entities) / entities:.2%}",
    }


def _quantiles(degree_E: npt.NDArray[np.int64]) -> str:
    found = [int(value) for value in np.quantile(degree_E, [0.5, 0.9, 0.99, 1])]
    return ", ".join(f"{value:,}" for value in found)


def _largest(triplets_N3: npt.NDArray[np.int32], entities: int) -> int:
    """Entities of the largest component: each takes the least label near it till none changes."""
    label_E = np.arange(entities)
    head_N, tail_N = triplets_N3[:, 0], triplets_N3[:, 2]
    while True:
        least_N = np.minimum(label_E[head_N], label_E[tail_N])
        before = label_E.copy()
        np.minimum.at(label_E, head_N, least_N)
        np.minimum.at(label_E, tail_N, least_N)
        label_E = label_E[label_E]
        if np.array_equal(label_E, before):
            return int(np.bincount(label_E).max())


if __name__ == "__main__":
    main()
