"""Derive what an open task waits for: the one place that does.

What time and others decide (a delay after a failure, paths, capacity) is
asked elsewhere. What the ledger alone decides is asked here: by the rule
that refuses a claim, by the index that proposes tasks, and by whoever shows
a state or a reason.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from gitcoord.core import codec
from gitcoord.core.ids import PhaseId
from gitcoord.core.model import PhaseRecord, TaskRecord
from gitcoord.core.sentences import reason_of
from gitcoord.core.shapes import NamedTuple
from gitcoord.core.snapshot import Snapshot
from gitcoord.core.texts import clause

__all__ = [
    "Hindrance",
    "broken_needs",
    "delay_text",
    "derived_state",
    "hindrance",
    "hindrances",
    "is_blocked",
    "need_kind",
    "standing_of",
    "state_in_phase",
    "state_of",
    "waiting_item",
]

MAX_NAMED = 5


class Hindrance(NamedTuple):
    """What keeps an open task from being ready."""

    kind: str
    """``blocked``, ``paused``, ``phase`` or ``need``."""
    names: tuple[str, ...]
    """The phases or tasks that it waits for; itself where it is paused."""
    text: str
    command: str = ""
    """The command that helps, where there is one."""
    effect: str = ""
    """What that command does, where it does not say so itself."""

    @property
    def hint(self) -> str:
        """Return the next step for people, or nothing."""
        if not self.command:
            return ""
        return f"`{self.command}` {self.effect}".rstrip()

    @property
    def facts(self) -> dict[str, Any]:
        """Return it as ``waiting_for`` lists it: what is blocked waits for a need, too."""
        kind = self.kind
        if kind == "blocked":
            kind = "need"
        return waiting_item(kind, self.text, self.names, self.command)


def waiting_item(
    kind: str, text: str, names: Iterable[str] = (), command: str = ""
) -> dict[str, Any]:
    """Return one thing that is waited for, as ``waiting_for`` lists it."""
    return {"kind": kind, "names": list(names), "text": text, "command": command or None}


def delay_text(task: TaskRecord) -> str:
    """Return why a task is not tried again at once: it failed, or an assistant is at a limit."""
    setbacks = task["setbacks"]
    if setbacks and setbacks[-1]["code"] == "released":
        return f"task {task['id']} waits: {reason_of(setbacks[-1])}"
    return f"task {task['id']} waits after its failure"


def standing_of(task: TaskRecord) -> str:
    """Return what a task's own record says of its being ready, in one word."""
    if "landed" in task:
        return "landed"
    if task["state"] == "open" and "paused" in task:
        return "paused"
    return task["state"]


def need_kind(state: str) -> str:
    """Return what a task in a state is to those that need it: done, lost or unmet."""
    if state in {"failed", "cancelled"}:
        return "lost"
    if state in {"done", "landed"}:
        return "done"
    return "unmet"


def derived_state(standing: str, unmet: int, broken: int, *, is_started: bool = True) -> str:
    """Return a task's state, open ones split into ready, waiting and blocked.

    ``unmet`` counts the needs that are not done, ``broken`` those among them
    that will not be.
    """
    if standing not in {"open", "paused"}:
        return standing
    kinds = _kinds(unmet, broken, is_started=is_started, is_paused=standing == "paused")
    if not kinds:
        return "ready"
    if kinds[0] == "blocked":
        return "blocked"
    return "waiting"


def state_in_phase(derived: str, phase: PhaseRecord, *, is_started: bool) -> str:
    """Return the state to be shown for one that was derived without the phase.

    Nothing is begun any more in a phase that has landed.
    """
    if derived == "done" and phase["state"] == "landed":
        return "landed"
    if phase["state"] == "landed" and derived in {"ready", "waiting"}:
        return "blocked"
    if derived == "ready":
        return derived_state("open", 0, 0, is_started=is_started)
    return derived


def state_of(snapshot: Snapshot, task: TaskRecord, derived: str | None = None) -> str:
    """Return a task's state as far as the ledger alone decides it.

    ``derived`` is what the index derived for it, and spares reading its needs.
    """
    if derived is None:
        missing = _missing_needs(snapshot, task)
        derived = derived_state(standing_of(task), len(missing), len(_broken(missing)))
    phase = snapshot.phase(task["spec"]["phase"])
    if phase is None:
        return derived
    return state_in_phase(derived, phase, is_started=snapshot.is_started(phase))


def hindrance(snapshot: Snapshot, task: TaskRecord) -> Hindrance | None:
    """Return the first of what a task waits for, None where nothing is in its way."""
    return next(iter(hindrances(snapshot, task)), None)


def hindrances(snapshot: Snapshot, task: TaskRecord) -> list[Hindrance]:
    """Return everything that a task waits for before it can be claimed.

    It is asked for open tasks, and for claimed ones that another may take over.
    """
    missing = _missing_needs(snapshot, task)
    phase = snapshot.phase(task["spec"]["phase"])
    is_started = phase is None or snapshot.is_started(phase)
    kinds = _kinds(
        len(missing), len(_broken(missing)), is_started=is_started, is_paused="paused" in task
    )
    return [_described(snapshot, task, kind, missing) for kind in kinds]


def _described(
    snapshot: Snapshot, task: TaskRecord, kind: str, missing: list[TaskRecord]
) -> Hindrance:
    name, broken = task["id"], _broken(missing)
    if kind == "blocked":
        text = f"task {name} is blocked: it needs {', '.join(broken)}, which will not be done"
        return Hindrance(kind, broken, text, f"gitcoord retry {broken[0]}", "opens it again")
    if kind == "paused":
        pause = task["paused"]
        text = f"task {name} is paused by {pause['agent']}"
        text += clause(" ({})", codec.printable(pause["reason"]))
        return Hindrance(kind, (name,), text, f"gitcoord unpause {name}")
    if kind == "phase":
        return _unstarted(snapshot, task["spec"]["phase"])
    needs = tuple(need["id"] for need in missing if need["id"] not in broken)
    return Hindrance(kind, needs, f"task {name} waits for {', '.join(needs[:MAX_NAMED])}")


def broken_needs(snapshot: Snapshot, task: TaskRecord) -> list[str]:
    """Return the needs of a task that will not be done."""
    return list(_broken(_missing_needs(snapshot, task)))


def is_blocked(snapshot: Snapshot, task: TaskRecord, known: dict[str, bool]) -> bool:
    """Return whether a need, or a need of a need, has failed or was cancelled.

    ``known`` remembers the needs that were looked at, for other tasks.
    """
    stack = [task]
    while stack:
        here = stack.pop()
        for need in here["spec"]["needs"]:
            other = snapshot.task(need)
            if other is None or need in known:
                continue
            known[need] = True
            if need_kind(other["state"]) == "lost":
                return True
            if other["state"] == "open":
                stack.append(other)
    return False


def _kinds(unmet: int, broken: int, *, is_started: bool, is_paused: bool) -> list[str]:
    """Return the kinds of all that hinders a task, the one that counts first."""
    rows = [
        ("blocked", broken > 0),
        ("paused", is_paused),
        ("phase", not is_started),
        ("need", unmet > broken),
    ]
    return [kind for kind, is_so in rows if is_so]


def _missing_needs(snapshot: Snapshot, task: TaskRecord) -> list[TaskRecord]:
    needs = [snapshot.require_task(need) for need in task["spec"]["needs"]]
    return [need for need in needs if need_kind(need["state"]) != "done"]


def _broken(missing: list[TaskRecord]) -> tuple[str, ...]:
    return tuple(need["id"] for need in missing if need_kind(need["state"]) == "lost")


def _unstarted(snapshot: Snapshot, name: PhaseId) -> Hindrance:
    phase = snapshot.phase(name)
    afters: list[PhaseId] = []
    if phase is not None:
        afters = phase["spec"]["after"]
    befores = [(before, snapshot.phase(before)) for before in afters]
    names = tuple(before for before, one in befores if one is None or one["state"] != "landed")
    waiting = ", ".join(f"phase {before}" for before in names)
    text = f"phase {name} has not started: {waiting} has to land first"
    return Hindrance("phase", names, text, f"gitcoord phase check {names[0]}")
