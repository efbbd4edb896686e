"""Serve a ledger's report to a browser of this machine, drawn anew as the ledger changes.

Nothing is written, and nothing is told but to who shows the token. It stands
in the address behind ``#``, which browsers send to no server, and comes back
in a header.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingTCPServer
from typing import Any

from gitcoord.core.errors import GitcoordError, UnavailableError
from gitcoord.core.report_page import content, live_page
from gitcoord.core.web_requests import HEADERS, PAGE, Request, page_policy, refusal
from gitcoord.features.maintain.report import report_facts
from gitcoord.features.workspace import open_workspace
from gitcoord.git.program import GitError
from gitcoord.host.clock import Clock, Deadline

__all__ = ["Web", "serving"]

ADDRESS = "127.0.0.1"
ANSWER_WITHIN_S = 20.0
"""How long a request waits for something new before it is told that there is nothing."""
SOCKET_S = 30.0
POLL_S = 0.1
"""How often it looks whether it has to end."""
MAX_REQUESTS = 16
"""At a time: each has a thread of its own."""
REST = 3
"""After a drawing it rests so many times as long as that took."""
_HTML = "text/html; charset=utf-8"
_TEXT = "text/plain; charset=utf-8"


class Web:
    """The report of one ledger, drawn when somebody asks and something is new."""

    def __init__(self, start: Path, ledger: str) -> None:
        self._clock = Clock()
        self.token = str(self._clock.token())
        self.port = 0
        self._start = start
        self._ledger = ledger
        self._news = threading.Condition()
        self._count = 1
        self._drawing = threading.Lock()
        self._drawn = (0, b"")
        self._rest = Deadline(self._clock, 0)

    @property
    def host(self) -> str:
        """The address and the port that are served."""
        return f"{ADDRESS}:{self.port}"

    @property
    def url(self) -> str:
        """What a person opens."""
        return f"http://{self.host}/#{self.token}"

    def changed(self) -> None:
        """Let who waits know that there is something new."""
        with self._news:
            self._count += 1
            self._news.notify_all()

    def newer(self, seen: str, seconds: float) -> tuple[str, bytes] | None:
        """Return the report with its tag, once it has another one than ``seen``.

        None when the time is up.

        Raises:
            GitcoordError: There is nothing to report on.

        """
        with self._news:
            if not self._news.wait_for(lambda: _tag(self._count) != seen, seconds):
                return None
        with self._drawing:
            # Read before the ledger is: what changes meanwhile is drawn again.
            count = self._count
            if self._drawn[0] != count:
                self._clock.sleep(self._rest.remaining())
                self._drawn = (count, self._draw())
            return _tag(self._drawn[0]), self._drawn[1]

    def _draw(self) -> bytes:
        begun_ns = self._clock.monotonic_ns()
        work = open_workspace(self._start, self._ledger)
        try:
            source = content(report_facts(work)).encode()
        finally:
            work.close()
        took_s = (self._clock.monotonic_ns() - begun_ns) / 1e9
        self._rest = Deadline(self._clock, REST * took_s)
        return source


def _tag(count: int) -> str:
    return f'"{count}"'


@contextmanager
def serving(start: Path, ledger: str, port: int = 0) -> Iterator[Web]:
    """Serve a ledger's report on a port of this machine, any free one for 0, until the end.

    Raises:
        UnavailableError: The port cannot be had.

    """
    web = Web(start, ledger)
    try:
        server = _Server(web, port)
    except OSError as error:
        raise UnavailableError(
            f"port {port} of {ADDRESS} cannot be had: {error.strerror}",
            hint="name another port, or none for any that is free",
        ) from None
    web.port = server.server_address[1]
    thread = threading.Thread(
        target=server.serve_forever, args=(POLL_S,), name="gitcoord-web", daemon=True
    )
    thread.start()
    try:
        yield web
    finally:
        server.shutdown()
        server.server_close()


class _Server(ThreadingTCPServer):
    """Answers each request in a thread that ends with the program."""

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False

    def __init__(self, web: Web, port: int) -> None:
        self.web = web
        self._free = threading.Semaphore(MAX_REQUESTS)
        super().__init__((ADDRESS, port), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._free.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of who went away in the middle."""


class _Handler(BaseHTTPRequestHandler):
    """Answers one request."""

    server: _Server
    timeout = SOCKET_S

    def _answer(self) -> None:
        web = self.server.web
        refused = refusal(self._request(), web.host, web.token)
        if refused is not None:
            self._send(refused.status, _TEXT, refused.text.encode())
        elif self.path == PAGE:
            self._send(200, _HTML, live_page().encode())
        else:
            self._report(web)

    def __getattr__(self, name: str) -> Any:
        """Judge every method that a request may name in one way."""
        if name.startswith("do_"):
            return self._answer
        raise AttributeError(name)

    def _report(self, web: Web) -> None:
        try:
            found = web.newer(self.headers.get("If-None-Match", ""), ANSWER_WITHIN_S)
        except (GitcoordError, GitError, OSError) as error:
            self._send(503, _TEXT, str(error).encode())
            return
        if found is None:
            self._send(304, _HTML, b"")
        else:
            self._send(200, _HTML, found[1], tag=found[0])

    def _request(self) -> Request:
        names = ("Host", "Origin", "Sec-Fetch-Site", "Authorization")
        sent = [tuple(map(str, self.headers.get_all(name, ()))) for name in names]
        return Request(self.command, self.path, *sent)

    def _send(self, status: int, kind: str, body: bytes, *, tag: str | None = None) -> None:
        self.send_response(status)
        for name, value in HEADERS.items():
            self.send_header(name, value)
        self.send_header("Content-Security-Policy", page_policy(self.path))
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        if status == 405:
            self.send_header("Allow", "GET, HEAD")
        if tag is not None:
            self.send_header("ETag", tag)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer what is not a request that can be read."""
        self.path = getattr(self, "path", "")
        self._send(code, _TEXT, b"that cannot be read")

    def version_string(self) -> str:
        """Tell no versions."""
        return "gitcoord"

    def log_message(self, *_: object) -> None:
        """Keep no log: the terminal shows what happens in the ledger."""
