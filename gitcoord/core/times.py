"""Write times for people and scripts; no rule reads them."""

from __future__ import annotations

__all__ = ["instant"]


def instant(seconds: float) -> str:
    """Return a time, in seconds since 1970, as RFC 3339 in UTC."""
    from datetime import UTC, datetime

    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
