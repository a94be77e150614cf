"""Typed, strict configuration: a dataclass, a YAML file, and `--set key=value`. Imports errors."""

from __future__ import annotations

import dataclasses
import difflib
import typing
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import ujson
import yaml

from wikidata5m.errors import ConfigError

Config = TypeVar("Config")


def load_config(
    cls: type[Config],
    file: Path | Sequence[Path] | None = None,
    overrides: Iterable[str] = (),
    *,
    defaults: Iterable[str] = (),
) -> Config:
    """Build `cls` from its defaults, then `file` (YAML), then `overrides` ("train.lr=1e-3").

    `defaults`, written as overrides are, stand in for those of the class.
    Of several files a later one wins, key by key. Raises ConfigError on an unknown key (with the
    closest known one), a value of the wrong type, or one that the class's own checks refuse.
    """
    files, overrides = [file] if isinstance(file, Path) else list(file or ()), [*overrides]
    values: dict[str, Any] = {}
    for default in defaults:
        _apply(values, default)
    for each in files:
        read = _read_yaml(each)
        _refuse_unknown(cls, read, where=str(each))
        _merge(values, read)
    for text in overrides:
        _apply(values, text)
    _refuse_unknown(cls, values, where="--set")
    try:
        # strict=False reads "1e-3", which YAML 1.1 takes for a string, as a number.
        return msgspec.convert(values, cls, strict=False)
    except msgspec.ValidationError as error:
        where = ", ".join([*map(str, files), *(["--set"] if overrides else [])])
        raise ConfigError(f"{where or 'configuration'}: {error}") from None


def override(name: str, value: object) -> str:
    """A setting as load_config takes it, quoted so that YAML reads the value as it is."""
    return f"{name}={ujson.dumps(value, escape_forward_slashes=False, ensure_ascii=False)}"


def _read_yaml(file: Path) -> dict[str, Any]:
    try:
        values = _parse(file.read_text(encoding="utf-8"), str(file)) or {}
    except OSError as error:
        raise ConfigError(f"{file}: {error.strerror}; check the path") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file}: not UTF-8 text (byte {error.start}); save it as such") from None
    if not isinstance(values, dict):
        raise ConfigError(f"{file}: expected `key: value` lines")
    return values


def _parse(text: str, where: str) -> Any:
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError) as error:  # the latter of a date such as 2020-13-01
        raise ConfigError(f"{where}: not YAML ({' '.join(str(error).split())})") from None


def _merge(values: dict[str, Any], later: dict[str, Any]) -> None:
    for key, value in later.items():
        if isinstance(value, dict) and isinstance(values.get(key), dict):
            _merge(values[key], value)
        else:
            values[key] = value


def _apply(values: dict[str, Any], text: str) -> None:
    path, equals, value = text.partition("=")
    if not equals:
        raise ConfigError(f"--set {text}: expected key=value, as in --set epochs=10")
    *parents, leaf = path.split(".")
    for parent in parents:
        values = values.setdefault(parent, {})
        if not isinstance(values, dict):
            raise ConfigError(f"--set {text}: {parent} is one value, not a group of settings")
    values[leaf] = _parse(value, f"--set {text}")


def _refuse_unknown(cls: Any, values: Mapping[str, Any], where: str, prefix: str = "") -> None:
    known = typing.get_type_hints(cls)
    for key, value in values.items():
        if key not in known:
            close = difflib.get_close_matches(str(key), known, n=1)
            hint = f"did you mean {prefix}{close[0]}?" if close else f"known: {', '.join(known)}"
            raise ConfigError(f"{where}: unknown setting {prefix}{key}; {hint}")
        if dataclasses.is_dataclass(known[key]) and isinstance(value, Mapping):
            _refuse_unknown(known[key], value, where, prefix=f"{prefix}{key}.")
