"""A headless Chromium, and what every page of ours must keep: no console error, no foreign request.

Tests that ask for `browser` are skipped, with the reason, where there is no Chromium.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect, sync_playwright

CHROMIUM: Final = ("chromium", "chromium-browser", "google-chrome")
PHONE: Final = 390
DESK: Final = 1280
PATIENCE: Final = 120_000
"""Milliseconds: a busy machine is no failure."""


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium without a window."""
    found = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if found is None:
        pytest.skip(f"no browser: none of {', '.join(CHROMIUM)} is installed")
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=found)


@contextmanager
def visit(browser: Browser, url: str, *, width: int = DESK, dark: bool = False) -> Iterator[Page]:
    """The page at `url`, open. It must end without console errors or requests to other places."""
    problems: list[str] = []
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme="dark" if dark else "light"
    )
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    expect.set_options(timeout=PATIENCE)
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda message: _note(problems, message.type, message.text))
    page.on("request", lambda request: _note_foreign(problems, url, request.url))
    try:
        page.goto(url)
        yield page
    finally:
        context.close()
    assert problems == []


def violations(page: Page) -> list[str]:
    """What axe finds against it: rule, what it means, and the first element."""
    found: list[dict[str, Any]] = Axe().run(page).response["violations"]
    return [f"{each['id']}: {each['help']}: {each['nodes'][0]['html'][:200]}" for each in found]


def sideways(page: Page) -> int:
    """By how many pixels the page is wider than the window."""
    root = "document.documentElement"
    return int(page.evaluate(f"{root}.scrollWidth - {root}.clientWidth"))


def _note(problems: list[str], kind: str, text: str) -> None:
    if kind in {"error", "warning"}:
        problems.append(text)


def _note_foreign(problems: list[str], url: str, asked: str) -> None:
    """A page from disk may ask for itself alone, another for what its own server has."""
    here, there = (urlsplit(each)._replace(fragment="") for each in (url, asked))
    mine = here == there if here.scheme == "file" else here[:2] == there[:2]
    if not mine and there.scheme not in {"data", "blob"}:
        problems.append(f"asked for {asked}")
