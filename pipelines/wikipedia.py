"""Wikipedia's XML dump -> pages, and of them the articles' leads as text, and redirects.

Imports corrupt, limits, ranges, tasks, titles and wikitext. Pages are cut out by `bytes.find`: the
export format nests nothing in the few elements that matter, and escapes `<` everywhere else. It
reads the versions 0.3 to 0.11 of that format; titles.py knows what the oldest leave out.
"""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Final

import polars as pl
import pyarrow as pa

from pipelines import corrupt
from pipelines.corrupt import Tolerance
from pipelines.limits import PAGE_DROPS, PageDrop, PageRefused, guarded, memory_limit
from pipelines.ranges import PAGE, Range, head, pages
from pipelines.tasks import TableWriter
from pipelines.titles import Site, normalise_title, redirect_target
from pipelines.wikitext import is_disambiguation, lead_text

__all__ = [
    "LAYOUTS",
    "Page",
    "articles",
    "dropped_pages",
    "dropped_words",
    "normalise_title",
    "read_pages",
    "reader",
]

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
    "dropped": pa.schema([("title", pa.string()), ("reason", pa.string())]),
    corrupt.TABLE: corrupt.LAYOUT,
    "counts": pa.schema([("pages", pa.int64()), ("other_namespace", pa.int64())]),
}

ARTICLES: Final = 0
MAX_NAMED: Final = 20
_REDIRECT: Final = re.compile(rb'<redirect(?: title="([^"]*)")?\s*/>')
_TEXT: Final = re.compile(rb"<text([^>]*)>")


@dataclass(frozen=True, slots=True)
class Page:
    """One page: its title, namespace number, wikitext, and where it redirects ('' if nowhere)."""

    title: str
    namespace: int
    text: str
    redirect: str
    deleted: bool = False
    """The text of its last revision was removed from public view."""


def dropped_words(reason: PageDrop) -> int:
    """What stands in place of a number of words for a page that a limit refused."""
    return -1 - PAGE_DROPS.index(reason)


def dropped_pages(dropped: pl.DataFrame) -> tuple[str, ...]:
    """A sentence that names the pages which a limit refused, the first of them; none for none."""
    if dropped.is_empty():
        return ()
    listed = dropped.unique("title", maintain_order=True)
    named = [f"{title} ({reason})" for title, reason in listed.head(MAX_NAMED).iter_rows()]
    more = f" and {listed.height - MAX_NAMED:,} more" if listed.height > MAX_NAMED else ""
    return (f"dropped_pages: {'; '.join(named)}{more}",)


def reader(max_errors: int = 0) -> Callable[[Range, TableWriter], None]:
    """`read_pages`, but for `max_errors` pages of a range that cannot be read; picklable."""
    return partial(read_pages, max_errors=max_errors)


def read_pages(source: Range, out: TableWriter, *, max_errors: int = 0) -> None:
    """Read one range into tables of LAYOUTS; a task's `run`.

    Raises InputError at the page that cannot be read past the first `max_errors` of them.
    """
    counts: Counter[str] = Counter()
    with memory_limit():
        for row, page in articles(source, counts, Tolerance(source, "page", out, max_errors)):
            if page.redirect:
                out.add("redirects", (page.title, page.redirect))
                continue
            try:
                text = _lead(page)
                words = len(text.split())
            except PageRefused as refused:
                text, words = "", dropped_words(refused.reason)
                out.add("dropped", (page.title, refused.told))
            out.add("pages", (row, page.title, text, words, is_disambiguation(page.text)))
    out.add("counts", tuple(counts[name] for name in LAYOUTS["counts"].names))


def articles(
    source: Range, counts: Counter[str], unread: Tolerance | None = None
) -> Iterator[tuple[int, Page]]:
    """The pages of the article namespace, redirects too, each with a number in the dump's order.

    Counts `pages` and `other_namespace`. Raises InputError on a page that is none, unless `unread`
    leaves it out.
    """
    unread = unread or Tolerance(source, "page")
    site: Site | None = None
    for number, raw in enumerate(pages(source), start=1):
        site = site or Site.of(head(source.path))
        counts["pages"] += 1
        try:
            page = _parse(raw, site)
        except ValueError as error:
            unread.leave_out(number, f"a <page> that cannot be read ({error})")
            continue
        if page.namespace == ARTICLES:
            yield source.index << 40 | number, page
        else:
            counts["other_namespace"] += 1


def _lead(page: Page) -> str:
    """The first section's text. Raises PageRefused."""
    if page.deleted:
        raise PageRefused("page_deleted", "the text of its last revision was removed")
    with guarded():
        return lead_text(page.text)


# --- One page -------------------------------------------------------------------------------


def _parse(raw: bytes, site: Site) -> Page:
    """Read one `<page>`. Raises ValueError."""
    if not raw.startswith(PAGE) or raw.find(PAGE, len(PAGE)) >= 0:
        raise ValueError("a <page> tag is damaged")
    first = raw.find(b"<revision>")
    before = raw[: first if first >= 0 else None]
    title = _between(before, b"<title>", b"</title>")
    if not title.strip():
        raise ValueError("no <title>")
    # The schemas before 0.6 name no namespace: the title's prefix does.
    number = _between(before, b"<ns>", b"</ns>")
    namespace = int(number) if number else site.namespace_of(title)
    text, deleted = _text_of(_last_revision(raw, first))
    target = _redirect(before, text)
    return Page(
        title=site.normalise(title),
        namespace=namespace,
        text=text,
        redirect=site.normalise(target) if target else "",
        deleted=deleted,
    )


def _redirect(before: bytes, text: str) -> str:
    """Where the page redirects: the element says (0.6), or says that it does (0.4), or the text."""
    element = _REDIRECT.search(before)
    if element and element[1]:
        return _decode(element[1])
    return redirect_target(text, marked=element is not None)


def _last_revision(raw: bytes, first: int) -> bytes:
    """The revision with the latest timestamp; of equal ones, the last in the file."""
    if first < 0:
        return b""
    if raw.find(b"<revision>", first + 1) < 0:
        return raw[first:]
    revisions = raw[first:].split(b"<revision>")[1:]
    return max(
        enumerate(revisions),
        key=lambda one: (_between(one[1], b"<timestamp>", b"</timestamp>"), one[0]),
    )[1]


def _text_of(revision: bytes) -> tuple[str, bool]:
    """A revision's text, and whether it was removed from view.

    The first <text> is the main slot's; what other slots hold (0.11) follows in <content>.
    """
    opened = _TEXT.search(revision)
    if opened is None:
        return "", False
    attributes = opened[1]
    if attributes.endswith(b"/"):
        return "", b"deleted=" in attributes
    end = revision.find(b"</text>", opened.end())
    if end < 0:
        raise ValueError("a <text> without its end")
    return _decode(revision[opened.end() : end]), b"deleted=" in attributes


def _between(raw: bytes, opening: bytes, closing: bytes) -> str:
    start = raw.find(opening)
    end = raw.find(closing, start)
    return _decode(raw[start + len(opening) : end]) if 0 <= start < end else ""


def _decode(raw: bytes) -> str:
    """Undo XML's escapes. The export writes four by name, which is faster to undo one by one."""
    text = raw.decode("utf-8")
    if "&#" in text:
        return html.unescape(text)
    text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", '"')
    return text.replace("&amp;", "&")
