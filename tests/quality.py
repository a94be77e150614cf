"""How clean the leads of real articles are: every artefact with its context, and what was kept.

    python -m tests.quality [--data FOLDER] [--json]

The detectors know nothing of how the text was made: they look at the text alone, and what ought to
be in it is told from the wikitext by a plain walk over mwparserfromhell's tree. They are strict: a
bracket that the article itself leaves open counts as an artefact.
"""

from __future__ import annotations

import argparse
import bz2
import html
import re
import sys
import tarfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

import mwparserfromhell
import ujson
from mwparserfromhell.nodes import Tag, Template, Wikilink
from mwparserfromhell.wikicode import Wikicode

from pipelines.wikitext import lead_text
from wikidata5m.console import table

DATA: Final = Path(__file__).parents[2] / "shared" / "data"
CONTEXT: Final = 40

DETECTORS: Final[dict[str, re.Pattern[str]]] = {
    "empty brackets": re.compile(r"\(\s*\)|\[\s*\]|\{\s*\}|⟨\s*⟩"),
    "dangling bracket": re.compile(r"[(\[](?:\s|[,;:.](?!\.))|[,;:–—(\[]\s*[)\]]|\s[)\]]"),
    "space before a mark": re.compile(r"\s[,.;:!?](?=\s|$)"),
    "doubled mark": re.compile(r"[,;:]\s*[,;:]|,\s*\.(?!\.)|(?<!\.)\.\s?\.(?!\s?\.)|,,|  "),
    "markup": re.compile(
        r"\[\[|\]\]|\{\{|\}\}|\{\||\|\}|''|==|~~~|</?[A-Za-z!]|/>|\||&#?\w{1,10};|__[A-Z]+__|\0"
    ),
    "file or link": re.compile(
        r"(?i)\b(?:file|image|category|datei|fichier):|thumb\b|\d+px\b|"
        r"\.(?:jpe?g|png|svg|gif|ogg|webm)\b|https?://"
    ),
    "doubled word": re.compile(r"(?i)(?<![\w’'-])([a-z]+) \1(?![\w’'-])"),
    "empty quotes": re.compile(r'(?<!\w)"\s*"(?!\w)|“\s*”|‘\s*’|«\s*»|(?<![\w"])\'\s+\'(?!\w)'),
    "begins with a mark": re.compile(r"(?m)^[,;:.!?)\]}*#=|]|(?<=[.!?] )[,;:)\]]"),
    "word without its object": re.compile(
        r"\b(?:the|an|of|nearly|between|called)\s?[,;)](?=\s|$)|"
        r"\b(?:of|the) (?:and|or|of|in|is|was|by)\b"
    ),
    "unit without its value": re.compile(
        r"(?<![\d⁄½¼¾])(?<!\d-)(?<!sq)\s(?:km2?|kg|km/h|mph|sq mi|ft|lb|mi|mm|cm)\b"
    ),
    "label without its text": re.compile(r"\b[A-Z][a-z]+(?: [A-Z][a-z]+)?: ?(?=[,;.)\]])"),
}
"""What no reader would see."""

_MAY_REPEAT: Final = frozenset({"had", "that", "die", "der"})


@dataclass(frozen=True, slots=True)
class Artefact:
    """One offence: where, of which kind, and the text around it."""

    title: str
    kind: str
    context: str


@dataclass(slots=True)
class Quality:
    """What a set of leads amounts to."""

    leads: int = 0
    artefacts: list[Artefact] = field(default_factory=list)
    wanted: Counter[str] = field(default_factory=Counter)
    kept: Counter[str] = field(default_factory=Counter)
    missing: list[Artefact] = field(default_factory=list)

    @property
    def offenders(self) -> int:
        """Leads with any artefact."""
        return len({artefact.title for artefact in self.artefacts})


def real_articles(data: Path) -> Iterator[tuple[str, str]]:
    """Title and wikitext of each real article: of a dump excerpt, and of bare files."""
    with bz2.open(data / "wikipedia/enwiki-2016-excerpt.xml.bz2", "rt", encoding="utf-8") as dump:
        for page in re.findall(r"<page>.*?</page>", dump.read(), re.DOTALL):
            title, text = re.search(r"<title>(.*?)<", page), re.search(r"<text[^>]*>([^<]*)", page)
            if title and text and "<redirect" not in page:
                yield html.unescape(title[1]), html.unescape(text[1])
    with tarfile.open(data / "wikipedia/wikitext-66-pages.tar.xz") as archive:
        for member in archive:
            if member.name.endswith(".txt") and (content := archive.extractfile(member)):
                yield member.name, content.read().decode("utf-8")


def measure(articles: Iterator[tuple[str, str]]) -> Quality:
    """Judge the lead of each article."""
    quality = Quality()
    for title, wikitext in articles:
        lead = lead_text(wikitext)
        quality.leads += 1
        quality.artefacts += [Artefact(title, kind, text) for kind, text in artefacts(lead)]
        for template, values in expected(wikitext):
            quality.wanted[template] += 1
            if all(_found(value, lead) for value in values):
                quality.kept[template] += 1
            else:
                quality.missing.append(Artefact(title, template, " ... ".join(values)))
    return quality


def artefacts(lead: str) -> Iterator[tuple[str, str]]:
    """Each artefact of a text: its kind, and its context on the line."""
    for line in lead.split("\n"):
        for kind, detector in DETECTORS.items():
            for found in detector.finditer(line):
                if kind == "doubled word" and found[1].lower() in _MAY_REPEAT:
                    continue
                start = max(0, found.start() - CONTEXT)
                yield kind, line[start : found.end() + CONTEXT]
        for opening, closing in ("()", "[]", "{}", "“”"):
            # German quotations open with „ and close with “.
            if line.count(opening) != line.count(closing) and "„" not in line:
                yield f"unbalanced {opening}{closing}", line[: 2 * CONTEXT]


# --- What ought to be there -----------------------------------------------------------------

_HIDDEN: Final = re.compile(
    r"(?is)<!--.*?-->|<ref\b[^>]*/\s*>|<ref\b[^>]*>.*?</ref\s*>|<gallery.*?</gallery>|\n\{\|.*?\n\|\}"
)
_HEADING: Final = re.compile(r"(?m)^==.*==\s*$")
_SHOWS_NOTHING: Final = re.compile(
    r"(?i)infobox|taxobox|speciesbox|cite|citation|efn|refn|sfn|harv|#tag|note|ref|multiple|"
    r"inligtings|infoboks|listen|hatnote|about|other|main|see|coord|sidebar|baseball|fs |for\b|"
    r"enzyme|redirect|flagicon|vunblist|collapsible|map|image|disting|paraphyletic|longitem"
)


def expected(wikitext: str) -> Iterator[tuple[str, list[str]]]:
    """(template, the texts that its reader sees) of each `convert` and `lang` in the lead."""
    heading = _HEADING.search(wikitext)
    lead = _HIDDEN.sub("", wikitext[: heading.start() if heading else None])
    for template in _shown_templates(mwparserfromhell.parse(lead, skip_style_tags=True)):
        name = str(template.name).strip().replace("_", " ").lower()
        values = [str(p.value) for p in template.params if not p.showkey]
        if name in {"convert", "cvt"} and values:
            yield "convert", [values[0]]
        elif name in {"lang", "langx"} and len(values) > 1:
            yield "lang", [_plain(values[1])]
        elif name.startswith("lang-") and values:
            yield "lang", [_plain(values[0])]


def _shown_templates(code: Wikicode) -> Iterator[Template]:
    """The templates of running text: not those inside a template or link that shows nothing."""
    for node in code.nodes:
        inside: list[Wikicode] = []
        if isinstance(node, Template):
            yield node
            if not _SHOWS_NOTHING.match(str(node.name).strip()):
                inside = [p.value for p in node.params]
        elif isinstance(node, Wikilink) and not re.match(r"(?i)\s*(file|image):", str(node.title)):
            inside = [node.text] if node.text is not None else []
        elif isinstance(node, Tag) and node.contents is not None:
            inside = [node.contents]
        for each in inside:
            yield from _shown_templates(each)


def _plain(value: str) -> str:
    stripped = mwparserfromhell.parse(re.sub("'{2,}", "", value)).strip_code().strip()
    return " ".join(html.unescape(stripped).split())


def _found(value: str, lead: str) -> bool:
    """Whether a value stands in the text, thousands grouped or not."""
    number = re.fullmatch(r"\s*[-−]?[\d,.]+\s*", value)
    if not number:
        return " ".join(value.split()) in lead
    digits = value.strip().replace(",", "").lstrip("-−")
    return re.search(rf"(?<![\d.]){re.escape(digits)}(?!\d)", lead.replace(",", "")) is not None


# --- Report ---------------------------------------------------------------------------------


def render(quality: Quality) -> str:
    """Offenders with their context, then the summary."""
    kinds = Counter(artefact.kind for artefact in quality.artefacts)
    lines = [
        f"{each.title} [{each.kind}] {each.context}"
        for each in (*quality.artefacts, *quality.missing)
    ]
    rows: list[tuple[object, ...]] = [
        ("leads", quality.leads, ""),
        ("leads with any artefact", quality.offenders, _share(quality.offenders, quality.leads)),
        *((f"artefacts: {kind}", count, "") for kind, count in kinds.most_common()),
        *(
            (f"`{name}` texts kept", quality.kept[name], _share(quality.kept[name], wanted))
            for name, wanted in quality.wanted.items()
        ),
    ]
    return "\n".join([*lines, "", table(["what", "count", "share"], rows)])


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%} of {whole}" if whole else "none"


def main(arguments: list[str] | None = None) -> None:
    """Measure, print, and exit 1 when there is no data."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--data", type=Path, default=DATA, help="folder of real dumps")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(arguments)
    if not (options.data / "wikipedia").is_dir():
        sys.exit(f"no real data at {options.data}; name the folder with --data")
    quality = measure(real_articles(options.data))
    if options.json:
        result = asdict(quality) | {"offenders": quality.offenders}
        print(ujson.dumps(result, ensure_ascii=False))  # noqa: T201 - a script's output
    else:
        print(render(quality))  # noqa: T201


if __name__ == "__main__":
    main()
