"""Wikitext -> the text a reader sees of it: of an article's first section, or its prose.

Imports limits, markup and repair. markup.py resolves tags, links, templates and tables, and leaves
a GAP where nothing is shown; repair.py makes clean lines of that. Here is what a page consists of:
its sections, and which of them are wanted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from pipelines.limits import MAX_LEAD_CHARS, MAX_PAGE_CHARS, Budget, PageRefused
from pipelines.markup import cut_tags, resolve
from pipelines.repair import GAP, finish, paragraphs

__all__ = ["first_section", "full_text", "is_disambiguation", "lead_text", "plain_text"]


def lead_text(wikitext: str) -> str:
    """The first section as plain text: paragraphs and list items, one a line; '' if it is empty.

    Raises PageRefused when it exceeds a limit, and nothing else whatever the text.
    """
    lead = first_section(wikitext)
    if len(lead) > MAX_LEAD_CHARS:
        raise PageRefused("page_too_large", f"{len(lead):,} characters before the first heading")
    return plain_text(lead)


def full_text(wikitext: str) -> str:
    """An article's prose: its paragraphs, with a blank line between two; '' if it has none.

    Lists, tables, headings, captions and notes are left out, and so are sections that are no prose
    by their heading (References, See also, ...), with the sections inside them. Raises PageRefused
    when the page exceeds a limit, and nothing else whatever the text.
    """
    if len(wikitext) > MAX_PAGE_CHARS:
        raise PageRefused("page_too_large", f"{len(wikitext):,} characters")
    text = cut_tags("\n" + _CONTROLS.sub("", wikitext))
    budget = Budget()
    return "\n\n".join(
        line
        for section in _prose_sections(text)
        for line in _lines(_shown(section, budget), items=False)
    )


def plain_text(wikitext: str) -> str:
    """Wikitext without headings as plain text, in the form of `lead_text`; no limit of length."""
    text = "\n" + _CONTROLS.sub("", wikitext)
    if "<" in text:
        text = cut_tags(text)
    return "\n".join(_lines(_shown(text, Budget()), items=True))


def _shown(text: str, budget: Budget) -> str:
    """Text without tags -> what its links, templates and tables show."""
    if "//" in text or "mailto:" in text:
        text = _EXTERNAL_LINK.sub(_label, text)
    if _MARKUP.search(text):
        text = _EXTERNAL_LINK.sub(_label, resolve(text, budget))
    return _SWITCH.sub(GAP, text) if "__" in text else text


def _lines(text: str, *, items: bool) -> Iterator[str]:
    return filter(None, map(finish, paragraphs(text, items=items)))


_CONTROLS: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_EXTERNAL_LINK: Final = re.compile(
    r"\[(?:(?:(?:https?|ftps?|ircs?|news|git):)?//|mailto:)[^\s\[\]<>|]++[ \t]*+([^\[\]\n]*+)\]",
    re.IGNORECASE,
)
_MARKUP: Final = re.compile(r"\{[{|]|\}\}|\|\}|\[\[|\]\]")
_SWITCH: Final = re.compile(r"__[A-Z]{3,30}__")


def _label(link: re.Match[str]) -> str:
    return link[1] or GAP


# --- Disambiguation -------------------------------------------------------------------------

_DISAMBIGUATION: Final = re.compile(
    r"\{\{\s*(?:template:)?(?:"
    r"(?:(?:airport|biology|call[ _]?sign|caselaw|chinese[ _]title|church|genus|geo|hospital|"
    r"human[ _]name|letter|letter[-– _]number[ _]combination|mathematic(?:s|al)|military[ _]unit|"
    r"music|number|opus[ _]number|phonetics|place[ _]name|portal|road|school|"
    r"species[ _]latin[ _]name(?:[ _]abbreviation)?|station|synagogue|"
    r"taxonom(?:y|ic[ _]authority)|wikipedia)[ _])?"
    r"(?:disambig|disambiguation|dab)(?:[ _](?:page|cleanup))?|"
    r"disamb?|dabclean|disambig-cleanup|hndis(?:[- ]cleanup)?|hndab|geo-?dis|geodab|mathdab|lndab|"
    r"numberdis|schooldis|roaddis|callsigndis|letterdis|letter-numbercombdisambig|mil-unit-dis|"
    r"bio-dab|begriffsklärung)\s*[|}]",
    re.IGNORECASE,
)


def is_disambiguation(wikitext: str) -> bool:
    """Whether the page is a disambiguation page as enwiki counts them.

    That is: {{disambiguation}}, its redirects, its special forms ({{hndis}}, {{geodis}},
    {{school disambiguation}}, ...) or __DISAMBIG__. Set index articles ({{surname}},
    {{given name}}, {{SIA}}, {{shipindex}}) are articles there and so here: their items are the
    tails of facts such as family name and given name.
    """
    return "__DISAMBIG__" in wikitext or _DISAMBIGUATION.search(wikitext) is not None


# --- Sections -------------------------------------------------------------------------------


def first_section(wikitext: str) -> str:
    """Everything before the first line `== .. ==` that is not inside a comment."""
    if wikitext.startswith("=="):
        wikitext = "\n" + wikitext
    heading, position = _heading(wikitext, 0), 0
    while (comment := wikitext.find("<!--", position, heading)) >= 0:
        end = wikitext.find("-->", comment + 4)
        if end < 0:
            return wikitext[:comment]
        position = end + 3
        if position > heading:
            heading = _heading(wikitext, position)
    return wikitext[:heading]


def _heading(wikitext: str, start: int) -> int:
    """Where the first heading line from `start` on begins, or the end of the text."""
    while (start := wikitext.find("\n==", start)) >= 0:
        end = wikitext.find("\n", start + 1)
        line = wikitext[start + 1 : end if end >= 0 else None].rstrip()
        if line.endswith("-->"):
            line = line[: line.find("<!--")].rstrip()
        if len(line) > 4 and line.endswith("=="):
            return start
        start += 1
    return len(wikitext)


_HEADING: Final = re.compile(r"\n(={1,6})([^\n]+?)(={1,6})[ \t\0]*(?=\n|$)")
_TITLE_MARKS: Final = re.compile(r"[^\w\s]+")
_NO_PROSE: Final = frozenset(
    {"references", "reference", "general references", "literature cited", "literature", "gallery",
     "references and notes", "references and sources", "notes and references", "notes", "note",
     "notes and citations", "citations and notes", "explanatory notes", "footnotes", "endnotes",
     "citations", "works cited", "cited works", "bibliography", "selected bibliography", "sources",
     "source", "primary sources", "secondary sources", "sources and references", "further reading",
     "external links", "external link", "external sources", "links", "see also", "image gallery"}
)  # fmt: skip


def _prose_sections(text: str) -> Iterator[str]:
    """The bodies of the sections that hold prose, the first one without a heading included."""
    start, outer = 0, 0  # `outer` is the level of the section that is left out, 0 for none
    for heading in _HEADING.finditer(text):
        if not outer:
            yield text[start : heading.start()]
        level = min(len(heading[1]), len(heading[3]))
        if not outer or level <= outer:
            title = " ".join(_TITLE_MARKS.sub(" ", heading[2]).lower().split())
            outer = level if title in _NO_PROSE else 0
        start = heading.end()
    if not outer:
        yield text[start:]
