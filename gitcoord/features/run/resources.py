"""Bound what a run's commands may use, by what the shell can set for them."""

from __future__ import annotations

import re

from gitcoord.core.errors import UsageError
from gitcoord.core.shapes import NamedTuple

__all__ = ["NO_BOUNDS", "Resources", "size_of"]

_SIZE = re.compile(r"(\d{1,9})\s*([kMGT])i?B?", re.ASCII)
_UNITS = {"k": 10, "M": 20, "G": 30, "T": 40}
_LIMITED = 'ulimit -S "$1" "$2" || exit 125; shift 2; '


class Resources(NamedTuple):
    """What each process of a command may use; None leaves it as it is."""

    memory_bytes: int | None = None
    cpu_s: int | None = None

    def around(self, command: list[str]) -> list[str]:
        """Return a command that runs another within these bounds."""
        limits: list[str] = []
        if self.memory_bytes is not None:
            limits += ["-v", str(max(1, self.memory_bytes // 1024))]
        if self.cpu_s is not None:
            limits += ["-t", str(max(1, self.cpu_s))]
        if not limits:
            return command
        script = _LIMITED * (len(limits) // 2) + 'exec "$@"'
        return ["/bin/sh", "-c", script, "sh", *limits, *command]


NO_BOUNDS = Resources()


def size_of(text: str) -> int:
    """Read a size such as 512M or 2G, in bytes.

    Raises:
        UsageError: It is not one.

    """
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        raise UsageError(f"{text!r} is not a size", hint="give one like 512M or 2G")
    return int(found[1]) << _UNITS[found[2]]
