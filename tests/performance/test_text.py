"""The measurements of text run, and say what they measured. No speed is asserted."""

from __future__ import annotations

from pathlib import Path

import pytest
import ujson

from tests import quality
from tests.performance import text

PAGE = "'''A''' is {{convert|5|km|mi}} long ({{lang|fr|B}}).\n\n== C ==\nD has [[E|words]].\n" * 20


def test_speeds_are_of_the_same_articles() -> None:
    speed = text.measure([PAGE, PAGE], rounds=1)
    assert speed.leads > 0
    assert speed.ratio == pytest.approx(speed.leads / speed.stripped_leads)
    assert speed.full_text_megabytes == pytest.approx(speed.full_text_articles * len(PAGE) / 1e6)


def test_quality_names_each_offender_and_what_was_lost() -> None:
    pages = [("Good", PAGE), ("Bad", "A (b is {{lang|fr|C}} {{convert|7|km}}.")]
    result = quality.measure(iter([*pages, ("Lost", "{{x|{{lang|fr|C}}}} a")]))
    assert [(each.title, each.kind) for each in result.artefacts] == [("Bad", "unbalanced ()")]
    assert [(each.title, each.kind) for each in result.missing] == [("Lost", "lang")]
    assert (result.leads, result.offenders) == (3, 1)
    shown = quality.render(result)
    assert "Bad [unbalanced ()] A (b is C 7 kilometres (4.3 mi)." in shown
    assert "| `lang` texts kept" in shown


def test_both_scripts_print_one_json_object(
    real_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    quality.main(["--data", str(real_data), "--json"])
    assert ujson.loads(capsys.readouterr().out)["leads"] >= 170
    text.main(["--data", str(real_data), "--rounds", "1", "--json"])
    assert ujson.loads(capsys.readouterr().out)["leads"] > 0
    with pytest.raises(SystemExit, match="no real data at"):
        quality.main(["--data", str(real_data / "absent")])
