"""The pages: what they say, that no name or query leaves its place, and who may ask."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from html.parser import HTMLParser
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from tests.explorer.conftest import HOSTILE, OURS, Ranker, client
from wikidata5m.dataset import Triplets
from wikidata5m.errors import ConfigError, DatasetError
from wikidata5m.explorer import app
from wikidata5m.explorer.answerers import Role, Scored
from wikidata5m.explorer.guard import HEADERS, policy_for
from wikidata5m.explorer.library import LONGEST_QUERY, LONGEST_TEXT, Library


class _Reader(HTMLParser):
    """The tags, attributes and text of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.words: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return "".join(self.words)


def _is_harmless(page: str) -> bool:
    read = _Reader(page)
    scripts = read.tags.count("script")
    links = [value or "" for name, value in read.attributes if name in {"href", "src", "action"}]
    handlers = [name for name, _ in read.attributes if name.startswith("on") or name == "style"]
    own = all(link.startswith(("/", "#")) and not link.startswith("//") for link in links)
    return scripts == 1 and own and not handlers


def test_every_page_says_what_it_should(pages: TestClient, library: Library) -> None:
    home = _Reader(pages.get("/").text).text
    assert "175" in home
    assert "transductive" in home
    assert "Land 0" in _Reader(pages.get("/search?q=land").text).text
    page = _Reader(pages.get("/entity?id=Q1001").text).text
    for told in ("Town 1 is a city", "country", "Land 0", "Town 1 (alias)", "transductive train"):
        assert told in page
    found = pages.get("/suggest?q=land%201").json()
    assert [hit["label"] for hit in found[:2]] == ["Land 1", "Land 10"]
    assert pages.get(found[0]["url"]).status_code == 200


def test_a_model_is_asked_and_known_answers_are_marked(pages: TestClient, library: Library) -> None:
    fact = library.dataset.triplets("transductive", "test")[0].tolist()
    head, relation, tail = (
        library.named(fact[0]).id,
        library.relations[fact[1]].id,
        library.named(fact[2]).id,
    )
    asked = {"entity": head, "relation": relation, "role": "head", "top": 100}
    page = pages.get(f"/ask?{urlencode(asked)}").text
    row = page[page.index(f"id={tail}") :]
    assert "✓ test" in row[: row.index("</tr>")]
    hidden = pages.get(f"/ask?{urlencode(asked | {'known': 'hide'})}").text
    assert "✓" not in hidden.partition("<tbody>")[2]
    assert f"id={tail}" not in hidden.partition("<tbody>")[2]
    turned = {"entity": tail, "relation": relation, "role": "tail", "top": 100}
    page = pages.get(f"/ask?{urlencode(turned)}").text
    assert "✓" in page.partition("<tbody>")[2]


def test_a_name_of_many_is_asked_back(pages: TestClient) -> None:
    page = pages.get("/ask?entity=land&relation=P17").text
    assert "Which one is meant?" in page
    assert "There is no entity" in pages.get("/ask?entity=zzzz&relation=P17").text
    for whole in ("land%203", "L%C3%A1nd%203", "LAND-3"):
        page = pages.get(f"/ask?entity={whole}&relation=P17").text
        assert "(<a" in page.partition("<h2")[2]


def test_a_new_entity_is_told_by_its_text(pages: TestClient) -> None:
    page = pages.post("/new", data={"text": "A <b>town</b>", "relation": "P17"}).text
    assert "1.5000" in page
    assert "A &lt;b&gt;town&lt;/b&gt;" in page
    assert "1.5" not in pages.get("/new").text


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("/entity?id=Q0", 404),
        ("/entity", 404),
        ("/entity?id=Q1001&relation=P0", 404),
        ("/entity?id=Q1001&out=0", 400),
        ("/entity?id=Q1001&in=-1", 400),
        ("/entity?id=Q1001&in=٣", 400),
        ("/entity?id=Q1001&out=999999999", 200),
        ("/entity?id=Q1001&out=9999999999", 400),
        ("/ask?entity=Q1001&relation=P17&model=other", 400),
        ("/ask?entity=Q1001&relation=P17&top=11", 400),
        ("/ask?entity=Q1001&relation=P17&role=both", 400),
        ("/ask?entity=Q1001&relation=P0", 404),
        (f"/search?q={'a' * (LONGEST_QUERY + 1)}", 400),
        (f"/suggest?q={'a' * 50_000}", 400),
        ("/static/../app.py", 404),
        ("/static/..%2fapp.py", 404),
        ("/static/%2e%2e/%2e%2e/errors.py", 404),
        ("/static//etc/passwd", 404),
        ("/no-such-page", 404),
    ],
)
def test_what_cannot_be_is_a_page_that_says_so(
    pages: TestClient, address: str, status: int
) -> None:
    answer = pages.get(address)
    assert answer.status_code == status
    assert "Traceback" not in answer.text
    assert "/wikidata5m/" not in answer.text
    assert _is_harmless(answer.text)


def test_hostile_names_and_texts_stay_text(hostile_library: Library) -> None:
    browser = client(hostile_library)
    for identity, name in HOSTILE.values():
        shown = browser.get(f"/entity?{urlencode({'id': identity})}")
        assert shown.status_code == 200
        assert _is_harmless(shown.text)
        assert name in _Reader(shown.text).text
        listed = browser.get(f"/search?{urlencode({'q': name[:LONGEST_QUERY]})}")
        assert _is_harmless(listed.text)
        suggested = browser.get(f"/suggest?{urlencode({'q': name[:LONGEST_QUERY]})}")
        assert suggested.headers["content-type"] == "application/json"
        assert all(hit["url"].startswith("/entity?id=") for hit in suggested.json())
    for address in ("/", "/ask", "/new", "/ask?entity=Q1000&relation=P19&top=100"):
        page = browser.get(address)
        assert page.status_code == 200
        assert _is_harmless(page.text)


@settings(
    max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(text=st.text(max_size=LONGEST_QUERY), relation=st.text(max_size=8))
def test_no_query_breaks_a_page(pages: TestClient, text: str, relation: str) -> None:
    for address in (
        f"/search?{urlencode({'q': text}, errors='surrogatepass')}",
        f"/suggest?{urlencode({'q': text}, errors='surrogatepass')}",
        f"/entity?{urlencode({'id': text, 'relation': relation}, errors='surrogatepass')}",
        f"/ask?{urlencode({'entity': text, 'relation': relation}, errors='surrogatepass')}",
    ):
        answer = pages.get(address)
        assert answer.status_code in {200, 400, 404}
        if not address.startswith("/suggest"):
            assert _is_harmless(answer.text)


@pytest.mark.parametrize(
    "body", [b"text=%ff%fe", b"\xff\xfe", b"a=1&" * 50, b"text=" + b"a" * (LONGEST_TEXT + 1)]
)
def test_a_form_that_is_none_of_ours_is_refused(pages: TestClient, body: bytes) -> None:
    form = {"content-type": "application/x-www-form-urlencoded"}
    assert pages.post("/new", content=body, headers=form).status_code in {200, 400}
    for length in ("131072", "0000000000131072", "0" * 5000, "-1", "1e3"):
        told = form | {"content-length": length}
        assert pages.post("/new", content=b"a" * (1 << 17), headers=told).status_code == 413


def test_a_text_of_the_longest_length_is_taken_in_any_script(pages: TestClient) -> None:
    for text in ("あ" * LONGEST_TEXT, ("a" * 99 + "\r\n") * (LONGEST_TEXT // 100)):
        assert pages.post("/new", data={"text": text}).status_code == 200


def test_a_body_of_unknown_length_is_refused(pages: TestClient) -> None:
    assert pages.post("/new", content=iter([b"text=a"])).status_code == 413


def test_a_form_of_another_site_is_refused(pages: TestClient) -> None:
    for origin in ("http://evil.example", "null", "http://localhost:1", "https://localhost.evil"):
        answer = pages.post("/new", data={"text": "a"}, headers={"origin": origin})
        assert answer.status_code == 403
    answer = pages.post("/new", data={"text": "a"}, headers={"origin": "http://localhost:8765"})
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "", "10.0.0.1", "[::2]"]
)
def test_a_name_that_was_rebound_is_refused(pages: TestClient, host: str) -> None:
    assert pages.get("/", headers={"host": host}).status_code == 421


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8765", "127.0.0.1:80", "[::1]:8765"])
def test_our_own_names_are_taken(pages: TestClient, host: str) -> None:
    assert pages.get("/", headers={"host": host}).status_code == 200


def test_a_public_server_is_called_by_address_or_its_own_name_alone() -> None:
    policy = policy_for("0.0.0.0", ["0.0.0.0"], "Machine", "t" * 16)
    for host in ("10.0.0.1:80", "machine:80", "[2001:db8::1]:80", "localhost"):
        assert policy.host_is_ours(host)
    assert not policy.host_is_ours("evil.example")
    assert not policy_for("127.0.0.1", ["127.0.0.1"], "machine", "").host_is_ours("machine")


def test_every_answer_carries_the_headers(pages: TestClient) -> None:
    for address in ("/", "/static/explore.css", "/no-such-page", "/suggest?q=a"):
        for name, value in HEADERS.items():
            assert pages.get(address).headers[name] == value
    assert pages.get("/", headers={"host": "evil"}).headers["x-content-type-options"] == "nosniff"
    assert pages.request("DELETE", "/").status_code == 405


def test_a_token_is_asked_for_kept_in_a_cookie_and_left_out_of_the_address(
    library: Library,
) -> None:
    secret = "s" * 20
    browser = client(library, replace(OURS, token=secret))
    for address in ("/", "/static/explore.css", "/suggest?q=a", "/?token=wrong", "/?token=%FF"):
        refused = browser.get(address)
        assert refused.status_code == 401
        assert "Land" not in refused.text
    entered = browser.get(f"/search?q=land+1&token={secret}")
    assert entered.status_code == 303
    assert entered.headers["location"] == "/search?q=land+1"
    assert "HttpOnly" in entered.headers["set-cookie"]
    assert "SameSite=lax" in entered.headers["set-cookie"]
    assert "Land 1" in browser.get("/search?q=land+1").text
    other = client(library, replace(OURS, token=secret))
    moved = other.get(f"http://localhost:8765//evil.example/?token={secret}")
    assert moved.headers["location"] == "/evil.example/"
    stranger = client(library, replace(OURS, token=secret))
    assert stranger.post(f"/new?token={secret}", data={"text": "a"}).status_code == 401
    bearer = client(library, replace(OURS, token=secret))
    assert bearer.get("/", headers={"authorization": f"Bearer {secret}"}).status_code == 200


@pytest.mark.parametrize("kind", [RuntimeError, DatasetError])
def test_a_fault_of_ours_tells_nothing(
    library: Library, monkeypatch: pytest.MonkeyPatch, kind: type[Exception]
) -> None:
    def fail(*_: object) -> None:
        raise kind("secret path")

    browser = TestClient(
        client(library).app, base_url="http://localhost", raise_server_exceptions=False
    )
    monkeypatch.setattr(library, "search", fail)
    answer = browser.get("/search?q=a")
    assert answer.status_code == 500
    assert "secret path" not in answer.text
    assert "Something went wrong" in answer.text


class _Slow(Ranker):
    """Answers when it is let."""

    def __init__(self, entities: int) -> None:
        super().__init__(entities=entities)
        self.let, self.running, self.most = threading.Event(), 0, 0

    def answer(
        self, given: int, relation: int, role: Role, top: int, hidden_M3: Triplets
    ) -> list[Scored]:
        self.running += 1
        self.most = max(self.most, self.running)
        self.let.wait(20)
        self.running -= 1
        return []


def test_many_questions_at_once_are_answered_in_turn_or_refused(library: Library) -> None:
    model = _Slow(library.dataset.num_entities)
    browser = client(library, OURS, model)
    with ThreadPoolExecutor(app.WAITING + 5) as threads:
        asked = [
            threads.submit(browser.get, "/ask?entity=Q1001&relation=P17")
            for _ in range(app.WAITING + 5)
        ]
        while sum(each.done() for each in asked) < 5:
            time.sleep(0.01)
        assert browser.get("/search?q=land").status_code == 200
        model.let.set()
        statuses = sorted(each.result().status_code for each in asked)
    assert statuses == [200] * app.WAITING + [503] * 5
    assert model.most == 1


class _Refusing(Ranker):
    def answer(
        self, given: int, relation: int, role: Role, top: int, hidden_M3: Triplets
    ) -> list[Scored]:
        raise ConfigError("this model ranks no heads; ask for tails")


def test_what_a_model_cannot_answer_is_told(library: Library) -> None:
    browser = client(library, OURS, _Refusing(entities=1))
    answer = browser.get("/ask?entity=Q1001&relation=P17")
    assert answer.status_code == 422
    assert "ask for tails" in answer.text


def test_a_model_that_is_not_ready_says_how_far_it_is_on_both_forms(library: Library) -> None:
    waits = Ranker(
        entities=library.dataset.num_entities, waits="encode: 1 of 9 texts, <b>, ETA 1:00"
    )
    browser = client(library, OURS, waits, Ranker("other", entities=library.dataset.num_entities))
    told = "<strong>by index</strong> cannot answer yet: encode: 1 of 9 texts, &lt;b&gt;, ETA 1:00."
    asked = {"entity": "Q1001", "relation": "P17"}
    for answer in (
        browser.get("/ask"),
        browser.get("/ask", params=asked),
        browser.get("/new"),
        browser.post("/new", data={"text": "a town", "relation": "P17"}),
    ):
        assert answer.status_code == 200
        assert told in answer.text
        assert 'aria-label="Answers"' not in answer.text
    assert "a town" in answer.text
    assert 'aria-label="Answers"' in browser.get("/ask", params=asked | {"model": "other"}).text


def test_pages_without_models_offer_none(library: Library) -> None:
    browser = TestClient(app.make_app(library, {}, OURS), base_url="http://localhost")
    assert "Ask a model" not in browser.get("/entity?id=Q1001").text
    assert "--embeddings" in browser.get("/ask").text
    assert "--kepler" in browser.get("/new").text
    assert browser.post("/new", data={"text": "a", "relation": "P17"}).status_code == 200
