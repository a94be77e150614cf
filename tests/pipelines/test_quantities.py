"""{{convert}} against published examples of the template, and what its rounding rule gives."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.quantities import as_written, converted, quantity
from pipelines.units import unit_of

# From Template:Convert/doc of enwiki, and from articles.
PUBLISHED = [
    ("2|km|mi", "2 kilometres (1.2 mi)"), ("7|mi|km", "7 miles (11 km)"),
    ("7.1|mi|km", "7.1 miles (11.4 km)"), ("7.0|mi|km", "7.0 miles (11.3 km)"),
    ("2|km|mi|2|abbr=on", "2 km (1.24 mi)"), ("7|mi|km|2|abbr=on", "7 mi (11.27 km)"),
    ("2|to|5|km|mi", "2 to 5 kilometres (1.2 to 3.1 mi)"),
    ("2|-|5|km|mi", "2–5 kilometres (1.2–3.1 mi)"),
    ("2|-|5|km|mi|2|abbr=on", "2–5 km (1.24–3.11 mi)"),
    ("2|and|5|km|mi|sigfig=3|abbr=off", "2 and 5 kilometres (1.24 and 3.11 miles)"),
    ("1|lb|kg", "1 pound (0.45 kg)"), ("1|lb|kg|abbr=on", "1 lb (0.45 kg)"),
    ("1|lb|kg|abbr=off", "1 pound (0.45 kilograms)"),
    ("1|lb|kg|abbr=in", "1 lb (0.45 kilograms)"), ("10|mi|km|adj=on", "10-mile (16 km)"),
    ("9|in|cm|adj=on|abbr=on", "9 in (23 cm)"), ("100|ft|m", "100 feet (30 m)"),
    ("123|ft|m|-1", "123 feet (40 m)"), ("123|ft|m", "123 feet (37 m)"),
    ("123|ft|m|1", "123 feet (37.5 m)"), ("123|ft|m|2", "123 feet (37.49 m)"),
    ("1200|ft|m", "1,200 feet (370 m)"), ("500|ft|m", "500 feet (150 m)"),
    ("1100|ft|m", "1,100 feet (340 m)"), ("10|C|F K", "10 °C (50 °F; 283 K)"),
    ("10000|C", "10,000 °C (18,000 °F)"), ("10001|C", "10,001 °C (18,034 °F)"),
    ("10|C", "10 °C (50 °F)"), ("-40|F", "−40 °F (−40 °C)"), ("0|C", "0 °C (32 °F)"),
    ("6|to|17|kg", "6 to 17 kilograms (13 to 37 lb)"), ("37|m|ft|sp=us", "37 meters (121 ft)"),
    ("5|ft|2|in|m|abbr=on", "5 ft 2 in (1.57 m)"), ("1300|mi", "1,300 miles (2,100 km)"),
    ("2381741|km2|sqmi|0", "2,381,741 square kilometres (919,595 sq mi)"),
    ("1.8|m|0|abbr=on", "1.8 m (5 ft 11 in)"), ("40|acre|ha", "40 acres (16 ha)"),
    ("100|m", "100 metres (330 ft)"), ("10|m", "10 metres (33 ft)"),
]  # fmt: skip
FORMS = [
    ("47.51|lb|kg|disp=flip", "21.55 kilograms (47.51 lb)"),
    ("840|m|ft|0|abbr=on|disp=or", "840 m or 2,756 ft"),
    ("5|km|disp=comma", "5 kilometres, 3.1 mi"),
    ("5|km|disp=output only", "3.1 mi"),
    ("15700|ft3|disp=output number only", "440"),
    ("7|–|8|C-change|F-change", "7–8 °C (13–14 °F)"), ("5|C-change|0|abbr=on", "5 °C (9 °F)"),
    ("3|e6carat|kg|abbr=off", "3 million carats (600 kilograms)"),
    ("22|e6acre|km2", "22 million acres (89,000 km2)"),
    ("87|e6acre|e6ha|abbr=off", "87 million acres (35 million hectares)"),
    ("860|nmi|km mi|-1", "860 nautical miles (1,590 km; 990 mi)"),
    ("15|mi|km|", "15 miles (24 km)"),
    ("6|ft|4|in|cm|0|adj=on", "6-foot-4-inch (193 cm)"), ("1|m", "1 metre (3 ft 3 in)"),
    ("2+1/2|mi|km", "2 1/2 miles (4.0 km)"), ("1/2|mi", "1/2 mile (0.80 km)"),
    ("60|and(-)|80|kg", "60 and 80 kilograms (130–180 lb)"), ("1|ft", "1 foot (0.30 m)"),
]  # fmt: skip
UNKNOWN = [
    "5", "5|parsec|ly", "x|km|mi", "5|km|kg", "5|km|mi|round=5", "5|km|mi|adj=mid", "1/0|mi",
    "5|km|mi|abbr=values", "5|km|mi|disp=table", "2|x|3|m", "5|km|mi|ft|m", "5|km|mi|99",
    "5|e6mi", "-5|m|ftin", "5|km|mi|sigfig=99",
]  # fmt: skip


def call(text: str) -> tuple[list[str], dict[str, str]]:
    parts = text.split("|")
    named = dict(part.split("=") for part in parts if "=" in part)
    return [part for part in parts if "=" not in part], named


@pytest.mark.parametrize(("source", "shown"), PUBLISHED + FORMS)
def test_a_quantity_is_shown_as_wikipedia_shows_it(source: str, shown: str) -> None:
    assert converted(*call(source)) == shown


@pytest.mark.parametrize("sigfig", ["²", "x", "", "٣", "9" * 5000])
def test_a_sigfig_that_is_no_small_number_is_not_there(sigfig: str) -> None:
    assert converted(["5", "km", "mi"], {"sigfig": sigfig}) == "5 kilometres (3.1 mi)"


@pytest.mark.parametrize("source", UNKNOWN)
def test_what_is_not_known_is_left_as_it_is_written(source: str) -> None:
    words, options = call(source)
    assert converted(words, options) is None
    assert quantity(words, options) == as_written(words)


WORDS = ["5", "-3.2", "1,000", "1/3", "0", "9" * 15, "0." + "0" * 11 + "1", "", "km", "m", "ft",
         "in", "ftin", "C", "F", "K", "to", "-", "e9km2", "acre", "lb", "oz", "12", "-12",
         "km mi"]  # fmt: skip


@given(
    st.lists(st.sampled_from(WORDS) | st.text(max_size=5), max_size=7),
    st.dictionaries(
        st.sampled_from(["abbr", "disp", "sigfig", "adj", "sp", "order"]),
        st.sampled_from(["on", "off", "in", "flip", "or", "us", "3", "99", "x"])
        | st.text(max_size=3),
    ),
)
def test_any_call_shows_something_or_nothing_and_never_fails(
    words: list[str], options: dict[str, str]
) -> None:
    assert "\n" not in quantity([word.replace("\n", "") for word in words], options)


@given(
    st.integers(1, 10**6), st.sampled_from([("km", "mi"), ("kg", "lb"), ("ft", "m"), ("C", "F")])
)
def test_the_output_is_the_value_within_its_rounding(value: int, units: tuple[str, str]) -> None:
    unit, out = unit_of(units[0]), unit_of(units[1])
    assert unit
    assert out
    shown = converted([str(value), *units], {"disp": "output only"})
    assert shown
    exact = (value + unit.offset) * unit.scale / out.scale - out.offset
    found = float(shown.split()[0].replace(",", "").replace("−", "-"))
    assert math.isclose(found, exact, rel_tol=0.05, abs_tol=0.5)
