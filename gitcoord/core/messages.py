"""Write an event as a commit message, and read it back.

The message is a pure function of the event's line: ``parse`` renders it
again and compares byte for byte, so that nothing a user types can forge a
trailer. Free text is shown without control characters and stands indented
in the body, where no line of it can look like a trailer.
"""

from __future__ import annotations

from typing import cast

from gitcoord.core import codec
from gitcoord.core.errors import CorruptError
from gitcoord.core.events import Event, evidence_of, tasks_of
from gitcoord.core.model import FORMAT

__all__ = ["EVENT_TRAILER", "FIELDS", "author_of", "parse", "render"]

EVENT_TRAILER = "Gitcoord-Event"
MAX_EVENT_BYTES = 4 * 1024 * 1024
_COMMON = {"op", "id", "agent", "time", "format"}
_EXPLAINED = {"release", "review-release", "approve", "cancel", "retry", "assign"}
_RUN = {"definition", "tree", "commit", "verdict", "reason", "millis", "log"}
_CLAIM = {
    "task",
    "title",
    "token",
    "attempt",
    "session",
    "boot_id",
    "monotonic_ns",
    "lease_ms",
    "branch",
}

FIELDS: dict[str, frozenset[str]] = {
    op: frozenset(_COMMON | fields)
    for op, fields in {
        "init": {"ledger", "task_prefix", "target", "target_tip"},
        "plan": {"input", "name", "added", "changed"},
        "agent-add": {"name", "pools", "capacity", "paths", "worktree"},
        "agent-remove": {"name", "reason"},
        "claim": _CLAIM | {"base", "built_on", "expired", "lapsed", "takeover"},
        "reissue": _CLAIM | {"old"},
        "progress": {"task", "token", "attempt", "message", "percent", "boot_id", "monotonic_ns"},
        "complete": {"task", "title", "token", "attempt", "result"},
        "review": {
            "task",
            "title",
            "token",
            "session",
            "old",
            "reviewed",
            "boot_id",
            "monotonic_ns",
            "lease_ms",
            "expired",
        },
        "review-release": {"task", "title", "token", "reviewed", "reason"},
        "approve": {"task", "title", "token", "reviewed", "reason"},
        "reject": {"task", "title", "token", "reviewed", "reason"},
        "fail": {
            "task",
            "title",
            "token",
            "attempt",
            "kind",
            "reason",
            "delay_ms",
            "log",
            "boot_id",
            "monotonic_ns",
        },
        "release": {"task", "title", "token", "attempt", "reason"},
        "expire": {"expired", "lapsed"},
        "reopen": {"task", "title", "kind", "reason", "redone", "log"},
        "retry": {"task", "title", "reason"},
        "cancel": {"task", "title", "reason", "redone"},
        "assign": {"task", "title", "to", "reason"},
        "escalate": {"task", "kind", "reason"},
        "land-begin": {
            "phase",
            "target",
            "old",
            "new",
            "tree",
            "results",
            "count",
            "gates",
            "without",
        },
        "land-done": {"phase", "target", "old", "new"},
        "land-abort": {"phase", "target", "old", "new", "reason"},
        "lock": {
            "task",
            "token",
            "paths",
            "shared",
            "reason",
            "for_ms",
            "boot_id",
            "monotonic_ns",
            "expired",
            "lapsed",
        },
        "unlock": {"name", "paths", "tokens", "reason"},
        "resolve": {"escalation", "task", "answer"},
        "note": {"task", "path", "message"},
        "note-drop": {"note", "reason"},
        "checkpoint": {"name"},
        "batch": {"events"},
        "rollback": {
            "onto",
            "abandoned",
            "epoch",
            "surviving",
            "carried",
            "reason",
            "code",
            "reverts",
        },
        "rollback-done": {"target", "old", "new"},
        "rollback-abort": {"target", "old", "new", "reason"},
        "check": {"task", "title", "token", "attempt"} | _RUN,
        "gate": {"phase", "gate"} | _RUN,
    }.items()
}


def author_of(agent: str, ledger: str) -> tuple[str, str]:
    """Give the author's name and address of an agent's entries."""
    return agent, f"{agent}@{ledger}.gitcoord.invalid"


def render(event: Event) -> str:
    """Write the whole message of an entry, with its final newline."""
    lines = [_line(_subject(event)), ""]
    body = _body(event)
    if body:
        lines += ["  " + line for line in codec.printable(body, lines=True).rstrip().split("\n")]
        lines.append("")
    lines += [f"Gitcoord-{key}: {_line(value)}" for key, value in _trailers(event)]
    lines.append(f"{EVENT_TRAILER}: {codec.dump_line(event)}")
    return "\n".join(lines) + "\n"


def parse(message: str, where: str = "") -> Event:
    """Read the event of a message.

    Raises:
        CorruptError: No event, another format, or a message that its event
            does not render to.

    """
    place = f"entry {where[:12]}" if where else "the entry"
    line = message.rstrip("\n").rpartition("\n")[2]
    prefix = EVENT_TRAILER + ": "
    if not line.startswith(prefix):
        raise CorruptError(f"{place} has no {EVENT_TRAILER} trailer", entry=where)
    event = codec.load(line[len(prefix) :], MAX_EVENT_BYTES, place)
    if not isinstance(event, dict) or type(event.get("format")) is not int:
        raise CorruptError(f"{place} has an event without a format", entry=where)
    if event["format"] != FORMAT:
        raise CorruptError(
            f"{place} has ledger format {event['format']}, and this gitcoord reads format {FORMAT}",
            hint="install a newer gitcoord",
            entry=where,
        )
    op = event.get("op")
    if not isinstance(op, str) or op not in FIELDS or event.keys() != FIELDS[op]:
        raise CorruptError(
            f"{place} has an unknown operation, or keys that do not fit it", entry=where
        )
    try:
        same = render(cast("Event", event)) == message
    except (KeyError, TypeError, ValueError, AttributeError):
        same = False
    if not same:
        raise CorruptError(f"{place} has a message that differs from its event", entry=where)
    return cast("Event", event)


def _line(text: object) -> str:
    return codec.printable(str(text)).strip() or "-"


def _subject(event: Event) -> str:
    op, agent = event["op"], event["agent"]
    about = f"{op} {event['task']} by {agent}" if event.get("task") else f"{op} by {agent}"
    if op == "progress":
        percent = event["percent"]
        return f"{about}: {_first(event['message'])}" + (
            "" if percent is None else f" ({percent}%)"
        )
    if op in {"fail", "escalate", "reopen", "reject"}:
        return f"{about}: {_first(event['reason'])}"
    if op in {"check", "gate"}:
        about = about if op == "check" else f"gate {event['gate']} of {event['phase']}"
        return f"{about}: {event['verdict']}" + (
            f", {_first(event['reason'])}" if event["reason"] else ""
        )
    if op == "claim" and event["takeover"]:
        return f"{about}, taken over from {event['takeover']['agent']}: {event['title']}"
    if op == "assign":
        return f"assign {event['task']} to {event['to'] or 'anyone'} by {agent}: {event['title']}"
    if op == "expire":
        ended = [f"{gone['task']} of {gone['agent']}" for gone in event["expired"]]
        ended += [f"a lock of {gone['agent']}" for gone in event["lapsed"]]
        return f"{about}: " + ", ".join(ended[:8])
    if "title" in event:
        return f"{about}: {event['title']}"
    return {
        "init": lambda: f"init ledger {event['ledger']} for {event['target']}",
        "plan": lambda: (
            f"plan {event['name']} by {agent}: {event['added']} added, {event['changed']} changed"
        ),
        "agent-add": lambda: f"agent-add {event['name']} by {agent}",
        "agent-remove": lambda: f"agent-remove {event['name']} by {agent}",
        "land-begin": lambda: (
            f"land-begin {event['phase']}: {event['count']} results onto {event['target']}"
        ),
        "land-done": lambda: (
            f"land-done {event['phase']}: {event['target']} is at {event['new'][:12]}"
        ),
        "land-abort": lambda: f"land-abort {event['phase']}: {_first(event['reason'])}",
        "lock": lambda: f"{_paths(event)} by {agent}{_manner(event)}",
        "unlock": lambda: (
            f"{_paths(event)} by {agent}"
            + ("" if event["name"] == agent else f", locked by {event['name']}")
        ),
        "resolve": lambda: f"resolve {event['escalation']} by {agent}: {_first(event['answer'])}",
        "note": lambda: (
            f"note on {event['task'] or event['path'] or 'the plan'} by {agent}: "
            f"{_first(event['message'])}"
        ),
        "note-drop": lambda: f"note-drop {event['note']} by {agent}",
        "checkpoint": lambda: f"checkpoint {event['name']} by {agent}",
        "batch": lambda: (
            f"batch by {agent}: {_first(', '.join(_short(one) for one in event['events']))}"
        ),
        "rollback": lambda: (
            f"rollback to {event['onto'][:12]} by {agent}" + (" with code" if event["code"] else "")
        ),
        "rollback-done": lambda: f"rollback-done: {event['target']} is at {event['new'][:12]}",
        "rollback-abort": lambda: f"rollback-abort: {_first(event['reason'])}",
    }[op]()


def _paths(event: Event) -> str:
    named = event["paths"] or []
    return f"{event['op']} {_first(', '.join(named[:4]))}" + (
        f" and {len(named) - 4} more" if len(named) > 4 else ""
    )


def _manner(event: Event) -> str:
    how = ["shared"] if event["shared"] else []
    how += [f"for {event['for_ms'] / 1000:g} s"] if event["for_ms"] is not None else []
    how += [f"with its claim on {event['task']}"] if event["task"] else []
    return (f" ({', '.join(how)})" if how else "") + (
        f": {_first(event['reason'])}" if event["reason"] else ""
    )


def _first(text: str) -> str:
    line = text.strip().split("\n", 1)[0]
    return line if len(line) <= 160 else line[:159] + "…"


def _short(event: Event) -> str:
    return f"{event['op']} {event.get('task') or event.get('name') or ''}".rstrip()


def _body(event: Event) -> str:
    if event["op"] == "batch":
        return "\n".join(_line(_subject(one)) for one in event["events"])
    text = event.get("reason") or event.get("message") or event.get("answer") or ""
    return text if _first(text) != text.strip() or event["op"] in _EXPLAINED else ""


def _trailers(event: Event) -> list[tuple[str, object]]:
    found: list[tuple[str, object]] = [("Op", event["op"])]
    named = (
        tasks_of(event) if event["op"] == "batch" else [event["task"]] if event.get("task") else []
    )
    found += [("Task", task) for task in named]
    found.append(("Agent", event["agent"]))
    for key, name in (("phase", "Phase"), ("token", "Claim"), ("attempt", "Attempt")):
        if event.get(key):
            found.append((name, event[key]))  # type: ignore[literal-required]
    takeover = event.get("takeover")
    if takeover:
        found.append(("Takeover", takeover["token"]))
    gone_too = evidence_of(event) if event["op"] == "batch" else event.get("expired", [])
    found += [("Expired", f"{gone['task']} {gone['token']}") for gone in gone_too]
    entries = event["events"] if event["op"] == "batch" else [event]
    found += [
        ("Lapsed", f"{gone['lock']} {gone['agent']}")
        for one in entries
        for gone in one.get("lapsed", [])
    ]
    result = event.get("result")
    if result is not None:
        found.append(("Result", result["oid"] or "none"))
    if event.get("abandoned"):
        found.append(("Abandoned", event["abandoned"]))
    if event.get("reason"):
        found.append(("Reason", _first(event["reason"])))
    found += [("Id", event["id"]), ("Format", event["format"])]
    return found
