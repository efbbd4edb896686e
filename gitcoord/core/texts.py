"""Shape texts: what people type and what programs print."""

from __future__ import annotations

from gitcoord.core import codec
from gitcoord.core.errors import UsageError
from gitcoord.core.model import MAX_LOG_BYTES, MAX_MESSAGE_BYTES

__all__ = ["first_line", "log_tail", "text_of"]

MAX_LINE_CHARS = 160


def text_of(text: str, what: str) -> str:
    """Return a message as it may stand in the ledger.

    Raises:
        UsageError: It is empty or larger than 4 KiB.

    """
    clean = codec.printable(text, lines=True).strip()
    if not clean:
        raise UsageError(f"the {what} is empty", hint=f"give a {what} of a few words")
    size = len(clean.encode())
    if size > MAX_MESSAGE_BYTES:
        raise UsageError(
            f"the {what} has {size} bytes, and at most {MAX_MESSAGE_BYTES} fit",
            hint="say it shorter, and keep the rest in a file of the work",
        )
    return clean


def first_line(text: str) -> str:
    """Return the first line of a text, cut to what fits into a subject."""
    line = text.strip().split("\n", 1)[0]
    if len(line) <= MAX_LINE_CHARS:
        return line
    return line[: MAX_LINE_CHARS - 1] + "…"


def log_tail(log: bytes) -> bytes:
    """Cut a log to what the ledger keeps, and say so where it was cut."""
    text = codec.printable(log[-MAX_LOG_BYTES:].decode("utf-8", "replace"), lines=True)
    tail = text.encode()
    if len(log) <= MAX_LOG_BYTES and len(tail) <= MAX_LOG_BYTES:
        return tail
    first = f"[{len(log)} bytes in all; this is the end]\n".encode()
    return first + tail[-(MAX_LOG_BYTES - len(first)) :].decode("utf-8", "ignore").encode()
