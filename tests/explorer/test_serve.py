"""The command: where it listens, whom it refuses, and a real server for a while."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
import urllib3
from click.testing import CliRunner, Result

from wikidata5m.cli import main
from wikidata5m.dataset import Dataset


def _call(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["explore", *map(str, arguments)])


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])
def test_to_be_reached_from_elsewhere_needs_a_token(dataset: Dataset, host: str) -> None:
    refused = _call(dataset.path, "--host", host)
    assert refused.exit_code == 1
    assert "--token new" in refused.stderr
    assert len(refused.stderr.strip().splitlines()) == 1
    assert "at least 16" in _call(dataset.path, "--host", host, "--token", "short").stderr


@pytest.mark.parametrize("token", ["секретный-секрет", "a secret with\na line"])
def test_a_token_that_no_cookie_holds_is_refused(dataset: Dataset, token: str) -> None:
    refused = _call(dataset.path, "--token", token, "--embeddings", "none")
    assert refused.exit_code == 1
    assert "ASCII" in refused.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--host", "no such host"], "no address of this machine"),
        (["--embeddings", "no-such-run"], "no-such-run"),
        (["--kepler", "no-such-run"], "no-such-run"),
    ],
)
def test_what_cannot_be_served_is_one_line(
    dataset: Dataset, arguments: list[str], message: str
) -> None:
    refused = _call(dataset.path, *arguments)
    assert refused.exit_code == 1
    assert message in refused.stderr.splitlines()[-1]


def test_a_port_that_is_taken_is_told(dataset: Dataset) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        refused = _call(dataset.path, "--port", taken.getsockname()[1])
    assert refused.exit_code == 1
    assert "name another --port" in refused.stderr


def test_the_index_alone_can_be_made(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WIKIDATA5M_HOME", str(tmp_path))
    made = _call(dataset.path, "--index-only")
    assert made.exit_code == 0
    assert list(tmp_path.glob("explore-*"))
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("WIKIDATA5M_HOME", str(tmp_path / "file"))
    unkept = _call(dataset.path, "--index-only")
    assert unkept.exit_code == 1
    assert "cannot be written" in unkept.stderr.splitlines()[-1]


@contextmanager
def serving(dataset: Dataset, *options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The command in a process of its own, and its address."""
    command = [sys.executable, "-m", "wikidata5m", "explore", str(dataset.path), "--port", "0"]
    command += options
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ) as process:
        assert process.stderr is not None
        told = ""
        while " at http" not in told:
            told = process.stderr.readline()
            assert told, "the server ended"
        try:
            yield process, told.partition(" at ")[2].split()[0]
        finally:
            process.kill()


@pytest.mark.parametrize("token", ["new", "a+secret/with&signs=#"])
def test_a_token_is_asked_for_and_stands_in_the_printed_address(
    dataset: Dataset, token: str
) -> None:
    with serving(dataset, "--token", token) as (_, address):
        bare = address.partition("?")[0]
        assert urllib3.request("GET", bare, redirect=False).status == 401
        assert urllib3.request("GET", f"{bare}?token=wrong", redirect=False).status == 401
        entered = urllib3.request("GET", address, redirect=False)
        assert entered.status == 303
        cookie = entered.headers["set-cookie"].partition(";")[0]
        assert urllib3.request("GET", bare, headers={"cookie": cookie}).status == 200


def test_many_requests_and_broken_ones_leave_it_standing(dataset: Dataset) -> None:
    with serving(dataset) as (process, address):
        _trouble(process, address)


def _trouble(process: subprocess.Popen[str], address: str) -> None:
    host, port = urllib3.util.parse_url(address).host, urllib3.util.parse_url(address).port
    assert host == "127.0.0.1"
    assert port is not None
    for sent in (b"\x00\xff" * 5000, b"GET /" + b"a" * 200_000, b"GET / HTTP/1.1\r\nHost:"):
        with socket.create_connection((host, port)) as broken:
            try:
                broken.sendall(sent)
            except OSError:
                continue
    pool = urllib3.PoolManager(maxsize=20)

    def ask(number: int) -> int:
        return pool.request("GET", f"{address}search?q=land+{number}", retries=False).status

    with ThreadPoolExecutor(20) as threads:
        assert set(threads.map(ask, range(200))) == {200}
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 0
    assert process.stderr is not None
    assert "Traceback" not in process.stderr.read()


def test_it_serves_while_kepler_is_made_ready_and_ends_at_once(
    dataset: Dataset, kepler: Path, tmp_path: Path
) -> None:
    run = shutil.copytree(kepler, tmp_path / "run", ignore=lambda *_: ["vectors"])
    with serving(dataset, "--kepler", str(run)) as (process, address):
        assert urllib3.request("GET", f"{address}ask").status == 200
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()
