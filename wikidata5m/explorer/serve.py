"""The main path of the explorer: open the library, load the models, bind, serve.

    wikidata5m explore DATASET --embeddings RUN --kepler RUN

Imports uvicorn, console, dataset, errors and explorer's modules.
"""

from __future__ import annotations

import contextlib
import ipaddress
import secrets
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlencode

import uvicorn
from starlette.types import ASGIApp

from wikidata5m.console import log
from wikidata5m.dataset import Dataset
from wikidata5m.errors import ConfigError
from wikidata5m.explorer.answerers import load_answerers
from wikidata5m.explorer.app import make_app
from wikidata5m.explorer.guard import policy_for
from wikidata5m.explorer.library import Library
from wikidata5m.explorer.prompt import PromptProtocol

NEW: Final = "new"
LEAST_TOKEN: Final = 16
AT_ONCE: Final = 200
"""Connections; further ones are told that the server is busy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where to listen, and the secret that readers must know."""

    host: str
    port: int
    token: str
    numeric: tuple[str, ...]
    """The IP addresses that the host means, found once: what is checked is what is bound."""

    @classmethod
    def of(cls, host: str, port: int, token: str) -> Address:
        """Raises ConfigError for a host without address, or in reach of others without a token.

        Also for a token that is soon guessed, or that no cookie holds.
        """
        if token and token != NEW and len(token) < LEAST_TOKEN:
            raise ConfigError(
                f"--token: at least {LEAST_TOKEN} characters, or it is soon guessed; "
                f"`--token {NEW}` makes one"
            )
        if not (token.isascii() and token.isprintable()):
            raise ConfigError(
                f"--token: letters, digits and signs of ASCII alone; `--token {NEW}` makes one"
            )
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            raise ConfigError(f"--host {host}: no address of this machine") from None
        # An IPv6 address may carry its network interface behind a %.
        numeric = tuple(str(each[4][0]).partition("%")[0] for each in found)
        if not token and not all(ipaddress.ip_address(each).is_loopback for each in numeric):
            raise ConfigError(
                f"--host {host} can be reached from other machines, so a token is needed: "
                f"pass `--token {NEW}`, which makes one, or a secret in WIKIDATA5M_TOKEN; or leave "
                "--host out"
            )
        token = secrets.token_urlsafe(24) if token == NEW else token
        return cls(host=host, port=port, token=token, numeric=numeric)

    def bind(self) -> socket.socket:
        """A socket that listens. Raises ConfigError when the port is taken."""
        first = self.numeric[0]
        family = socket.AF_INET6 if ":" in first else socket.AF_INET
        try:
            listening = socket.create_server((first, self.port), family=family)
        except OSError as error:
            raise ConfigError(
                f"cannot listen at {self.host} port {self.port} ({error.strerror}); name another "
                "--port, or 0 for any that is free"
            ) from None
        # Or else a page's last bytes wait 40 ms for the reader to confirm the first ones.
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return listening


def explore(
    folder: Path, runs: Sequence[tuple[str, Path]], address: Address, *, show: bool = False
) -> None:
    """Serve until interrupted; with `show`, open the reader's browser.

    `runs` are (kind, run folder), kinds as the entry points of `answerers`. Raises Wikidata5MError
    before the first request, for whatever cannot be opened or bound.
    """
    dataset = Dataset(folder)
    library = Library(dataset)
    models = load_answerers(runs, dataset)
    with address.bind() as listening:
        policy = policy_for(address.host, address.numeric, socket.gethostname(), address.token)
        told = _url(address.host, listening.getsockname()[1], address.token)
        log(f"{library.name}: {dataset.num_entities:,} entities, at {told} (Ctrl-C ends)")
        if show:
            import webbrowser  # noqa: PLC0415 - looks for browsers when imported

            webbrowser.open(told)
        _serve(make_app(library, models, policy), listening)


def _serve(app: ASGIApp, listening: socket.socket) -> None:
    with contextlib.suppress(KeyboardInterrupt):  # how a reader ends it, and no failure
        make_server(app).run(sockets=[listening])


def make_server(app: ASGIApp) -> uvicorn.Server:
    """A server with limits on what one client may hold."""
    config = uvicorn.Config(
        app,
        http=PromptProtocol,
        limit_concurrency=AT_ONCE,
        log_level="warning",
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=15,
        timeout_graceful_shutdown=3,
        lifespan="off",
        ws="none",
    )
    return uvicorn.Server(config)


def _url(host: str, port: int, token: str) -> str:
    """What to open: a host that means every address of the machine is called by its name."""
    name = socket.gethostname() if host in {"0.0.0.0", "::"} else host  # noqa: S104 - compared
    name = f"[{name}]" if ":" in name else name
    return f"http://{name}:{port}/" + (f"?{urlencode({'token': token})}" if token else "")
