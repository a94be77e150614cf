"""What the cache folder holds: listed with its source and size, and deleted by kind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import ujson
from click.testing import CliRunner

from wikidata5m.cache import FOLDERS
from wikidata5m.cli import main
from wikidata5m.commands import cache
from wikidata5m.kept import kept_folder


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WIKIDATA5M_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def ask(*words: str) -> Any:
    result = CliRunner().invoke(main, ["cache", "--json", *words])
    assert result.exit_code == 0, result.output
    return ujson.loads(result.stdout)["folders"]


def fill(folder: Path) -> None:
    (folder / "ten").write_bytes(b"0123456789")


def test_every_kind_is_listed_and_deleted_alone(home: Path, tmp_path: Path) -> None:
    kept_folder("tokens", "a", tmp_path, fill)
    kept_folder("explore", "1-b", tmp_path, fill)
    (home / "archives" / "v3").mkdir(parents=True)
    fill(home / "archives" / "v3")
    (home / ".explore-1-c.tmp").mkdir()
    fill(home / ".explore-1-c.tmp")
    (home / "somebody-elses").mkdir()
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
    assert (home / "somebody-elses").is_dir()


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
    assert list(kinds.choices) == list(FOLDERS)  # type: ignore[attr-defined]
