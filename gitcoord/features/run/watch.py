"""Watch a ledger: what happens, and how the answers to the orchestrator's questions change."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

from gitcoord.core.ids import Oid
from gitcoord.features.inspect import facts
from gitcoord.features.inspect.events import EVERYTHING, lines_after
from gitcoord.features.maintain.overview import overview
from gitcoord.features.work.wait import wait_for_change
from gitcoord.features.workspace import Workspace

__all__ = ["ITEMS", "key_of", "watch"]

EVERY_S = 30.0
"""How often it is looked at without a move of the ledger: time makes a holder late."""
ITEMS = ("needs_you", "stuck", "running", "next")


def key_of(item: dict[str, Any]) -> tuple[Any, ...]:
    """Return what an item is about: how long it lasts already is told beside it."""
    return item["kind"], item["task"], item["phase"], item["agent"], item["command"]


def watch(
    work: Workspace, *, is_once: bool = False, stop: threading.Event | None = None
) -> Iterator[dict[str, Any]]:
    """Tell how a ledger stands, and again after each change, with the events between.

    ``is_once`` ends after the first, and ``stop`` soon after it is set.
    """
    cursor: Oid | None = None
    shown: Any = None
    while stop is None or not stop.is_set():
        status = facts.status(work)
        tip = status["tip"]
        told = overview(work, work.ledger.snapshot(tip), status)
        events: list[dict[str, Any]] = []
        if cursor is not None:
            events = list(lines_after(work, tip, cursor, EVERYTHING))
        about = [[key_of(item) for item in told[name]] for name in ITEMS]
        if events or about != shown:
            yield {
                "tip": tip,
                "git": status["git"],
                "counts": status["counts"],
                **told,
                "events": events,
            }
        if is_once:
            return
        cursor, shown = tip, about
        wait_for_change(work, tip, EVERY_S, stop)
