"""Look whether an assistant is installed here, and new enough to be told things."""

from __future__ import annotations

import re
import shutil
import subprocess

__all__ = ["OLDEST", "advice_about"]

OLDEST = {
    "claude": (2, 1, 332),
    "codex": (0, 169, 0),
    "copilot": (1, 0, 102),
    "gemini": (0, 61, 0),
    "opencode": (1, 18, 33),
}
"""The versions that were run with gitcoord; older ones differ where it matters."""
PATIENCE_S = 15.0


def advice_about(assistant: str) -> str:
    """Return what keeps an assistant from working here, or nothing."""
    program = shutil.which(assistant)
    if program is None:
        return f"{assistant} is not on the path here: install it before you start it"
    oldest = OLDEST[assistant]
    wanted = ".".join(map(str, oldest))
    found = _version(program)
    if found is None:
        return f"{assistant} --version was not understood: {wanted} or newer is needed"
    if found < oldest:
        shown = ".".join(map(str, found))
        return (
            f"{assistant} {shown} is older than {wanted}, with which this was tried: hooks may not "
            "be read in linked worktrees, or fail open; update it"
        )
    return ""


def _version(program: str) -> tuple[int, ...] | None:
    """Return the numbers of a program's version; None where it does not say."""
    try:
        asked = subprocess.run(
            [program, "--version"],
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=PATIENCE_S,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(r"\b(\d+)\.(\d+)\.(\d+)\b", asked.stdout[:1000])
    if not found:
        return None
    return tuple(map(int, found.groups()))
