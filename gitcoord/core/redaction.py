"""Take secrets out of what commands print, line by line, before it is kept. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

__all__ = ["REDACTED", "Redactor", "compiled"]

REDACTED = b"[redacted]"
MAX_LINE_BYTES = 64 * 1024
"""A longer line is looked at in parts: what lies across a cut is not seen."""


def compiled(patterns: Sequence[str]) -> list[re.Pattern[bytes]]:
    """Return regular expressions for bytes.

    Raises:
        ValueError: One is not a regular expression, or matches nothing at all.

    """
    found = []
    for pattern in patterns:
        try:
            expression = re.compile(pattern.encode())
        except re.error as error:
            raise ValueError(f"{pattern!r} is not a regular expression: {error}") from None
        if expression.match(b""):
            raise ValueError(f"{pattern!r} matches an empty text, and would be everywhere")
        found.append(expression)
    return found


class Redactor:
    """Redacts output that comes in parts; a secret is never cut in two by them."""

    def __init__(self, patterns: Sequence[re.Pattern[bytes]]) -> None:
        self._patterns = patterns
        self._rest = b""

    @property
    def is_needed(self) -> bool:
        """Whether anything is to be redacted."""
        return bool(self._patterns)

    def feed(self, chunk: bytes) -> bytes:
        """Return what can be kept already; the unfinished line waits for its end."""
        if not self._patterns:
            return chunk
        whole, newline, self._rest = (self._rest + chunk).rpartition(b"\n")
        kept = self.redacted(whole + newline)
        if len(self._rest) > MAX_LINE_BYTES:
            kept += self.end()
        return kept

    def end(self) -> bytes:
        """Return the last line, which has no end."""
        rest, self._rest = self._rest, b""
        return self.redacted(rest)

    def redacted(self, text: bytes) -> bytes:
        """Return a text with every match replaced, line by line."""
        if not self._patterns:
            return text
        lines = text.split(b"\n")
        for pattern in self._patterns:
            lines = [pattern.sub(REDACTED, line) for line in lines]
        return b"\n".join(lines)
