"""A connection is closed whose client does not take its turn in time. Imports uvicorn and h11.

uvicorn gives an idle connection a time, but none to one whose request is half there, nor to one
that does not read its answer: a few hundred such clients would hold all connections that may be.
"""

from __future__ import annotations

import asyncio
from typing import Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

TURN_SECONDS: Final = 20.0
"""From the connection's beginning, or an answer's end, until the next request is whole."""
COMING: Final = frozenset({h11.IDLE, h11.SEND_BODY})
"""States of a client whose request is not whole."""


class PromptProtocol(H11Protocol):
    """uvicorn's protocol with a time for the client's turn; an answer takes as long as it takes."""

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._set_deadline()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.their_state not in COMING:
            self._unset_deadline()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        # A request that was sent ahead may be whole already.
        if self.transport.is_closing() or self.conn.their_state in COMING:
            self._set_deadline()

    def connection_lost(self, exc: Exception | None) -> None:
        self._unset_deadline()
        super().connection_lost(exc)

    def _set_deadline(self) -> None:
        self._unset_deadline()
        self._deadline = self.loop.call_later(TURN_SECONDS, self.transport.abort)

    def _unset_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
