"""What was found, in one shape: where, what, and what to do."""

from __future__ import annotations

from gitcoord.core.shapes import NamedTuple

__all__ = ["Finding", "fine", "problem"]


class Finding(NamedTuple):
    """One thing that was looked at; ``state`` is ok, fixed or problem."""

    check: str
    state: str
    text: str
    advice: str


def fine(check: str, text: str, fixed: str = "") -> Finding:
    """Return the finding that something is in order, or has been put in order."""
    return Finding(check, "fixed" if fixed else "ok", text, fixed)


def problem(check: str, text: str, advice: str = "") -> Finding:
    """Return the finding that something needs a person."""
    return Finding(check, "problem", text, advice)
