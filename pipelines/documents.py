"""Documents of a corpus: the prose of a dump's articles, and files of plain text.

Imports errors, limits, ranges, tasks, wikipedia and wikitext. Each `read_...` is a task's `run`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa

from pipelines.limits import PAGE_DROPS, PageRefused, guarded, memory_limit
from pipelines.ranges import Range
from pipelines.tasks import TableWriter
from pipelines.wikipedia import Page, articles
from pipelines.wikitext import full_text, is_disambiguation
from wikidata5m.errors import InputError

__all__ = ["LAYOUTS", "TextFile", "find_texts", "read_articles", "read_texts"]

PATTERN: Final = "*.txt"
MAX_FILE_BYTES: Final = 256 << 20
"""Longer files hold many documents, as a rule."""
_COUNTED: Final = (
    *("pages", "files", "characters", "other_namespace", "redirect_page"),
    *("disambiguation_page", *PAGE_DROPS, "short_text"),
)
READ: Final = frozenset({"pages", "files", "characters"})
"""Counts of what came in; the others are drops."""
LAYOUTS: Final[dict[str, pa.Schema]] = {
    "documents": pa.schema([("title", pa.string()), ("text", pa.string())]),
    "dropped": pa.schema([("title", pa.string()), ("reason", pa.string())]),
    "counts": pa.schema([(name, pa.int64()) for name in _COUNTED]),
}
_BLANK_LINES: Final = re.compile(r"\n{3,}")


# --- Articles -------------------------------------------------------------------------------


def read_articles(source: Range, out: TableWriter, *, min_words: int) -> None:
    """The articles of a dump's range, but redirects, disambiguation pages and short ones."""
    counts: Counter[str] = Counter()
    with memory_limit():
        for _, page in articles(source, counts):
            try:
                reason, text = _prose(page, min_words)
            except PageRefused as refused:
                reason, text = refused.reason, ""
                out.add("dropped", (page.title, refused.told))
            _add(out, counts, page.title, text, reason)
    out.add("counts", tuple(counts[name] for name in _COUNTED))


def _prose(page: Page, min_words: int) -> tuple[str, str]:
    """Why a page is dropped ('' when it is kept), and its prose. Raises PageRefused."""
    if page.redirect:
        return "redirect_page", ""
    if page.deleted:
        raise PageRefused("page_deleted", "the text of its last revision was removed")
    if is_disambiguation(page.text):
        return "disambiguation_page", ""
    with guarded():
        text = full_text(page.text)
    return _too_short(text, min_words), text


def _too_short(text: str, min_words: int) -> str:
    return "short_text" if len(text.split(maxsplit=min_words)) < min_words else ""


def _add(out: TableWriter, counts: Counter[str], title: str, text: str, reason: str) -> None:
    if reason:
        counts[reason] += 1
    else:
        counts["characters"] += len(text)
        out.add("documents", (title, text))


# --- Files of plain text --------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TextFile:
    """One document's file, by its path in the folder, which is its title."""

    name: str
    size: int
    changed: int
    """When, in nanoseconds: another text may have the same size."""


def find_texts(folder: Path) -> list[TextFile]:
    """The `.txt` files of a folder and of those inside it, by name.

    Raises InputError when there is no such folder, none in it, or one too large for a document.
    """
    if not folder.is_dir():
        raise InputError(folder, "no such folder", fix="check the path")
    found = []
    for path in sorted(folder.rglob(PATTERN)):
        if path.is_file():
            name, status = path.relative_to(folder).as_posix(), path.stat()
            found.append(TextFile(name, status.st_size, status.st_mtime_ns))
    if not found:
        raise InputError(folder, "holds no .txt files", fix="expected one document a file")
    for each in found:
        if not _is_utf8(each.name):
            shown = each.name.encode(errors="surrogateescape").decode(errors="replace")
            raise InputError(folder / shown, "a name that is not UTF-8", fix="rename the file")
        if each.size > MAX_FILE_BYTES:
            raise InputError(
                folder / each.name,
                f"{each.size / 1e6:,.0f} MB, too large for one document",
                fix="expected one document a file: split it",
            )
    return found


def _is_utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def read_texts(
    _: Range, out: TableWriter, *, folder: Path, files: Sequence[TextFile], min_words: int
) -> None:
    """Files of text, each a document; line ends are made plain, and blank lines single."""
    counts: Counter[str] = Counter(files=len(files))
    for file in files:
        text = _read_text(folder / file.name)
        _add(out, counts, file.name, text, _too_short(text, min_words))
    out.add("counts", tuple(counts[name] for name in _COUNTED))


def _read_text(path: Path) -> str:
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            path,
            f"not UTF-8 text ({error.reason})",
            where=f"byte {error.start:,}",
            fix="convert it, for one with `iconv -f latin1 -t utf-8`, or take it out of the folder",
        ) from None
    if "\0" in text:
        raise InputError(
            path,
            "holds a NUL, so it is no text",
            where=f"character {text.index(chr(0)):,}",
            fix="take it out of the folder",
        )
    lines = "\n".join(line.rstrip() for line in text.splitlines())
    return _BLANK_LINES.sub("\n\n", lines).strip("\n")
