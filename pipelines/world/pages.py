"""The pages of the synthetic Wikipedia dump, as XML. Imports published and the world's modules."""

from __future__ import annotations

import hashlib
from typing import Final
from xml.sax.saxutils import escape

from pipelines.world.layout import Layout
from pipelines.world.phrases import HATNOTES
from pipelines.world.random import Stream
from pipelines.world.statements import Items
from pipelines.world.text import Texts
from wikidata5m.published import GENERATOR

__all__ = ["FOOTER", "HEADER", "Pages"]

_NAMESPACES: Final = (
    (-2, "Media"), (-1, "Special"), (0, ""), (1, "Talk"), (2, "User"), (3, "User talk"),
    (4, "Wikipedia"), (5, "Wikipedia talk"), (6, "File"), (7, "File talk"), (8, "MediaWiki"),
    (9, "MediaWiki talk"), (10, "Template"), (11, "Template talk"), (12, "Help"),
    (13, "Help talk"), (14, "Category"), (15, "Category talk"), (100, "Portal"),
    (101, "Portal talk"), (118, "Draft"), (119, "Draft talk"), (828, "Module"),
    (829, "Module talk"),
)  # fmt: skip


def _header() -> str:
    spaces = "\n".join(
        f'      <namespace key="{key}" case="first-letter"'
        + (f">{name}</namespace>" if name else " />")
        for key, name in _NAMESPACES
    )
    return (
        '<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.10/" '
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
        'xsi:schemaLocation="http://www.mediawiki.org/xml/export-0.10/ '
        'http://www.mediawiki.org/xml/export-0.10.xsd" version="0.10" xml:lang="en">\n'
        "  <siteinfo>\n    <sitename>Wikipedia</sitename>\n    <dbname>enwiki</dbname>\n"
        "    <base>https://en.wikipedia.org/wiki/Main_Page</base>\n"
        f"    <generator>{GENERATOR}</generator>\n    <case>first-letter</case>\n"
        f"    <namespaces>\n{spaces}\n    </namespaces>\n  </siteinfo>\n"
    )


HEADER: Final = _header()
FOOTER: Final = "</mediawiki>\n"
_INFOBOX: Final = """\
{{Infobox %(kind)s
| name = %(label)s
| image = %(label)s.jpg
| caption = The [[archive]] in {{circa|1%(n)d}}<ref>Plate %(n)d.</ref>
| established = {{start date|1%(n)d|3|4}} <!-- [[sic]] -->
| extent = {{convert|%(n)d|km|mi|abbr=on}}
| module = {{Infobox part|x={{nowrap|%(n)d of %(n)d}}}}
}}
"""
_QUOTES: Final = {'"': "&quot;"}
_DIGITS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"


def _base36(data: bytes) -> str:
    """The SHA-1 of the text as MediaWiki writes it: 31 digits of base 36."""
    number, digits = int.from_bytes(hashlib.sha1(data, usedforsecurity=False).digest()), []
    for _ in range(31):
        number, digit = divmod(number, 36)
        digits.append(_DIGITS[digit])
    return "".join(reversed(digits))


class Pages:
    """Pages by their position in the dump; pure, so that every process derives the same."""

    def __init__(self, layout: Layout, items: Items, texts: Texts) -> None:
        self.layout, self.items, self.texts = layout, items, texts

    def page(self, position: int) -> tuple[int, str, str]:
        """Page id, title and XML of the page at this position."""
        what, i = self.layout.page(position)
        own, number = self.items.names.title(i), 10 + 3 * position
        if what == "article":
            return number, own, self._xml(own, 0, number, self.article(i))
        if what in ("redirect", "broken"):
            title, target = self.items.former(i), own
            link = f"#REDIRECT [[{target}]]"
            if position % 5 == 0:
                link = f"#redirect [[{target.replace(' ', '_')}#History|{target}]]"
            text = f"{link}\n\n{{{{R from move}}}}"
            return number, title, self._xml(title, 0, number, text, target)
        if what == "category":
            title = f"Category:{own}"
            text = f"This category holds all pages about [[{own}]] and its neighbours."
            return number, title, self._xml(title, 14, number, text)
        space, key = (("Talk", 1), ("Template", 10), ("User", 2))[position % 3]
        title = f"{space}:{own}"
        text = f"'''{own}''' is discussed on this page, which is no article.\n\n== More ==\nYes."
        return number, title, self._xml(title, key, number, text)

    def _xml(self, title: str, space: int, number: int, text: str, target: str = "") -> str:
        redirect = f'\n    <redirect title="{escape(target, _QUOTES)}" />' if target else ""
        return (
            f"  <page>\n    <title>{escape(title, _QUOTES)}</title>\n    <ns>{space}</ns>\n"
            f"    <id>{number}</id>{redirect}\n    <revision>\n"
            f"      <id>{800_000_000 + number}</id>\n"
            f"      <parentid>{700_000_000 + number}</parentid>\n"
            "      <timestamp>2019-06-20T09:30:00Z</timestamp>\n      <contributor>\n"
            "        <username>World &amp; Co</username>\n        <id>7</id>\n"
            "      </contributor>\n      <comment>/* History */ [[WP:CE|copy edit]]</comment>\n"
            "      <model>wikitext</model>\n      <format>text/x-wiki</format>\n"
            f'      <text xml:space="preserve">{escape(text, _QUOTES)}</text>\n'
            f"      <sha1>{_base36(text.encode())}</sha1>\n    </revision>\n  </page>\n"
        )

    def article(self, i: int) -> str:
        """The wikitext of i's page: what stands before the lead, the lead, and what follows it."""
        stream = Stream(self.layout.seed, 61, i)
        kind = self.layout.kind(i).kind
        short = self.layout.fate(i)[0] == "short_lead"
        lead = (self.texts.short_lead(i) if short else self.texts.lead(i))[0]
        before = "" if kind in ("list", "disambiguation") else self._before(i, kind, stream)
        return before + lead + self._after(i, kind, stream)

    def _before(self, i: int, kind: str, stream: Stream) -> str:
        label, n = self.items.names.label(i), stream.between(100, 999)
        parts = [f"{{{{Short description|{self.texts.plain_class(i)} of many}}}}\n"]
        if stream.chance(30):
            parts.append(stream.pick(HATNOTES) % {"title": label} + "\n")
        if stream.chance(40):
            parts.append("{{Use dmy dates|date=June 2013}}\n")
        if stream.chance(55):
            parts.append(_INFOBOX % {"kind": kind, "label": label, "n": n})
        if stream.chance(25):
            parts.append(
                f"[[File:{label} {n}.jpg|thumb|right|200px|{label} with its "
                f"[[Archive|archive of [[note]]s]] in 19{n % 100:02d}]]\n"
            )
        if stream.chance(6):
            parts.append(f'{{| class="wikitable"\n! Year !! Count\n|-\n| 1900 || {n}\n|}}\n')
        if stream.chance(5):
            parts.append(f"<gallery>\nFile:{label}.jpg|A view of it\n</gallery>\n")
        if stream.chance(5):
            parts.append("__NOTOC__\n")
        return "".join(parts)

    def _after(self, i: int, kind: str, stream: Stream) -> str:
        label, n = self.items.names.label(i), stream.between(100, 999)
        parts = []
        if not stream.chance(12):
            parts.append(
                f"\n\n== History ==\n[[File:{label} {n}.png|thumb|An old view]]\n"
                f'The keepers of {label} moved {n} boxes in 19{n % 100:02d}.<ref name="r{n}" />'
                " ''None'' of this stands in the first section.\n\n=== Later ===\n* One\n* Two\n"
            )
        if stream.chance(60):
            parts.append("\n\n==References==\n{{Reflist}}\n")
        if kind == "disambiguation":
            parts.append("\n\n{{disambiguation}}")
        sort = ", ".join(reversed(label.split(" ", 1)))
        parts.append(f"\n\n{{{{DEFAULTSORT:{sort}}}}}\n[[Category:{kind}s]]\n[[de:{label}]]")
        return "".join(parts)
