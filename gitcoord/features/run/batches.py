"""Apply lines of JSON as one entry, all of them or none.

A line is ``{"op": COMMAND, ...}`` with the options' names as keys; it may
name its ``agent``. What the lines say is checked before anything happens,
and each is decided on the state that the lines before it leave.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, cast

from gitcoord.core import codec, ids
from gitcoord.core.errors import GitcoordError, NotFoundError, RefusedError, UsageError
from gitcoord.core.events import Command, Event
from gitcoord.core.leases import Context
from gitcoord.core.machine import MAX_BATCH, Step, fold
from gitcoord.core.snapshot import Snapshot
from gitcoord.core.texts import text_of
from gitcoord.features.work.bases import base_of
from gitcoord.features.work.locks import tidy
from gitcoord.features.work.results import keep_result, result_facts
from gitcoord.features.work.tokens import begun_ns, current_claim, keep_token
from gitcoord.features.workspace import Workspace
from gitcoord.ledger.ledger import Done

__all__ = ["AGENT_OPS", "LINES", "batch", "parse_lines"]

MAX_LINE_BYTES = 64 * 1024
MAX_BYTES = 4 * 1024 * 1024

Line = dict[str, Any]


class _Shape(NamedTuple):
    """The keys of a line: their types, and which of them must be there."""

    keys: dict[str, tuple[type, ...]]
    required: frozenset[str] = frozenset()


_TEXT: tuple[type, ...] = (str,)
LINES: dict[str, _Shape] = {
    "claim": _Shape({"task": _TEXT}, frozenset({"task"})),
    "progress": _Shape(
        {"task": _TEXT, "message": _TEXT, "percent": (int,)}, frozenset({"message"})
    ),
    "complete": _Shape({"task": _TEXT, "result": _TEXT, "no_result": (bool,)}),
    "fail": _Shape({"task": _TEXT, "reason": _TEXT, "kind": _TEXT}, frozenset({"reason"})),
    "release": _Shape({"task": _TEXT, "reason": _TEXT}),
    "lock": _Shape(
        {"path": (str, list), "for": _TEXT, "shared": (bool,), "reason": _TEXT, "task": _TEXT},
        frozenset({"path"}),
    ),
    "unlock": _Shape({"path": (str, list)}, frozenset({"path"})),
    "escalate": _Shape({"task": _TEXT, "text": _TEXT}, frozenset({"text"})),
    "note": _Shape({"task": _TEXT, "path": _TEXT, "text": _TEXT}, frozenset({"text"})),
    "retry": _Shape({"task": _TEXT, "reason": _TEXT}, frozenset({"task"})),
    "cancel": _Shape({"task": _TEXT, "reason": _TEXT}, frozenset({"task"})),
    "assign": _Shape(
        {"task": _TEXT, "to": (str, type(None)), "reason": _TEXT}, frozenset({"task", "to"})
    ),
    "reap": _Shape({}),
    "resolve": _Shape({"escalation": _TEXT, "answer": _TEXT}, frozenset({"escalation", "answer"})),
    "checkpoint": _Shape({"name": _TEXT}, frozenset({"name"})),
    "agent add": _Shape(
        {"id": _TEXT, "pool": (str, list), "capacity": (int,), "path": (str, list)},
        frozenset({"id"}),
    ),
    "agent remove": _Shape({"id": _TEXT, "reason": _TEXT}, frozenset({"id"})),
}
AGENT_OPS = frozenset(
    {"claim", "progress", "complete", "fail", "release", "lock", "unlock", "escalate", "note"}
)


def parse_lines(text: str) -> list[Line]:
    """Read lines of JSON; empty lines are passed over.

    Raises:
        UsageError: Names the first line that is wrong, and how.

    """
    if len(text.encode()) > MAX_BYTES:
        raise UsageError(f"the batch is larger than {MAX_BYTES >> 20} MiB", hint="split it")
    found: list[Line] = []
    for number, row in enumerate(text.split("\n"), 1):
        if row.strip():
            found.append(_parsed(number, row))
    if not 0 < len(found) <= MAX_BATCH:
        raise UsageError(
            f"a batch has between 1 and {MAX_BATCH} lines, and this has {len(found)}",
            hint='a line looks like {"op": "retry", "task": "25"}',
        )
    return found


def _parsed(number: int, row: str) -> Line:
    try:
        line = codec.load(row, MAX_LINE_BYTES, f"line {number}")
    except GitcoordError as error:
        raise _wrong(number, error.message) from None
    if not isinstance(line, dict) or not isinstance(line.get("op"), str):
        raise _wrong(number, 'it is not an object with an "op"')
    shape = LINES.get(line["op"])
    if shape is None:
        near = ids.nearest(line["op"], LINES)
        raise _wrong(
            number,
            f"there is no operation {codec.printable(line['op'])!r} for batches",
            f"known: {', '.join(near or LINES)}",
        )
    known = {**shape.keys, "op": _TEXT, "agent": _TEXT}
    for key, value in line.items():
        if key not in known:
            near = ids.nearest(key, known)
            raise _wrong(
                number,
                f"{line['op']} has no key {codec.printable(key)!r}",
                f"known: {', '.join(near or known)}",
            )
        if not isinstance(value, known[key]) or (
            isinstance(value, bool) and bool not in known[key]
        ):
            raise _wrong(number, f"the value of {key!r} is of the wrong type")
    missing = shape.required - line.keys()
    if missing:
        raise _wrong(number, f"{line['op']} needs {', '.join(sorted(missing))}")
    return {**line, "line": number}


def _wrong(number: int, what: str, hint: str = "") -> UsageError:
    return UsageError(
        f"line {number}: {what}",
        hint=hint or "nothing was applied; fix the line, and try again",
        line=number,
    )


def batch(work: Workspace, lines: list[Line], *, agent: str) -> Done:
    """Apply lines as one entry; the first refusal names its line.

    ``agent`` asks for the lines that name no agent themselves.

    Raises:
        GitcoordError: The refusal of one line, with its fact ``line``;
            nothing was applied.

    """
    maker = _Maker(work, agent)
    _run_checks(work, maker, lines)
    steps: list[Step] = [maker.step(line) for line in lines]

    def request(snapshot: Snapshot, context: Context) -> Command:
        work.index.update(work.store, snapshot.oid)
        maker.tokens = {}
        try:
            events = fold(snapshot, steps, context)
        except GitcoordError as error:
            # The fold counts operations; the user counts lines of the file.
            raise _renumbered(error, lines) from None
        return {"op": "batch", "agent": agent, "events": events}

    def before_swap(event: Event) -> list[Path]:
        return [
            path
            for one in event["events"]
            if one["op"] == "claim"
            for path in keep_token(work, one["agent"], one)
        ]

    return work.ledger.execute(request, agent=agent, before_swap=before_swap)


def _run_checks(work: Workspace, maker: _Maker, lines: list[Line]) -> None:
    """Pass the checks of what will be completed, before the entry is made.

    Each run is an entry of its own, as with ``complete``. A line that is
    refused for another reason is left to the fold, which names it.
    """
    for line in lines:
        if line["op"] != "complete":
            continue
        snapshot = work.ledger.snapshot()
        try:
            command = maker.command(line, snapshot, work.ledger.context())
        except GitcoordError:
            continue
        record = snapshot.require_task(command["task"])
        held = record["claim"]
        if record["spec"]["check"] is None or held is None or held["token"] != command["token"]:
            continue
        from gitcoord.features.work.checks import check_result

        try:
            check_result(work, command["agent"], record, command["token"], command["result"])
        except GitcoordError as error:
            error.message = f"line {line['line']}: {error.message}"
            error.facts["line"] = line["line"]
            raise


def _renumbered(error: GitcoordError, lines: list[Line]) -> GitcoordError:
    step = int(cast("int", error.facts["line"]))
    number = lines[step - 1]["line"]
    error.message = error.message.replace(f"line {step}: ", f"line {number}: ", 1)
    error.facts["line"] = number
    return error


class _Maker:
    """Make the command of each line from the state that it meets."""

    def __init__(self, work: Workspace, agent: str) -> None:
        self._work = work
        self._agent = agent
        self.tokens: dict[str, str] = {}

    def step(self, line: Line) -> Step:
        """Bind one line to the function that makes its command."""
        return lambda snapshot, context: self.command(line, snapshot, context)

    def command(self, line: Line, snapshot: Snapshot, context: Context) -> Command:
        """Make the command of one line on a state."""
        who = line.get("agent") or self._agent
        ids.parse_id(who, "agent id")
        if line["op"] in {"progress", "complete", "fail", "release"}:
            return self._held(line, snapshot, who)
        if line["op"] == "claim":
            task = snapshot.require_task(line["task"])
            self.tokens[task["id"]] = context.token
            return {
                "op": "claim",
                "agent": who,
                "task": task["id"],
                "session": self._work.session(),
                "make_base": partial(base_of, self._work, snapshot, task),
            }
        if line["op"] in {"lock", "unlock"}:
            return self._lock(line, snapshot, who)
        return {"agent": who, **_PLAIN[line["op"]](line)}

    def _held(self, line: Line, snapshot: Snapshot, who: str) -> Command:
        task, token = self._holding(line, snapshot, who)
        command: Command = {
            "op": line["op"],
            "agent": who,
            "task": task,
            "token": token,
            "begun_ns": begun_ns(self._work, who, token),
        }
        if line["op"] == "progress":
            return {
                **command,
                "message": text_of(line["message"], "message"),
                "percent": line.get("percent"),
            }
        if line["op"] == "fail":
            kind = line.get("kind", "transient")
            return {
                **command,
                "kind": kind,
                "reason": text_of(line["reason"], "reason"),
                "log": None,
            }
        if line["op"] == "release":
            return {**command, "reason": _optional(line)}
        record = snapshot.require_task(task)
        held = record["claim"]
        if held is None:
            return {**command, "result": {}}
        facts = result_facts(
            self._work,
            snapshot,
            record,
            held,
            line.get("result"),
            no_result=bool(line.get("no_result")),
        )
        keep_result(self._work, snapshot, task, facts)
        return {**command, "result": facts}

    def _lock(self, line: Line, snapshot: Snapshot, who: str) -> Command:
        wanted = tidy(self._work, _list(line["path"]))
        if line["op"] == "unlock":
            tokens = {str(kept["token"]) for kept in self._work.tokens(who).all()} | set(
                self.tokens.values()
            )
            return {
                "op": "unlock",
                "agent": who,
                "name": who,
                "paths": wanted,
                "tokens": sorted(tokens),
                "reason": "",
            }
        holds_claim = any(
            held["claim"] and held["claim"]["agent"] == who for held in snapshot.live()
        )
        if holds_claim or line.get("task"):
            task, token = self._holding(line, snapshot, who)
        else:
            task, token = "", ""
        for_ms = None
        if "for" in line:
            for_ms = ids.duration_ms(line["for"])
        if "for" in line and not for_ms:
            raise UsageError(f"{line['for']!r} is not a duration", hint="write 90s, 30m or 2h")
        return {
            "op": "lock",
            "agent": who,
            "task": task,
            "token": token,
            "paths": wanted,
            "for_ms": for_ms,
            "shared": bool(line.get("shared")),
            "reason": _optional(line),
        }

    def _holding(self, line: Line, snapshot: Snapshot, who: str) -> tuple[str, str]:
        """Find a claim: one that this batch made, or the agent's own token."""
        task = line.get("task")
        if task in self.tokens:
            return str(task), self.tokens[str(task)]
        try:
            return current_claim(self._work, snapshot, who, task)
        except (NotFoundError, RefusedError):
            if task is None and len(self.tokens) == 1:
                return next(iter(self.tokens.items()))
            raise


def _optional(line: Line) -> str:
    if not line.get("reason"):
        return ""
    return text_of(line["reason"], "reason")


def _about_task(line: Line) -> Command:
    return {"op": line["op"], "task": line["task"], "reason": _optional(line)}


def _list(value: object) -> list[str]:
    if value is None:
        return []
    if isinstance(value, list):
        return [str(item) for item in value]
    return [str(value)]


def _assigned(line: Line) -> Command:
    to = line["to"]
    if to == "-":
        to = None
    return {**_about_task(line), "to": to}


_PLAIN: dict[str, Callable[[Line], Command]] = {
    "escalate": lambda line: {
        "op": "escalate",
        "task": line.get("task", ""),
        "kind": "question",
        "reason": text_of(line["text"], "text"),
    },
    "note": lambda line: {
        "op": "note",
        "task": line.get("task"),
        "path": line.get("path"),
        "message": text_of(line["text"], "note"),
    },
    "retry": _about_task,
    "cancel": _about_task,
    "assign": _assigned,
    "reap": lambda _line: {"op": "expire"},
    "resolve": lambda line: {
        "op": "resolve",
        "escalation": line["escalation"],
        "answer": text_of(line["answer"], "answer"),
    },
    "checkpoint": lambda line: {"op": "checkpoint", "name": line["name"]},
    "agent add": lambda line: {
        "op": "agent-add",
        "name": line["id"],
        "pools": sorted(set(_list(line.get("pool")))),
        "capacity": line.get("capacity", 1),
        "paths": _list(line.get("path")) or None,
        "worktree": None,
    },
    "agent remove": lambda line: {
        "op": "agent-remove",
        "name": line["id"],
        "reason": _optional(line),
    },
}
