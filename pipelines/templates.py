"""What a reader sees of the templates that show text: a table from name to renderer.

Imports languages, quantities and the standard library. A template that is not in the table shows
nothing: infoboxes, hatnotes, notes, pronunciation.
Values may hold markup that the caller resolves later (bold marks, HTML entities).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from pipelines.languages import COUNTRIES, LANGUAGES
from pipelines.quantities import quantity

__all__ = ["Args", "Renderer", "normal_name", "renderer"]

_MONTHS: Final = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_YES: Final = frozenset({"y", "yes", "1", "true", "on"})


@dataclass(frozen=True, slots=True)
class Args:
    """A call's parameters by name; positional ones are named '1', '2', ... as in MediaWiki."""

    values: dict[str, str]

    @classmethod
    def parse(cls, parts: Iterable[str]) -> Args:
        """Of the texts between the bars; names are trimmed, values kept as they are."""
        values: dict[str, str] = {}
        count = 0
        for part in parts:
            key, equals, value = part.partition("=")
            if not equals:
                count += 1
                key, value = str(count), part
            values[key.strip()] = value
        return cls(values)

    def get(self, *names: str) -> str:
        """The first of these parameters that is not blank, trimmed; '' when there is none."""
        for name in names:
            value = self.values.get(name, "").replace("\0", "").strip()
            if value:
                return value
        return ""

    def all(self) -> list[str]:
        """The positional parameters, trimmed, up to the first missing one."""
        found: list[str] = []
        while (name := str(len(found) + 1)) in self.values:
            found.append(self.get(name))
        return found

    def filled(self) -> list[str]:
        """The positional parameters that are not blank."""
        return [text for text in self.all() if text]

    def yes(self, *names: str) -> bool:
        return self.get(*names).lower() in _YES


Renderer = Callable[[Args], str]


def _show(number: int) -> Renderer:
    """The positional parameter `number` as it stands, blanks included."""
    return lambda a: a.values.get(str(number), "")


def _constant(text: str) -> Renderer:
    return lambda _: text


def _before(prefix: str) -> Renderer:
    """`prefix` and the first parameter; nothing without one."""
    return lambda a: prefix + a.get("1") if a.get("1") else ""


def _joined(separator: str) -> Renderer:
    return lambda a: separator.join(a.filled())


def _last(a: Args) -> str:
    return a.all()[-1] if a.all() else ""


def _quantity(a: Args, **defaults: str) -> str:
    """{{convert|5|km|mi}}: 5 kilometres (3.1 mi), by quantities.py."""
    options = {name: a.get(name) for name in a.values if not name.isdigit()}
    return quantity(a.all(), defaults | options)


def _labelled(code: str, text: str, a: Args, first: int) -> str:
    """`French: Texte`, with the romanisation and literal meaning that positions `first`.. hold."""
    if not text:
        return ""
    language = "" if a.get("label") == "none" else a.get("label") or LANGUAGES.get(code, "")
    roman = a.get(str(first), "translit", "tr")
    meaning = a.get(str(first + 1), "lit")
    shown = f"{language}: {text}" if language else text
    shown += f", romanized: {roman}" if roman else ""
    return shown + (f", lit. '{meaning}'" if meaning else "")


def _langx(a: Args) -> str:
    return _labelled(a.get("1").lower(), a.get("2", "text"), a, 3)


def _lang_of(code: str) -> Renderer:
    return lambda a: _labelled(code, a.get("1", "text"), a, 2)


_CHINESE: Final = {
    "c": "Chinese", "s": "simplified Chinese", "t": "traditional Chinese", "p": "pinyin",
    "hp": "pinyin", "tp": "Tongyong Pinyin", "w": "Wade–Giles", "j": "Jyutping",
    "y": "Yale", "cy": "Cantonese Yale", "sl": "Sidney Lau", "poj": "Pe̍h-ōe-jī",
    "tl": "Tâi-lô",
}  # fmt: skip


def _chinese(a: Args) -> str:
    """{{zh|s=..|t=..|p=..}}: labelled forms, joined by semicolons."""
    keys = sorted(_CHINESE, key=lambda key: key != "t") if a.get("first") == "t" else _CHINESE
    bare = a.get("labels") == "no"
    found = [f"{'' if bare else _CHINESE[k] + ': '}{a.get(k)}" for k in keys if a.get(k)]
    if meaning := a.get("l", "tr"):
        found.append(f"lit. '{meaning}'")
    return "; ".join(found) or a.get("1")


def _korean(a: Args) -> str:
    """{{Korean|hangul=..|hanja=..|rr=..|mr=..}}; positional ones in this order too."""
    forms = (("Korean", a.get("hangul", "1")), ("Hanja", a.get("hanja", "2")),
             ("RR", a.get("rr", "3")), ("MR", a.get("mr", "4")))  # fmt: skip
    return "; ".join(f"{label}: {value}" for label, value in forms if value)


def _nihongo(a: Args) -> str:
    """{{nihongo|English|Kanji|Romaji|extra}}; lead=yes labels what the bracket holds."""
    english, kanji, romaji = a.get("1"), a.get("2"), a.get("3")
    if not english:
        english, romaji = romaji, ""
    if a.yes("lead"):
        kanji = f"Japanese: {kanji}" if kanji else ""
        romaji = f"Hepburn: {romaji}" if romaji else ""
    inside = ", ".join(filter(None, [kanji, romaji, a.get("4", "extra")]))
    return f"{english} ({inside})" if english and inside else english or inside


def _nihongo3(a: Args) -> str:
    """{{nihongo3|English|Kanji|Romaji}}: the romanisation leads."""
    inside = ", ".join(filter(None, [a.get("2"), a.get("1")]))
    return f"{a.get('3')} ({inside})" if a.get("3") and inside else a.get("3") or inside


def _date(year: str, month: str, day: str, *, day_first: bool) -> str:
    """Parts that are no numbers as given; a year alone, or month and year, will do."""
    if re.fullmatch(r"0?[1-9]|1[0-2]", month, re.ASCII):
        month = _MONTHS[int(month) - 1]
    day = day.lstrip("0")
    if not (month and day):
        return " ".join(filter(None, [month, year]))
    return f"{day} {month} {year}".rstrip() if day_first else f"{month} {day}, {year}".rstrip(", ")


def _full_date(a: Args) -> str:
    return _date(a.get("1"), a.get("2"), a.get("3"), day_first=a.yes("df", "dmy"))


def _sortable_date(a: Args) -> str:
    """{{dts|5|May|1810}}: the parts in the order that the page has them."""
    return " ".join(part.lstrip("0") for part in a.filled())


def _month_year(a: Args) -> str:
    """{{birth year and age|1950|1}}: the year, with its month when that is given."""
    return _date(a.get("1"), a.get("2"), "", day_first=True)


def _as_of(a: Args) -> str:
    if shown := a.get("alt"):
        return shown
    day_first = a.get("df").lower() not in {"us", "mdy"}
    date = _date(a.get("1"), a.get("2"), a.get("3"), day_first=day_first)
    word = "Since" if a.yes("since") else "As of"
    word = word.lower() if a.yes("lc") else word
    shown = date if a.yes("bare") else " ".join(filter(None, [word, a.get("pre"), date]))
    return shown + a.get("post")


def _old_style(a: Args) -> str:
    """{{OldStyleDate|February 2|1905|January 20}}: new style date, old style in brackets."""
    old = f" [O.S. {a.get('3')}]" if a.get("3") else ""
    return f"{a.get('1')}{old} {a.get('2')}".strip()


def _circa(a: Args) -> str:
    return " – ".join(f"c. {year}" for year in a.filled()) or "c."


def _span(mark: str) -> Renderer:
    """A mark and a year, or a range of years: {{floruit|1550|1600}} is fl. 1550–1600."""
    return lambda a: f"{mark} {'–'.join(a.filled())}".rstrip()


def _fraction(a: Args) -> str:
    """{{frac|3|1|2}} is 3 1/2, {{frac|1|2}} is 1/2, {{frac|4}} is 1/4."""
    if not (parts := a.filled()):
        return ""
    *whole, above, below = parts[-3:] if len(parts) > 1 else ["1", *parts]
    return " ".join([*whole, f"{above}/{below}"])


def _grouped(text: str) -> str:
    """Commas between thousands of the integer part; text that is no number stays."""
    match = re.fullmatch(r"([-−+]?)(\d{1,40})(\.\d*)?", text.replace(",", ""), re.ASCII)
    return f"{match[1]}{int(match[2]):,}{match[3] or ''}" if match else text


def _value(a: Args) -> str:
    """{{val|6.24|0.01|e=18|ul=m}}; an uncertainty in brackets stays as written."""
    shown = a.get("p") + _grouped(a.get("1"))
    if error := a.get("2"):
        shown += error if error.startswith("(") else f"±{error}"
    shown += f"×10^{a.get('e')}" if a.get("e") else ""
    return " ".join(filter(None, [shown, a.get("u", "ul", "up")]))


def _ship(prefix: str, name: str, hull: str, form: str) -> str:
    """Its display codes: 1 hull, 2 name, 3 prefix and name, 5 prefix and hull, 6 no prefix."""
    full = f"{prefix} {name}".strip()
    named = f"{name} ({hull})" if hull else name
    forms = {"1": hull, "2": name, "3": full, "5": f"{prefix} {hull}".strip(), "6": named}
    return forms.get(form) or (f"{full} ({hull})" if hull else full)


def _prefixed_ship(prefix: str) -> Renderer:
    # A bare {{ARM}} or {{BAP}} is a flag or a list mark, not a ship.
    return lambda a: _ship(prefix, *map(a.get, "123")) if a.get("1") else ""


def _any_ship(a: Args) -> str:
    return _ship(*map(a.get, "1234"))


def _ship_class(a: Args) -> str:
    return f"{a.get('1')}-class {a.get('2')}".rstrip()


def _interlanguage(a: Args) -> str:
    """{{ill|Name|fr|Nom}}, or the older {{ill|fr|Name}}; lt= wins."""
    first, second = a.get("1"), a.get("2")
    older = second and first in LANGUAGES and second not in LANGUAGES
    return a.get("lt") or (second if older else first)


def _list(a: Args) -> str:
    """Items, given as parameters or as the lines of a bulleted list, joined by commas."""
    items = (item.strip("*#:; \t\0") for arg in a.all() for item in arg.split("\n"))
    return ", ".join(filter(None, items))


def _quote(a: Args) -> str:
    text = a.get("1", "text", "quote")
    return f"\n\n{text}\n\n" if text else ""


def _height(a: Args) -> str:
    return " ".join(f"{a.get(unit)} {unit}" for unit in ("m", "cm", "ft", "in") if a.get(unit))


def _marriage(a: Args) -> str:
    """{{marriage|Name|1842|1865}}: Name (m. 1842–1865)."""
    years = "–".join(filter(None, [a.get("2"), a.get("3", "end")]))
    return f"{a.get('1')} (m. {years})" if years else a.get("1")


def _names(text: str) -> list[str]:
    return [name.replace("_", " ").lower() for name in text.split()]


def _rows(names: str, render: Renderer) -> dict[str, Renderer]:
    """A table row per name; names are separated by blanks, with underscores for their spaces."""
    return dict.fromkeys(_names(names), render)


_SHIPS: Final = (
    "USS HMS HMAS HMCS HMNZS HMIS HMSAS HMT HMHS HMY SS MS MV RMS SMS USNS USCGC USAT USRC USAV "
    "USAHS USC&GS GTS MTS TS TSS PS RFA RV NRP ORP INS JDS JS ROKS BAP ARA ARM HNoMS HDMS HSwMS "
    "HNLMS HTMS KRI KD BRP PNS BNS SLNS SAS NMS TCG HS FV MY SY SMU USLHT MT MF CCGS CSS HSC KNM"
)
_MONEY: Final = {
    "US$": "US$ USD US_dollar", "£": "£ GBP GB£ pound_sterling", "€": "€ euro EUR",
    "₹": "₹ INR Indian_rupee", "A$": "A$ AUD AU$", "C$": "C$ CAD CA$", "NZ$": "NZ$ NZD",
    "HK$": "HK$ HKD", "NT$": "NT$", "S$": "S$ SGD", "R$": "R$ BRL", "¥": "¥ JPY JP¥ yen",
    "CN¥": "CN¥ CNY RMB", "₩": "₩ KRW won", "₱": "₱ PHP Philippine_peso", "₽": "₽ RUB",
    "₪": "₪ ILS", "₤": "₤", "₦": "₦ NGN",
}  # fmt: skip
# Bars, equal signs and apostrophes are entities here: they are text, not markup.
_SIGNS: Final = {
    " – ": "spnd snd spaced_ndash spaced_en_dash spaced_endash spndash sndash snds", "π": "pi",
    "–": "ndash endash en_dash", "—": "mdash mdashb emdash em_dash", "-": "hyphen", "×": "times",
    " — ": "spaced_mdash spaced_em_dash", "&#39;": "' apos", "&#39;s": "'s", "|": "!", "®": "reg",
    " ": "nbsp space spaces thinsp thin_space hairsp hair_space nnbsp br break", "&#61;": "=",
    " · ": "· dot middot", " • ": "• bull bullet", "ʻ": "okina", "ʾ": "hamza", "ʿ": "ayin",
    "&#39;\"": "'\"", "\"&#39;": "\"'",
}  # fmt: skip
_NOTES: Final = {"flat": "♭", "b": "♭", "sharp": "♯", "#": "♯", "natural": "♮"}

_TABLE: Final[dict[str, Renderer]] = {
    **_rows(
        "nowrap nobr nobreak no_break no_wrap nwr nobold noitalic no_italic normal small smaller "
        "big larger large huge smallcaps small_caps smallcaps_all smcaps sc sc1 sc2 allcaps em "
        "strong italic italics var mvar math abbr abbrv tooltip define visible_anchor vanchor "
        "visanc not_a_typo proper_name chem_name chem2 nq nastaliq unicode polytonic iast "
        "iso_15919 hebrew arabic script/hebrew script/arabic nihongo2 nihongo_foot kanji mono code "
        "tt kbd samp char sup sub typo rtl annotated_link bold gloss as_written nee center "
        "centre dfn birth-date birth-date_and_age death-date death-date_and_age start-date "
        "end-date death_year death_year_and_age",
        _show(1),
    ),
    **_rows(
        "lang rtl-lang script wikt-lang color colour font_color resize sort h:title native_name "
        "native_phrase",
        _show(2),
    ),
    **_rows("transl transliteration tlit translit xlit isotranslit", _last),
    **_rows("linktext gaps chem", _joined("")),
    **_rows("convert conv", _quantity),
    **_rows("cvt", lambda a: _quantity(a, abbr="on")),
    **_rows("langx", _langx),
    **_rows("zh lang-zh chinese zh-cpl zh-stpl", _chinese),
    **_rows("korean ko-hhrm", _korean),
    **_rows("nihongo", _nihongo),
    **_rows("nihongo3", _nihongo3),
    **_rows("as_of asof", _as_of),
    **_rows(
        "birth_date birth_date_and_age death_date death_date_and_age start_date end_date film_date "
        "start_date_and_age dob bda dda dod birthdate birthdateandage birth_date_and_given_age "
        "death_date_and_given_age launch_date opening_date",
        _full_date,
    ),
    **_rows("birth_year birth_year_and_age birth_month_and_age", _month_year),
    **_rows("oldstyledate old_style_date", _old_style),
    **_rows("circa c. ca. ca circ", _circa),
    **_rows("floruit fl. fl", _span("fl.")),
    **_rows("reign r.", _span("r.")),
    **_rows("born b.", _span("b.")),
    **_rows("died d.", _span("d.")),
    **_rows("frac fraction sfrac", _fraction),
    **_rows("formatnum number nts", lambda a: _grouped(a.get("1"))),
    **_rows("val", _value),
    **_rows("e", _before("×10^")),
    **_rows("ship", _any_ship),
    **_rows("sclass sclass- sclass2 sclass2-", _ship_class),
    **_rows("flag flagcountry flagu flagcu flag+link flag_country", lambda a: a.get("name", "1")),
    **_rows("ill interlanguage_link illm link-interwiki interlanguage_link_multi", _interlanguage),
    **_rows("sortname sort_name", lambda a: f"{a.get('1')} {a.get('2')}".strip()),
    **_rows(
        "ubl ublist vunblist unbulleted_list plainlist plain_list flatlist hlist cslist "
        "bulleted_list",
        _list,
    ),
    **_rows("sic", lambda a: a.get("1") + ("" if a.yes("hide") or not a.get("1") else " [sic]")),
    **_rows("post-nominals postnominals postnom post-nom", _joined(" ")),
    **_rows("quote blockquote cquote quotation bquote", _quote),
    **_rows("url", lambda a: a.get("2", "1")),
    **_rows("isbn", _before("ISBN ")),
    **_rows("angbr angle_bracket", lambda a: f"⟨{a.get('1')}⟩"),
    **_rows("key_press keypress key", _joined("+")),
    **_rows("height", _height),
    **_rows("marriage", _marriage),
    **_rows("dts", _sortable_date),
    **{name: _constant(country) for name, country in COUNTRIES.items()},
    **_rows("music", lambda a: _NOTES.get(a.get("1"), "")),
    **_rows("lc", lambda a: a.get("1").lower()),
    **_rows("uc", lambda a: a.get("1").upper()),
    **{name.lower(): _prefixed_ship("SM" if name == "SMU" else name) for name in _SHIPS.split()},
    **{name: _before(sign) for sign, names in _MONEY.items() for name in _names(names)},
    **{name: _constant(text) for text, names in _SIGNS.items() for name in _names(names)},
}


def normal_name(name: str) -> str:
    """A template's name as the table has it; redirects differ in case far too often to tell."""
    return " ".join(name.replace("_", " ").split()).lower().removeprefix("template:")


def renderer(name: str) -> Renderer | None:
    """What renders the template of this normal name; None for one that shows nothing."""
    if (found := _TABLE.get(name)) is not None:
        return found
    return _lang_of(name[5:]) if name.startswith("lang-") and len(name) > 5 else None
