"""What a run by tasks was begun with, and how its dumps are cut.

Imports console, errors, files, manifest, ranges, schema. A plan lies beside the tasks: what decides
the result, and what decides the cuts. A resume goes on only with the same, for finished tasks of
other cuts would give records twice, or not at all.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import zip_longest
from pathlib import Path
from typing import Any, Final, NamedTuple

from pipelines.ranges import (
    Location,
    Range,
    file_name,
    head,
    is_packed,
    plan_indexed_ranges,
    plan_ranges,
    shown,
    size_of,
)
from wikidata5m import schema
from wikidata5m.console import log
from wikidata5m.errors import InputError, OutputExistsError
from wikidata5m.files import LOCK, alone, claim_output, clear_folder, read_json, write_json
from wikidata5m.manifest import Manifest, load_manifest

PLAN: Final = "plan.json"
REPLACING: Final = "replacing"
LEAST_TASK: Final = 1 << 16
PLAIN_FACTOR: Final = 8
"""How many times more bytes of a plain dump a task reads: about what packed ones hold."""


class Kind(NamedTuple):
    """What a dump must be, and the option that names it."""

    what: str
    marks: tuple[bytes, ...]
    """How its first line may start."""
    option: str


WIKIDATA: Final = Kind("a Wikidata JSON dump", (b"[", b"{"), "--wikidata")
WIKIPEDIA: Final = Kind("a Wikipedia XML dump", (b"<mediawiki", b"<?xml"), "--wikipedia")


def check_kind(dump: Location, kind: Kind) -> None:
    """Raise InputError when there is no such file, or one of another kind."""
    start = head(dump).lstrip()
    if not start.startswith(kind.marks):
        raise InputError(
            shown(dump),
            f"{_sniff(start)}, not {kind.what}",
            where="line 1",
            fix=f"give {kind.option} a file that starts with {kind.marks[0].decode()}",
        )


def _sniff(start: bytes) -> str:
    kinds = {b"<": "an XML document", b"[": "JSON", b"{": "JSON"}
    return kinds.get(start[:1], "text of another format")


@contextmanager
def working(
    out: Path, work: Path, *, resume: bool, overwrite: bool, inputs: Iterable[Path]
) -> Iterator[None]:
    """Be alone at work in `out`; `work` goes when the block succeeds, and stays when it fails.

    What is to be overwritten stays until `make_room`. Raises OutputExistsError as `claim_output`.
    """
    claim_output(
        out, resume=resume, overwrite=overwrite, marker=work.name, inputs=inputs, keep=True
    )
    with alone(work):
        if not resume:
            clear_folder(work, but=work / LOCK)
            if overwrite:
                (work / REPLACING).touch()
        try:
            yield
        except KeyboardInterrupt:
            again = "--resume in place of --overwrite" if overwrite else "--resume"
            log(f"interrupted: finished tasks are kept; the same command with {again} goes on")
            raise
        # First the plan, without which the folder is seen to be finished.
        (work / PLAN).unlink()
        shutil.rmtree(work)


def make_room(out: Path, work: Path, *, overwrite: bool) -> None:
    """Delete what the run replaces, now that nothing else can fail.

    That something is replaced is marked from the start, so that a resume deletes it, or the rest.
    """
    replacing = work / REPLACING
    if overwrite or replacing.exists() or (out / schema.MANIFEST).is_file():
        replacing.touch()
        clear_folder(out, but=work)


def finished(out: Path, work: Path) -> Manifest | None:
    """The manifest of `out` when nothing is left to do in it."""
    if not (out / schema.MANIFEST).is_file() or (work / PLAN).is_file():
        return None
    if work.is_dir():
        with alone(work):
            shutil.rmtree(work)
    return load_manifest(out)


def check_same(begun: Any, asked: Any, out: Path) -> None:
    """Raise OutputExistsError when the run in `out` was begun with other than is asked for."""
    if begun != asked:
        told = "; ".join(_differences(begun, asked))
        raise OutputExistsError(
            f"{out}: was begun with other sources or settings ({told}); "
            "repeat those, or pass --overwrite to start anew"
        )


def _differences(begun: Any, asked: Any, name: str = "") -> Iterator[str]:
    """Each setting and source that is another one; a source is role, name, bytes, version."""
    if isinstance(begun, dict) and isinstance(asked, dict):
        for key in dict.fromkeys([*begun, *asked]):
            yield from _differences(begun.get(key), asked.get(key), f"{name}.{key}".lstrip("."))
    elif isinstance(begun, list) and isinstance(asked, list) and begun and asked:
        for one, other in zip_longest(map(_in_words, begun), map(_in_words, asked)):
            yield from _differences(one, other, name)
    elif begun != asked:
        yield f"{name}: {begun} there, {asked} here"


def _in_words(item: Any) -> Any:
    return " ".join(map(str, item)) if isinstance(item, list) else item


def check_roles(manifest: Manifest, roles: Collection[str], out: Path) -> None:
    """Raise OutputExistsError when what lies finished in `out` was made from other than `roles`."""
    if not {source.get("role") for source in manifest.sources} <= set(roles):
        raise OutputExistsError(
            f"{out}: holds what another command made; "
            "name another folder, or pass --overwrite to replace it"
        )


class Begun(NamedTuple):
    """What was settled when a run was begun, and what became of it since."""

    task_bytes: int
    """How much a task reads, whatever --workers a resume has."""
    replaced: tuple[str, ...]
    """Sources that were changed between an interruption and a resume."""

    @property
    def notes(self) -> Iterator[str]:
        """What the manifest must say, since it has the hash of the later file alone."""
        for name in self.replaced:
            yield f"{name} was changed before a resume: what was read of it before that was kept"


def stamp(source: Location) -> int | None:
    """When a local file was changed, in nanoseconds: another one may have its name and size."""
    return source.stat().st_mtime_ns if isinstance(source, Path) else None


def plan(
    work: Path,
    asked: dict[str, Any],
    stamps: Mapping[str, Any],
    index: Location | None,
    task_bytes: int,
) -> Begun:
    """Record what the run in `work` is, or check that it is the one begun.

    A task's bytes and the `index` decide the cuts, and stay what they were at first. A source may
    have been mended, so another stamp is no other run. Raises OutputExistsError when another run
    was begun.
    """
    path = work / PLAN
    cut_at = None if index is None else [file_name(index), size_of(index)]
    asked = asked | {"wikipedia_index": cut_at}
    if path.is_file():
        told: dict[str, Any] = read_json(path)
        before, replaced = told.pop("stamps", {}), told.pop("replaced", [])
        task_bytes = told.pop("task_bytes")
        check_same(told, asked, work.parent)
        changed = (name for name in stamps if stamps[name] != before.get(name, stamps[name]))
        begun = Begun(task_bytes, tuple(dict.fromkeys([*replaced, *changed])))
    else:
        begun = Begun(task_bytes, ())
    write_json(path, asked | begun._asdict() | {"stamps": dict(stamps)})
    return begun


def cut(
    dump: Location, index: Location | None, task_bytes: int, *, megabytes: int | None
) -> list[Range]:
    """The ranges of a dump, or of its first `megabytes`, for a worker in any folder."""
    place = absolute(dump)
    target = task_bytes if is_packed(dump) else task_bytes * PLAIN_FACTOR
    limit = None if megabytes is None else megabytes * 1_000_000
    if index is None:
        return plan_ranges(place, target, limit=limit)
    return plan_indexed_ranges(place, target, index, limit=limit)


def absolute(dump: Location) -> Location:
    """The dump as a worker in any folder finds it."""
    return dump.absolute() if isinstance(dump, Path) else dump
