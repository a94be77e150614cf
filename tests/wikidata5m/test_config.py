"""Configuration: typed, strict, and helpful when refused."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest

from wikidata5m.config import load_config
from wikidata5m.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class Train:
    lr: float = 0.1
    epochs: int = 3

    def __post_init__(self) -> None:
        if self.epochs < 1:
            raise ValueError("epochs must be at least 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    name: str = "x"
    kind: Literal["a", "b"] = "a"
    train: Train = field(default_factory=Train)


def test_file_then_overrides_win_over_defaults(tmp_path: Path) -> None:
    file = tmp_path / "run.yaml"
    file.write_text("name: y\ntrain:\n  lr: 1e-2\n  epochs: 5\n")
    config = load_config(Run, file, ["train.lr=1e-3", "kind=b"])
    assert config == Run(name="y", kind="b", train=Train(lr=0.001, epochs=5))
    assert load_config(Run) == Run()


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("train.epoch=3", r"unknown setting train\.epoch; did you mean train\.epochs\?"),
        ("zzz=3", "unknown setting zzz; known: name, kind, train"),
        ("train.lr=fast", r"Expected `float`.*\$\.train\.lr"),
        ("train.epochs=0", "epochs must be at least 1"),
        ("kind=c", r"Invalid enum value 'c'"),
        ("epochs", "expected key=value"),
        ("name=[", "--set name=.: not YAML"),
        ("name=2020-13-01", "--set name=2020-13-01: not YAML .month"),
        ("name.first=1", "name"),
    ],
)
def test_a_wrong_setting_is_refused_with_the_reason(override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config(Run, None, [override])


def test_of_several_files_the_later_wins_key_by_key(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("name: a\ntrain: {lr: 0.5, epochs: 4}\n")
    (tmp_path / "b.yaml").write_text("train: {epochs: 6}\n")
    config = load_config(Run, [tmp_path / "a.yaml", tmp_path / "b.yaml"])
    assert config == Run(name="a", train=Train(lr=0.5, epochs=6))


def test_a_file_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_bytes(b"name: \xff\xfe")
    with pytest.raises(ConfigError, match="not UTF-8"):
        load_config(Run, tmp_path / "run.yaml")


@pytest.mark.parametrize("text", ["- a list", "key: [unclosed"])
def test_a_file_that_is_no_mapping_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "run.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=r"run\.yaml"):
        load_config(Run, file)
    file.write_text("name: y")
    with pytest.raises(ConfigError, match="name is one value"):
        load_config(Run, file, ["name.first=1"])
    with pytest.raises(ConfigError, match="check the path"):
        load_config(Run, tmp_path / "absent.yaml")
