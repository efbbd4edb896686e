"""Tell what happened, one line for each entry, exactly across rollbacks.

A rollback takes entries out of the ledger's chain; its own entry names the
tip that it abandoned. So whoever stopped reading at an entry that is gone
goes on with the first rollback after it, and misses nothing that counts.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gitcoord.core import paths
from gitcoord.core.boundary import paths_of
from gitcoord.core.errors import NotFoundError
from gitcoord.core.events import Event, operations_in, tasks_of
from gitcoord.core.ids import AgentId, Oid, PhaseId, TaskId
from gitcoord.core.messages import reason_in, sparse, subject_of
from gitcoord.core.shapes import NamedTuple
from gitcoord.core.snapshot import Snapshot
from gitcoord.core.times import instant
from gitcoord.features.inspect.chain import Link, entries
from gitcoord.features.workspace import Workspace
from gitcoord.store.protocol import MissingObjectError

__all__ = [
    "EVERYTHING",
    "Wanted",
    "event_line",
    "events_after",
    "git_command",
    "is_wanted",
    "lines_after",
]


class Wanted(NamedTuple):
    """Which entries are asked for; None and nothing ask for all of them.

    ``since`` and ``until`` are times in seconds, the second one excluded. A
    batch is asked for by its own operation, and by each of those in it.
    """

    task: TaskId | None = None
    agent: AgentId | None = None
    ops: tuple[str, ...] = ()
    phase: PhaseId | None = None
    path: str | None = None
    since: int | None = None
    until: int | None = None


EVERYTHING = Wanted()


def events_after(work: Workspace, tip: Oid, cursor: Oid | None) -> list[Link]:
    """Return the entries after one of them, oldest first; None is before all.

    Raises:
        NotFoundError: The entry was never in this ledger, or what a rollback
            abandoned is not kept here.

    """
    found: list[Link] = []
    for link in entries(work, tip):
        if link.oid == cursor:
            return found[::-1]
        found.append(link)
    if cursor is None:
        return found[::-1]
    first = _first_rollback_after(work, tip, cursor)
    return [first, *events_after(work, tip, first.oid)]


def _first_rollback_after(work: Workspace, tip: Oid, cursor: Oid) -> Link:
    """Return the rollback that took an entry out of the chain.

    Before a rollback the ledger was at the tip that it abandoned, and before
    every other entry at its parent: that way every tip is met that there was.
    """
    last: Link | None = None
    oid: Oid | None = tip
    try:
        while oid is not None and oid != cursor:
            link = next(entries(work, oid))
            oid = link.parent
            if link.event["op"] == "rollback":
                last, oid = link, link.event["abandoned"]
    except MissingObjectError:
        oid = None
    if oid is None or last is None:
        raise NotFoundError(
            f"{cursor[:12]} is not an entry of this ledger's history",
            hint="`gitcoord log` lists the entries; without --since all of them are told",
        )
    return last


def event_line(work: Workspace, link: Link) -> dict[str, Any]:
    """Return one entry as the event line: what it says, and what it is about."""
    event = link.event
    line: dict[str, Any] = {
        "entry": link.oid,
        "parent": link.parent,
        "id": event["id"],
        "op": event["op"],
        "agent": event["agent"],
        "at": instant(link.time),
        "task": event.get("task") or None,
        "phase": _phase_of(work, link),
        "subject": subject_of(event),
        "event": _as_told(event),
    }
    if event["op"] == "rollback":
        line |= {"onto": event["onto"], "abandoned": event["abandoned"]}
    return line


def _as_told(event: Event) -> dict[str, Any]:
    """Return an event as it is on disk, with a reason in words."""
    told = sparse(event)
    if event.get("said"):
        told["reason"] = reason_in(event)
    if event["op"] == "batch":
        told["events"] = [_as_told(one) for one in event["events"]]
    return told


def _phase_of(work: Workspace, link: Link) -> str | None:
    """Return the phase that an entry is about: its own, or its task's as of then."""
    own = link.event.get("phase")
    task = link.event.get("task")
    if own or not task:
        return own or None
    record = work.ledger.snapshot(link.oid).task(task)
    if record is None:
        return None
    return record["spec"]["phase"]


def is_wanted(work: Workspace, link: Link, wanted: Wanted) -> bool:
    """Return whether an entry is asked for.

    A rollback is about every task, agent, phase and path: whoever keeps
    account of one of them has to know of it.
    """
    event = link.event
    is_before = wanted.since is not None and link.time < wanted.since
    is_after = wanted.until is not None and link.time >= wanted.until
    if is_before or is_after:
        return False
    if wanted.ops and operations_in(event).isdisjoint(wanted.ops):
        return False
    if event["op"] == "rollback":
        return True
    if wanted.agent is not None and event["agent"] != wanted.agent:
        return False
    tasks = tasks_of(event)
    if wanted.task is not None and wanted.task not in tasks:
        return False
    if wanted.phase is None and wanted.path is None:
        return True
    snapshot = work.ledger.snapshot(link.oid)
    return _is_of_phase(snapshot, event, tasks, wanted.phase) and _touches(
        snapshot, event, tasks, wanted.path
    )


def _is_of_phase(
    snapshot: Snapshot, event: Event, tasks: list[TaskId], phase: PhaseId | None
) -> bool:
    if phase is None or event.get("phase") == phase:
        return True
    records = [snapshot.task(task) for task in tasks]
    return any(record is not None and record["spec"]["phase"] == phase for record in records)


def _touches(snapshot: Snapshot, event: Event, tasks: list[TaskId], path: str | None) -> bool:
    """Return whether an entry is about a path: its task may write it, or it names it."""
    if path is None:
        return True
    named = [*(event.get("paths") or []), *filter(None, [event.get("path")])]
    for task in tasks:
        record = snapshot.task(task)
        if record is not None:
            named += paths_of(record) or []
    return paths.overlaps(named, [path]) is not None


def git_command(ref: str, wanted: Wanted, since: str | None = None) -> str:
    """Return the git command that lists the same entries.

    The trailer ``Gitcoord-Op`` of a batch names the batch alone, so operations
    are looked for in its event. Git cannot ask for the phase or the paths of
    tasks: there it lists more.
    """
    asked = []
    if wanted.task is not None:
        asked.append(f'"task":"{_escaped(wanted.task)}"')
    words = ["git log --format='%h %aI %s'"]
    if len(wanted.ops) == 1:
        asked.append(f'^Gitcoord-Event: .*"op":"{wanted.ops[0]}"')
    elif wanted.ops:
        words.append("-E")
        asked.append(f'^Gitcoord-Event: .*"op":"({"|".join(wanted.ops)})"')
    words += [f"--grep='{pattern}'" for pattern in asked]
    if len(asked) > 1:
        words.append("--all-match")
    if wanted.agent is not None:
        words.append(f"--author='^{_escaped(wanted.agent)} <'")
    if wanted.since is not None:
        words.append(f"--since={instant(wanted.since)}")
    if wanted.until is not None:
        words.append(f"--until={instant(wanted.until - 1)}")
    span = ref.removeprefix("refs/heads/")
    if since is not None:
        span = f"{since[:12]}..{span}"
    return " ".join([*words, span])


def _escaped(name: str) -> str:
    return name.replace(".", r"\.")


def lines_after(
    work: Workspace, tip: Oid, cursor: Oid | None, wanted: Wanted
) -> Iterator[dict[str, Any]]:
    """Tell the entries after one of them that are asked for, oldest first."""
    for link in events_after(work, tip, cursor):
        if is_wanted(work, link, wanted):
            yield event_line(work, link)
