"""Find the next step where something could not be written, by the system's words."""

from __future__ import annotations

import errno
import os

__all__ = ["is_of_the_system", "remedy"]

_REMEDIES = (
    (("No space left", "Out of diskspace", "quota"), "make room on the disk, and try again"),
    (
        ("Permission denied", "not permitted", "Read-only", "insufficient permission"),
        "check who owns .git and may write there: all that work on a repository run as one user; "
        "in a sandbox without access to .git, run gitcoord outside of it",
    ),
    (("File exists",), "another git is at work there: wait until it is done, and try again"),
)
_OTHERWISE = "put right what it says, and try again; `gitcoord doctor` looks at the surroundings"

_OF_THE_SYSTEM = (
    errno.EIO,
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EMFILE,
    errno.ENFILE,
    errno.ENOMEM,
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
)


_OUT_OF_MEMORY = "fatal: Out of memory"
_OUT_OF_SPACE = " write error. Out of diskspace"
"""What git says without the system's words: one where its write was cut short."""


def is_of_the_system(said: str) -> bool:
    """Return whether git tells in a line of an error of the system's: it is about no object."""
    words = tuple(f": {os.strerror(number)}" for number in _OF_THE_SYSTEM)
    lines = [line.strip() for line in said.splitlines()]
    return any(
        line.endswith((*words, _OUT_OF_SPACE)) or line.startswith(_OUT_OF_MEMORY) for line in lines
    )


def remedy(said: object) -> str:
    """Return the next step after an error of the system's or of git's, by its words."""
    text = str(said)
    for marks, step in _REMEDIES:
        if any(mark in text for mark in marks):
            return step
    return _OTHERWISE
