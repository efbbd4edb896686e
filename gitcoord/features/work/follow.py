"""Follow a ledger: tell each entry as it comes, exactly once."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

from gitcoord.core.ids import Oid
from gitcoord.features.inspect.chain import entries
from gitcoord.features.inspect.events import Wanted, event_line, is_wanted, lines_after
from gitcoord.features.work.wait import LONGEST_WAIT_S, wait_for_change
from gitcoord.features.workspace import Workspace

__all__ = ["follow", "newest"]


def newest(work: Workspace, tip: Oid, wanted: Wanted, limit: int) -> list[dict[str, Any]]:
    """Return the newest entries that are asked for, oldest first."""
    links = (link for link in entries(work, tip) if is_wanted(work, link, wanted))
    return [event_line(work, link) for link in islice(links, limit)][::-1]


def follow(
    work: Workspace, cursor: Oid | None, wanted: Wanted, *, is_once: bool = False
) -> Iterator[dict[str, Any]]:
    """Tell what comes after an entry that is asked for, and wait for more.

    ``is_once`` ends at the newest entry. Whoever is cut off goes on from the
    last line that it read, whatever was rolled back meanwhile.

    Raises:
        NotFoundError: The entry is not of this ledger's history.

    """
    while True:
        tip = work.ledger.snapshot().oid
        yield from lines_after(work, tip, cursor, wanted)
        if is_once:
            return
        cursor = tip
        while not wait_for_change(work, tip, LONGEST_WAIT_S):
            continue
