"""Define what gitcoord itself tells people: a code and its values."""

from __future__ import annotations

from typing import Any

from gitcoord.core.shapes import TypedDict

__all__ = ["Said", "Why"]


class Said(TypedDict):
    """What is told to people: a code, and what it was about.

    ``core.sentences`` has the sentence of each code; the ledger has none.
    """

    code: str
    values: dict[str, Any]


Why = str | Said
"""A reason: what somebody said, or what gitcoord says."""
