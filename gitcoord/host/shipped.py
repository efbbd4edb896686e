"""Find the hooks and templates that are shipped with the package."""

from __future__ import annotations

from pathlib import Path

__all__ = ["shipped"]


def shipped(kind: str) -> Path:
    """Return the folder ``hooks`` or ``templates``.

    It lies inside an installed package, and beside it in a source tree.
    """
    package = Path(__file__).parents[1]
    inside = package / "_shipped" / kind
    if inside.is_dir():
        return inside
    return package.parent / kind
