"""Recognise paths that a shell or an assistant means otherwise than we do.

Each of them is a name that git would take; none is one that people use.
``?`` fits any character, so that a file which really has such a name can
still be named.
"""

from __future__ import annotations

import re

__all__ = ["habit_of", "two_paths_in"]

_BRACES = re.compile(r"\{[^{}]*(?:,|\.\.)[^{}]*\}")
_VARIABLE = re.compile(r"\$(?:\{\w+\}|\(|[A-Z][A-Z0-9_]*(?=/|$))|%[A-Z][A-Z0-9_]*%")
_TWO = re.compile(r"\S[,;]\s*\S")
_OTHERWISE = "a name that really has it is written with ? in its place"


def habit_of(pattern: str) -> str | None:
    """Return what a pattern seems to mean and how that is written, or None."""
    if pattern != pattern.strip():
        return f"a path begins and ends without a space: write {pattern.strip()!r}"
    if _BRACES.search(pattern):
        first = expand_braces(pattern)
        shown = ", ".join(f'"{one}"' for one in first[:3])
        return f"braces are not expanded: write each path as a text of its own: {shown}"
    if pattern == "~" or pattern.startswith("~/"):
        return "~ is not expanded: a path is relative to the repository's root"
    if _VARIABLE.search(pattern):
        return f"variables are not expanded: write the path itself ({_OTHERWISE})"
    if _TWO.search(pattern) and _are_paths(re.split(r"[,;]\s*", pattern)):
        return f"these seem to be several paths: write each as a text of its own ({_OTHERWISE})"
    if any(part != part.strip() for part in pattern.split("/")):
        if _are_paths(pattern.split()):
            return "these seem to be several paths: write each as a text of its own"
        return f"no part of a path begins or ends with a space ({_OTHERWISE})"
    return None


def two_paths_in(pattern: str) -> bool:
    """Return whether a pattern with spaces may be several paths in one text.

    A folder may have a space in its name, so that this is worth a notice
    and not a refusal.
    """
    parts = pattern.split(" ")
    return len(parts) > 1 and all("/" in part.strip("/") for part in parts)


def expand_braces(pattern: str) -> list[str]:
    """Return the paths that a shell would make of the first braces."""
    found = _BRACES.search(pattern)
    if found is None:
        return [pattern]
    inside = found[0][1:-1]
    if "," not in inside:
        return [pattern.replace(found[0], end, 1) for end in inside.split("..")]
    return [pattern.replace(found[0], one.strip(), 1) for one in inside.split(",")]


def _are_paths(parts: list[str]) -> bool:
    """Return whether each part looks like a path of its own."""
    return len(parts) > 1 and all("/" in part or "." in part or "*" in part for part in parts)
