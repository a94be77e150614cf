"""Titles as MediaWiki compares them, and the namespaces that they may begin with.

Imports only the standard library. A dump's <siteinfo> says whether a wiki's titles begin with a
capital (`first-letter`, as on every Wikipedia but a few) or are kept as written, and names its
namespaces: the schemas before 0.6 leave a page's namespace to its title's prefix.
"""

from __future__ import annotations

import html
import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

__all__ = ["Site", "normalise_title", "redirect_target"]

_CASE: Final = re.compile(r"<case>([^<]*)</case>")
_NAMESPACE: Final = re.compile(r'<namespace key="(-?\d+)"[^>]*>([^<]+)</namespace>')
_ENTITY: Final = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_DIRECTION_MARKS: Final = re.compile(r"[\u200e\u200f\u202a-\u202e]")
_MANY_SPACES: Final = re.compile(
    r"[ _\u00a0\u1680\u180e\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+"
)
_GEORGIAN: Final = re.compile("[\u10d0-\u10ff]")

# What a page begins with to redirect, in the content languages of the larger wikis.
_REDIRECT_WORDS: Final = (
    "redirect|weiterleitung|redirection|redirección|redireccion|rinvia|rinvio|redirecionamento|"
    "doorverwijzing|omdirigering|omdirigér|viderekobling|ohjaus|uudelleenohjaus|"
    "patrz|przekieruj|tam|přesměruj|presmeruj|přesměrování|átirányítás|перенаправление|перенапр|"
    "перенаправлення|пренасочване|преусмери|yönlendi̇rme|yönlendirme|đổi|alih|lencong|adres|"
    "redirecteix|birzuzendu|alidirektu|suuna|peradresavimas|pāradresācija|ανακατευθυνση|"
    "ανακατεύθυνση|تحويل|تغییر_مسیر|تغييرمسیر|تغییرمسیر|הפניה|पुनर्प्रेषित|重定向|転送|リダイレクト|"
    "넘겨주기|เปลี่ยนทาง"
)
_REDIRECT: Final = re.compile(
    rf"\s*[#＃](?:{_REDIRECT_WORDS})\s*:?\s*\[\[\s*:?([^\]|#]+)", re.IGNORECASE
)
_FIRST_LINK: Final = re.compile(r"[^\[]{0,80}\[\[\s*:?([^\]|#]+)")


@dataclass(frozen=True, slots=True)
class Site:
    """What a dump's <siteinfo> says of titles."""

    first_letter: bool = True
    """Titles begin with a capital, whatever was written."""
    namespaces: tuple[tuple[str, int], ...] = ()
    """Name, in lower case, and number of each namespace but the articles'."""

    @classmethod
    def of(cls, start: bytes) -> Site:
        """Read the beginning of a dump; a dump without <siteinfo> is taken for a Wikipedia."""
        text = start.decode("utf-8", errors="ignore")
        case = _CASE.search(text)
        return cls(
            first_letter=case is None or case[1].strip() != "case-sensitive",
            namespaces=tuple(
                (html.unescape(name).strip().lower(), int(key))
                for key, name in _NAMESPACE.findall(text)
            ),
        )

    def namespace_of(self, title: str) -> int:
        """The namespace that a title's prefix names; 0, the articles', for any other prefix."""
        prefix, colon, _ = title.partition(":")
        if not colon:
            return 0
        wanted = _MANY_SPACES.sub(" ", prefix).strip().lower()
        return dict(self.namespaces).get(wanted, 0)

    def normalise(self, title: str) -> str:
        """A title as this wiki compares it."""
        return normalise_title(title, first_letter=self.first_letter)


def normalise_title(title: str, *, first_letter: bool = True) -> str:
    """A title as MediaWiki compares it: entities read, blanks single, no section, a first capital.

    Underscores are blanks; direction marks are nothing; text is in Unicode's form NFC.
    """
    text = _ENTITY.sub(lambda entity: html.unescape(entity[0]), title) if "&" in title else title
    text = text.partition("#")[0]
    if not text.isascii():
        text = unicodedata.normalize("NFC", _DIRECTION_MARKS.sub("", text))
    text = _MANY_SPACES.sub(" ", text).strip(" \t\n")
    text = text.removeprefix(":").lstrip() if text.startswith(":") else text
    return _capital(text[:1]) + text[1:] if first_letter else text


@lru_cache(maxsize=4096)
def _capital(letter: str) -> str:
    """A first letter as MediaWiki capitalises it: never into two letters, and no Georgian one."""
    upper = letter.upper()
    return letter if len(upper) != 1 or _GEORGIAN.match(letter) else upper


def redirect_target(text: str, *, marked: bool) -> str:
    """Where a page's text redirects; '' if nowhere. `marked`: the dump says that it does."""
    found = _REDIRECT.match(text)
    if found is None and marked:
        found = _FIRST_LINK.match(text)
    return found[1] if found else ""
