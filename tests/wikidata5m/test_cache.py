"""What the cache folder holds: listed with its source and size, and deleted by kind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import ujson
from click.testing import CliRunner

from tests.datasets import make_dataset
from wikidata5m.cache import KINDS
from wikidata5m.cli import main
from wikidata5m.commands import cache
from wikidata5m.files import LOCK
from wikidata5m.kept import kept_folder
from wikidata5m.locks import taken
from wikidata5m.releases.home import WORK


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WIKIDATA5M_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def ask(*words: str) -> Any:
    result = CliRunner().invoke(main, ["cache", "--json", *words])
    assert result.exit_code == 0, result.output
    return ujson.loads(result.stdout)["folders"]


@pytest.mark.parametrize(
    ("kind", "held"),
    [("archives", "archives/v3/.a.gz.part"), ("releases", f"wikidata5m-v3/{WORK}/{LOCK}")],
)
def test_what_another_process_writes_is_not_deleted(home: Path, kind: str, held: str) -> None:
    path = home / held
    path.parent.mkdir(parents=True)
    with path.open("wb") as stream:
        assert taken(stream)
        result = CliRunner().invoke(main, ["cache", "--clear", kind])
        assert result.exit_code == 1
        assert "another process is writing it; wait for it" in result.stderr
        assert path.exists()
    assert len(ask("--clear", kind)) == 1
    assert not path.exists()


def fill(folder: Path) -> None:
    (folder / "ten").write_bytes(b"0123456789")


def test_every_kind_is_listed_and_deleted_alone(home: Path, tmp_path: Path) -> None:
    kept_folder("tokens", "a", tmp_path, fill)
    kept_folder("explore", "1-b", tmp_path, fill)
    (home / "archives" / "v3").mkdir(parents=True)
    fill(home / "archives" / "v3")
    (home / ".explore-1-c.tmp").mkdir()
    fill(home / ".explore-1-c.tmp")
    others = [home / "archives" / "papers", home / "names-old", home / "wikidata5m-v3"]
    for each in others:  # the last is a build that has a release's name
        each.mkdir()
        fill(each)
    found = {Path(each["folder"]).name: each for each in ask()}
    assert set(found) == {"v3", "tokens-a", "explore-1-b", ".explore-1-c.tmp"}
    assert found["tokens-a"]["source"] == str(tmp_path.resolve())
    assert found["v3"]["bytes"] == found[".explore-1-c.tmp"]["bytes"] == 10
    assert found["tokens-a"]["kind"] == "tokens"
    assert [Path(each["folder"]).name for each in ask("--clear", "tokens")] == ["tokens-a"]
    assert not (home / "tokens-a").exists()
    assert {Path(each["folder"]).name for each in ask("--clear", "explore")} == {
        "explore-1-b",
        ".explore-1-c.tmp",
    }
    assert [Path(each["folder"]).name for each in ask()] == ["v3"]
    ask("--clear", "archives", "--clear", "releases")
    assert ask() == []
    assert all((each / "ten").is_file() for each in others)


def test_a_release_is_known_by_its_manifest_or_by_its_unfinished_work(home: Path) -> None:
    make_dataset(home / "wikidata5m-v3", countries=3)
    (home / "wikidata5m-v1-libkge" / WORK).mkdir(parents=True)
    assert [Path(each["folder"]).name for each in ask()] == ["wikidata5m-v1-libkge"]
    path = home / "wikidata5m-v3" / "manifest.json"
    path.write_text(path.read_text().replace('"config": {', '"config": {"release": "v3", ', 1))
    assert {Path(each["folder"]).name for each in ask("--clear", "releases")} == {
        "wikidata5m-v1-libkge",
        "wikidata5m-v3",
    }
    assert ask() == []


def test_the_table_tells_sources_sizes_and_the_sum(home: Path, tmp_path: Path) -> None:
    kept_folder("names", "a", tmp_path / "data", fill)
    (home / "names-a" / "source.json").write_text("{")  # damaged: told by its own name
    kept_folder("tokens", "b", tmp_path / "data", fill)
    result = CliRunner().invoke(main, ["cache"])
    assert str(home) in result.stdout
    assert f"| tokens | {tmp_path / 'data'}" in result.stdout
    assert "| names  | names-a " in result.stdout
    total = sum(path.stat().st_size for path in home.rglob("*") if path.is_file())
    assert f"{total} bytes" in result.stdout


def test_a_kind_that_is_none_is_refused_and_all_are_offered() -> None:
    assert CliRunner().invoke(main, ["cache", "--clear", "all"]).exit_code == 2
    (kinds,) = [each.type for each in cache.params if each.name == "kinds"]
    assert list(kinds.choices) == list(KINDS)  # type: ignore[attr-defined]
