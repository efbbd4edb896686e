"""Coordinate many agents on one git repository, with git alone.

``gitcoord.open(path)`` gives a ``Coordinator`` for long-lived callers; the
command line is ``gitcoord``. Everything else is private.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gitcoord.api import Coordinator, Held, HeldReview
    from gitcoord.api import open_coordinator as open  # noqa: A004 - gitcoord.open reads best
    from gitcoord.core.errors import (
        ClaimLostError,
        ConflictError,
        CorruptError,
        GitcoordError,
        InvalidPlanError,
        NotFoundError,
        NothingReadyError,
        PlanFinishedError,
        RefusedError,
        UnavailableError,
        UnknownError,
        UsageError,
    )

__all__ = [
    "ClaimLostError",
    "ConflictError",
    "Coordinator",
    "CorruptError",
    "GitcoordError",
    "Held",
    "HeldReview",
    "InvalidPlanError",
    "NotFoundError",
    "NothingReadyError",
    "PlanFinishedError",
    "RefusedError",
    "UnavailableError",
    "UnknownError",
    "UsageError",
    "open",
]


def __getattr__(name: str) -> Any:
    """Load the interface when it is first used: a one-shot command is not."""
    if name == "__version__":
        from gitcoord.core.version import VERSION

        return VERSION
    if name not in __all__:
        raise AttributeError(f"module 'gitcoord' has no attribute {name!r}")
    from gitcoord import api
    from gitcoord.core import errors

    if name == "open":
        return api.open_coordinator
    return getattr(api, name, None) or getattr(errors, name)
