"""Fetching: resumed, verified, from mirrors; against a server that cuts, stalls and lies."""

from __future__ import annotations

import errno
import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import ujson

from tests.server import Server, serve
from wikidata5m.download import (
    Checksum,
    Patience,
    RemoteFile,
    fetch,
    lock_path,
    part_path,
    read_receipt,
)
from wikidata5m.errors import DownloadError
from wikidata5m.transport import Interrupted, Refused, Timeouts, Version, probe, read_small

HASTY = Patience(timeouts=Timeouts(connect=5, read=0.3), tries=3, pause=0)
BODY = np.random.default_rng(0).bytes(1_500_000)
SHA = Checksum(algorithm="sha256", value=hashlib.sha256(BODY).hexdigest())


@pytest.fixture(autouse=True)
def _direct(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server is on loopback; a proxy of the machine's has no part in it."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def server() -> Iterator[Server]:
    with serve() as running:
        yield running


def known(*urls: str, **changes: Any) -> RemoteFile:
    values: dict[str, Any] = {"bytes": len(BODY), "checksum": SHA} | changes
    return RemoteFile(name="big.bin", urls=urls, **values)


def unknown(*urls: str) -> RemoteFile:
    return known(*urls, bytes=None, checksum=None)


def leave_part(
    server: Server,
    folder: Path,
    file: RemoteFile,
    bytes_: int = 700_000,
    *,
    overwrite: bool = False,
) -> None:
    """Have a download of `file` interrupted for good after about `bytes_`."""
    path = file.urls[0].removeprefix(server.url)
    server.files[path].cut_after = [bytes_, 0, 0, 0]
    with pytest.raises(DownloadError, match="the connection was cut"):
        fetch(file, folder, patience=HASTY, overwrite=overwrite)
    server.files[path].cut_after = []
    server.requests.clear()


def test_a_download_is_whole_checked_and_recorded(server: Server, tmp_path: Path) -> None:
    url = server.put("/big.bin", BODY)
    receipt = fetch(known(url), tmp_path, patience=HASTY)
    assert (tmp_path / "big.bin").read_bytes() == BODY
    assert (receipt.url, receipt.bytes, receipt.sha256) == (url, len(BODY), SHA.value)
    assert read_receipt(tmp_path / "big.bin") == receipt
    assert sorted(p.name for p in tmp_path.iterdir()) == ["big.bin", "big.bin.lock.json"]
    server.requests.clear()
    assert fetch(known(url), tmp_path, patience=HASTY) == receipt
    assert server.requests == []


def test_a_cut_connection_is_continued_where_it_broke(server: Server, tmp_path: Path) -> None:
    url = server.put("/big.bin", BODY, cut_after=[600_000, 400_000])
    fetch(unknown(url), tmp_path, patience=HASTY)
    assert (tmp_path / "big.bin").read_bytes() == BODY
    first, second, third = server.ranges("/big.bin")
    assert first == ""
    assert second.startswith("bytes=")
    assert int(third[6:-1]) > int(second[6:-1]) > 0


def test_a_later_run_continues_what_an_earlier_one_left(server: Server, tmp_path: Path) -> None:
    file = unknown(server.put("/big.bin", BODY))
    leave_part(server, tmp_path, file)
    had = part_path(tmp_path / "big.bin").stat().st_size
    assert 500_000 < had < len(BODY)
    fetch(file, tmp_path, patience=HASTY)
    assert server.ranges("/big.bin") == [f"bytes={had}-"]
    assert (tmp_path / "big.bin").read_bytes() == BODY
    assert not list(tmp_path.glob(".*"))


def test_without_resume_a_part_is_thrown_away(server: Server, tmp_path: Path) -> None:
    file = unknown(server.put("/big.bin", BODY))
    leave_part(server, tmp_path, file)
    fetch(file, tmp_path, patience=HASTY, resume=False)
    assert server.ranges("/big.bin") == [""]
    assert (tmp_path / "big.bin").read_bytes() == BODY


@pytest.mark.parametrize(
    "change",
    [
        {"etag": '"two"'},
        {"etag": "", "headers": {"Last-Modified": "Tue, 02 Jul 2019 00:00:00 GMT"}},
        {"etag": 'W/"two"'},
    ],
)
def test_a_part_of_another_version_is_started_anew(
    server: Server, tmp_path: Path, change: dict[str, Any]
) -> None:
    before = change | {"etag": change["etag"] and change["etag"].replace("two", "one")}
    if "headers" in before:
        before["headers"] = {"Last-Modified": "Mon, 01 Jul 2019 00:00:00 GMT"}
    file = unknown(server.put("/big.bin", b"x" * len(BODY), **before))
    leave_part(server, tmp_path, file)
    server.put("/big.bin", BODY, **change)
    fetch(file, tmp_path, patience=HASTY)
    assert (tmp_path / "big.bin").read_bytes() == BODY


def test_a_part_is_started_anew_when_the_size_changed(server: Server, tmp_path: Path) -> None:
    file = unknown(server.put("/big.bin", b"x" * 1_000_000, etag=""))
    leave_part(server, tmp_path, file)
    server.put("/big.bin", BODY, etag="")
    fetch(file, tmp_path, patience=HASTY)
    assert (tmp_path / "big.bin").read_bytes() == BODY


def test_a_server_without_ranges_is_read_from_the_start(server: Server, tmp_path: Path) -> None:
    file = unknown(server.put("/big.bin", BODY, ranges=False))
    leave_part(server, tmp_path, file)
    fetch(file, tmp_path, patience=HASTY)
    assert (tmp_path / "big.bin").read_bytes() == BODY


def test_a_complete_part_needs_no_more_bytes(server: Server, tmp_path: Path) -> None:
    file = unknown(server.put("/big.bin", BODY))
    leave_part(server, tmp_path, file)
    part_path(tmp_path / "big.bin").write_bytes(BODY)
    fetch(file, tmp_path, patience=HASTY)
    assert server.ranges("/big.bin") == [f"bytes={len(BODY)}-"]
    assert (tmp_path / "big.bin").read_bytes() == BODY


def test_a_part_that_is_too_long_is_started_anew(server: Server, tmp_path: Path) -> None:
    file = unknown(server.put("/big.bin", BODY))
    leave_part(server, tmp_path, file)
    part_path(tmp_path / "big.bin").write_bytes(BODY + b"more")
    fetch(file, tmp_path, patience=HASTY)
    assert (tmp_path / "big.bin").read_bytes() == BODY


def test_a_stalled_connection_is_given_up_and_continued(server: Server, tmp_path: Path) -> None:
    url = server.put("/big.bin", BODY, stall_after=[600_000])
    fetch(unknown(url), tmp_path, patience=HASTY)
    assert (tmp_path / "big.bin").read_bytes() == BODY
    assert len(server.ranges("/big.bin")) == 2


def test_tries_are_bounded_and_the_part_is_kept(server: Server, tmp_path: Path) -> None:
    url = server.put("/big.bin", BODY, stall_after=[600_000, 0, 0, 0, 0, 0])
    with pytest.raises(DownloadError) as caught:
        fetch(unknown(url), tmp_path, patience=HASTY)
    assert len(server.ranges("/big.bin")) == HASTY.tries
    assert f"{url} failed 3 times in a row, at last: stalled" in str(caught.value)
    assert "name a mirror with --mirror" in str(caught.value)
    assert part_path(tmp_path / "big.bin").stat().st_size > 0


def test_progress_makes_tries_start_over(server: Server, tmp_path: Path) -> None:
    body = np.random.default_rng(1).bytes(12 << 20)
    url = server.put("/big.bin", body, cut_after=[2 << 20] * 5)
    fetch(unknown(url), tmp_path, patience=HASTY)
    assert (tmp_path / "big.bin").read_bytes() == body


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_server_is_asked_again(server: Server, tmp_path: Path, status: int) -> None:
    url = server.put("/big.bin", BODY, fail_first=[status, status], headers={"Retry-After": "0"})
    fetch(unknown(url), tmp_path, patience=HASTY)
    assert (tmp_path / "big.bin").read_bytes() == BODY


@pytest.mark.parametrize(
    "bad",
    [
        {"status": 404},
        {"status": 403},
        {"headers": {"Content-Type": "text/html; charset=utf-8"}},
        {"body": BODY[:-1]},
        {"body": BODY[:-1] + b"?"},
    ],
)
def test_a_bad_mirror_is_passed_over(server: Server, tmp_path: Path, bad: dict[str, Any]) -> None:
    behaviour: dict[str, Any] = {"body": BODY} | bad
    urls = server.put("/bad.bin", **behaviour), server.put("/good.bin", BODY)
    receipt = fetch(known(*urls), tmp_path, patience=HASTY)
    assert receipt.url == urls[1]
    assert len(server.ranges("/bad.bin")) == 1
    assert (tmp_path / "big.bin").read_bytes() == BODY


def test_no_mirror_at_all_names_each_and_why(server: Server, tmp_path: Path) -> None:
    page = server.put("/page", BODY, headers={"Content-Type": "text/html"})
    wrong = server.put("/wrong", BODY[:-1] + b"?")
    urls = (f"{server.url}/absent", page, wrong, "ftp://host/file")
    with pytest.raises(DownloadError) as caught:
        fetch(known(*urls), tmp_path, patience=HASTY)
    told = str(caught.value)
    assert "\n" not in told
    assert f"{urls[0]} answers 404 Not Found" in told
    assert f"{page} answers with a web page in place of the file" in told
    assert f"{wrong} gave sha256 " in told
    assert f"published are {SHA.value}" in told
    assert "ftp://host/file not an http or https address" in told
    assert not (tmp_path / "big.bin").exists()
    assert not list(tmp_path.glob(".*")), "a part known to be wrong is of no use"


def test_without_a_network_each_address_is_told_by_its_host_and_cause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    urls = ("http://files.invalid/a/b/big.bin", "http://user:secret@127.0.0.1:9/big.bin")
    with pytest.raises(DownloadError) as caught:
        fetch(known(*urls), tmp_path, patience=HASTY)
    told = str(caught.value)
    assert "files.invalid: name not resolved; 127.0.0.1:9: connection refused; check" in told
    assert "run the same command again to go on" in told
    assert capsys.readouterr().err.splitlines() == [
        "big.bin: files.invalid: name not resolved; trying again, 3 times in all",
        "big.bin: files.invalid: name not resolved",
        "big.bin: 127.0.0.1:9: connection refused; trying again, 3 times in all",
        "big.bin: 127.0.0.1:9: connection refused",
    ]
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with pytest.raises(DownloadError, match=r"files\.invalid: the proxy: connection refused;"):
        fetch(known(urls[0]), tmp_path, patience=HASTY)


def test_another_mirror_continues_a_part_only_where_a_hash_decides(
    server: Server, tmp_path: Path
) -> None:
    one = server.put("/one", BODY)
    two = server.put("/two", BODY, etag='"of another server"')
    for n, (make, asked) in enumerate([(known, "bytes="), (unknown, "")]):
        folder = tmp_path / str(n)
        leave_part(server, folder, make(one))
        fetch(make(two), folder, patience=HASTY)
        assert [r[:6] for r in server.ranges("/two")] == [asked]
        assert (folder / "big.bin").read_bytes() == BODY


def test_a_part_with_a_wrong_byte_costs_one_more_try_not_the_mirror(
    server: Server, tmp_path: Path
) -> None:
    file = known(server.put("/big.bin", BODY))
    leave_part(server, tmp_path, file)
    part = part_path(tmp_path / "big.bin")
    part.write_bytes(b"?" + part.read_bytes()[1:])
    fetch(file, tmp_path, patience=HASTY)
    assert len(server.ranges("/big.bin")) == 2
    assert (tmp_path / "big.bin").read_bytes() == BODY


def test_redirects_are_followed_and_bounded(server: Server, tmp_path: Path) -> None:
    server.put("/real", BODY)
    url = server.put("/big.bin", b"", redirect="/real")
    assert fetch(known(url), tmp_path, patience=HASTY).url == url
    round_ = server.put("/round", b"", redirect="/round")
    with pytest.raises(DownloadError, match="more than 10 redirects"):
        fetch(known(round_), tmp_path / "b", patience=HASTY)


@pytest.mark.parametrize("algorithm", ["md5", "sha1"])
def test_older_checksums_are_checked(server: Server, tmp_path: Path, algorithm: Any) -> None:
    value = hashlib.new(algorithm, BODY).hexdigest()
    url = server.put("/big.bin", BODY)
    right = Checksum(algorithm=algorithm, value=value.upper())
    fetch(known(url, checksum=right), tmp_path / "a", patience=HASTY)
    wrong = Checksum(algorithm=algorithm, value="0" * len(value))
    with pytest.raises(DownloadError, match=f"gave {algorithm} {value}, published are 0000"):
        fetch(known(url, checksum=wrong), tmp_path / "b", patience=HASTY)


def test_the_first_download_is_trusted_and_later_ones_held_to_it(
    server: Server, tmp_path: Path
) -> None:
    url = server.put("/big.bin", BODY)
    target = tmp_path / "big.bin"
    first = fetch(unknown(url), tmp_path, patience=HASTY)
    target.unlink()
    server.put("/big.bin", BODY[::-1])
    with pytest.raises(DownloadError, match=f"on {first.date[:10]}.*delete .*lock.json") as caught:
        fetch(unknown(url), tmp_path, patience=HASTY)
    assert SHA.value in str(caught.value)
    lock_path(target).unlink()
    fetch(unknown(url), tmp_path, patience=HASTY)
    assert target.read_bytes() == BODY[::-1]


def test_a_file_changed_on_disk_is_refused_and_replaced_only_when_asked(
    server: Server, tmp_path: Path
) -> None:
    url = server.put("/big.bin", BODY)
    target = tmp_path / "big.bin"
    for file in (known(url), unknown(url)):
        fetch(file, tmp_path, patience=HASTY, overwrite=True)
        target.write_bytes(BODY[:-1] + b"?")
        with pytest.raises(DownloadError, match="move it away, or pass --overwrite"):
            fetch(file, tmp_path, patience=HASTY)
        assert target.read_bytes() != BODY
        fetch(file, tmp_path, patience=HASTY, overwrite=True)
        assert target.read_bytes() == BODY


def test_an_overwrite_that_is_interrupted_loses_nothing(server: Server, tmp_path: Path) -> None:
    url = server.put("/big.bin", BODY)
    target = tmp_path / "big.bin"
    first = fetch(unknown(url), tmp_path, patience=HASTY)
    server.put("/big.bin", BODY[::-1])
    leave_part(server, tmp_path, unknown(url), overwrite=True)
    assert target.read_bytes() == BODY
    assert read_receipt(target) == first
    assert part_path(target).stat().st_size == 700_000
    fetch(unknown(url), tmp_path, patience=HASTY, overwrite=True)
    assert server.ranges("/big.bin") == ["bytes=700000-"]
    assert target.read_bytes() == BODY[::-1]
    receipt = read_receipt(target)
    assert receipt is not None
    assert receipt.sha256 != first.sha256


def test_a_file_put_there_by_hand_is_checked_and_recorded(server: Server, tmp_path: Path) -> None:
    (tmp_path / "big.bin").write_bytes(BODY)
    receipt = fetch(known(f"{server.url}/absent"), tmp_path, patience=HASTY)
    assert (receipt.url, receipt.sha256) == ("", SHA.value)
    assert server.requests == []


def test_a_full_disk_is_told_before_and_during(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = known(server.put("/big.bin", BODY))
    with monkeypatch.context() as patch:
        patch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 1000}))
        with pytest.raises(DownloadError, match="1,500,000 more bytes are needed and 1,000 are"):
            fetch(file, tmp_path, patience=HASTY)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("wikidata5m.download._write", full)
    with pytest.raises(DownloadError, match="the disk is full after 0 bytes; free some space"):
        fetch(file, tmp_path, patience=HASTY)


def test_two_processes_do_not_write_one_file(server: Server, tmp_path: Path) -> None:
    import fcntl

    file = known(server.put("/big.bin", BODY))
    with part_path(tmp_path / "big.bin").open("ab") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(DownloadError, match="another process is downloading it"):
            fetch(file, tmp_path, patience=HASTY)


def test_a_disk_without_locks_is_no_obstacle(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_locks(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", no_locks)
    fetch(known(server.put("/big.bin", BODY)), tmp_path, patience=HASTY)
    assert (tmp_path / "big.bin").read_bytes() == BODY


def test_a_killed_download_is_completed_by_the_next(server: Server, tmp_path: Path) -> None:
    url = server.put("/big.bin", BODY, stall_after=[900_000])
    script = (
        "import sys; from pathlib import Path; from wikidata5m.download import *\n"
        f"fetch(RemoteFile(name='big.bin', urls=({url!r},)), Path({str(tmp_path)!r}))"
    )
    part = part_path(tmp_path / "big.bin")
    child = subprocess.Popen([sys.executable, "-c", script])
    deadline = time.monotonic() + 60
    while not (part.exists() and part.stat().st_size > 700_000):
        assert child.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    assert not (tmp_path / "big.bin").exists()
    had = part.stat().st_size
    fetch(known(url), tmp_path, patience=HASTY)
    assert server.ranges("/big.bin") == ["", f"bytes={had}-"]
    assert (tmp_path / "big.bin").read_bytes() == BODY


def test_a_password_is_sent_but_neither_shown_nor_recorded(server: Server, tmp_path: Path) -> None:
    url = server.put("/big.bin", BODY).replace("http://", "http://user:secret@")
    receipt = fetch(unknown(url), tmp_path, patience=HASTY)
    assert receipt.url == f"{server.url}/big.bin"
    with pytest.raises(DownloadError) as caught:
        fetch(unknown(url.replace("big", "absent")), tmp_path / "b", patience=HASTY)
    assert "secret" not in str(caught.value)
    assert all("secret" not in p.read_text() for p in tmp_path.rglob("*.json"))


def test_a_proxy_of_the_environment_is_used_except_where_excluded(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.put("http://files.invalid/big.bin", BODY)  # what a proxy is asked for
    monkeypatch.setenv("http_proxy", server.url)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    fetch(known("http://files.invalid/big.bin"), tmp_path / "a", patience=HASTY)
    fetch(known(server.put("/big.bin", BODY)), tmp_path / "b", patience=HASTY)
    assert [path for _, path, _ in server.requests] == [
        "http://files.invalid/big.bin",
        "/big.bin",
    ]


def test_probe_tells_size_and_version_also_without_head(server: Server) -> None:
    expected = Version(etag='"one"', bytes=len(BODY))
    for head in (True, False):
        assert probe(server.put("/big.bin", BODY, head=head), HASTY.timeouts) == expected
    assert probe(server.put("/old", BODY, head=False, ranges=False), HASTY.timeouts) == expected
    with pytest.raises(Refused, match="404"):
        probe(f"{server.url}/absent", HASTY.timeouts)


def test_a_machine_that_does_not_answer_is_interrupted_not_refused(server: Server) -> None:
    with pytest.raises(Interrupted, match="connection refused"):
        probe("http://127.0.0.1:9/file", HASTY.timeouts)
    with pytest.raises(Refused, match="more than 10 bytes"):
        read_small(server.put("/sums", b"x" * 11), HASTY.timeouts, limit=10)


def test_a_broken_record_is_named(server: Server, tmp_path: Path) -> None:
    url = server.put("/big.bin", BODY)
    fetch(unknown(url), tmp_path, patience=HASTY)
    lock_path(tmp_path / "big.bin").write_text(ujson.dumps({"url": 1}))
    with pytest.raises(DownloadError, match=r"lock.json.*delete it to trust the file anew"):
        fetch(unknown(url), tmp_path, patience=HASTY)


@pytest.mark.parametrize("name", ["../x", "/etc/x", "a/b", ".hidden", ""])
def test_a_name_that_leaves_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(DownloadError, match="not a plain file name"):
        fetch(RemoteFile(name=name, urls=()), tmp_path)
