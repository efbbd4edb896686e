"""Apply lines of JSON as one entry, all of them or none.

A line is ``{"op": COMMAND, ...}`` with the options' names as keys; it may
name its ``agent``. What the lines say is checked before anything happens,
and each is decided on the state that the lines before it leave.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, cast

from gitcoord.core import codec, ids
from gitcoord.core.errors import GitcoordError, NotFoundError, RefusedError, UsageError
from gitcoord.core.events import Command, Event
from gitcoord.core.ids import AgentId, TaskId, Token
from gitcoord.core.leases import Context
from gitcoord.core.machine import MAX_BATCH, Step, fold, operation, operations
from gitcoord.core.operation import Kind, LineKey
from gitcoord.core.snapshot import Snapshot
from gitcoord.core.texts import text_of
from gitcoord.features.names import named_agent, named_escalation, named_pool, named_task
from gitcoord.features.work.bases import base_of
from gitcoord.features.work.locks import tidy
from gitcoord.features.work.results import keep_result, result_facts
from gitcoord.features.work.tokens import current_claim, keep_token
from gitcoord.features.workspace import Workspace
from gitcoord.ledger.ledger import Done

__all__ = ["batch", "is_for_agents", "parse_lines"]

MAX_LINE_BYTES = 64 * 1024
MAX_BYTES = 4 * 1024 * 1024

Line = dict[str, Any]


TYPES: dict[Kind, tuple[type, ...]] = {
    "agent": (str,),
    "duration": (str,),
    "escalation": (str,),
    "flag": (bool,),
    "holder": (str, type(None)),
    "number": (int,),
    "paths": (str, list),
    "pools": (str, list),
    "task": (str,),
    "text": (str,),
    "word": (str,),
}
"""The types of what a key of each kind may hold."""
_COMMON: dict[str, LineKey] = {"op": LineKey("word", "op"), "agent": LineKey("word", "agent")}


@cache
def asked_by() -> dict[str, str]:
    """Return the operations that a line can ask for, by the commands as typed."""
    return {row.command: op for op, row in operations().items() if row.command}


def is_for_agents(command: str) -> bool:
    """Return whether agents ask for this, and not the orchestrator alone."""
    return operation(asked_by()[command]).is_for_agents


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
    op = asked_by().get(line["op"])
    if op is None:
        near = ids.nearest(line["op"], asked_by())
        raise _wrong(
            number,
            f"there is no operation {codec.printable(line['op'])!r} for batches",
            f"known: {', '.join(near or asked_by())}",
        )
    keys = operation(op).line
    known = {**keys, **_COMMON}
    for key, value in line.items():
        if key not in known:
            near = ids.nearest(key, known)
            raise _wrong(
                number,
                f"{line['op']} has no key {codec.printable(key)!r}",
                f"known: {', '.join(near or known)}",
            )
        if not _is_of_kind(value, known[key].kind):
            raise _wrong(number, f"the value of {key!r} is of the wrong type")
    missing = {key for key, row in keys.items() if row.is_required} - line.keys()
    if missing:
        raise _wrong(number, f"{line['op']} needs {', '.join(sorted(missing))}")
    return {**line, "line": number}


def _is_of_kind(value: object, kind: Kind) -> bool:
    if isinstance(value, bool):
        return kind == "flag"
    if isinstance(value, list):
        return list in TYPES[kind] and value != [] and all(isinstance(one, str) for one in value)
    return isinstance(value, TYPES[kind])


def _wrong(number: int, what: str, hint: str = "") -> UsageError:
    return UsageError(
        f"line {number}: {what}",
        hint=hint or "nothing was applied; fix the line, and try again",
        line=number,
    )


def batch(work: Workspace, lines: list[Line], *, agent: AgentId) -> Done:
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
        kept = []
        for part in event["events"]:
            if part["op"] == "claim":
                kept += keep_token(work, part["agent"], part)
        return kept

    return work.ledger.execute(request, agent=agent, before_swap=before_swap)


def _run_checks(work: Workspace, maker: _Maker, lines: list[Line]) -> None:
    """Pass the checks of what will be completed, before the entry is made.

    Each run is an entry of its own, as with ``complete``. A line that is
    refused for another reason is left to the fold, which names it.
    """
    for line in lines:
        if "result" not in operation(asked_by()[line["op"]]).fields:
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

    def __init__(self, work: Workspace, agent: AgentId) -> None:
        self._work = work
        self._agent = agent
        self.tokens: dict[TaskId, Token] = {}

    def step(self, line: Line) -> Step:
        """Bind one line to the function that makes its command."""
        return lambda snapshot, context: self.command(line, snapshot, context)

    def command(self, line: Line, snapshot: Snapshot, context: Context) -> Command:
        """Make the command of one line on a state.

        What the operation's row asks for beyond the line is found here: a
        base, a result, the token of what is held.
        """
        who = line.get("agent") or self._agent
        ids.parse_id(who, "agent id")
        op = asked_by()[line["op"]]
        row = operation(op)
        command: Command = {"op": op, "agent": who, **row.optional}
        for key, form in row.line.items():
            if key in line:
                command[form.to] = self._value(key, line[key], form.kind, snapshot)
        if "base" in row.fields:
            return {**command, **self._begun(snapshot, command["task"], context)}
        if "paths" in row.fields:
            command["paths"] = tidy(self._work, command["paths"])
        if "tokens" in row.optional:
            kept = {str(one["token"]) for one in self._work.tokens(who).all()}
            return {**command, "name": who, "tokens": sorted(kept | set(self.tokens.values()))}
        is_held = "token" in row.fields
        if "token" in row.optional:
            is_held = bool(command["task"]) or _holds_claim(snapshot, who)
        if is_held:
            command["task"], command["token"] = self._holding(snapshot, who, command.get("task"))
        if "result" in row.fields:
            command["result"] = self._result(snapshot, command, line)
        return command

    def _value(self, key: str, value: Any, kind: Kind, snapshot: Snapshot) -> Any:
        """Return what a key's value stands for; prefixes of names are enough."""
        if kind == "text" and value:
            return text_of(value, key)
        if kind in {"paths", "pools"}:
            value = _list(value)
        if kind == "pools":
            return sorted({named_pool(snapshot, name) for name in value})
        if kind == "duration":
            return _duration_ms(value)
        if kind in {"task", "escalation", "agent", "holder"}:
            return self._named(value, kind, snapshot)
        return value

    def _named(self, word: str | None, kind: Kind, snapshot: Snapshot) -> str | None:
        if kind == "holder" and word in {None, "-"}:
            return None
        name = str(word)
        if kind == "task":
            return named_task(self._work, snapshot, name)["id"]
        if kind == "escalation":
            return named_escalation(snapshot, name)
        return named_agent(snapshot, name)["id"]

    def _begun(self, snapshot: Snapshot, task: TaskId, context: Context) -> Command:
        """Return what a claim begins from, and remember its token for the lines below."""
        base = base_of(self._work, snapshot, snapshot.require_task(task))
        self.tokens[task] = context.token
        session = self._work.session()
        return {"session": session, "base": base.oid, "built_on": base.built_on}

    def _result(self, snapshot: Snapshot, command: Command, line: Line) -> dict[str, Any]:
        """Return the facts of what is handed in, after its ref is made."""
        record = snapshot.require_task(command["task"])
        held = record["claim"]
        if held is None:
            return {}
        no_result = bool(line.get("no_result"))
        named = line.get("result")
        facts = result_facts(self._work, snapshot, record, held, named, no_result=no_result)
        keep_result(self._work, snapshot, command["task"], facts)
        return facts

    def _holding(
        self, snapshot: Snapshot, who: AgentId, task: TaskId | None
    ) -> tuple[TaskId, Token]:
        """Find a claim: one that this batch made, or the agent's own token."""
        if task in self.tokens:
            return task, self.tokens[task]
        try:
            return current_claim(self._work, snapshot, who, task or None)
        except (NotFoundError, RefusedError):
            if not task and len(self.tokens) == 1:
                return next(iter(self.tokens.items()))
            raise


def _holds_claim(snapshot: Snapshot, agent: AgentId) -> bool:
    return any(task["claim"] and task["claim"]["agent"] == agent for task in snapshot.live())


def _duration_ms(text: str) -> int:
    found = ids.duration_ms(text)
    if not found:
        raise UsageError(f"{text!r} is not a duration", hint="write 90s, 30m or 2h")
    return found


def _list(value: list[str] | str) -> list[str]:
    if isinstance(value, list):
        return value
    return [value]
