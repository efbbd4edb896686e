"""Plant in a private file's place what is no file of gitcoord's."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

__all__ = ["IRREGULAR", "REPLACEABLE", "hard_link_to_theirs", "is_theirs_whole"]

THEIRS = "theirs\n" * 100


def _link_to_a_file(path: Path) -> None:
    path.with_name("theirs").write_text(THEIRS)
    path.symlink_to("theirs")


IRREGULAR: dict[str, Callable[[Path], None]] = {
    "a pipe": os.mkfifo,
    "a folder": Path.mkdir,
    "a link": lambda path: path.symlink_to("elsewhere"),
    "a link to a file": _link_to_a_file,
    "a link to itself": lambda path: path.symlink_to(path.name),
    "a device": lambda path: path.symlink_to("/dev/zero"),
}


REPLACEABLE = [kind for kind in IRREGULAR if kind != "a folder"]
"""What a file that is moved to its name takes the place of."""


def hard_link_to_theirs(path: Path) -> None:
    """Make a second name of somebody's file in a private file's place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.with_name("theirs").write_text(THEIRS)
    path.with_name("theirs").chmod(0o644)
    os.link(path.with_name("theirs"), path)


def is_theirs_whole(path: Path) -> bool:
    """Return whether nothing beside a private file was made or changed through it."""
    theirs = path.with_name("theirs")
    if path.with_name("elsewhere").exists():
        return False
    return not theirs.exists() or theirs.read_text() == THEIRS
