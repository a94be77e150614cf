"""The pages in a real browser, as a reader uses them: on a desk, on a phone, in the dark."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Browser, Dialog, Page, expect
from starlette.types import ASGIApp

from tests.browser import DESK, PHONE, sideways, violations, visit
from tests.explorer.conftest import HOSTILE, OURS, Ranker, serving
from wikidata5m.explorer.answerers import load_answerers
from wikidata5m.explorer.app import make_app
from wikidata5m.explorer.library import Library

OPTION = ".suggestions [role=option]"


@contextmanager
def _served(app: ASGIApp) -> Iterator[str]:
    """Where the pages are."""
    with serving(app) as (_, (host, port)):
        yield f"http://{host}:{port}"


@pytest.fixture(scope="module")
def address(library: Library, embeddings: Path, kepler: Path) -> Iterator[str]:
    runs = [("embeddings", embeddings), ("kepler", kepler)]
    models = load_answerers(runs, library.dataset)
    while any(model.pending() for model in models.values()):
        time.sleep(0.1)
    with _served(make_app(library, models, OURS)) as served:
        yield served


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """The first page, on a desk."""
    with visit(browser, address) as opened:
        yield opened


def test_a_name_is_searched_while_it_is_typed(page: Page) -> None:
    field = page.get_by_role("combobox", name="Search entities by name")
    field.press_sequentially("land 1")
    expect(page.locator(OPTION)).to_have_count(3)
    field.press("ArrowDown")
    field.press("ArrowDown")
    expect(page.locator(f"{OPTION}[aria-selected=true]")).to_contain_text("Land 10")
    field.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Land 10")
    field = page.get_by_role("combobox", name="Search entities by name")
    field.fill("land 1")
    expect(page.locator(OPTION)).to_have_count(3)
    field.press("Escape")
    expect(page.locator(".suggestions").first).to_be_hidden()
    field.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Entities called")
    page.get_by_role("link", name="Land 11").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Land 11")


def test_the_graph_and_the_facts_lead_to_neighbours(page: Page, address: str) -> None:
    page.goto(f"{address}/entity?id=Q1001")
    graph = page.get_by_role("region", name="Neighbourhood")
    graph.get_by_role("link", name="Land 0").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Land 0")
    page.get_by_label("List the facts of").select_option("P27")
    page.get_by_role("button", name="List").click()
    expect(page.get_by_role("heading", name="Facts as tail")).to_contain_text("8")
    page.get_by_role("region", name="Facts as tail").get_by_role("link").first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Person")


def test_a_model_is_asked_from_an_entity(page: Page, address: str) -> None:
    page.goto(f"{address}/entity?id=Q1001")
    page.get_by_label("Relation", exact=True).select_option("P17")
    page.get_by_role("button", name="Ask").click()
    expect(page.get_by_role("heading", level=2)).to_contain_text("(Town 1, country, ?)")
    expect(page.get_by_role("region", name="Answers").get_by_role("row")).to_have_count(11)
    page.get_by_label("Known answers").select_option("left out")
    page.get_by_label("Model").select_option(index=1)
    page.get_by_label("tail: (?, relation, entity)").check()
    page.get_by_role("combobox", name="Entity, by name or id").fill("land 3")
    page.locator(OPTION).first.click()
    page.get_by_role("button", name="Ask").click()
    expect(page.get_by_role("heading", level=2)).to_contain_text("(?, country, Land 3)")
    expect(page.get_by_text("✓").nth(1)).to_have_count(0)


def test_a_new_entity_is_predicted_from_its_text(page: Page) -> None:
    page.get_by_role("link", name="New entity").click()
    page.get_by_label("Text", exact=True).fill("Town 999 is a city in the country of Land 3.")
    page.get_by_label("Relation", exact=True).select_option("country")
    page.get_by_role("button", name="Predict").click()
    expect(page.get_by_role("heading", level=2)).to_contain_text("(new entity, country, ?)")
    expect(page.get_by_role("region", name="Answers").get_by_role("row")).to_have_count(11)
    expect(page.get_by_label("Text", exact=True)).to_have_value(
        "Town 999 is a city in the country of Land 3."
    )


def test_nothing_of_a_hostile_dataset_runs(browser: Browser, hostile_library: Library) -> None:
    with (
        _served(make_app(hostile_library, {}, OURS)) as address,
        visit(browser, address) as page,
    ):
        dialogs: list[Dialog] = []

        def shown(dialog: Dialog) -> None:
            dialogs.append(dialog)
            dialog.dismiss()

        page.on("dialog", shown)
        for identity, name in HOSTILE.values():
            page.goto(f"{address}/entity?{urlencode({'id': identity})}")
            assert page.title() == f"{' '.join(name.split())} · <i>hostile</i>"
            assert page.locator("main script, main img, main b, main i").count() == 0
            field = page.get_by_role("combobox", name="Search entities by name")
            field.fill(name[:40])
            expect(page.locator(OPTION).first).to_be_visible()
            assert page.locator(".suggestions img, .suggestions script").count() == 0
        assert dialogs == []


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [DESK, PHONE])
def test_pages_are_accessible_and_fit(
    browser: Browser, address: str, width: int, dark: bool
) -> None:
    answers = urlencode({"entity": "Q1001", "relation": "P17"})
    with visit(browser, address, width=width, dark=dark) as page:
        for each in ("/", "/search?q=land", "/entity?id=Q1000", f"/ask?{answers}", "/new"):
            page.goto(address + each)
            assert violations(page) == [], each
            assert sideways(page) <= 0, each
        ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (ground == "rgb(255, 255, 255)") != dark


def test_a_model_that_is_not_ready_says_so(browser: Browser, library: Library) -> None:
    model = Ranker(entities=library.dataset.num_entities, waits="encode: 2 of 9 texts, ETA 0:07")
    with (
        _served(make_app(library, {model.name: model}, OURS)) as address,
        visit(browser, f"{address}/entity?id=Q1001") as page,
    ):
        page.get_by_label("Relation", exact=True).select_option("P17")
        page.get_by_role("button", name="Ask").click()
        expect(page.get_by_role("status")).to_contain_text("encode: 2 of 9 texts, ETA 0:07")
        assert violations(page) == []
        model.waits = ""
        page.get_by_role("button", name="Ask").click()
        expect(page.get_by_role("region", name="Answers").get_by_role("row")).to_have_count(11)


def test_the_pages_work_without_script(browser: Browser, address: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(address)
    page.get_by_label("Search entities by name").fill("land 1")
    page.get_by_role("button", name="Search").click()
    page.get_by_role("link", name="Land 10").click()
    page.get_by_role("button", name="Ask").click()
    assert page.get_by_role("region", name="Answers").get_by_role("row").count() == 11
    context.close()
