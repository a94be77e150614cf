"""A web server on loopback that misbehaves on request. No test reaches another machine."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Served:
    """A path's content, and how the server treats those who ask for it."""

    body: bytes
    etag: str = '"one"'
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    ranges: bool = True
    head: bool = True
    redirect: str = ""
    cut_after: list[int] = field(default_factory=list)
    """Each request takes one: the connection is cut after so many bytes."""
    stall_after: list[int] = field(default_factory=list)
    """Each request takes one: after so many bytes nothing more comes until the server ends."""
    fail_first: list[int] = field(default_factory=list)
    """Each request takes one: it is answered with this status."""


@dataclass
class Server:
    """Serves `files` by path; `requests` are (method, path, Range header)."""

    url: str
    files: dict[str, Served] = field(default_factory=dict)
    requests: list[tuple[str, str, str]] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def put(self, path: str, body: bytes, **behaviour: object) -> str:
        """Serve `body` at `path`; returns its address."""
        self.files[path] = Served(body, **behaviour)  # type: ignore[arg-type]
        return f"{self.url}{path}"

    def ranges(self, path: str) -> list[str]:
        """The Range headers of the GET requests for `path`, in order; "" for none."""
        return [asked for method, at, asked in self.requests if method == "GET" and at == path]


@contextmanager
def serve() -> Iterator[Server]:
    """Run the server for as long as the block does."""
    httpd = _Quiet(("127.0.0.1", 0), _Handler)
    server = Server(f"http://127.0.0.1:{httpd.server_port}")
    httpd.content = server  # type: ignore[attr-defined]
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.over.set()
        httpd.shutdown()
        thread.join()
        httpd.server_close()


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away is part of the tests."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer("GET")

    def do_HEAD(self) -> None:
        self._answer("HEAD")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Stay quiet."""

    def _answer(self, method: str) -> None:
        server: Server = self.server.content  # type: ignore[attr-defined]
        path = self.path.partition("?")[0]
        server.requests.append((method, path, self.headers.get("Range", "")))
        served = server.files.get(path)
        if served is None:
            self._send(404, {}, b"no such file", method)
        elif served.redirect:
            self._send(302, {"Location": served.redirect}, b"", method)
        elif method == "HEAD" and not served.head:
            self._send(405, {}, b"", method)
        elif served.fail_first:
            self._send(served.fail_first.pop(0), served.headers, b"busy", method)
        elif served.status != 200:
            self._send(served.status, served.headers, b"no", method)
        else:
            self._file(served, method, server)

    def _file(self, served: Served, method: str, server: Server) -> None:
        status, body = 200, served.body
        headers = {"ETag": served.etag, **served.headers}
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        validators = {served.etag, served.headers.get("Last-Modified", "")}
        same = self.headers.get("If-Range", served.etag) in validators
        if asked and served.ranges and same:
            first, last = int(asked[1]), int(asked[2] or len(body) - 1)
            if first >= len(body):
                self._send(416, {"Content-Range": f"bytes */{len(body)}"}, b"", method)
                return
            headers["Content-Range"] = f"bytes {first}-{last}/{len(body)}"
            status, body = 206, body[first : last + 1]
        cut = served.cut_after.pop(0) if method == "GET" and served.cut_after else None
        stall = served.stall_after.pop(0) if method == "GET" and served.stall_after else None
        self._send(status, headers, body, method, cut=cut, stall=stall, over=server.over)

    def _send(
        self,
        status: int,
        headers: dict[str, str],
        body: bytes,
        method: str,
        *,
        cut: int | None = None,
        stall: int | None = None,
        over: threading.Event | None = None,
    ) -> None:
        self.send_response(status, HTTPStatus(status).phrase)
        for name, value in ({"Content-Length": str(len(body))} | headers).items():
            if value:
                self.send_header(name, value)
        self.end_headers()
        if method == "HEAD":
            return
        try:
            self.wfile.write(body[: stall if cut is None else cut])
            self.wfile.flush()
            if stall is not None and over is not None:
                over.wait(30)
        except OSError:
            pass
        if cut is not None or stall is not None:
            self.close_connection = True
