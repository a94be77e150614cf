"""Wikipedia's XML dump -> articles with their leads as text, and redirects.

Imports errors, ranges, tasks and wikitext. Pages are cut out by `bytes.find`: the export format
nests nothing in the few elements that matter, and escapes `<` everywhere else.
"""

from __future__ import annotations

import html
import re
from collections import Counter
from dataclasses import dataclass
from typing import Final

import pyarrow as pa

from pipelines.ranges import Range, pages
from pipelines.tasks import TableWriter
from pipelines.wikitext import PageTooLarge, is_disambiguation, lead_text
from wikidata5m.errors import InputError

LAYOUTS: Final[dict[str, pa.Schema]] = {
    "pages": pa.schema(
        [
            ("row", pa.int64()),
            ("title", pa.string()),
            ("text", pa.string()),
            ("words", pa.int32()),
            ("disambiguation", pa.bool_()),
        ]
    ),
    "redirects": pa.schema([("title", pa.string()), ("target", pa.string())]),
    "counts": pa.schema([("pages", pa.int64()), ("other_namespace", pa.int64())]),
}

ARTICLES: Final = "0"
TOO_LARGE: Final = -1
"""In place of a number of words: the first section exceeds the length cap."""
_REDIRECT: Final = re.compile(r"\s*#redirect\s*:?\s*\[\[([^\]|#]+)", re.IGNORECASE)
_REDIRECT_TITLE: Final = re.compile(rb'<redirect title="([^"]*)"')


@dataclass(frozen=True, slots=True)
class Page:
    """One page: its title, namespace number, wikitext, and where it redirects ('' if nowhere)."""

    title: str
    namespace: str
    text: str
    redirect: str


def read_pages(source: Range, out: TableWriter) -> None:
    """Read one range into tables of LAYOUTS; a task's `run`."""
    counts: Counter[str] = Counter()
    for number, raw in enumerate(pages(source), start=1):
        try:
            page = _parse(raw)
        except ValueError as error:
            raise InputError(
                source.path,
                f"a <page> that cannot be read ({error})",
                where=f"page {number} after byte {source.start:,}",
                fix="expected MediaWiki's XML export in UTF-8: download the dump again",
            ) from None
        counts["pages"] += 1
        if page.namespace != ARTICLES:
            counts["other_namespace"] += 1
        elif page.redirect:
            out.add("redirects", (page.title, page.redirect))
        else:
            row = source.index << 40 | number
            out.add("pages", (row, page.title, *_lead(page.text), is_disambiguation(page.text)))
    out.add("counts", tuple(counts[name] for name in LAYOUTS["counts"].names))


def _lead(wikitext: str) -> tuple[str, int]:
    """The first section's text and its number of words."""
    try:
        text = lead_text(wikitext)
    except PageTooLarge:
        return "", TOO_LARGE
    return text, len(text.split())


def normalise_title(title: str) -> str:
    """A title as MediaWiki compares it: no underscores, first letter in upper case, no section."""
    plain = " ".join(title.split("#", 1)[0].replace("_", " ").split())
    return plain[:1].upper() + plain[1:]


def _parse(raw: bytes) -> Page:
    """Read one `<page>`; of several revisions, the last. Raises ValueError."""
    start = raw.rfind(b"<text")
    opened = raw.find(b">", start)
    end = raw.find(b"</text>", opened)
    text = _decode(raw[opened + 1 : end]) if start >= 0 and end >= 0 else ""
    head = raw[: raw.find(b"<revision>")]
    title = _between(head, b"<title>", b"</title>")
    if not title:
        raise ValueError("no <title>")
    # The oldest schemas name neither namespace nor redirect.
    namespace = _between(head, b"<ns>", b"</ns>") or ARTICLES
    target = _REDIRECT_TITLE.search(head)
    redirect = _decode(target[1]) if target else ""
    if not redirect and (written := _REDIRECT.match(text)):
        redirect = written[1]
    return Page(normalise_title(title), namespace, text, normalise_title(redirect))


def _between(raw: bytes, opening: bytes, closing: bytes) -> str:
    start = raw.find(opening)
    end = raw.find(closing, start)
    return _decode(raw[start + len(opening) : end]) if 0 <= start < end else ""


def _decode(raw: bytes) -> str:
    return html.unescape(raw.decode("utf-8"))
