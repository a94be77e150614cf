"""Write a dataset in another tool's format. Imports the formats, console, errors and files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, get_args

from wikidata5m.console import log, progress
from wikidata5m.dataset import Dataset
from wikidata5m.errors import DatasetError
from wikidata5m.export import graphvite, huggingface, libkge, networkx, pykeen, tsv
from wikidata5m.export.files import Choice, ExportFile
from wikidata5m.files import atomic_path, claim_output
from wikidata5m.schema import Setting

Format = Literal["tsv", "graphvite", "libkge", "pykeen", "networkx", "hf"]
FORMATS: Final[tuple[Format, ...]] = get_args(Format)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    export: Callable[[Dataset, Choice], list[ExportFile]]
    one_setting: bool = True
    """Whether a folder holds one split, or all that are asked for."""
    needs_setting: bool = True


KINDS: Final[dict[Format, _Kind]] = {
    "tsv": _Kind(export=tsv.export, one_setting=False, needs_setting=False),
    "graphvite": _Kind(export=graphvite.export),
    "libkge": _Kind(export=libkge.export),
    "pykeen": _Kind(export=pykeen.export),
    "networkx": _Kind(export=networkx.export, needs_setting=False),
    "hf": _Kind(export=huggingface.export, one_setting=False, needs_setting=False),
}


def export_dataset(
    dataset: Dataset,
    out: Path,
    kind: Format,
    *,
    settings: tuple[Setting, ...] = (),
    license: tuple[str, ...] = (),  # noqa: A002 - as the Hub calls it
    language: tuple[str, ...] = (),
    overwrite: bool = False,
) -> dict[str, Any]:
    """Write the folder `out`; returns its files with their rows and bytes.

    `settings` are the splits to write: by default all of them, or the first in a format that holds
    one (networkx takes none by default: the whole graph). Raises DatasetError when the dataset
    lacks one or has ids that the format cannot hold, OutputExistsError when `out` is not empty.
    """
    choice = Choice(settings=_chosen(dataset, kind, settings), license=license, language=language)
    claim_output(out, overwrite=overwrite, inputs=[dataset.path], keep=True, whole=True)
    listed = KINDS[kind].export(dataset, choice)
    with atomic_path(out) as folder:
        _write(folder, listed)
        sizes = {file.name: (folder / file.name).stat().st_size for file in listed}
        claim_output(out, overwrite=overwrite, inputs=[dataset.path])
    for column, count in choice.flattened.items():
        if count:
            log(f"{count:,} rows of {column} had tabs or line breaks, written as spaces")
    return {
        "format": kind,
        "settings": list(choice.settings),
        "files": [
            {"file": file.name, "rows": file.rows, "bytes": sizes[file.name]} for file in listed
        ],
        "flattened": {column: count for column, count in choice.flattened.items() if count},
    }


def _chosen(dataset: Dataset, kind: Format, settings: tuple[Setting, ...]) -> tuple[Setting, ...]:
    for setting in settings:
        if not dataset.has_split(setting):
            present = ", ".join(dataset.settings) or "none"
            raise DatasetError(
                f"{dataset.path}: has no {setting} split (has: {present}); name one that it has, "
                "or make it with `wikidata5m split`"
            )
    if settings or kind == "networkx":
        return settings
    if KINDS[kind].needs_setting and not dataset.settings:
        raise DatasetError(
            f"{dataset.path}: has no split, which {kind} needs; make one with `wikidata5m split`"
        )
    return dataset.settings[:1] if KINDS[kind].one_setting else dataset.settings


def _write(folder: Path, listed: list[ExportFile]) -> None:
    done = 0
    with progress("export", sum(file.rows for file in listed), "rows") as update:
        for file in listed:
            path = folder / file.name
            path.parent.mkdir(parents=True, exist_ok=True)

            def more(rows: int, name: str = file.name) -> None:
                nonlocal done
                done += rows
                update(done, name)

            file.write(path, more)
