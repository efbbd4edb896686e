"""Own the rules of giving a task back: by its holder's wish, or at a usage limit.

Neither counts as a failure. At a limit the task waits for as long as was
said, and its record keeps the session that may go on with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gitcoord.core.codec import printable
from gitcoord.core.errors import UsageError
from gitcoord.core.events import Command, Event
from gitcoord.core.leases import Context
from gitcoord.core.model import RetryDelay
from gitcoord.core.operation import (
    WORDS,
    LineKey,
    Operation,
    Transitions,
    check_interval,
    elapsed_ms,
    holding,
    keys,
    stamp,
    titled,
    why_of,
)
from gitcoord.core.operations.changes import changed, with_setback
from gitcoord.core.operations.preconditions import held
from gitcoord.core.snapshot import Changes, Snapshot, put_task

__all__ = ["LIMIT", "MAX_DELAY_MS", "RELEASE"]

LIMIT = "limit"
"""The kind of a release that a usage limit forced."""
MAX_NAME_CHARS = 200
MAX_DELAY_MS = 31 * 24 * 3600 * 1000
_RELEASED: Transitions = {"claimed": ("open",)}
_AT_LIMIT = {"kind": "", "delay_ms": 0, "boot_id": "", "monotonic_ns": 0, "resume": None}


def decide_release(snapshot: Snapshot, command: Command, context: Context) -> dict[str, Any]:
    """Give the task back; at a limit with a delay, and the session to go on with."""
    decided = {
        **holding(snapshot, command),
        **titled(snapshot, command),
        "reason": command["reason"],
        "spent_ms": elapsed_ms(command.get("begun_ns"), context),
    }
    if command.get("kind", "") != LIMIT:
        return decided
    more = {"kind": LIMIT, "delay_ms": command["delay_ms"], "resume": command["resume"]}
    return {**decided, **stamp(context), **more}


def check_release(snapshot: Snapshot, event: Event) -> None:
    """Refuse a release by anyone but the holder, and a delay where there is no limit."""
    held(snapshot, event, _RELEASED)
    check_interval(event, "spent_ms")
    if event["kind"] == "":
        given: Mapping[str, object] = event
        if any(given[key] != default for key, default in _AT_LIMIT.items()):
            raise UsageError("only a release at a usage limit has a delay and a session")
        return
    if event["kind"] != LIMIT:
        raise UsageError(f"a release is of kind {LIMIT}, or of none")
    delay_ms = event["delay_ms"]
    if type(delay_ms) is not int or not 0 <= delay_ms <= MAX_DELAY_MS:
        raise UsageError("a delay is a number of milliseconds, and at most 31 days")
    resume: Any = event["resume"]
    if resume is None:
        return
    if not isinstance(resume, dict) or resume.keys() != {"assistant", "session"}:
        raise UsageError("a session to go on with has an assistant and a name")
    if not all(_is_name(value) for value in resume.values()):
        raise UsageError(f"a session and an assistant are named in 1 to {MAX_NAME_CHARS} letters")


def _is_name(value: object) -> bool:
    if not isinstance(value, str) or not 0 < len(value) <= MAX_NAME_CHARS:
        return False
    return printable(value) == value


def apply_release(snapshot: Snapshot, event: Event, changes: Changes) -> None:
    """Open the task again; giving back counts as no failure."""
    task = snapshot.require_task(event["task"])
    setbacks = task["setbacks"]
    why = why_of(event)
    if why:
        setbacks = with_setback(task, event, "released", event["agent"], {"reason": why})
    retry: RetryDelay | None = task["retry"]
    if event["delay_ms"]:
        retry = {
            "boot_id": event["boot_id"],
            "monotonic_ns": event["monotonic_ns"],
            "delay_ms": event["delay_ms"],
        }
    after = changed(
        task, state="open", claim=None, setbacks=setbacks, retry=retry, resume=event["resume"]
    )
    put_task(changes, after)


RELEASE = Operation(
    fields=keys("task title token attempt"),
    optional={**WORDS, "spent_ms": None, **_AT_LIMIT},
    transitions=_RELEASED,
    decide=decide_release,
    check=check_release,
    apply=apply_release,
    subject="release {task} by {agent}[ ({kind})]: {title}",
    body="reason",
    batchable=True,
    command="release",
    line={"task": LineKey("task", "task"), "reason": LineKey("text", "reason")},
    is_for_agents=True,
)
"""The row of ``release``, which stands among those of results."""
