"""Read a ledger's events as attempts, reviews, runs and setbacks. Pure.

An attempt lasts from a claim to whatever ends it. How long it took is what
its last event says, by the clock of the machine that worked on it; where
that is not known, the times of its two entries tell it, to the second.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Literal

from gitcoord.core.events import Event
from gitcoord.core.ids import AgentId, PhaseId, TaskId, Token
from gitcoord.core.model import Evidence, Usage
from gitcoord.core.shapes import NamedTuple

__all__ = [
    "Attempt",
    "End",
    "History",
    "Landing",
    "Recovery",
    "Reviewing",
    "Run",
    "history_of",
]

End = Literal["completed", "failed", "released", "expired", "cancelled", "assigned", "abandoned"]
"""How an attempt ended; ``abandoned`` is by a rollback that its claim did not survive."""


class Attempt:
    """One agent's work on one task, from the claim that it began with.

    ``undone`` says why its result does not stand, ``usages`` what each session of an
    assistant used for it, and ``limit_ms`` for how long its agent's usage limit keeps
    the task back, where that ended it.
    """

    def __init__(self, number: int, claim: Event) -> None:
        self.number = number
        self.task: TaskId = claim["task"]
        self.agent: AgentId = claim["agent"]
        self.session: str = claim["session"]
        self.attempt: int = claim["attempt"]
        self.token: Token = claim["token"]
        self.since: int = claim["time"]
        self.boot_id: str = claim["boot_id"]
        self.begun_ns: int = claim["monotonic_ns"]
        self.wait_ms: int | None = claim["wait_ms"]
        self.is_takeover = claim["takeover"] is not None
        self.until: int | None = None
        self.end: End | None = None
        self.spent_ms: int | None = None
        self.undone = ""
        self.usages: list[Usage] = []
        self.limit_ms: int | None = None

    @property
    def stands(self) -> bool:
        """Whether its result was handed in and is still the task's."""
        return self.end == "completed" and not self.undone

    @property
    def took_ms(self) -> int | None:
        """How long it took: by one clock, else by the times of its entries."""
        if self.spent_ms is not None or self.until is None:
            return self.spent_ms
        return (self.until - self.since) * 1000


class Reviewing:
    """One agent's look at one result; ``verdict`` is empty while it runs."""

    def __init__(self, number: int, review: Event) -> None:
        self.number = number
        self.task: TaskId = review["task"]
        self.agent: AgentId = review["agent"]
        self.token: Token = review["token"]
        self.since: int = review["time"]
        self.until: int | None = None
        self.verdict = ""
        self.spent_ms: int | None = None
        self.usages: list[Usage] = []


class Landing:
    """A move of the target by a phase's results; ``end`` is empty while it is pending."""

    def __init__(self, number: int, begin: Event) -> None:
        self.number = number
        self.phase: PhaseId = begin["phase"]
        self.since: int = begin["time"]
        self.count: int = begin["count"]
        self.until: int | None = None
        self.end = ""


class Run:
    """One run of a check (of a task) or of a gate (of a phase)."""

    def __init__(self, number: int, run: Event) -> None:
        self.number = number
        self.kind: Literal["check", "gate"] = "check"
        self.of: str = run.get("task", "")
        self.gate = ""
        if run["op"] == "gate":
            self.kind, self.of, self.gate = "gate", run["phase"], run["gate"]
        self.agent: AgentId = run["agent"]
        self.at: int = run["time"]
        self.verdict: str = run["verdict"]
        self.millis: int = run["millis"]


class Recovery:
    """A setback of a task, and when its next result was handed in.

    ``of`` is the attempt that was set back; None where the history does not have it.
    """

    def __init__(
        self, number: int, task: TaskId, agent: AgentId, kind: str, at: int, of: Attempt | None
    ) -> None:
        self.number = number
        self.task = task
        self.agent = agent
        self.kind = kind
        self.at = at
        self.of = of
        self.until: int | None = None


class History(NamedTuple):
    """What happened in a ledger, oldest first; ``number`` counts entries."""

    attempts: list[Attempt]
    reviews: list[Reviewing]
    runs: list[Run]
    setbacks: list[Recovery]
    operations: list[tuple[int, int, str, str]]
    """Number, time, operation and phase of every operation, those in batches too."""
    landings: list[Landing]

    def after(self, number: int) -> History:
        """Return what began after an entry."""
        return History(
            [one for one in self.attempts if one.number > number],
            [one for one in self.reviews if one.number > number],
            [one for one in self.runs if one.number > number],
            [one for one in self.setbacks if one.number > number],
            [one for one in self.operations if one[0] > number],
            [one for one in self.landings if one.number > number],
        )


def history_of(events: Iterable[Event]) -> History:
    """Read the events of a chain, oldest first."""
    reader = _Reader()
    for number, event in enumerate(events):
        reader.read(number, event)
    return reader.history


class _Reader:
    """Follow the tasks through the events."""

    def __init__(self) -> None:
        self.history = History([], [], [], [], [], [])
        self._number = 0
        self._held: dict[TaskId, Attempt] = {}
        self._handed_in: dict[TaskId, Attempt] = {}
        self._reviewing: dict[Token, Reviewing] = {}
        self._by_token: dict[Token, Attempt | Reviewing] = {}
        self._without: Mapping[PhaseId, list[TaskId]] = {}

    def read(self, number: int, event: Event) -> None:
        """Take one event in, and what it holds or ends in passing."""
        self._number = number
        for inner in event.get("events", []):
            self.read(number, inner)
        known = (number, event["time"], event["op"], event.get("phase", ""))
        self.history.operations.append(known)
        self._end_in_passing(event)
        act = _ACTS.get(event["op"])
        if act is not None:
            act(self, event)

    def _end_in_passing(self, event: Event) -> None:
        for gone in event.get("expired", []):
            reviewing = self._reviewing.pop(gone["token"], None)
            if reviewing is not None:
                reviewing.until, reviewing.verdict = event["time"], "expired"
                continue
            self._expire(gone, event)
        for redone in event.get("redone", []):
            self._undo(redone["task"], "base-redone", event)

    def _expire(self, gone: Evidence, event: Event) -> None:
        """End an attempt whose holder fell silent: it lasted until its last sign of life."""
        attempt = self._held.get(gone["task"])
        self._end(gone["task"], event, "expired")
        self._set_back(attempt, gone["task"], gone["agent"], "expired", event)
        if attempt is None or gone["rule"] != "monotonic":
            return
        if gone["boot_id"] == attempt.boot_id:
            attempt.spent_ms = max(0, gone["last_ns"] - attempt.begun_ns) // 1_000_000

    def _end(self, task: TaskId, event: Event, end: End) -> None:
        attempt = self._held.pop(task, None)
        if attempt is not None:
            attempt.until, attempt.end = event["time"], end
            attempt.spent_ms = event.get("spent_ms")

    def _undo(self, task: TaskId, why: str, event: Event) -> None:
        attempt = self._handed_in.pop(task, None)
        if attempt is not None:
            attempt.undone = why
        for reviewing in [one for one in self._reviewing.values() if one.task == task]:
            del self._reviewing[reviewing.token]
            reviewing.until, reviewing.verdict = event["time"], "ended"

    def _set_back(
        self, attempt: Attempt | None, task: TaskId, agent: AgentId, kind: str, event: Event
    ) -> None:
        setback = Recovery(self._number, task, agent, kind, event["time"], attempt)
        self.history.setbacks.append(setback)

    # one method for each operation that is more than what it ends in passing

    def claim(self, event: Event) -> None:
        """Begin an attempt, which may take over from another."""
        takeover = event["takeover"]
        if takeover is not None:
            self._expire(takeover, event)
        attempt = Attempt(self._number, event)
        self._held[event["task"]] = attempt
        self._by_token[event["token"]] = attempt
        self.history.attempts.append(attempt)

    def reissue(self, event: Event) -> None:
        """Go on with the attempt under a new token."""
        attempt = self._held.get(event["task"])
        if attempt is not None:
            attempt.token = event["token"]
            self._by_token[event["token"]] = attempt

    def complete(self, event: Event) -> None:
        """End an attempt with a result, which is what its task recovered by."""
        task = event["task"]
        attempt = self._held.get(task)
        self._end(task, event, "completed")
        if attempt is not None:
            self._handed_in[task] = attempt
        for setback in reversed(self.history.setbacks):
            if setback.task == task and setback.until is None:
                setback.until = event["time"]

    def fail(self, event: Event) -> None:
        """End an attempt as failed."""
        attempt = self._held.get(event["task"])
        self._end(event["task"], event, "failed")
        self._set_back(attempt, event["task"], event["agent"], "failed", event)

    def release(self, event: Event) -> None:
        """End an attempt that was given back, of its own will or at a usage limit."""
        attempt = self._held.get(event["task"])
        self._end(event["task"], event, "released")
        if attempt is not None and event.get("kind") == "limit":
            attempt.limit_ms = event.get("delay_ms", 0)

    def reopen(self, event: Event) -> None:
        """Take a result back."""
        self._take_back(event, event["kind"])

    def reject(self, event: Event) -> None:
        """End a review, and take the result back."""
        self.judge(event)
        self._take_back(event, "rejected")

    def _take_back(self, event: Event, why: str) -> None:
        attempt = self._handed_in.get(event["task"])
        author = event["agent"]
        if attempt is not None:
            author = attempt.agent
        self._undo(event["task"], why, event)
        self._set_back(attempt, event["task"], author, why, event)

    def cancel(self, event: Event) -> None:
        """End whatever a task has."""
        self._end(event["task"], event, "cancelled")
        self._undo(event["task"], "cancelled", event)

    def assign(self, event: Event) -> None:
        """End the claim of whoever held the task."""
        self._end(event["task"], event, "assigned")

    def review(self, event: Event) -> None:
        """Begin a review, or go on with one under a new token."""
        older = self._reviewing.pop(Token(event["old"]), None)
        if older is not None:
            older.token = event["token"]
            self._reviewing[event["token"]] = older
            self._by_token[event["token"]] = older
            return
        reviewing = Reviewing(self._number, event)
        self._reviewing[event["token"]] = reviewing
        self._by_token[event["token"]] = reviewing
        self.history.reviews.append(reviewing)

    def judge(self, event: Event) -> None:
        """End a review with what came of it."""
        reviewing = self._reviewing.pop(event["token"], None)
        if reviewing is not None:
            reviewing.until, reviewing.verdict = event["time"], _VERDICTS[event["op"]]
            reviewing.spent_ms = event["spent_ms"]

    def run(self, event: Event) -> None:
        """Keep a run of a check or of a gate."""
        self.history.runs.append(Run(self._number, event))

    def use(self, event: Event) -> None:
        """Add what a session used to the attempt or review that it was for."""
        whole = self._by_token.get(event["token"])
        if whole is not None:
            whole.usages.append(event["usage"])

    def land_begin(self, event: Event) -> None:
        """Begin a landing, and remember which tasks it leaves out."""
        self._without = {event["phase"]: event["without"]}
        self.history.landings.append(Landing(self._number, event))

    def land_done(self, event: Event) -> None:
        """End a landing, and what it left out."""
        self._end_landing(event, "landed")
        for task in self._without.get(event["phase"], ()):
            self._end(task, event, "cancelled")
            self._undo(task, "cancelled", event)

    def land_abort(self, event: Event) -> None:
        """End a landing that was given up."""
        self._end_landing(event, "given up")

    def _end_landing(self, event: Event, end: str) -> None:
        for one in reversed(self.history.landings):
            if one.phase == event["phase"] and not one.end:
                one.until, one.end = event["time"], end
                return

    def rollback(self, event: Event) -> None:
        """End the claims and reviews that did not survive."""
        surviving = {one["token"] for one in event["surviving"]}
        for task, attempt in list(self._held.items()):
            if attempt.token not in surviving:
                self._end(task, event, "abandoned")
        for token, reviewing in list(self._reviewing.items()):
            if token not in surviving:
                del self._reviewing[token]
                reviewing.until, reviewing.verdict = event["time"], "abandoned"


_VERDICTS = {"approve": "approved", "reject": "rejected", "review-release": "released"}
_ACTS: dict[str, Callable[[_Reader, Event], None]] = {
    "claim": _Reader.claim,
    "reissue": _Reader.reissue,
    "complete": _Reader.complete,
    "fail": _Reader.fail,
    "release": _Reader.release,
    "reopen": _Reader.reopen,
    "reject": _Reader.reject,
    "cancel": _Reader.cancel,
    "assign": _Reader.assign,
    "review": _Reader.review,
    "approve": _Reader.judge,
    "review-release": _Reader.judge,
    "check": _Reader.run,
    "gate": _Reader.run,
    "usage": _Reader.use,
    "land-begin": _Reader.land_begin,
    "land-done": _Reader.land_done,
    "land-abort": _Reader.land_abort,
    "rollback": _Reader.rollback,
}
