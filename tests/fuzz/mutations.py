"""What can go wrong with a record: seeded mutations of Wikidata lines and Wikipedia pages.

A mutation is a function of (record, random numbers) -> record. Most know nothing of the format;
those of JSON values and of markup aim where a parser recurses, counts or allocates.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from random import Random
from typing import Any, Final

Mutation = Callable[[bytes, Random], bytes]

HOSTILE_IDS: Final = ("Q0", "Q-1", "Q1 ", "q1", "Q", "", "Q99999999999999999999", "Q٣", "P1", "X1")
WRONG_VALUES: Final[tuple[Any, ...]] = (
    None, True, 0, -1, 2**63, 2**64, 10**30, 1e308, "", "\0", "x" * 100_000, [], {}, [[]], {"": {}},
)  # fmt: skip
MARKUP: Final = (
    b"{{", b"}}", b"[[", b"]]", b"{|", b"|}", b"&lt;ref&gt;", b"&lt;/ref&gt;", b"&lt;!--", b"'''",
    b"{{{1|", b"&amp;lt;", b"&#x110000;", b"&#0;", b"[[File:", b"&lt;nowiki&gt;",
    b"{{convert|1e999|", b"&lt;math&gt;", b"#REDIRECT [[",
)  # fmt: skip
TAGS: Final = (
    b"<page>", b"</page>", b"<title>", b"</title>", b"<revision>", b"<text>", b"</text>", b"<ns>",
    b"</ns>", b'<redirect title="x" />', b"<text/>", b"<![CDATA[", b"<timestamp>",
)  # fmt: skip


def flip(record: bytes, rng: Random) -> bytes:
    """Change a few bytes."""
    data = bytearray(record)
    for _ in range(rng.randint(1, 8)):
        data[rng.randrange(len(data))] = rng.randrange(256)
    return bytes(data)


def truncate(record: bytes, rng: Random) -> bytes:
    """Cut off the end."""
    return record[: rng.randrange(len(record))]


def behead(record: bytes, rng: Random) -> bytes:
    """Cut off the beginning."""
    return record[rng.randrange(len(record)) :]


def reorder(record: bytes, rng: Random) -> bytes:
    """Exchange two stretches."""
    a, b, c, d = sorted(rng.randrange(len(record) + 1) for _ in range(4))
    return record[:a] + record[c:d] + record[b:c] + record[a:b] + record[d:]


def repeat(record: bytes, rng: Random) -> bytes:
    """Repeat a stretch, which makes keys and elements occur twice."""
    a, b = sorted(rng.randrange(len(record) + 1) for _ in range(2))
    return record[:b] + record[a:b] * rng.randint(1, 3) + record[b:]


def remove(record: bytes, rng: Random) -> bytes:
    """Take out a stretch."""
    a, b = sorted(rng.randrange(len(record) + 1) for _ in range(2))
    return record[:a] + record[b:]


def insert_nul(record: bytes, rng: Random) -> bytes:
    """Put NULs somewhere."""
    return _insert(record, b"\0" * rng.randint(1, 50), rng)


def insert_invalid_utf8(record: bytes, rng: Random) -> bytes:
    """Put bytes somewhere that are no UTF-8."""
    bad = (b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82", b"\xf8\x88")
    return _insert(record, rng.choice(bad), rng)


def huge_number(record: bytes, rng: Random) -> bytes:
    """Put a number of many digits in the place of one."""
    numbers = list(re.finditer(rb"\d+", record))
    if not numbers:
        return record + b"9" * 400
    at = rng.choice(numbers)
    digits = rng.choice((10, 19, 20, 40, 400, 5000))
    sign, end = rng.choice((b"", b"-")), rng.choice((b"", b".5", b"e999"))
    return record[: at.start()] + sign + b"9" * digits + end + record[at.end() :]


def hostile_nesting(record: bytes, rng: Random) -> bytes:
    """Put deeply nested JSON somewhere behind a colon."""
    depth = rng.choice((10, 100, 1_000, 50_000))
    opening, closing = rng.choice(((b"[", b"]"), (b'{"a":', b"}"), (b"[", b"")))
    places = [match.end() for match in re.finditer(rb":\s*", record)] or [0]
    at = rng.choice(places)
    return record[:at] + opening * depth + closing * depth + record[at:]


def wrong_type(record: bytes, rng: Random) -> bytes:
    """Replace a value of the JSON tree by one of another kind."""

    def change(parent: Any, key: Any) -> None:
        parent[key] = rng.choice(WRONG_VALUES)

    return _in_tree(record, rng, change)


def hostile_id(record: bytes, rng: Random) -> bytes:
    """Replace an id by one that Wikibase has not."""
    ids = list(re.finditer(rb'"[QPL]\d+"', record))
    if not ids:
        return record
    at = rng.choice(ids)
    return record[: at.start()] + json.dumps(rng.choice(HOSTILE_IDS)).encode() + record[at.end() :]


def drop_key(record: bytes, rng: Random) -> bytes:
    """Take a member out of the JSON tree."""

    def change(parent: Any, key: Any) -> None:
        del parent[key]

    return _in_tree(record, rng, change)


def surrogate(record: bytes, rng: Random) -> bytes:
    """Put half a surrogate pair, or another escape, into a string."""
    texts = [match.end() for match in re.finditer(rb':\s*"', record)] or [0]
    escapes = (
        rb"\ud800",
        rb"\udc00",
        rb"\ud800\ud800",
        rb"\u0000",
        rb"\x",
        rb"\u12",
        rb"\uD83D\uDE00",
    )
    at = rng.choice(texts)
    return record[:at] + rng.choice(escapes) + record[at:]


def markup(record: bytes, rng: Random) -> bytes:
    """Put much markup that opens or closes nothing into a page's text."""
    start = max(0, record.find(b"<text"))
    at = rng.randrange(start, len(record) + 1)
    return record[:at] + rng.choice(MARKUP) * rng.choice((1, 3, 50, 5_000)) + record[at:]


def tags(record: bytes, rng: Random) -> bytes:
    """Put an element's tag where none belongs."""
    return _insert(record, rng.choice(TAGS), rng)


def _insert(record: bytes, what: bytes, rng: Random) -> bytes:
    at = rng.randrange(len(record) + 1)
    return record[:at] + what + record[at:]


def _in_tree(record: bytes, rng: Random, change: Callable[[Any, Any], None]) -> bytes:
    """Change one member of the tree, each depth as likely as the next."""
    tree = json.loads(record)
    parent = tree
    for _ in range(rng.randint(0, 7)):
        children = [key for key in _keys(parent) if isinstance(parent[key], dict | list)]
        children = [key for key in children if parent[key]]
        if not children:
            break
        parent = parent[rng.choice(children)]
    if parent:
        change(parent, rng.choice(_keys(parent)))
    return json.dumps(tree).encode()


def _keys(parent: Any) -> list[Any]:
    return list(parent) if isinstance(parent, dict) else list(range(len(parent)))


_ANY: Final[tuple[Mutation, ...]] = (
    flip, truncate, behead, reorder, repeat, remove, insert_nul, insert_invalid_utf8, huge_number,
)  # fmt: skip
OF_ENTITIES: Final[tuple[Mutation, ...]] = (
    *_ANY, hostile_nesting, wrong_type, hostile_id, drop_key, surrogate,
)  # fmt: skip
OF_PAGES: Final[tuple[Mutation, ...]] = (*_ANY, markup, tags)
