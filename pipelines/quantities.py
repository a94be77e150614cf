"""{{convert}}: a quantity with its unit, and what it is in another, as a reader sees it.

Imports units. Rounds as enwiki's Module:Convert does: the output is as precise as the input, as far
as the size of the two units allows, and has two significant digits at least (temperatures three, in
kelvin). A call with a unit or an option that is not known here shows what it is written with.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from math import floor, log10
from typing import Final

from pipelines.units import OTHER_UNITS, Unit, unit_of

__all__ = ["as_written", "converted", "quantity"]


@dataclass(frozen=True, slots=True)
class _Measure:
    """A value with the digits it was written with; `unit` may be the smaller of a pair."""

    value: float
    shown: str
    digits: int
    """Decimal places as written; negative for trailing zeros of an integer."""

    @property
    def one(self) -> bool:
        """Whether its unit stands in the singular: 1, and fractions below it."""
        return abs(self.value) == 1 or ("/" in self.shown and self.value < 1)


_WRITTEN_RANGES: Final = {
    "-": "–", "–": "–", "to": " to ", "to(-)": " to ", "x": " × ", "xx": " × ", "×": " × ",
    "*": " × ", "by": " by ", "by(x)": " by ", "and": " and ", "and(-)": " and ", "or": " or ",
    ",": ", ", "+/-": " ± ", "±": " ± ", "+": " + ", "and/or": " and/or ", "to about": " to about ",
}  # fmt: skip
_WRITTEN_PAIRS: Final = frozenset(
    {("ft", "in"), ("foot", "in"), ("feet", "in"), ("lb", "oz"), ("st", "lb"), ("mi", "ft"),
     ("mi", "yd"), ("mi", "chain"), ("mi", "furlong"), ("yd", "ft"), ("yd", "in"), ("h", "min")}
)  # fmt: skip
_PAIRS: Final = {("ft", "in"): 12, ("lb", "oz"): 16, ("st", "lb"): 14, ("yd", "ft"): 3}
_PAIR_DEFAULT: Final = {"ft": "m", "lb": "kg", "st": "lb kg", "yd": "m"}
# An integer converted to one of these keeps the precision of its own unit.
_MORE_PRECISE: Final = frozenset({"ft", "lb"})
_RANGES: Final = {
    "to": (" to ", " to "), "-": ("–", "–"), "–": ("–", "–"), "and": (" and ", " and "),
    "or": (" or ", " or "), "to(-)": (" to ", "–"), "and(-)": (" and ", "–"),
}  # fmt: skip
# Options whose effect is not written down here.
_OTHER_OPTIONS: Final = frozenset({"round", "spell", "frac", "input", "comma", "qid"})
_NUMBER: Final = re.compile(r"([-−+]?)(\d{1,3}(?:,\d{3})+|\d{1,15})?(\.\d{1,12})?", re.ASCII)
_FRACTION: Final = re.compile(r"(?:(\d{1,6})[+ ])?(\d{1,4})/(\d{1,4})", re.ASCII)
_SIGFIG: Final = re.compile(r"\s*(\d{1,2})\s*", re.ASCII)
_LEADING_NUMBER: Final = re.compile(r"[−\d.,]+")
_FUDGE: Final = 1e-14


def quantity(words: Sequence[str], options: Mapping[str, str]) -> str:
    """What {{convert}} shows for its positional and named parameters."""
    return converted(words, options) or as_written(words)


def converted(words: Sequence[str], options: Mapping[str, str]) -> str | None:
    """A quantity and its conversion; None where a unit or an option is not known."""
    if options.keys() & _OTHER_OPTIONS:
        return None
    parsed = _parse([word.strip() for word in words])
    if parsed is None:
        return None
    measures, separators, codes, rest = parsed
    while rest and not rest[-1]:
        rest.pop()
    precision = None
    if rest and re.fullmatch(r"-?\d{1,2}", rest[-1], re.ASCII):
        precision = int(rest.pop())
    if len(rest) > 1:
        return None
    wanted = _outputs(rest[0] if rest else "", measures, codes)
    if not wanted or any(unit_of(code) is None for code in wanted):
        return None
    try:
        return _Call(tuple(codes), precision, options).show(measures, separators, wanted)
    except ArithmeticError:  # more digits than numbers have
        return None


def as_written(words: Sequence[str]) -> str:
    """A quantity as its call gives it, ranges and pairs of units included."""
    words, shown = [*(word.strip() for word in words), "", ""], ""
    for i in range(0, len(words) - 2, 2):
        measure, after = _measure(words[i]), words[i + 1]
        value = measure.shown if measure else words[i]
        if after in _WRITTEN_RANGES:
            shown += value + _WRITTEN_RANGES[after]
            continue
        unit = unit_of(after)
        shown += f"{value} {unit.symbol if unit else OTHER_UNITS.get(after, after)}".rstrip()
        if i + 3 >= len(words) or (after, words[i + 3]) not in _WRITTEN_PAIRS:
            break
        shown += " "
    return shown


def _parse(
    words: list[str],
) -> tuple[list[_Measure], list[str], list[str], list[str]] | None:
    """Values, the words between them, their unit (or two), and what follows."""
    measures: list[_Measure] = []
    separators: list[str] = []
    while len(words) >= 2:
        measure = _measure(words[0])
        if measure is None:
            return None
        measures.append(measure)
        after = words[1]
        if after in _RANGES and len(words) > 2:
            separators.append(after)
            words = words[2:]
            continue
        if unit_of(after) is None or after == "ftin":
            return None
        if len(words) > 3 and (after, words[3]) in _PAIRS and len(measures) == 1:
            smaller = _measure(words[2])
            if smaller is not None:
                return [measure, smaller], [], [after, words[3]], words[4:]
        return measures, separators, [after], words[2:]
    return None


def _measure(text: str) -> _Measure | None:
    text = text.replace("−", "-").replace("&minus;", "-")
    if found := _FRACTION.fullmatch(text):
        whole, above, below = int(found[1] or 0), int(found[2]), int(found[3])
        if not below:
            return None
        shown = f"{whole}+{above}/{below}" if whole else f"{above}/{below}"
        return _Measure(whole + above / below, shown.replace("+", " "), max(1, floor(log10(below))))
    found = _NUMBER.fullmatch(text)
    if not found or not (found[2] or found[3]):
        return None
    digits = (found[2] or "0").replace(",", "")
    value = float(f"{found[1]}{digits}{found[3] or ''}")
    zeros = len(digits) - len(digits.rstrip("0"))
    shown = f"{'−' if found[1] == '-' else ''}{int(digits):,}{found[3] or ''}"
    return _Measure(value, shown, len(found[3]) - 1 if found[3] else -zeros)


def _outputs(code: str, measures: list[_Measure], codes: list[str]) -> list[str] | None:
    """The units to convert to: those asked for, or the default ones."""
    if code in {"ft in", "ftin"}:
        return ["ftin"]
    if code:
        return [code] if unit_of(code) else code.split()
    if len(codes) == 2:
        return _PAIR_DEFAULT[codes[0]].split()
    unit = unit_of(codes[0])
    if unit is None:
        return None
    if unit.symbol == "m" and all(0 < m.value < 3 for m in measures):
        return ["ftin"]
    return unit.default.split()


@dataclass(frozen=True, slots=True)
class _Call:
    """One call: its input unit (or pair), precision if it names one, and options."""

    codes: tuple[str, ...]
    precision: int | None
    options: Mapping[str, str]

    def show(
        self, measures: list[_Measure], separators: list[str], wanted: list[str]
    ) -> str | None:
        """Input and output, in the order and form that the options ask for."""
        kinds = {unit.kind for code in (*self.codes, *wanted) if (unit := unit_of(code))}
        disp = self.options.get("disp", "").strip()
        abbr = self.options.get("abbr", "").strip() or "out"
        if self.options.get("adj", "").strip() not in {"", "on", "off", "no"}:
            return None
        forms = {"out": (False, True), "in": (True, False), "on": (True, True)}
        if len(kinds) != 1 or abbr not in {*forms, "off", "none", "~"}:
            return None
        first_short, second_short = forms.get(abbr, (False, False))
        flipped = disp == "flip" or self.options.get("order", "").strip() == "flip"
        given = self._given(measures, separators, short=second_short if flipped else first_short)
        made = [
            self._made(measures, separators, code, short=first_short if flipped else second_short)
            for code in wanted
        ]
        if any(each is None for each in made):
            return None
        result = "; ".join(filter(None, made))
        first, second = (result, given) if flipped else (given, result)
        number = _LEADING_NUMBER.match(result)
        return {
            "number": number and number[0],
            "output number only": number and number[0],
            "out": result,
            "output only": result,
            "or": f"{first} or {second}",
            "comma": f"{first}, {second}",
            **dict.fromkeys(("", "b", "flip"), f"{first} ({second})"),
        }.get(disp)

    @property
    def _adjective(self) -> bool:
        return "on" in (self.options.get("adj", "").strip(), self.options.get("sing", "").strip())

    def _given(self, measures: list[_Measure], separators: list[str], *, short: bool) -> str:
        american = self.options.get("sp", "").strip() == "us"
        if len(self.codes) == 2:
            parts = [
                self._beside(m.shown, code, one=m.one, short=short, american=american)
                for m, code in zip(measures, self.codes, strict=True)
            ]
            return ("-" if self._adjective and not short else " ").join(parts)
        shown = measures[0].shown
        for word, measure in zip(separators, measures[1:], strict=True):
            shown += _RANGES[word][0] + measure.shown
        one = len(measures) == 1 and measures[0].one
        return self._beside(shown, self.codes[0], one=one, short=short, american=american)

    def _made(
        self, measures: list[_Measure], separators: list[str], code: str, *, short: bool
    ) -> str | None:
        american = self.options.get("sp", "").strip() == "us"
        target = "in" if code == "ftin" else code
        values, digits = self._values(measures, target)
        if sigfig := _SIGFIG.fullmatch(self.options.get("sigfig", "")):
            wanted = int(sigfig[1])
            digits = [wanted - 1 - _magnitude(abs(value)) if value else 0 for value in values]
        elif self.precision is not None:
            digits = [self.precision] * len(values)
        else:
            digits = [max(digits)] * len(values)
        rounded = [_round(value, d) for value, d in zip(values, digits, strict=True)]
        if code == "ftin":
            return self._feet(rounded, separators, short=short)
        shown = [_grouped(value, d) for value, d in zip(rounded, digits, strict=True)]
        text = shown[0]
        for word, each in zip(separators, shown[1:], strict=True):
            text += _RANGES[word][1] + each
        one = len(shown) == 1 and shown[0] == "1"
        return self._beside(text, code, one=one, short=short, american=american)

    def _values(self, measures: list[_Measure], target: str) -> tuple[list[float], list[int]]:
        """Each value in the target unit, and its default precision."""
        unit, out = unit_of(self.codes[-1]), unit_of(target)
        assert unit is not None
        assert out is not None
        if len(self.codes) == 2:
            larger, smaller = measures
            value = larger.value * _PAIRS[self.codes[0], self.codes[1]] + smaller.value
            measures = [_Measure(value, "", max(0, smaller.digits))]
        values = [(m.value + unit.offset) * unit.scale / out.scale - out.offset for m in measures]
        return values, [
            self._default(m, value, unit, out) for m, value in zip(measures, values, strict=True)
        ]

    def _default(self, given: _Measure, value: float, unit: Unit, out: Unit) -> int:
        """As precise as the input, with two significant digits at least."""
        if unit.kind == "temperature":
            kelvin = abs((given.value + unit.offset) * unit.scale)
            least = 2 if kelvin < 1e-8 else 2 - floor(log10(kelvin) + _FUDGE)
            return max(floor(given.digits + log10(2)), least)
        if not given.value or not value:
            return 0
        if self.codes[-1] == "in" and len(self.codes) == 2:
            shift = log10(out.scale) + 2
        elif out.symbol in _MORE_PRECISE and given.value == floor(given.value):
            shift = -log10(unit.scale)
        else:
            shift = log10(abs(given.value / value))
        return max(floor(given.digits + shift + log10(2)), 1 - _magnitude(abs(value)))

    def _beside(self, shown: str, code: str, *, one: bool, short: bool, american: bool) -> str:
        unit = unit_of(code)
        assert unit is not None
        joined = "-" if self._adjective and not short and unit.name else " "
        if unit.symbol == unit.plural:  # acres, for one, have no symbol
            short = False
        one = one or joined == "-"
        label = unit.label(short=short, one=one, american=american)
        return f"{shown}{joined}{label.replace(' ', '-') if joined == '-' else label}"

    def _feet(self, inches: list[float], separators: list[str], *, short: bool) -> str | None:
        """`5 ft 11 in`, of whole inches."""
        if any(value < 0 for value in inches):
            return None
        shown = []
        for value in inches:
            feet, rest = divmod(round(value), 12)
            parts = [(feet, "ft", "foot", "feet"), (rest, "in", "inch", "inches")]
            shown.append(
                " ".join(
                    f"{n} {symbol if short else name if n == 1 else plural}"
                    for n, symbol, name, plural in parts
                    if n or symbol == "in"
                )
            )
        text = shown[0]
        for word, each in zip(separators, shown[1:], strict=True):
            text += _RANGES[word][1] + each
        return text


def _magnitude(value: float) -> int:
    return floor(log10(value) + _FUDGE)


def _round(value: float, digits: int) -> float:
    """Half away from zero."""
    return float(_decimal(value, digits))


def _decimal(value: float, digits: int) -> Decimal:
    """`value` to `digits` decimal places, negative ones too, half away from zero."""
    # Twelve significant digits: what was written, without the dust of the multiplication.
    exact = Decimal(f"{value:.12g}")
    return exact.quantize(Decimal(1).scaleb(-digits), rounding=ROUND_HALF_UP)


def _grouped(value: float, digits: int) -> str:
    shown = f"{abs(value):,.{max(0, digits)}f}"
    return f"−{shown}" if value < 0 and any(c in "123456789" for c in shown) else shown
