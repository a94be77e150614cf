"""Dumps of a date: where they could be, which are there, which are taken; on loopback."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
import ujson
from click.testing import CliRunner, Result

from tests.server import Server, serve
from wikidata5m.cli import main
from wikidata5m.dumps.candidates import Bases, candidates
from wikidata5m.errors import ConfigError

BZ2 = b"BZh9 a dump of entities"
GZ = b"\x1f\x8b the same entities"
PAGES = b"BZh9 a dump of pages"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture
def server() -> Iterator[Server]:
    with serve() as running:
        yield running


def run(server: Server, *arguments: str) -> Result:
    hosts = ["--wikimedia", f"{server.url}/wm", "--archive-org", f"{server.url}/ao/"]
    return CliRunner().invoke(main, ["dumps", *arguments, *hosts])


def sha1(body: bytes) -> str:
    return hashlib.sha1(body).hexdigest()


def put_archive(server: Server, item: str, name: str, body: bytes, **changes: str) -> None:
    """An item of archive.org: the file, and the metadata that tells its size and hashes."""
    server.put(f"/ao/download/{item}/{name}", body)
    file = {"name": name, "size": str(len(body)), "sha1": sha1(body), "md5": "0" * 32}
    metadata = {"created": 1, "files": [{"name": "other.xml"}, file | changes]}
    server.put(f"/ao/metadata/{item}", ujson.dumps(metadata).encode())


def put_july(server: Server) -> None:
    """July 2019 as archive.org has it: pages of the 1st and 20th, entities of three Mondays."""
    for day in ("01", "08", "22"):
        stamp = f"201907{day}"
        name = f"wikidata-{stamp}-all.json.bz2"
        put_archive(server, f"wikibase-wikidatawiki-{stamp}", name, BZ2 + day.encode())
    for day in ("01", "20"):
        stamp = f"enwiki-201907{day}"
        put_archive(server, stamp, f"{stamp}-pages-articles-multistream.xml.bz2", PAGES)


def put_new(server: Server, sums: str = "sha1sums") -> None:
    """January 2024 as Wikimedia has it."""
    folder, stamp = "/wm/wikidatawiki/entities/20240101", "wikidata-20240101"
    lines = ""
    for name, body in ((f"{stamp}-all.json.gz", GZ), (f"{stamp}-all.json.bz2", BZ2)):
        server.put(f"{folder}/{name}", body)
        digest = sha1(body) if sums == "sha1sums" else hashlib.md5(body).hexdigest()
        lines += f"{digest}  {name}\n"
    # Other lines may be in any encoding.
    server.put(f"{folder}/{stamp}-{sums}.txt", b"caf\xe9\n" + lines.encode())
    server.put(
        "/wm/dewiki/20240101/dewiki-20240101-pages-articles-multistream.xml.bz2", PAGES, head=False
    )


def test_candidates_of_a_month_are_its_mondays_and_the_days_of_pages() -> None:
    found = candidates("2019-07", "enwiki", Bases())
    days = {role: sorted({c.day.day for c in found if c.role == role}) for role in ("wikidata",)}
    assert days["wikidata"] == [1, 8, 15, 22, 29]
    urls = {candidate.url for candidate in found}
    archive = "https://archive.org/download"
    wikimedia = "https://dumps.wikimedia.org"
    assert urls >= {
        f"{archive}/wikibase-wikidatawiki-20190722/wikidata-20190722-all.json.bz2",
        f"{archive}/enwiki-20190701/enwiki-20190701-pages-articles-multistream.xml.bz2",
        f"{archive}/enwiki-20190720/enwiki-20190720-pages-articles.xml.bz2",
        f"{wikimedia}/wikidatawiki/entities/20190722/wikidata-20190722-all.json.gz",
        f"{wikimedia}/enwiki/20190720/enwiki-20190720-pages-articles-multistream.xml.bz2",
    }
    assert len(urls) == len(found)
    for text in ("2019-07-22", "20190722"):
        assert {c.day for c in candidates(text, "enwiki", Bases())} == {date(2019, 7, 22)}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("2019", "no month or day"),
        ("2019-13", "no month or day"),
        ("2019-02-30", "no month or day"),
        ("last week", "no month or day"),
        ("2019-07-03", "name the month, as in 2019-07"),
    ],
)
def test_what_is_no_date_of_a_dump_is_told(text: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        candidates(text, "enwiki", Bases())


def test_list_says_what_exists_with_size_and_checksum(server: Server) -> None:
    put_july(server)
    result = run(server, "list", "--date", "2019-07", "--json")
    assert result.exit_code == 0, result.output
    told = ujson.loads(result.stdout)
    found = {d["name"]: d for d in told["dumps"] if d["status"] == "found"}
    assert len(found) == 5
    one = found["wikidata-20190722-all.json.bz2"]
    assert one["bytes"] == len(BZ2) + 2
    assert one["checksum"] == f"sha1 {sha1(BZ2 + b'22')}"
    assert one["host"] == "archive.org"
    assert found["wikidata-20190701-all.json.bz2"]["note"] == "said to be bad"
    assert told["absent"] == len(told["dumps"]) - 5
    assert told["unreachable"] == 0
    text = run(server, "list", "--date", "2019-07").stdout
    assert "said to be bad" in text
    assert f"{told['absent']} more addresses have none." in text


def test_list_of_nothing_fails_and_tells_absent_from_unreachable(server: Server) -> None:
    result = run(server, "list", "--date", "2019-07-22")
    assert result.exit_code == 1
    assert "no dump of 2019-07-22: 4 addresses have none, 0 did not answer" in result.stderr
    server.put("/wm/wikidatawiki/entities/20190722/wikidata-20190722-all.json.gz", b"", status=503)
    result = run(server, "list", "--date", "2019-07-22", "--json")
    assert result.exit_code == 1
    down = [d for d in ujson.loads(result.stdout)["dumps"] if d["status"] == "unreachable"]
    assert [d["note"] for d in down] == ["answers 503 Service Unavailable"]


def test_a_host_that_is_busy_once_is_asked_again(server: Server) -> None:
    put_new(server)
    name = "/wm/wikidatawiki/entities/20240101/wikidata-20240101-all.json.gz"
    server.files[name].fail_first = [503]
    result = run(server, "list", "--date", "2024-01-01", "--what", "wikidata", "--json")
    assert ujson.loads(result.stdout)["unreachable"] == 0


def test_fetch_takes_the_closest_days_and_not_the_bad_file(server: Server, tmp_path: Path) -> None:
    put_july(server)
    result = run(server, "fetch", "--date", "2019-07", "--out", str(tmp_path), "--json")
    assert result.exit_code == 0, result.output
    told = ujson.loads(result.stdout)
    assert told["wikidata"]["path"] == str(tmp_path / "wikidata-20190722-all.json.bz2")
    assert told["wikipedia"]["path"].endswith("enwiki-20190720-pages-articles-multistream.xml.bz2")
    assert told["wikidata"]["checked"] == f"sha1 {sha1(BZ2 + b'22')}"
    assert Path(told["wikidata"]["path"]).read_bytes() == BZ2 + b"22"


@pytest.mark.parametrize("sums", ["sha1sums", "md5sums"])
def test_fetch_of_a_new_date_prefers_gz_and_checks_its_sum(
    server: Server, tmp_path: Path, sums: str
) -> None:
    put_new(server, sums)
    month = ("fetch", "--date", "2024-01", "--language", "de", "--json", "--out")
    told = ujson.loads(run(server, *month, str(tmp_path / "a")).stdout)
    assert told["wikidata"]["path"].endswith("all.json.gz")
    assert told["wikidata"]["checked"].startswith(sums[:4].replace("md5s", "md5"))
    assert told["wikipedia"]["checked"] == "none published"
    told = ujson.loads(run(server, *month, str(tmp_path / "b"), "--compression", "bz2").stdout)
    assert told["wikidata"]["path"].endswith("all.json.bz2")
    server.put("/wm/wikidatawiki/entities/20240101/wikidata-20240101-all.json.gz", GZ[::-1])
    wrong = run(server, *month, str(tmp_path / "c"))
    assert wrong.exit_code == 1
    assert "no address gave it" in wrong.stderr
    assert not (tmp_path / "c" / "wikidata-20240101-all.json.gz").exists()


def test_both_hosts_of_a_file_are_its_mirrors_when_they_agree(
    server: Server, tmp_path: Path
) -> None:
    put_new(server)
    name = "wikidata-20240101-all.json.gz"
    url = server.put(f"/ao/download/wikibase-wikidatawiki-20240101/{name}", GZ)
    first = f"/wm/wikidatawiki/entities/20240101/{name}"
    # Probed by HEAD; then each try to fetch it fails.
    server.files[first].cut_after = [0] * 5
    command = ("fetch", "--date", "2024-01", "--what", "wikidata", "--out", str(tmp_path), "--json")
    result = run(server, *command)
    assert result.exit_code == 0, result.output
    assert ujson.loads(result.stdout)["wikidata"]["url"] == url
    put_archive(server, "wikibase-wikidatawiki-20240101", name, GZ + b"?")
    server.put(first, b"", status=404)
    other = run(server, *command[:-2], str(tmp_path / "b"), "--json")
    assert ujson.loads(other.stdout)["wikidata"]["bytes"] == len(GZ) + 1


def test_a_date_without_one_of_the_two_is_told(server: Server, tmp_path: Path) -> None:
    put_new(server)
    result = run(server, "fetch", "--date", "2024-01", "--out", str(tmp_path))
    assert result.exit_code == 1
    assert "no wikipedia dump of 2024-01: see `wikidata5m dumps list" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_broken_lists_of_checksums_are_told_and_do_without(server: Server, tmp_path: Path) -> None:
    put_july(server)
    server.put("/ao/metadata/enwiki-20190720", b"<html>")
    command = ("fetch", "--date", "2019-07-20", "--what", "wikipedia", "--out", str(tmp_path))
    result = run(server, *command, "--json")
    assert ujson.loads(result.stdout)["wikipedia"]["checked"] == "none published"
    assert "no checksums" in result.stderr
