"""Define what can be asked (commands) and what then happened (events).

An event holds *every* input of ``apply``: ids, tokens, times, values drawn
at random, the evidence of a takeover. Its JSON form is the last trailer of
the entry's message, and everything else in the message follows from it.
"""

from __future__ import annotations

from typing import Any, NotRequired

from gitcoord.core.ids import AgentId, Oid, PhaseId, TaskId, Token
from gitcoord.core.model import (
    Evidence,
    Lapse,
    Pending,
    Proof,
    Result,
    Resume,
    Said,
    Survivor,
    TaskSpec,
    Usage,
)
from gitcoord.core.shapes import TypedDict

__all__ = ["Command", "Event", "Redone", "evidence_of", "operations_in", "tasks_of"]


class Redone(TypedDict):
    """A task that goes back to open because what it was built on did."""

    task: TaskId
    was: str


class Event(TypedDict):
    """One entry's event; which keys stand in it depends on ``op``.

    The operation's row in ``core.operations`` lists them, and ``check``
    refuses an event with a key missing or one too many.
    """

    op: str
    id: str
    agent: AgentId
    time: int
    format: int

    # init
    ledger: NotRequired[str]
    task_prefix: NotRequired[str]
    target: NotRequired[str]
    target_tip: NotRequired[Oid]
    # plan
    input: NotRequired[Oid]
    added: NotRequired[int]
    changed: NotRequired[int]
    name: NotRequired[str]
    spec: NotRequired[TaskSpec]
    # agents
    pools: NotRequired[list[str]]
    capacity: NotRequired[int]
    paths: NotRequired[list[str] | None]
    worktree: NotRequired[str | None]
    # tasks
    task: NotRequired[TaskId]
    title: NotRequired[str]
    token: NotRequired[Token]
    attempt: NotRequired[int]
    session: NotRequired[str]
    wait_ms: NotRequired[int | None]
    spent_ms: NotRequired[int | None]
    boot_id: NotRequired[str]
    monotonic_ns: NotRequired[int]
    lease_ms: NotRequired[int]
    base: NotRequired[Oid]
    branch: NotRequired[str]
    built_on: NotRequired[dict[TaskId, Oid]]
    expired: NotRequired[list[Evidence]]
    takeover: NotRequired[Evidence | None]
    old: NotRequired[str]  # a token; where the target moves, an oid
    message: NotRequired[str]
    percent: NotRequired[int | None]
    result: NotRequired[Result]
    reviewed: NotRequired[Oid | None]
    kind: NotRequired[str]
    reason: NotRequired[str]
    said: NotRequired[Said | None]
    delay_ms: NotRequired[int]
    resume: NotRequired[Resume | None]
    usage: NotRequired[Usage]
    log: NotRequired[Oid | None]
    redone: NotRequired[list[Redone]]
    to: NotRequired[AgentId | None]
    # landing
    phase: NotRequired[PhaseId]
    new: NotRequired[Oid]
    results: NotRequired[Oid]
    count: NotRequired[int]
    gates: NotRequired[list[Proof]]
    without: NotRequired[list[TaskId]]
    bare: NotRequired[list[TaskId]]
    # checks and gates
    gate: NotRequired[str]
    definition: NotRequired[str]
    tree: NotRequired[Oid | None]
    commit: NotRequired[Oid]
    verdict: NotRequired[str]
    millis: NotRequired[int]
    pending: NotRequired[Pending]
    # locks
    shared: NotRequired[bool]
    for_ms: NotRequired[int | None]
    lapsed: NotRequired[list[Lapse]]
    tokens: NotRequired[list[Token]]
    # matters
    escalation: NotRequired[str]
    answer: NotRequired[str]
    granted: NotRequired[bool]
    note: NotRequired[str]
    path: NotRequired[str | None]
    # batch
    events: NotRequired[list[Event]]
    # rollback
    onto: NotRequired[Oid]
    abandoned: NotRequired[Oid]
    epoch: NotRequired[int]
    surviving: NotRequired[list[Survivor]]
    carried: NotRequired[dict[AgentId, Oid]]
    code: NotRequired[Pending | None]
    reverts: NotRequired[list[Oid]]
    forward: NotRequired[bool]


Command = dict[str, Any]
"""What is asked: ``op`` and the options of the command of that name."""


def evidence_of(event: Event) -> list[Evidence]:
    """List the evidence of every lease that an event ends."""
    found = [*event.get("expired", [])]
    takeover = event.get("takeover")
    if takeover:
        found.append(takeover)
    for inner in event.get("events", []):
        found += evidence_of(inner)
    return found


def operations_in(event: Event) -> set[str]:
    """Return the operation of an event, and those of a batch's events."""
    return {event["op"], *(inner["op"] for inner in event.get("events", []))}


def tasks_of(event: Event) -> list[TaskId]:
    """Return every task that an event is about, each once."""
    named = []
    if event.get("task"):
        named.append(event["task"])
    named += [evidence["task"] for evidence in event.get("expired", [])]
    named += [redone["task"] for redone in event.get("redone", [])]
    for inner in event.get("events", []):
        named += tasks_of(inner)
    return list(dict.fromkeys(named))
