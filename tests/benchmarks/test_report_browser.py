"""The report in a browser: light, dark, on a phone; judged by axe; hostile names do nothing."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from playwright.sync_api import Browser, Page

from benchmarks.report.write import write_report
from benchmarks.results import load_result
from tests.benchmarks.hostile import hostile_dataset, hostile_result
from tests.benchmarks.test_report import speed_report
from tests.browser import DESK, PHONE, sideways, violations, visit
from wikidata5m.dataset import Dataset

A4 = 718
"""Pixels between its margins."""


@pytest.fixture(scope="module")
def plain(
    small: Dataset, trained: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> str:
    out = tmp_path_factory.mktemp("report")
    results = [load_result(run / "results" / "test.json") for run in trained.values()]
    write_report(results, out, small, speed_report("", ""))
    return (out / "index.html").as_uri()


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("hostile")
    dataset = hostile_dataset(folder)
    out = folder / "report"
    write_report([hostile_result(dataset, folder)], out, dataset)
    return (out / "index.html").as_uri()


def unfold(page: Page) -> None:
    page.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")


@pytest.mark.parametrize(("width", "dark"), [(DESK, False), (PHONE, True)])
def test_it_can_be_read_by_everyone(browser: Browser, plain: str, width: int, dark: bool) -> None:
    with visit(browser, plain, width=width, dark=dark) as page:
        unfold(page)
        assert violations(page) == []
        assert sideways(page) <= 0
        paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
        ink = page.evaluate("getComputedStyle(document.querySelector('svg')).color")
        assert (paper == "rgb(255, 255, 255)") != dark
        assert ink == page.evaluate("getComputedStyle(document.body).color")


def test_letters_of_pictures_are_large_enough_on_a_phone(browser: Browser, plain: str) -> None:
    with visit(browser, plain, width=PHONE) as page:
        heights = page.evaluate(
            "[...document.querySelectorAll('svg text')].map(e => e.getBoundingClientRect().height)"
        )
        assert min(height for height in heights if height) >= 7


def test_no_letter_of_a_picture_is_cut_off(browser: Browser, plain: str) -> None:
    with visit(browser, plain) as page:
        cut = page.evaluate(
            """[...document.querySelectorAll('svg')].flatMap(svg => {
              const frame = svg.getBoundingClientRect();
              return [...svg.querySelectorAll('text')].filter(text => {
                const box = text.getBoundingClientRect();
                return box.width && (box.left < frame.left - 1 || box.right > frame.right + 1
                  || box.top < frame.top - 1 || box.bottom > frame.bottom + 1);
              }).map(text => text.textContent);
            })"""
        )
        assert cut == []


def test_a_picture_is_saved_as_a_file(browser: Browser, plain: str, tmp_path: Path) -> None:
    with visit(browser, plain) as page:
        with page.expect_download() as download:
            page.get_by_role("button", name="Save as SVG: degrees").click()
        download.value.save_as(tmp_path / "x.svg")
        assert download.value.suggested_filename == "degrees.svg"
    assert ET.parse(tmp_path / "x.svg").getroot().tag.endswith("svg")


def test_on_paper_everything_is_unfolded(browser: Browser, plain: str) -> None:
    with visit(browser, plain, width=A4, dark=True) as page:
        page.emulate_media(media="print")
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        assert sideways(page) <= 0
        ink = page.evaluate("getComputedStyle(document.body).color")
        assert ink == "rgb(27, 30, 35)"
        assert page.locator("details:not([open])").count() == 0
        assert page.locator("nav").is_hidden()
        page.evaluate("dispatchEvent(new Event('afterprint'))")
        assert page.locator("details:not([open])").count() > 0


@pytest.mark.parametrize("width", [DESK, PHONE])
def test_hostile_names_do_nothing(browser: Browser, hostile: str, width: int) -> None:
    with visit(browser, hostile, width=width) as page:
        unfold(page)
        assert page.evaluate("window.pwned") is None
        assert page.locator("img").count() == 0
        assert sideways(page) <= 0
        assert "<script>window.pwned = 1</script>" in page.inner_text("main")
