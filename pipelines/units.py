"""The units of {{convert}} that articles use most: sizes, names, and what they are converted to.

Imports only the standard library. Default output units are those of enwiki's Module:Convert.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["OTHER_UNITS", "Unit", "unit_of"]


@dataclass(frozen=True, slots=True)
class Unit:
    """One unit: `scale` and `offset` take a value to the base unit of its kind."""

    kind: str
    scale: float
    symbol: str
    name: str
    plural: str
    default: str
    offset: float = 0.0

    def label(self, *, short: bool, one: bool, american: bool) -> str:
        """How it is called beside a value."""
        if short or not self.name:
            return self.symbol
        name = self.name if one else self.plural
        return name.replace("metre", "meter").replace("litre", "liter") if american else name


# code(s): kind, scale, symbol, name (none: the symbol serves), plural (none: name + s), default
_UNITS_TEXT: Final = """
km: length, 1000, km, kilometre, , mi
m metre metres meter meters: length, 1, m, metre, , ft
cm: length, 0.01, cm, centimetre, , in
mm: length, 0.001, mm, millimetre, , in
mi mile miles smi: length, 1609.344, mi, mile, , km
yd: length, 0.9144, yd, yard, , m
ft foot feet: length, 0.3048, ft, foot, feet, m
in inch inches: length, 0.0254, in, inch, inches, mm
nmi: length, 1852, nmi, nautical mile, , km mi
fathom: length, 1.8288, fathoms, fathom, , ft m
km2 sqkm: area, 1000000, km2, square kilometre, , sqmi
m2 sqm: area, 1, m2, square metre, , sqft
cm2: area, 0.0001, cm2, square centimetre, , sqin
ha hectare: area, 10000, ha, hectare, , acre
acre acres: area, 4046.8564224, acres, acre, , ha
sqmi mi2: area, 2589988.110336, sq mi, square mile, , km2
sqft ft2: area, 0.09290304, sq ft, square foot, square feet, m2
sqin: area, 0.00064516, sq in, square inch, square inches, cm2
kg: mass, 1, kg, kilogram, , lb
g: mass, 0.001, g, gram, , oz
t tonne: mass, 1000, t, tonne, , LT ST
MT: mass, 1000, t, metric ton, , LT ST
carat: mass, 0.0002, carats, carat, , g
LT: mass, 1016.0469088, long tons, long ton, , t ST
ST: mass, 907.18474, short tons, short ton, , LT t
lb lbs: mass, 0.45359237, lb, pound, , kg
oz: mass, 0.028349523125, oz, ounce, , g
st: mass, 6.35029318, st, stone, stone, lb kg
km/h kph: speed, 0.2777777777777778, km/h, kilometre per hour, kilometres per hour, mph
mph: speed, 0.44704, mph, mile per hour, miles per hour, km/h
m/s: speed, 1, m/s, metre per second, metres per second, ft/s
ft/s: speed, 0.3048, ft/s, foot per second, feet per second, m/s
kn knot: speed, 0.5144444444444445, kn, knot, , km/h mph
m3: volume, 1, m3, cubic metre, , cuft
cuft ft3: volume, 0.028316846592, cu ft, cubic foot, cubic feet, m3
L l: volume, 0.001, L, litre, , impgal USgal
USgal: volume, 0.003785411784, US gal, US gallon, , L impgal
impgal: volume, 0.00454609, imp gal, imperial gallon, , L USgal
kW: power, 1000, kW, kilowatt, , hp
hp: power, 745.6998715822702, hp, horsepower, horsepower, kW
C °C: temperature, 1, °C, , , F
F °F: temperature, 0.5555555555555556, °F, , , C
K: temperature, 1, K, , , C F
C-change: temperature change, 1, °C, , , F-change
F-change: temperature change, 0.5555555555555556, °F, , , C-change
"""
_OFFSETS: Final = {"C": 273.15, "°C": 273.15, "F": 459.67, "°F": 459.67}
_BIG: Final = {"e3": (1e3, "thousand"), "e6": (1e6, "million"), "e9": (1e9, "billion")}


def _units() -> dict[str, Unit]:
    found: dict[str, Unit] = {}
    for line in _UNITS_TEXT.strip().splitlines():
        codes, _, rest = line.partition(": ")
        kind, scale, symbol, name, plural, default = (part.strip() for part in rest.split(","))
        for code in codes.split():
            offset = _OFFSETS.get(code, 0.0)
            many = plural or f"{name}s"
            found[code] = Unit(kind, float(scale), symbol, name, many, default, offset)
    return found


_UNITS: Final = _units()
OTHER_UNITS: Final = {
    "oilbbl": "barrels", "oilbbl/d": "barrels per day", "koilbbl/d": "thousand barrels per day",
    "Moilbbl": "million barrels", "Moilbbl/d": "million barrels per day",
    "Goilbbl": "billion barrels", "Tcuft": "trillion cubic feet", "PD/sqmi": "people per sq mi",
    "PD/km2": "people per km2", "MUSgal": "million US gal",
}  # fmt: skip
"""What units without a conversion here are called."""


def unit_of(code: str) -> Unit | None:
    """A unit by its code; a prefix such as e6 makes millions of it."""
    found = _UNITS.get("ft" if code == "ftin" else code)
    if found is None and (big := _BIG.get(code[:2])) and (base := _UNITS.get(code[2:])):
        factor, word = big
        return Unit(
            base.kind, base.scale * factor, f"{word} {base.symbol}",
            f"{word} {base.plural}", f"{word} {base.plural}", "",
        )  # fmt: skip
    return found
