"""Notice a ``git gc`` that prunes everything unreachable, however young.

Such a gc can take objects that were written after it looked at the refs
and before they are reachable. It names itself in ``gc.pid``, written
before it looks: so a writer that finds none afterwards was not in its way.
"""

from __future__ import annotations

import os
from pathlib import Path

from gitcoord.core import ids
from gitcoord.host.files import read_file
from gitcoord.host.processes import command_of

__all__ = ["pruning_now"]

_NOW = ("--prune=now", "--prune=all")
SHORT_MS = 60_000
MAX_PID_BYTES = 4096


def pruning_now(common_dir: Path) -> int | None:
    """Return the process of a gc that prunes at once, or None.

    One look at a file that is mostly not there is what it costs.
    """
    try:
        text = read_file(f"{common_dir}/gc.pid", MAX_PID_BYTES).decode("ascii", "replace")
    except OSError:
        return None
    word = text.split(" ", 1)[0]
    if not word.isdecimal() or not _is_alive(int(word)):
        return None
    command = command_of(int(word))
    if any(flag in command for flag in _NOW):
        return int(word)
    if "--prune=" in command or "--no-prune" in command:
        return None
    from gitcoord.git.program import Git  # mostly no gc is at work

    expire = Git(common_dir, common_dir).run("config", "--get", "gc.pruneExpire", check=False).text
    if expire in {"now", "all"}:
        return int(word)
    expire_ms = ids.duration_ms(expire) if expire else None
    if expire_ms is not None and expire_ms < SHORT_MS:
        return int(word)
    return None


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
