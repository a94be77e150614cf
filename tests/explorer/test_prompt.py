"""Clients that keep a connection and do nothing with it are cut off; slow answers are not."""

from __future__ import annotations

import socket
import threading
import time

import pytest
from starlette.responses import PlainTextResponse

from tests.explorer.conftest import OURS, PATIENCE, Ranker, serving
from wikidata5m.dataset import Triplets
from wikidata5m.explorer import prompt
from wikidata5m.explorer.answerers import Role, Scored
from wikidata5m.explorer.app import make_app
from wikidata5m.explorer.library import Library

NONE = 3600.0
HEAD = b" HTTP/1.1\r\nHost: localhost\r\n"


def connect(address: tuple[str, int], sent: bytes) -> socket.socket:
    client = socket.create_connection(address, PATIENCE)
    client.sendall(sent)
    return client


def read_to_end(client: socket.socket) -> bytes:
    """What is received until the server closes the connection."""
    found = b""
    while received := client.recv(1 << 16):
        found += received
    return found


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prompt, "TURN_SECONDS", 0.2)


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"GE",
        b"GET /" + HEAD,
        b"POST /new" + HEAD + b"Content-Length: 9\r\n\r\ntext",
        b"POST /new" + HEAD + b"Content-Length: 99999999\r\n\r\ntext",
        b"GET /new" + HEAD + b"\r\n",
        b"GET /new" + HEAD + b"\r\n" + b"GE",
    ],
)
def test_a_client_that_sends_half_a_request_or_none_is_cut_off(
    library: Library, sent: bytes
) -> None:
    app = make_app(library, {}, OURS)
    with serving(app) as (server, address):
        # uvicorn's own time for idle connections must not be what ends it.
        server.config.timeout_keep_alive = int(NONE)
        with connect(address, sent) as client:
            read_to_end(client)


@pytest.mark.usefixtures("hurried")
def test_a_client_that_sends_a_byte_now_and_then_is_cut_off(library: Library) -> None:
    app = make_app(library, {}, OURS)
    with serving(app) as (_, address), connect(address, b"GET /?") as client:
        client.settimeout(0.02)
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            try:
                if client.recv(1) == b"":
                    return
            except TimeoutError:
                client.send(b"a")
            except ConnectionError:
                return
    pytest.fail("it was never cut off")


def test_a_client_that_does_not_read_its_answer_is_cut_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answered = threading.Event()
    done = prompt.PromptProtocol.on_response_complete

    def told(protocol: prompt.PromptProtocol) -> None:
        done(protocol)
        answered.set()

    monkeypatch.setattr(prompt.PromptProtocol, "on_response_complete", told)
    for kept in (b"", b"Connection: close\r\n"):
        answered.clear()
        # More than the buffers of both ends hold.
        with serving(PlainTextResponse("a" * (1 << 26))) as (server, address):
            monkeypatch.setattr(prompt, "TURN_SECONDS", NONE)
            with connect(address, b"") as client:
                monkeypatch.setattr(prompt, "TURN_SECONDS", 0.2)
                client.sendall(b"GET /" + HEAD + kept + b"\r\n")
                assert answered.wait(PATIENCE)
                end = time.monotonic() + PATIENCE
                while server.server_state.connections and time.monotonic() < end:
                    time.sleep(0.01)
                assert not server.server_state.connections


class _Slow(Ranker):
    """Answers when it is let."""

    def __init__(self, entities: int) -> None:
        super().__init__(entities=entities)
        self.asked, self.let = threading.Event(), threading.Event()

    def answer(
        self, given: int, relation: int, role: Role, top: int, hidden_M3: Triplets
    ) -> list[Scored]:
        self.asked.set()
        self.let.wait(PATIENCE)
        return super().answer(given, relation, role, top, hidden_M3)


def test_a_slow_answer_is_waited_for(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    model = _Slow(library.dataset.num_entities)
    app = make_app(library, {model.name: model}, OURS)
    asked = b"GET /ask?entity=Q1001&relation=P17" + HEAD + b"Connection: close\r\n\r\n"
    with serving(app) as (_, address):
        # So long that the question is whole in time, however busy this machine is.
        for turn in (0.3, 3.0, 30.0):
            monkeypatch.setattr(prompt, "TURN_SECONDS", turn)
            patient = connect(address, asked)
            if model.asked.wait(turn):
                break
            patient.close()
        with patient:
            # Its time ends after that of the other, if that one still had any.
            with connect(address, b"GE") as cut_off:
                assert read_to_end(cut_off) == b""
            model.let.set()
            answer = read_to_end(patient)
    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.rstrip().endswith(b"</html>")
