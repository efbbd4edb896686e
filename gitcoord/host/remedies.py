"""Find the next step where something could not be written, by the system's words."""

from __future__ import annotations

__all__ = ["remedy"]

_REMEDIES = (
    (("No space left", "quota"), "make room on the disk, and try again"),
    (
        ("Permission denied", "not permitted", "Read-only", "insufficient permission"),
        "check who owns .git and may write there: all that work on a repository run as one user; "
        "in a sandbox without access to .git, run gitcoord outside of it",
    ),
    (("File exists",), "another git is at work there: wait until it is done, and try again"),
)
_OTHERWISE = "put right what it says, and try again; `gitcoord doctor` looks at the surroundings"


def remedy(said: object) -> str:
    """Return the next step after an error of the system's or of git's, by its words."""
    text = str(said)
    for marks, step in _REMEDIES:
        if any(mark in text for mark in marks):
            return step
    return _OTHERWISE
