"""One file's bytes over http(s), from an offset on. Imports nothing of the project.

urllib3 does connections, TLS, redirects and proxies; here are the rules by which a range may
continue what is already there.

    Refused       this address does not have the file: try another one
    Interrupted   this address failed this time: try it again
    └── Unreachable   no connection to its host came about
"""

from __future__ import annotations

import re
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from typing import Final, Literal

import urllib3
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    IncompleteRead,
    LocationValueError,
    MaxRetryError,
    NameResolutionError,
    NewConnectionError,
    ProtocolError,
    ProxyError,
    ResponseError,
    SSLError,
    TimeoutError,  # noqa: A004 - urllib3's own
)
from urllib3.util import Retry, Timeout, make_headers, parse_url

REDIRECTS: Final = 10
BLOCK: Final = 1 << 17
"""Bytes read at a time: what a cut connection loses at most."""

_BUSY: Final = frozenset({408, 425, 429})
"""Client errors that pass, as all 5xx do."""


class Refused(Exception):  # noqa: N818 - a verdict on an address
    """An address does not have the file as it should be; the message says why."""


class Interrupted(Exception):  # noqa: N818
    """The connection failed or the server is busy; `wait` seconds were asked for, 0 if none."""

    def __init__(self, message: str, wait: float = 0.0) -> None:
        super().__init__(message)
        self.wait = wait


class Unreachable(Interrupted):
    """No connection to the host, or to the proxy, came about; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Seconds without an answer before a connection counts as stalled."""

    connect: float = 20.0
    read: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """What tells one version of an address's content from the next; "" and None when not sent."""

    etag: str = ""
    last_modified: str = ""
    bytes: int | None = None

    @property
    def strong(self) -> str:
        """The validator for If-Range, which takes no weak ETag."""
        return self.etag if self.etag and not self.etag.startswith("W/") else self.last_modified


@dataclass(frozen=True, slots=True)
class Answer:
    """A response: the whole file's version, where its bytes start, and the bytes."""

    version: Version
    offset: int
    _response: urllib3.BaseHTTPResponse | None
    """None when no bytes are missing."""

    def blocks(self) -> Iterator[bytes]:
        """The bytes as sent. Raises Interrupted when the connection is cut or stalls."""
        if self._response is not None:
            with _translated():
                yield from self._response.stream(BLOCK, decode_content=False)


@contextmanager
def ask(url: str, offset: int, known: Version, timeouts: Timeouts) -> Iterator[Answer]:
    """Ask for the bytes from `offset` on of the version `known`.

    The answer starts at `offset`, or at 0 when the server has another version now or does not serve
    ranges. Raises Refused and Interrupted.
    """
    headers = {"Range": f"bytes={offset}-"} if offset else {}
    if offset and known.strong:
        headers["If-Range"] = known.strong
    with _open("GET", url, headers, timeouts) as response:
        if response.status == 416:
            if _total(response) == offset:
                yield Answer(known, offset, None)
                return
        elif response.status == 200:
            _refuse_web_page(response, url)
            yield Answer(_version(response, _length(response)), 0, response)
            return
        elif response.status == 206:
            found = _version(response, _total(response))
            if _starts_at(response, offset) and _continues(known, found):
                yield Answer(found, offset, response)
                return
        else:
            raise _verdict(response)
    with ask(url, 0, Version(), timeouts) as answer:
        yield answer


def probe(url: str, timeouts: Timeouts) -> Version:
    """The version of an address's content, by HEAD, or by its first byte where HEAD is not served.

    Raises Refused and Interrupted.
    """
    with _open("HEAD", url, {}, timeouts) as response:
        if response.status == 200:
            _refuse_web_page(response, url)
            return _version(response, _length(response))
    with _open("GET", url, {"Range": "bytes=0-0"}, timeouts) as response:
        if response.status not in {200, 206}:
            raise _verdict(response)
        _refuse_web_page(response, url)
        whole = _total(response) if response.status == 206 else _length(response)
        return _version(response, whole)


def read_small(url: str, timeouts: Timeouts, limit: int = 1 << 24) -> bytes:
    """The content of a small file such as a list of checksums. Raises Refused and Interrupted."""
    with _open("GET", url, {}, timeouts) as response, _translated():
        if response.status != 200:
            raise _verdict(response)
        content = response.read(limit + 1)
    if len(content) > limit:
        raise Refused(f"more than {limit:,} bytes")
    return content


def without_password(url: str) -> str:
    """The address as it may be shown and recorded."""
    parsed = parse_url(url)
    return parsed._replace(auth=None).url if parsed.auth else url


def host_of(url: str) -> str:
    """The machine that an address names, with a port that is not the usual one."""
    return parse_url(url)._replace(auth=None).netloc or url


@contextmanager
def _open(
    method: Literal["GET", "HEAD"], url: str, headers: Mapping[str, str], timeouts: Timeouts
) -> Iterator[urllib3.BaseHTTPResponse]:
    with _translated():
        parsed = parse_url(url)
        if parsed.scheme not in {"http", "https"} or not parsed.host:
            raise Refused("not an http or https address")
        sent = {
            "User-Agent": f"wikidata5m/{version('wikidata5m')}",
            "Accept-Encoding": "identity",
            **(make_headers(basic_auth=parsed.auth) if parsed.auth else {}),
            **headers,
        }
        pool = _pool(parsed.scheme, parsed.host)
        response = pool.request(
            method,
            url,
            headers=sent,
            preload_content=False,
            retries=Retry(total=None, connect=0, read=0, status=0, other=0, redirect=REDIRECTS),
            timeout=Timeout(connect=timeouts.connect, read=timeouts.read),
        )
    try:
        yield response
    finally:
        response.close()
        pool.clear()


def _pool(scheme: str, host: str) -> urllib3.PoolManager:
    """Straight to the host, or by the proxy that the environment names for it."""
    proxies = urllib.request.getproxies()
    proxy = proxies.get(scheme) or proxies.get("all")
    if not proxy or urllib.request.proxy_bypass(host):
        return urllib3.PoolManager()
    parsed = parse_url(proxy if "://" in proxy else f"http://{proxy}")
    auth = make_headers(proxy_basic_auth=parsed.auth) if parsed.auth else {}
    return urllib3.ProxyManager(parsed._replace(auth=None).url, proxy_headers=auth)


@contextmanager
def _translated() -> Iterator[None]:
    """urllib3's exceptions as our two, in words a user understands."""
    try:
        yield
    except MaxRetryError as error:
        reason = error.reason or error
        if isinstance(reason, ResponseError):
            raise Refused(f"more than {REDIRECTS} redirects") from None
        raise _failure(reason) from None
    except LocationValueError as error:
        raise Refused(f"not an address ({error})") from None
    except HTTPError as error:
        raise _failure(error) from None


def _failure(error: Exception) -> Refused | Interrupted:
    if isinstance(error, SSLError):
        return Refused(f"the certificate or TLS failed ({error})")
    if isinstance(error, ProxyError):
        return Unreachable(f"the proxy: {_failure(error.original_error)}")
    if isinstance(error, ConnectTimeoutError):  # before TimeoutError, from which it derives
        return Unreachable(_no_connection(error))
    if isinstance(error, TimeoutError):
        return Interrupted("stalled: no answer in time")
    if isinstance(error, IncompleteRead | ProtocolError):
        return Interrupted("the connection was cut")
    return Interrupted(str(error))


def _no_connection(error: ConnectTimeoutError) -> str:
    if isinstance(error, NameResolutionError):
        return "name not resolved"
    if isinstance(error, NewConnectionError):
        return str(getattr(error.__cause__, "strerror", None) or "no connection").lower()
    return "no connection in time"


def _verdict(response: urllib3.BaseHTTPResponse) -> Refused | Interrupted:
    told = f"answers {response.status} {response.reason or ''}".rstrip()
    if response.status >= 500 or response.status in _BUSY:
        wait = response.headers.get("Retry-After", "")
        return Interrupted(told, float(wait) if wait.isdecimal() else 0.0)
    return Refused(told)


def _refuse_web_page(response: urllib3.BaseHTTPResponse, url: str) -> None:
    """A dead link often answers 200 with a page that says so."""
    kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind in {"text/html", "application/xhtml+xml"} and ".htm" not in url:
        raise Refused("answers with a web page in place of the file")


def _version(response: urllib3.BaseHTTPResponse, whole: int | None) -> Version:
    headers = response.headers
    return Version(
        etag=headers.get("ETag", ""), last_modified=headers.get("Last-Modified", ""), bytes=whole
    )


def _length(response: urllib3.BaseHTTPResponse) -> int | None:
    length = response.headers.get("Content-Length", "")
    return int(length) if length.isdecimal() else None


def _total(response: urllib3.BaseHTTPResponse) -> int | None:
    """The whole file's size: the last number of Content-Range."""
    total = response.headers.get("Content-Range", "").rpartition("/")[2]
    return int(total) if total.isdecimal() else None


def _starts_at(response: urllib3.BaseHTTPResponse, offset: int) -> bool:
    found = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    return found is not None and int(found[1]) == offset


def _continues(known: Version, found: Version) -> bool:
    """Whether nothing that both versions tell differs."""
    pairs = (
        (known.etag, found.etag),
        (known.last_modified, found.last_modified),
        (known.bytes, found.bytes),
    )
    return all(one == other for one, other in pairs if one and other)
