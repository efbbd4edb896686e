"""Read the times that people type."""

from __future__ import annotations

from gitcoord.cli.app import App
from gitcoord.core import ids
from gitcoord.core.errors import UsageError
from gitcoord.core.ids import Oid

__all__ = ["entry_or_time", "read_time"]


def read_time(app: App, text: str) -> int:
    """Read a time, or a duration as so long ago, as seconds since 1970.

    Raises:
        UsageError: It is neither.

    """
    from datetime import UTC, datetime

    ago_ms = ids.duration_ms(text)
    if ago_ms is not None:
        return app.work.clock.seconds() - ago_ms // 1000
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f"{text!r} is not a time",
            hint="give one like 2026-11-24T10:00:00Z, or 2h for two hours ago",
        ) from None
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    return int(when.timestamp())


def entry_or_time(app: App, text: str | None) -> tuple[Oid | None, int | None]:
    """Read what names an entry, or else a time: the oid, or seconds since 1970.

    Raises:
        NotFoundError: It names no commit.
        UsageError: It looks like a time, and is none.

    """
    if text is None:
        return None, None
    is_date = text[:4].isdigit() and text[4:5] == "-"
    if is_date or ids.duration_ms(text) is not None:
        return None, read_time(app, text)
    from gitcoord.git.merges import resolve

    return resolve(app.work.git, text), None
