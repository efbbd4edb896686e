"""A line to a server that is slow, breaks in the middle, or is dead."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from queue import SimpleQueue

__all__ = ["Line", "dead_line", "line"]

_BYTES = 65536
_END = b""


class Line:
    """A port that passes on to another one what it is told.

    Whoever listens on the other side is found under ``port``.
    """

    def __init__(self, to: int, delay_s: float = 0.0) -> None:
        self.delay_s = delay_s
        """How long whatever is said is under way, either way; a round trip takes twice that."""
        self.is_down = False
        """Whether new connections are turned away at once."""
        self.cut_after: int | None = None
        """After how many bytes from the client the line breaks, once."""
        self.sent = self.received = 0
        """The bytes that came from clients, and went to them."""
        self._to = to
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()
        self._talks: list[threading.Thread] = []

    def close(self) -> None:
        """Take no more connections, and wait for the end of those that there are."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()
        for talk in self._talks:
            talk.join(10)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self.is_down:
                client.close()
                continue
            self._talks = [talk for talk in self._talks if talk.is_alive()]
            talk = threading.Thread(target=self._talk, args=(client,), daemon=True)
            self._talks.append(talk)
            talk.start()

    def _talk(self, client: socket.socket) -> None:
        # A connection is asked for on one way, and may be used after the way back.
        time.sleep(self.delay_s)
        try:
            server = socket.create_connection(("127.0.0.1", self._to))
        except OSError:
            client.close()
            return
        with client, server:
            for end in (client, server):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            back = threading.Thread(target=self._pass_on, args=(server, client, False), daemon=True)
            back.start()
            time.sleep(self.delay_s)
            self._pass_on(client, server, True)
            back.join()

    def _pass_on(self, source: socket.socket, sink: socket.socket, is_client: bool) -> None:
        """Take in what is said, while what was said before is still under way."""
        pieces: SimpleQueue[tuple[float, bytes]] = SimpleQueue()
        arrival = threading.Thread(target=_deliver, args=(pieces, source, sink), daemon=True)
        arrival.start()
        try:
            while content := source.recv(_BYTES):
                if is_client:
                    self.sent += len(content)
                else:
                    self.received += len(content)
                if is_client and self._is_cut(len(content)):
                    _break(source, sink)
                    break
                pieces.put((time.monotonic() + self.delay_s, content))
        except OSError:
            _break(source, sink)
        pieces.put((time.monotonic() + self.delay_s, _END))
        arrival.join()

    def _is_cut(self, count: int) -> bool:
        if self.cut_after is None:
            return False
        self.cut_after -= count
        if self.cut_after > 0:
            return False
        self.cut_after = None
        return True


def _deliver(
    pieces: SimpleQueue[tuple[float, bytes]], source: socket.socket, sink: socket.socket
) -> None:
    """Hand each piece over when it is due, in their order, up to the end."""
    try:
        while True:
            due, content = pieces.get()
            time.sleep(max(0.0, due - time.monotonic()))
            if content == _END:
                sink.shutdown(socket.SHUT_WR)
                return
            sink.sendall(content)
    except OSError:
        _break(source, sink)


def _break(*ends: socket.socket) -> None:
    for end in ends:
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


@contextmanager
def line(url: str, delay_s: float = 0.0) -> Iterator[tuple[Line, str]]:
    """Put a line before a server; yields it, and the URL that goes over it."""
    port = url.partition("127.0.0.1:")[2].partition("/")[0]
    between = Line(int(port), delay_s)
    try:
        yield between, url.replace(f":{port}", f":{between.port}", 1)
    finally:
        between.close()


@contextmanager
def dead_line() -> Iterator[int]:
    """Listen on a port, and never answer anybody; yields the port."""
    with socket.create_server(("127.0.0.1", 0), backlog=16) as listener:
        yield listener.getsockname()[1]
