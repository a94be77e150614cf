"""The index behind the pages: facts by either end, entities by id; memory-mapped, made once.

Imports console, dataset, errors, files, kept, schema and splits.

    triplets.npy           (N, 3) sorted by head, relation, tail
    out.npy, in.npy        (E + 1,) where an entity's facts begin, as head in `triplets`, as tail in
                           `incoming`
    incoming.npy           (N,) rows of `triplets`, sorted by tail, relation, head
    parts-SETTING.npy      (N,) which parts of the split state the triplet: bit i is PLACES[i]
    entities.arrow         the entity table, uncompressed, so that a row is read alone
    by_id.npy              (E,) entities in the order of their ids, as UTF-8 bytes
    best.npy               the few entities with the most facts, best first

Legend: E entities, R relations, N triplets, M some of them.
"""

from __future__ import annotations

import bisect
import tempfile
from collections.abc import Iterator, Mapping
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from wikidata5m import schema
from wikidata5m.console import by_stages, log
from wikidata5m.dataset import Dataset, Triplets
from wikidata5m.errors import DatasetError, unreadable
from wikidata5m.files import cache_home
from wikidata5m.kept import KeptError, damaged, kept_folder, map_array, save_arrays, writing
from wikidata5m.schema import PARTS, Part, Setting, Support
from wikidata5m.splits import triplet_keys

FORMAT: Final = 1
BEST: Final = 12
PLACES: Final[tuple[Part | Support, ...]] = (*PARTS, schema.SUPPORT)
Direction = Literal["out", "in"]
"""Of facts: the entity is their head, or their tail."""
Rows = npt.NDArray[np.int32]
"""Rows of the table of triplets."""


class Index:
    """Facts and entities of a dataset, read from the index on disk."""

    def __init__(self, folder: Path, num_relations: int, settings: tuple[Setting, ...]) -> None:
        self.num_relations = num_relations
        self.triplets_N3: Triplets = map_array(folder, "triplets")
        self._starts = {"out": map_array(folder, "out"), "in": map_array(folder, "in")}
        self._incoming_N = map_array(folder, "incoming")
        self._parts = {setting: map_array(folder, f"parts-{setting}") for setting in settings}
        self._by_id_E = map_array(folder, "by_id")
        # Of hubs, with millions of facts, every page asks for these several times.
        self._bounds = lru_cache(maxsize=256)(self._find_bounds)
        self.best = [int(entity) for entity in map_array(folder, "best")]
        try:
            mapped = pa.memory_map(str(folder / "entities.arrow"))
            self._entities = pa.ipc.open_file(mapped).read_all()
        except (OSError, pa.ArrowException) as error:
            raise damaged(folder, error) from None

    def __len__(self) -> int:
        """E."""
        return len(self._by_id_E)

    def find(self, entity: str) -> int | None:
        """The entity of this id."""
        wanted = entity.encode("utf-8", "surrogatepass")
        place = bisect.bisect_left(self._by_id_E, wanted, key=self._id)
        if place < len(self) and self._id(int(self._by_id_E[place])) == wanted:
            return int(self._by_id_E[place])
        return None

    def record(self, entity: int) -> dict[str, Any]:
        """The entity's row of the entity table."""
        row: dict[str, Any] = self._entities.slice(entity, 1).to_pylist()[0]
        return row

    def degree(self, entity: int | npt.NDArray[np.integer]) -> npt.NDArray[np.int64]:
        """In how many triplets it is head or tail; one with itself counts twice."""
        found = [start_E[entity + 1] - start_E[entity] for start_E in self._starts.values()]
        return np.asarray(sum(found))

    def count(self, entity: int, direction: Direction) -> int:
        """How many facts have this head, or this tail."""
        start_E = self._starts[direction]
        return int(start_E[entity + 1] - start_E[entity])

    def counts(self, entity: int, direction: Direction) -> npt.NDArray[np.int64]:
        """(R,) its facts in one direction by relation."""
        return np.diff(self._bounds(entity, direction))

    def rows(self, entity: int, direction: Direction, relation: int | None = None) -> Rows:
        """Its facts in one direction, by relation, then by the other end."""
        start_E = self._starts[direction]
        first, last = int(start_E[entity]), int(start_E[entity + 1])
        if relation is not None:
            bound_R = self._bounds(entity, direction)
            first, last = first + int(bound_R[relation]), first + int(bound_R[relation + 1])
        if direction == "out":
            return np.arange(first, last, dtype=np.int32)
        return self._incoming_N[first:last]

    def parts(self, setting: Setting, rows_M: Rows) -> list[tuple[Part | Support, ...]]:
        """The parts of a split that state each of these facts; none of a split that is not here."""
        if setting not in self._parts:
            return [()] * len(rows_M)
        bits_M = self._parts[setting][rows_M].tolist()
        return [tuple(p for i, p in enumerate(PLACES) if bits >> i & 1) for bits in bits_M]

    def _find_bounds(self, entity: int, direction: Direction) -> npt.NDArray[np.int64]:
        """(R + 1,) where each relation begins among its facts, and where the last one ends."""
        rows = self.rows(entity, direction)
        count_R = np.bincount(self.triplets_N3[rows, 1], minlength=self.num_relations)
        return np.concatenate([[0], np.cumsum(count_R)])

    def _id(self, entity: int) -> bytes:
        text: str = self._entities.column("entity")[entity].as_py()
        return text.encode("utf-8")


def keep_index(dataset: Dataset) -> Path:
    """The kept folder of a dataset's index, made where there is none. Raises KeptError."""
    key = f"{FORMAT}-{dataset.manifest.dataset_hash}"
    return kept_folder("explore", key, dataset.path, partial(_write, dataset))


def open_index(dataset: Dataset) -> Index:
    """The index of a dataset, made where there is none.

    Where the cache folder cannot be written it goes when the program ends. Raises KeptError when
    it is damaged, or has no room in the system's temporary folder either.
    """
    try:
        folder = keep_index(dataset)
    except KeptError as error:
        log(f"the index of facts is not kept: {error}")
    else:
        return Index(folder, dataset.num_relations, dataset.settings)
    with writing(cache_home()):
        passing = tempfile.TemporaryDirectory(prefix="wikidata5m-")
    with passing as folder_name:
        _write(dataset, Path(folder_name))
        # What is mapped stays, though its name goes.
        return Index(Path(folder_name), dataset.num_relations, dataset.settings)


def _write(dataset: Dataset, folder: Path) -> None:
    """Read everything once; peak memory is that of the triplets in four forms."""
    # Of its own, so that what it has read goes when the index is written.
    source = Dataset(dataset.path)
    by_stages(
        "index of facts",
        {
            "entities": partial(_write_entities, source, folder),
            "facts": partial(_write_facts, source, folder),
            **{
                f"{setting} parts": partial(_write_parts, source, setting, folder)
                for setting in source.settings
            },
        },
    )


def _write_entities(dataset: Dataset, folder: Path) -> None:
    by_id_E = dataset.entity_ids.arg_sort().to_numpy().astype(np.int32)
    save_arrays(folder, {"by_id": by_id_E})
    batches = _entity_batches(dataset.path / schema.ENTITIES)
    with (
        writing(folder),
        pa.ipc.new_file(str(folder / "entities.arrow"), schema.ENTITY_SCHEMA) as writer,
    ):
        for batch in batches:
            writer.write_batch(batch)


def _entity_batches(path: Path) -> Iterator[pa.RecordBatch]:
    """The entity table, a piece at a time. Raises DatasetError when it cannot be read."""
    try:
        for batch in pq.ParquetFile(path).iter_batches(batch_size=1 << 16):
            yield batch.cast(schema.ENTITY_SCHEMA)
    except (OSError, pa.ArrowException) as error:
        raise unreadable(path, error) from None


def _write_facts(dataset: Dataset, folder: Path) -> None:
    triplets_N3 = dataset.triplets()
    key_N = triplet_keys(triplets_N3, (dataset.num_entities, dataset.num_relations))
    if np.any(key_N[1:] <= key_N[:-1]):
        raise DatasetError(
            f"{dataset.path / schema.TRIPLETS}: not sorted, or not unique; run `wikidata5m verify`"
        )
    # Stable, so facts of one tail and relation stay in the order of their heads.
    turned_N = triplets_N3[:, 2].astype(np.int64) * dataset.num_relations + triplets_N3[:, 1]
    out_E, in_E = (_starts(triplets_N3[:, end], dataset.num_entities) for end in (0, 2))
    arrays: Mapping[str, npt.NDArray[Any]] = {
        "triplets": triplets_N3,
        "incoming": np.argsort(turned_N, kind="stable").astype(np.int32),
        "out": out_E,
        "in": in_E,
        "best": np.argsort(-(np.diff(out_E) + np.diff(in_E)), kind="stable")[:BEST],
    }
    save_arrays(folder, arrays)


def _starts(end_N: npt.NDArray[np.int32], num_entities: int) -> npt.NDArray[np.int64]:
    """Where each entity's facts begin when they are in its order, and where the last one's end."""
    return np.concatenate([[0], np.cumsum(np.bincount(end_N, minlength=num_entities))])


def _write_parts(dataset: Dataset, setting: Setting, folder: Path) -> None:
    sizes = (dataset.num_entities, dataset.num_relations)
    key_N = triplet_keys(map_array(folder, "triplets"), sizes)
    bits_N = np.zeros(len(key_N), dtype=np.uint8)
    for part, triplets_M3 in dataset.parts(setting).items():
        key_M = triplet_keys(triplets_M3, sizes)
        place_M = np.searchsorted(key_N, key_M)
        inside_M = place_M < len(key_N)
        inside_M[inside_M] = key_N[place_M[inside_M]] == key_M[inside_M]
        # A temporal split trains on what was known earlier, some of which is stated no more.
        if setting != "temporal" and not inside_M.all():
            raise DatasetError(
                f"{dataset.path}: {setting} {part} holds {(~inside_M).sum():,} triplets that "
                f"{schema.TRIPLETS} lacks; run `wikidata5m verify`"
            )
        bits_N[place_M[inside_M]] |= np.uint8(1 << PLACES.index(part))
    save_arrays(folder, {f"parts-{setting}": bits_N})
