"""What every request must pass before a page sees it, and the headers of every response.

Imports starlette. Plain ASGI, around the whole application.

A page on the loopback address is in reach of any web site that the reader's browser visits: by a
name that it points at 127.0.0.1 (DNS rebinding), so the Host header must name this server; and by a
form that it submits, so a POST must come from our own pages.
"""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl, urlencode

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

COOKIE: Final = "wikidata5m-explore-{}"
"""By port, since browsers send a cookie to every port of a host."""
LARGEST_BODY: Final = 100_000
"""Bytes: a text of library.LONGEST_TEXT characters may take nine each, as in %E3%81%82."""
HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Who may ask."""

    hosts: frozenset[str]
    """Names by which this server may be called, lower case, without port."""
    addresses: bool
    """Whether it may be called by any IP address: no address can be rebound."""
    token: str = ""
    """What a reader must know; empty where loopback is guard enough."""

    def host_is_ours(self, host: str) -> bool:
        """Whether a Host header names this server."""
        name = _host_name(host)
        return name in self.hosts or (self.addresses and _is_address(name))

    def knows(self, token: str) -> bool:
        """Whether this is the token, in a time that does not tell how much of it is right."""
        return not self.token or hmac.compare_digest(token.encode(), self.token.encode())


class Guard:
    """The application behind its policy."""

    def __init__(self, app: ASGIApp, policy: Policy) -> None:
        self.app, self.policy = app, policy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer it here."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
            await send(message)

        refusal = self._refuse(scope)
        await (refusal or self.app)(scope, receive, guarded)

    def _refuse(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if not self.policy.host_is_ours(host):
            return PlainTextResponse("This server is not called by that name.\n", 421)
        if scope["method"] not in {"GET", "HEAD", "POST"}:
            return PlainTextResponse("GET and POST alone.\n", 405)
        if scope["method"] == "POST":
            origin = headers.get("origin")
            if origin is not None and origin.partition("://")[2].lower() != host.lower():
                return PlainTextResponse("Forms of other sites are not taken.\n", 403)
            if not _is_small(headers):
                return PlainTextResponse("The text is too long.\n", 413)
        return self._ask_for_token(scope, headers)

    def _ask_for_token(self, scope: Scope, headers: Headers) -> Response | None:
        """None for a reader who knows the token, by cookie or Authorization header.

        One in the address is put into a cookie, and the address is left without it, so that it
        stands in no history and no screenshot.
        """
        if not self.policy.token:
            return None
        bearer = headers.get("authorization", "").removeprefix("Bearer ")
        name = COOKIE.format((scope.get("server") or ("", 0))[1])
        cookie = cookie_parser(headers.get("cookie", "")).get(name, "")
        if self.policy.knows(cookie) or self.policy.knows(bearer):
            return None
        pairs = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        given = dict(pairs).get("token", "")
        if given and scope["method"] == "GET" and self.policy.knows(given):
            rest = urlencode([pair for pair in pairs if pair[0] != "token"])
            # One slash: an address that begins with two names another host.
            path = "/" + scope["path"].lstrip("/\\")
            response = RedirectResponse(f"{path}?{rest}" if rest else path, 303)
            response.set_cookie(name, given, httponly=True, samesite="lax")
            return response
        return PlainTextResponse(
            "This server asks for a token: open the address that it printed when it was started.\n",
            401,
            {"WWW-Authenticate": "Bearer"},
        )


def _is_small(headers: Headers) -> bool:
    """Whether the body has a length, and a small one."""
    length = headers.get("content-length", "")
    # So many digits at most, since one may begin with any number of zeros.
    return (
        length.isascii() and length.isdigit() and len(length) <= 9 and int(length) <= LARGEST_BODY
    )


def _host_name(host: str) -> str:
    """Without the port: "name:80", "1.2.3.4:80", "[::1]:80"."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower()


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def policy_for(host: str, addresses: Iterable[str], machine: str, token: str) -> Policy:
    """The policy of a server bound to `host`, which means these addresses, on this machine."""
    local = all(ipaddress.ip_address(each).is_loopback for each in addresses)
    names = {host.lower(), "localhost", "127.0.0.1", "::1"} | (
        set() if local else {machine.lower()}
    )
    return Policy(hosts=frozenset(names), addresses=not local, token=token)
