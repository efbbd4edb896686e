"""Own the rules of usage: what a session of an assistant used up is written down.

It is told after the session has ended, which mostly is after the end of the
attempt or review that it was for: an assistant hands in itself, and goes on
for some words. So it is an entry of its own, and changes no record: it may
come when the phase has landed already.
"""

from __future__ import annotations

from typing import Any

from gitcoord.core.codec import printable
from gitcoord.core.errors import UsageError
from gitcoord.core.events import Command, Event
from gitcoord.core.leases import Context
from gitcoord.core.operation import Operation, keys, titled
from gitcoord.core.operations.preconditions import require_author
from gitcoord.core.snapshot import Changes, Snapshot

__all__ = ["OPERATIONS"]

MAX_NAME_CHARS = 200
MAX_COUNT = 10**15
_NAMES = frozenset({"assistant", "version", "model", "session"})
_COUNTS = frozenset({"input_tokens", "cached_tokens", "output_tokens", "cost_micros"})


def decide_usage(snapshot: Snapshot, command: Command, _context: Context) -> dict[str, Any]:
    """Say for which attempt or review it was, by its token."""
    return {**titled(snapshot, command), "token": command["token"], "usage": command["usage"]}


def check_usage(snapshot: Snapshot, event: Event) -> None:
    """Refuse what is not a usage, or is about no task."""
    require_author(snapshot, event)
    task = snapshot.require_task(event["task"])
    if event["title"] != task["spec"]["title"]:
        raise UsageError("the event names another title than the task has")
    if not isinstance(event["token"], str) or not event["token"]:
        raise UsageError("usage names the token of an attempt or of a review")
    usage: Any = event["usage"]
    if not isinstance(usage, dict) or usage.get("source") not in {"reported", "estimated"}:
        raise UsageError("usage is an object whose source is reported or estimated")
    unknown = usage.keys() - _NAMES - _COUNTS - {"source"}
    if unknown or "assistant" not in usage:
        raise UsageError("usage has an assistant, and no key that is not known")
    for key in usage.keys() & _NAMES:
        if not _is_name(usage[key]):
            raise UsageError(f"{key} is a text of 1 to {MAX_NAME_CHARS} characters")
    for key in usage.keys() & _COUNTS:
        if type(usage[key]) is not int or not 0 <= usage[key] <= MAX_COUNT:
            raise UsageError(f"{key} is a whole number, and not negative")


def _is_name(value: object) -> bool:
    if not isinstance(value, str) or not 0 < len(value) <= MAX_NAME_CHARS:
        return False
    return printable(value) == value


def apply_usage(_snapshot: Snapshot, _event: Event, _changes: Changes) -> None:
    """Change nothing: the history tells what was used."""


OPERATIONS = {
    "usage": Operation(
        fields=keys("task title token usage"),
        decide=decide_usage,
        check=check_usage,
        apply=apply_usage,
        subject="usage {task} by {agent}: {usage/assistant}[, {usage/input_tokens} tokens in]"
        "[, {usage/output_tokens} out]",
    ),
}
