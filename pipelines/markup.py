"""Wikitext's tags, links, templates and tables -> the text they show, a GAP where it is none.

Imports languages, limits, repair, templates and mwparserfromhell. Each step is linear in the length
of the text: cut comments and tags; find the outermost links, templates and tables, drop those that
show nothing, give the rest to mwparserfromhell and render what it finds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import mwparserfromhell
from mwparserfromhell.nodes import (
    ExternalLink,
    HTMLEntity,
    Node,
    Tag,
    Template,
    Text,
    Wikilink,
)
from mwparserfromhell.wikicode import Wikicode

from pipelines.languages import WIKIS
from pipelines.limits import Budget
from pipelines.repair import GAP
from pipelines.templates import Args, Renderer, normal_name, renderer

__all__ = ["cut_tags", "resolve"]

_MAX_DEPTH: Final = 12  # deeper constructs show nothing
_MAX_CHARS: Final = 20_000  # nor do longer ones
_PEEK: Final = 100  # characters that hold a construct's name
_LOOK_DOWN: Final = 6  # how many open constructs a closing mark may end at once
_MAX_RESUMES: Final = 8  # dropped constructs that never close; after these the rest is dropped

_COMMENT: Final = "\x01"

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
_AS_TEXT: Final = str.maketrans({c: f"&#{ord(c)};" for c in "[]{}|<>'=*:_~-"})


def cut_tags(text: str) -> str:
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
    start = tag.end()
    end = text.find(f"</{name}>", start)
    body = text[start:end] if end >= 0 else "<"
    if "<" not in body:  # as nearly all are written; the search below finds the same, slower
        return body, end + len(name) + 3
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
_MARK: Final = re.compile(r"\{\{(?:[^|{}\[\]\n]*\|)?|\}\}|\[\[|\]\]")
_OPENING: Final = {"}}": "{{", "]]": "[[", "|}": "{|"}
_PLAIN_LINK: Final = re.compile(r"\[\[([^\[\]{}|<>\n:#_]+)\]\]")
_PIPED_LINK: Final = re.compile(
    r"\[\[[^\[\]{}|<>\n:]+\|([^\[\]{}|<>\n]*[^\s\[\]{}|<>][^\[\]{}|<>\n]*)\]\]"
)
_LONE: Final = re.compile(r"<|(?<!\[)\[(?!\[)")
_NAME: Final = re.compile(r"[^|{}\[\]<>]*")
_FUNCTIONS: Final = frozenset({"formatnum", "lc", "uc"})
_NAMESPACE: Final = re.compile(r"[ \t]*([^|\[\]{}\n:]{1,40}):")
# Media and categories, by enwiki's names and those of a few other wikis.
_DROPPED_LINKS: Final = WIKIS | _words(
    "file image media category datei bild fichier archivo imagen bestand kategorie categoría "
    "catégorie categorie файл категория vaizdas kategorija kategoreja lêer fil"
)


@dataclass(frozen=True, slots=True)
class _Span:
    """An outermost construct by its opening token; `depth` is how deep it nests."""

    kind: str
    start: int
    end: int
    depth: int


def resolve(text: str, budget: Budget) -> str:
    """Links, templates and tables replaced by what they show; unbalanced marks are gone."""
    pieces: list[str] = []
    done = 0
    for span in _spans(text):
        pieces += (
            _without_marks(text[done : span.start]),
            _shown(text[span.start : span.end], span, budget),
        )
        done = span.end
    return "".join([*pieces, _without_marks(text[done:])])


def _without_marks(text: str) -> str:
    """Text between constructs without marks that open or close none; most has not one bracket."""
    if "[[" in text or "]]" in text or "{{" in text or "}}" in text:
        return _MARK.sub("", text)
    return text


def _spans(text: str) -> Iterator[_Span]:
    """The outermost constructs in order. One that never closes ends with its line or paragraph."""
    position = 0
    for _ in range(_MAX_RESUMES):
        stack: list[tuple[str, int]] = []
        depth = 0
        for token in _TOKEN.finditer(text, position):
            mark = token[0][-2:]
            if len(token[0]) > 4 and mark == "}}":
                if not stack:
                    yield _Span("argument", token.start(), token.end(), 1)
            elif mark not in _OPENING:
                stack.append((mark, token.start()))
                depth = max(depth, len(stack))
            elif (stack and stack[-1][0] == _OPENING[mark]) or any(
                kind == _OPENING[mark] for kind, _ in stack[-_LOOK_DOWN:]
            ):
                # What was left open inside ends with what holds it.
                while stack[-1][0] != _OPENING[mark]:
                    stack.pop()
                kind, start = stack.pop()
                if not stack:
                    yield _Span(kind, start, token.end(), depth)
                    position, depth = token.end(), 0
        if not stack:
            return
        kind, start = stack[0]
        position = _end_of_unclosed(text, kind, start)
        yield _Span("unclosed", start, position, depth)
    yield _Span("unclosed", position, len(text), 0)


def _end_of_unclosed(text: str, kind: str, start: int) -> int:
    """How far a construct that never closes is dropped: of one that shows text, only its mark."""
    inside = start + len("{{")
    if kind == "[[" and not _is_dropped(text[inside : inside + _PEEK]):
        return inside
    if kind == "{{" and _renderer(text[inside : inside + _PEEK])[1]:
        return text.find("|", inside) + 1 or len(text)
    end = text.find("\n" if kind == "[[" else "\n\n", inside)
    return len(text) if end < 0 else end


def _shown(source: str, span: _Span, budget: Budget) -> str:
    """What one construct shows; GAP for nothing."""
    if link := _PLAIN_LINK.fullmatch(source) or _PIPED_LINK.fullmatch(source):
        return link[1]
    if span.kind == "{|":
        return f"\n{GAP}\n"  # a table ends the paragraph before it
    if (
        span.kind not in ("{{", "[[")
        or span.depth > _MAX_DEPTH
        or len(source) > _MAX_CHARS
        or (span.kind == "{{" and _renderer(source[2:])[1] is None)
        or (span.kind == "[[" and _is_dropped(source[2:]))
    ):
        return GAP
    budget.spend(len(source) * span.depth)
    # Tags and external links are resolved by now. What still looks like the start of one is text,
    # over which the parser would look for its end, again and again.
    source = _LONE.sub(lambda mark: f"&#{ord(mark[0])};", source)
    return _render(mwparserfromhell.parse(source, skip_style_tags=True), in_link=False)


def _render(code: Wikicode, *, in_link: bool) -> str:
    return "".join(_render_node(node, in_link=in_link) for node in code.nodes)


def _render_node(node: Node, *, in_link: bool) -> str:
    shown = ""
    if isinstance(node, Text | HTMLEntity):
        return _without_marks(str(node))
    if isinstance(node, Template):
        shown = _render_template(node, in_link=in_link)
    elif isinstance(node, Wikilink) and not _is_dropped(str(node.title)):
        label = _render(node.text, in_link=True) if node.text is not None else ""
        title = _render(node.title, in_link=True).strip().removeprefix(":").replace("_", " ")
        shown = label if label.strip() else title
    elif isinstance(node, ExternalLink) and not node.brackets:
        shown = str(node.url)
    elif isinstance(node, ExternalLink) and node.title is not None:
        shown = _render(node.title, in_link=False)
    elif isinstance(node, Tag) and node.contents is not None:
        shown = _render(node.contents, in_link=in_link)
    return shown or GAP


def _render_template(node: Template, *, in_link: bool) -> str:
    name, render = _renderer(str(node.name))
    if name == "!":
        return "|" if in_link else "&#124;"
    if render is None:
        return ""
    values = [
        (f"{parameter.name.strip()}=" if parameter.showkey else "")
        + _render(parameter.value, in_link=False).replace("|", "&#124;").replace("=", "&#61;")
        for parameter in node.params
    ]
    if name in _FUNCTIONS:
        values.insert(0, _render(node.name, in_link=False).partition(":")[2])
    return render(Args.parse(values))


def _renderer(start: str) -> tuple[str, Renderer | None]:
    """A template's name, and what renders it, from what follows its opening braces."""
    found = _NAME.match(start)
    name = normal_name(found[0] if found else "")
    function = name.partition(":")[0]
    name = function if function in _FUNCTIONS else name
    return name, renderer(name)


def _is_dropped(target: str) -> bool:
    """Whether a link's target is a file, a category or a page in another language."""
    space = _NAMESPACE.match(target)
    return space is not None and space[1].rstrip().lower() in _DROPPED_LINKS
