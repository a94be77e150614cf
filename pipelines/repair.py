"""Wikitext whose links, templates and tags are resolved -> clean lines of plain text.

Imports only the standard library. Whatever was dropped left a GAP in its place. Brackets and
separators are repaired next to a GAP, so that `printf()` in a text about code stays as it is.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import Final

__all__ = ["GAP", "finish", "paragraphs"]

GAP: Final = "\0"


# --- Lines ----------------------------------------------------------------------------------


def paragraphs(text: str, *, items: bool = True) -> Iterator[str]:
    """Paragraphs, their lines joined, and, if wanted, list items without their marks, in order.

    An indented line all in italics before the first paragraph is a hatnote written by hand, and
    a line that starts with a bar is the rest of a broken table or template: both are dropped.
    """
    lines: list[str] = []
    begun = False
    for raw in text.split("\n"):
        line = raw.strip(" \t\0") if raw.startswith((GAP, " ", "\t")) else raw
        item = line.startswith(("*", "#", ":", ";"))
        if item or line.startswith("----") or not line.strip(" \t\0"):
            if lines:
                yield " ".join(lines)
                lines = []
            if item and items and (begun or not _HATNOTE.fullmatch(line)):
                yield _without_quotes(line.lstrip("*#:; \t"))
        elif not line.startswith(("|", "!")):
            begun = True
            lines.append(_without_quotes(raw))
    if lines:
        yield " ".join(lines)


_HATNOTE: Final = re.compile(r":+[ \t\0]*''[^'].*''[ \t\0.]*")
_QUOTES: Final = re.compile(r"('{2,})")


def _without_quotes(line: str) -> str:
    """A line without bold and italic marks, apostrophes told from marks as MediaWiki does."""
    if "''" not in line:
        return line
    pieces = _QUOTES.split(line)
    marks = [min(len(mark), 5) if len(mark) != 4 else 3 for mark in pieces[1::2]]
    for i, size in enumerate(marks):
        pieces[2 * i + 1] = "'" * (len(pieces[2 * i + 1]) - size)
    if sum(m in {2, 5} for m in marks) % 2 and sum(m in {3, 5} for m in marks) % 2:
        # Both unbalanced: one ''' is an apostrophe and '', best after a letter, or else a word.
        bold = [2 * i + 1 for i, size in enumerate(marks) if size == 3]
        if bold:
            pieces[min(bold, key=lambda i: _apostrophe_rank(pieces[i - 1]))] += "'"
    return "".join(pieces)


def _apostrophe_rank(before: str) -> int:
    if before.endswith(" "):
        return 2
    return 0 if before[-2:-1] == " " else 1


# --- Characters -----------------------------------------------------------------------------

_ENTITY: Final = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_ODD_SPACE: Final = re.compile(r"[\u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]")
_INVISIBLE: Final = re.compile(
    r"[\x01-\x08\x0e-\x1f\x7f\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]"
)


def finish(paragraph: str) -> str:
    """Entities decoded, odd spaces plain, invisible characters gone, brackets repaired."""
    text = paragraph
    if "&" in text:
        text = _ENTITY.sub(lambda entity: html.unescape(entity[0]), text)
    if not text.isascii():
        text = _INVISIBLE.sub("", _ODD_SPACE.sub(" ", text))
    text = " ".join(text.split())
    return _repair(text) if _DAMAGE.search(text) else text


# --- Brackets and separators ----------------------------------------------------------------

# Damage around what was dropped, and damage in plain text: most paragraphs have neither.
_NEAR_GAP: Final = re.compile(r"\0 ?[,;:.)\]\0]|[(\[] ?\0")
_DAMAGE: Final = re.compile(r"\0|  | [,.;:)\]]|[(\[] |\([,;]|[,;]\)|[,;] ?[,;]|,\.")
_ORPHANS: Final = (
    r"(?:(?:English|British|American|US|UK|local|locally|also|commonly|usually|or) )?"
    r"(?:pronounced|pronunciation|pronunciations|IPA|or|and|also|in)"
)
_EMPTIED: Final = re.compile(
    rf" ?[(\[](?=[^()\[\]]*\0)[ \0,;:/–—-]*(?:{_ORPHANS}[ \0,;:/–—-]+)*[)\]]", re.IGNORECASE
)
# Each with a pattern that must match somewhere: one that begins with the GAP is found at once, one
# that begins with what may stand before it is tried at every character.
_STEPS: Final = tuple(
    (re.compile(guard), re.compile(pattern, re.IGNORECASE), replacement)
    for guard, pattern, replacement in (
        (r"\0 ?\0", r"\0(?: ?\0)+", "\0"),
        # A word that announced what was dropped goes with it.
        (r"\0 ?[,;)\]]", rf"(?<=[(,; ]){_ORPHANS}:? \0(?= ?[,;)\]])", "\0"),
        (r"\0", r"([(\[]) ?\0 ?(?:[,;:–—]|(?:or|and)\b)? ?", r"\1"),
        (r"\0 ?(?:[,;:] ?)?[)\]]", r"(?: ?[,;:])? ?\0 ?(?:[,;:] ?)?([)\]])", r"\1"),
        (r"\0 ?[,;]", r"([,;]) ?\0 ?[,;]", r"\1\0"),
        (r"\0 ?\.", r"\. ?\0 ?\.(?=\s|$)", "."),
    )
)
_PLAIN_STEPS: Final = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"  +", " "),
        # Runs of separators first: a pattern after these must never meet a long one.
        (r",(?: ?,)+", ","),
        (r"[,;](?: ?[,;])+", ";"),
        (r" ?\( \)", ""),
        (r"\( ?[,;] ?", "("),
        (r" ?[,;] ?\)", ")"),
        (r"([(\[]) ", r"\1"),
        (r" ([)\]])", r"\1"),
        (r" ([,;:])(?=[\s)\"'\]”’]|$)", r"\1"),
        (r" \.(?=[\s)\"'\]”’]|$)", "."),
        (r",\.(?= |$)", "."),
        (r"  +", " "),
    )
)
_MAX_ROUNDS: Final = 4  # brackets inside brackets that empty one another


def _repair(text: str) -> str:
    """Without empty brackets and stranded separators; '' when no letter or digit is left."""
    if _NEAR_GAP.search(text):
        for _ in range(_MAX_ROUNDS):
            before = text
            for _ in range(_MAX_ROUNDS):
                text, emptied = _EMPTIED.subn(GAP, text)
                if not emptied:
                    break
            for guard, pattern, replacement in _STEPS:
                if guard.search(text):
                    text = pattern.sub(replacement, text)
            if text == before:
                break
    begins_dropped = text.startswith(GAP)
    text = text.replace(GAP, "").strip()
    if begins_dropped:
        text = text.lstrip(",;:.) ")
    if _DAMAGE.search(text):
        for pattern, replacement in _PLAIN_STEPS:
            text = pattern.sub(replacement, text)
    return text.strip() if any(map(str.isalnum, text)) else ""
