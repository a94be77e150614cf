"""The token files that runs share in the cache folder, to see and to delete.

Imports kepler_ke.tokens and wikidata5m.
"""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

from kepler_ke.tokens import META, TokenFile, token_home
from wikidata5m.errors import InputError


def kept_tokens() -> list[dict[str, str | int]]:
    """What is there, the oldest first."""
    folders = [each.parent for each in token_home().glob(f"*/{META}")]
    return [_told(folder) for folder in sorted(folders, key=_made)]


def clear_tokens() -> None:
    """Delete them all: a run that needs some tokenises again. Raises InputError."""
    try:
        shutil.rmtree(token_home())
    except FileNotFoundError:
        return
    except OSError as error:
        problem = error.strerror or "cannot be deleted"
        raise InputError(token_home(), problem, fix="check its permissions") from None


def _told(folder: Path) -> dict[str, str | int]:
    try:
        file = TokenFile(folder)
        source, texts = str(file.meta.get("source", "")), len(file)
    except InputError:  # listed all the same, since --clear is what mends it
        source, texts = "(damaged)", 0
    return {
        "folder": str(folder),
        "source": source,
        "texts": texts,
        "bytes": sum(path.stat().st_size for path in folder.iterdir()),
        "made": f"{datetime.fromtimestamp(_made(folder), tz=UTC):%Y-%m-%d}",
    }


def _made(folder: Path) -> float:
    return (folder / META).stat().st_mtime
