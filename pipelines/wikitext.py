"""Wikitext -> the text a reader sees of it: of an article's first section, or of any piece.

Imports languages, templates, repair. The steps, each linear in the length of the
text: cut the first section; cut comments and tags; resolve links, templates and tables with one
stack; then repair.py makes clean lines. Whatever is dropped leaves a GAP in its place until then.
What shows nothing is matched but never collected, so nothing needs a parser or a time limit.
"""

from __future__ import annotations

import re
from typing import Final

from pipelines.languages import WIKIS
from pipelines.repair import GAP, finish, paragraphs
from pipelines.templates import Args, Renderer, normal_name, renderer

__all__ = ["MAX_LEAD_CHARS", "PageTooLarge", "is_disambiguation", "lead_text", "plain_text"]

MAX_LEAD_CHARS: Final = 200_000
"""A longer first section is no lead but a page without headings, a list or a hostile page."""

_MAX_DEPTH: Final = 24  # deeper constructs show nothing, for text is copied once per level
_MAX_RESUMES: Final = 8  # dropped constructs that never close; after these the rest is dropped

_COMMENT: Final = "\x01"
_CONTROLS: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


class PageTooLarge(ValueError):  # noqa: N818 - a verdict on a page, which the caller counts
    """The first section is longer than MAX_LEAD_CHARS."""


def lead_text(wikitext: str) -> str:
    """The first section as plain text: paragraphs and list items, one a line; '' if it is empty.

    Raises PageTooLarge, and nothing else whatever the text.
    """
    lead = _first_section(wikitext)
    if len(lead) > MAX_LEAD_CHARS:
        raise PageTooLarge(f"{len(lead):,} characters before the first heading")
    return plain_text(lead)


def plain_text(wikitext: str) -> str:
    """Wikitext without headings as plain text, in the form of `lead_text`; no limit of length."""
    text = "\n" + _CONTROLS.sub("", wikitext)
    if "<" in text:
        text = _cut_tags(text)
    if "//" in text or "mailto:" in text:
        text = _EXTERNAL_LINK.sub(_label, text)
    if _MARKUP.search(text):
        text = _EXTERNAL_LINK.sub(_label, _resolve(text))
    if "__" in text:
        text = _SWITCH.sub(GAP, text)
    return "\n".join(filter(None, map(finish, paragraphs(text))))


_EXTERNAL_LINK: Final = re.compile(
    r"\[(?:(?:(?:https?|ftps?|ircs?|news|git|svn):)?//|mailto:)[^\s\[\]<>|]++[ \t]*+([^\[\]\n]*+)\]",
    re.IGNORECASE,
)
_MARKUP: Final = re.compile(r"\{[{|]|\}\}|\|\}|\[\[|\]\]")
_SWITCH: Final = re.compile(r"__[A-Z]{3,30}__")


def _label(link: re.Match[str]) -> str:
    return link[1] or GAP


# --- Disambiguation -------------------------------------------------------------------------

_DISAMBIGUATION: Final = re.compile(
    r"__DISAMBIG__|\{\{\s*(?:template:)?(?:"
    r"(?:(?:airport|biology|call[ _]?sign|caselaw|chinese[ _]title|church|genus|geo|hospital|letter|"
    r"human[ _]name|letter[-– _]number[ _]combination|mathematic(?:s|al)|military[ _]unit|music|"
    r"number|opus[ _]number|phonetics|place[ _]name|portal|road|school|species[ _]latin[ _]name"
    r"(?:[ _]abbreviation)?|station|synagogue|taxonom(?:y|ic[ _]authority)|wikipedia)[ _])?"
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
    return _DISAMBIGUATION.search(wikitext) is not None


# --- First section --------------------------------------------------------------------------


def _first_section(wikitext: str) -> str:
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


# --- Comments and tags ----------------------------------------------------------------------

_TAG: Final = re.compile(r"<(?:!--|(/?)([a-zA-Z][a-zA-Z0-9]*)(?![\w-])([^<>]*)>)")
_COMMENT_LINE: Final = re.compile(r"\n[ \t]*\x01[ \t\x01]*(?=\n)")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_NOTHING: Final = _words(
    "ref math chem ce score gallery timeline syntaxhighlight source graph mapframe maplink style "
    "imagemap templatestyles references inputbox hiero categorytree indicator script table rss "
    "includeonly templatedata listing phonos"
)
_LITERAL: Final = _words("nowiki pre")
_BLOCKS: Final = _words("p div blockquote center ul ol dl hr h1 h2 h3 h4 h5 h6 poem tr")
_ITEMS: Final = _words("li dd dt")
_INLINE: Final = _words(
    "small big span i b u s em strong sup sub font code tt var kbd samp cite q abbr bdi bdo del "
    "ins strike dfn mark ruby rb rt rp rtc time data wbr noinclude onlyinclude section td th "
    "caption tbody thead tfoot colgroup col nobr a"
)
_AS_TEXT: Final = str.maketrans({c: f"&#{ord(c)};" for c in "[]{}|<>'=*#:;_~-"})


def _cut_tags(text: str) -> str:
    """Comments, tags, and elements without text are gone; <nowiki> text is literal."""
    out: list[str] = []
    position = 0
    unclosed: set[str] = set()
    while (tag := _TAG.search(text, position)) is not None:
        out.append(text[position : tag.start()])
        shown, position = _comment(text, tag) if tag[2] is None else _element(text, tag, unclosed)
        out.append(shown)
    out.append(text[position:])
    cut = "".join(out)
    # A line that holds nothing but comments is no line at all.
    return _COMMENT_LINE.sub("", cut).replace(_COMMENT, GAP) if _COMMENT in cut else cut


def _comment(text: str, tag: re.Match[str]) -> tuple[str, int]:
    end = text.find("-->", tag.end())
    return _COMMENT, end + 3 if end >= 0 else len(text)


def _element(text: str, tag: re.Match[str], unclosed: set[str]) -> tuple[str, int]:
    """What is shown of the element or tag here, and where to go on."""
    name = tag[2].lower()
    opens = not tag[1] and not tag[3].endswith("/")
    if name in _NOTHING or name in _LITERAL or (name == "span" and "display:none" in tag[3]):
        body, end = _body(text, tag, name, unclosed) if opens else ("", tag.end())
        return (body.translate(_AS_TEXT) if name in _LITERAL else GAP), end
    if name == "br":
        return " ", tag.end()
    if name in _BLOCKS:
        return "\n\n", tag.end()
    if name in _ITEMS:
        return "\n*" if opens else "\n", tag.end()
    return "" if name in _INLINE else tag[0], tag.end()


def _body(text: str, tag: re.Match[str], name: str, unclosed: set[str]) -> tuple[str, int]:
    """The text up to the closing tag, and the end of that; nothing when there is none.

    A <ref> before whose closing tag another opens was never closed: only its tag is dropped.
    """
    if name in unclosed:
        return "", tag.end()
    found = _CLOSINGS[name].search(text, tag.end())
    if found is None:
        unclosed.add(name)
    if found is None or not found[1]:
        return "", tag.end()
    return text[tag.end() : found.start()], found.end()


# The next closing tag of each name (group 1 is its slash); of <ref> an opening one too.
_CLOSINGS: Final = {
    name: re.compile(
        rf"<({'/?' if name == 'ref' else '/'})"
        + "".join(f"[{c}{c.upper()}]" for c in name)
        + r"(?![\w-])[^<>]*>"
    )
    for name in (*_NOTHING, *_LITERAL, "span")
}


# --- Links, templates, tables ---------------------------------------------------------------

_TOKEN: Final = re.compile(
    r"\{\{\{[^{}\n]*\}\}\}|\{\{|\}\}|\[\[|\]\]|\n[ \t:*#;]*\{\||\n[ \t]*\|\}(?!\})"
)
_NAME: Final = re.compile(r"[^|{}\[\]<>]*")
_FUNCTIONS: Final = frozenset({"formatnum", "lc", "uc"})
_NAMESPACE: Final = re.compile(r"[ \t]*([^|\[\]{}\n:]{1,40}):")
# Media and categories, by enwiki's names and those of a few other wikis.
_DROPPED_LINKS: Final = WIKIS | _words(
    "file image media category datei bild fichier archivo imagen bestand kategorie categoría "
    "catégorie categorie файл категория vaizdas kategorija kategoreja lêer fil"
)


class _Frame:
    """An open construct: its opening token, place and name, and what it holds so far.

    `parts` is None when the construct will show nothing: then it is only matched.
    """

    __slots__ = ("kind", "name", "parts", "render", "start")

    def __init__(self, kind: str, start: int) -> None:
        self.kind, self.start = kind, start
        self.name = ""
        self.render: Renderer | None = None
        self.parts: list[str] | None = []

    def add(self, shown: str) -> None:
        """Take what a construct inside shows; its bars and equal signs split no parameters."""
        if self.parts is not None:
            if self.kind == "{{" and ("|" in shown or "=" in shown):
                shown = shown.replace("|", "&#124;").replace("=", "&#61;")
            self.parts.append(shown or GAP)


class _Stack:
    """The open constructs, outermost first; the first frame holds the result."""

    def __init__(self) -> None:
        self.frames = [_Frame("", 0)]
        self.open = {"{{": 0, "[[": 0, "{|": 0}

    @property
    def top(self) -> _Frame:
        return self.frames[-1]

    def push(self, text: str, token: re.Match[str]) -> None:
        frame = _Frame(token[0][-2:], token.start())
        if self.top.parts is None or len(self.frames) > _MAX_DEPTH or frame.kind == "{|":
            frame.parts = None
        elif frame.kind == "{{":
            found = _NAME.match(text, token.end())
            name = normal_name(found[0] if found else "")
            function = name.partition(":")[0]
            frame.name = function if function in _FUNCTIONS else name
            frame.render = renderer(frame.name)
            frame.parts = None if frame.render is None else []
        elif (space := _NAMESPACE.match(text, token.end())) is not None:
            frame.parts = None if space[1].rstrip().lower() in _DROPPED_LINKS else []
        self.frames.append(frame)
        self.open[frame.kind] += 1

    def close(self, kind: str) -> None:
        """Close the innermost construct of this kind, and what was left open inside it."""
        if not self.open[kind] or (kind == "[[" and self.top.kind != kind):
            return
        while self.top.kind != kind:
            self.flatten()
        frame = self.pop()
        self.top.add(_shown(frame, in_link=self.top.kind == "[["))

    def flatten(self) -> None:
        """The innermost construct never closes: its text is text of the one around it."""
        frame = self.pop()
        text = "".join(frame.parts or ())
        self.top.add(text if frame.kind == "[[" else text.partition("|")[2])

    def pop(self) -> _Frame:
        frame = self.frames.pop()
        self.open[frame.kind] -= 1
        return frame


def _resolve(text: str) -> str:
    """Links, templates and tables replaced by what they show; unbalanced marks are gone."""
    stack = _Stack()
    _scan(text, 0, stack)
    for _ in range(_MAX_RESUMES):
        lowest = next((i for i, frame in enumerate(stack.frames) if frame.parts is None), 0)
        if not lowest:
            break
        # Something dropped never closes: take it to end with its paragraph, a link with its line.
        frame = stack.frames[lowest]
        while len(stack.frames) > lowest:
            stack.pop()
        stack.top.add(GAP)
        position = text.find("\n" if frame.kind == "[[" else "\n\n", frame.start + 1)
        if position < 0:
            break
        _scan(text, position, stack)
    while len(stack.frames) > 1:
        stack.flatten()
    return "".join(stack.top.parts or ())


def _scan(text: str, position: int, stack: _Stack) -> None:
    """Feed the stack all tokens from `position` on, and the text between them."""
    for token in _TOKEN.finditer(text, position):
        if (parts := stack.top.parts) is not None:
            parts.append(text[position : token.start()])
        position = token.end()
        mark = token[0][-2:]
        if len(token[0]) > 4 and mark == "}}":
            stack.top.add(GAP)
        elif mark in stack.open:
            stack.push(text, token)
        elif mark == "|}":
            stack.close("{|")
            stack.top.add("\n" + GAP)
        else:
            stack.close("{{" if mark == "}}" else "[[")
    if (parts := stack.top.parts) is not None:
        parts.append(text[position:])


def _shown(frame: _Frame, *, in_link: bool) -> str:
    """What a closed construct shows; '' for nothing."""
    if frame.parts is None:
        return ""
    head, bar, rest = "".join(frame.parts).partition("|")
    if frame.kind == "[[":
        return rest if rest.strip() else head.strip().removeprefix(":").replace("_", " ")
    if frame.name == "!":
        return "|" if in_link else "&#124;"
    parts = rest.split("|") if bar else []
    if frame.name in _FUNCTIONS and ":" in head:
        parts.insert(0, head.partition(":")[2])
    return frame.render(Args.parse(parts)) if frame.render else ""
