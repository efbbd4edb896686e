"""Let git work on a copy of a worktree's index, so that the index itself stays as it is."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from gitcoord.git.places import discover
from gitcoord.host.files import copy_file

__all__ = ["PREFIX", "index_copy"]

PREFIX = "gitcoord-trial-"
"""How the names of copies begin; the rest says which process and thread has it."""


@contextmanager
def index_copy(worktree: Path) -> Iterator[Path]:
    """Copy the index of a worktree, if it has one, to a file that only this thread uses.

    It is gone afterwards, and so is the lock of a git that was killed over it:
    who tries again has the same file.
    """
    index = discover(worktree).git_dir / "index"
    copy = index.with_name(f"{PREFIX}{os.getpid()}-{threading.get_ident()}")
    _remove(copy)
    try:
        if index.exists():
            copy_file(index, copy)
        yield copy
    finally:
        _remove(copy)


def _remove(copy: Path) -> None:
    for left in (copy, copy.with_name(f"{copy.name}.lock")):
        with suppress(OSError):
            left.unlink()
