"""Write an event as a commit message, and read it back.

The message is a pure function of the event's line: ``parse`` renders it
again and compares byte for byte, so that nothing a user types can forge a
trailer. Free text is shown without control characters and stands indented
in the body, where no line of it can look like a trailer.
"""

from __future__ import annotations

from typing import Any, cast

from gitcoord.core import codec
from gitcoord.core.errors import CorruptError
from gitcoord.core.events import Event, evidence_of, tasks_of
from gitcoord.core.ids import AgentId
from gitcoord.core.machine import operation
from gitcoord.core.model import FORMAT
from gitcoord.core.sentences import REASONS, words
from gitcoord.core.texts import fill, first_line
from gitcoord.core.version import newer_format, refuse_format

__all__ = ["EVENT_TRAILER", "author_of", "parse", "reason_in", "render", "sparse", "subject_of"]

EVENT_TRAILER = "Gitcoord-Event"
MAX_EVENT_BYTES = 4 * 1024 * 1024


def author_of(agent: AgentId, ledger: str) -> tuple[str, str]:
    """Return the author's name and address of an agent's entries."""
    return agent, f"{agent}@{ledger}.gitcoord.invalid"


def render(event: Event) -> str:
    """Write the whole message of an entry, with its final newline."""
    lines = [subject_of(event), ""]
    body = _body(event)
    if body:
        lines += ["  " + line for line in codec.printable(body, lines=True).rstrip().split("\n")]
        lines.append("")
    lines += [f"Gitcoord-{key}: {_line(value)}" for key, value in _trailers(event)]
    lines.append(f"{EVENT_TRAILER}: {codec.dump_line(sparse(event))}")
    return "\n".join(lines) + "\n"


def parse(message: str, where: str = "") -> Event:
    """Read the event of a message.

    Raises:
        CorruptError: No event, or a message that its event does not render to.
        RefusedError: A format, an operation or a key that this version does
            not know (reason ``newer-format``).

    """
    place = "the entry"
    if where:
        place = f"entry {where[:12]}"
    last = message.rstrip("\n").rpartition("\n")[2]
    prefix = EVENT_TRAILER + ": "
    if not last.startswith(prefix):
        raise CorruptError(f"{place} has no {EVENT_TRAILER} trailer", entry=where)
    line = codec.load(last[len(prefix) :], MAX_EVENT_BYTES, place)
    if not isinstance(line, dict) or type(line.get("format")) is not int:
        raise CorruptError(f"{place} has an event without a format", entry=where)
    if line["format"] != FORMAT:
        raise refuse_format(line["format"], place, entry=where)
    try:
        event = _whole(line, place, where)
        same = render(event) == message
    except (KeyError, TypeError, ValueError, AttributeError):
        same = False
    if not same:
        raise CorruptError(f"{place} has a message that differs from its event", entry=where)
    return event


def sparse(event: Event) -> dict[str, Any]:
    """Leave out the optional keys that are at their default."""
    optional = operation(event["op"]).optional
    line = {
        key: value for key, value in event.items() if key not in optional or value != optional[key]
    }
    if event["op"] == "batch":
        line["events"] = [sparse(one) for one in event["events"]]
    return line


def _whole(line: dict[str, Any], place: str, where: str) -> Event:
    """Add the optional keys that are left out.

    Raises:
        CorruptError: A key is missing.
        RefusedError: A key or the operation is not known (reason
            ``newer-format``).

    """
    if not isinstance(line["op"], str):
        raise CorruptError(f"{place} has an operation that is not a text", entry=where)
    row = operation(line["op"])
    unknown = sorted(line.keys() - row.keys)
    if unknown:
        key = codec.printable(unknown[0][:80])
        raise newer_format(f"{place} has a key {key!r} that is not known", entry=where)
    event = {**row.optional, **line}
    if event.keys() != row.keys:
        raise CorruptError(f"{place} lacks a key of its operation", entry=where)
    _refuse_unknown(event.get("said"), place, where)
    if line["op"] == "batch":
        event["events"] = [_whole(one, place, where) for one in line["events"]]
    return cast("Event", event)


def _refuse_unknown(said: Any, place: str, where: str) -> None:
    """Refuse a reason by a code that only a newer gitcoord can put into words.

    Raises:
        RefusedError: That is so (reason ``newer-format``).

    """
    while isinstance(said, dict) and isinstance(said["code"], str):
        if said["code"] not in REASONS:
            code = codec.printable(said["code"][:80])
            raise newer_format(f"{place} has a reason {code!r} that is not known", entry=where)
        inner = [one for one in said["values"].values() if isinstance(one, dict)]
        said = next(iter(inner), None)


def _line(text: object) -> str:
    return codec.printable(str(text)).strip() or "-"


def subject_of(event: Event) -> str:
    """Return the line for people, which the operation's row describes."""
    return _line(fill(operation(event["op"]).subject, {**event, "reason": reason_in(event)}))


def reason_in(event: Event) -> str:
    """Return why something happened in words, whoever said it."""
    return words(event.get("said") or event.get("reason") or "")


def _body(event: Event) -> str:
    """Return the text that stands below the subject, unless all of it is there."""
    row = operation(event["op"])
    if event["op"] == "batch":
        return "\n".join(subject_of(one) for one in event["events"])
    text = str(event.get(row.body) or "")
    if row.body == "reason":
        text = reason_in(event)
    is_shown = f"{{{row.body}}}" in row.subject and first_line(text) == text.strip()
    if is_shown:
        return ""
    return text


def _trailers(event: Event) -> list[tuple[str, object]]:
    found: list[tuple[str, object]] = [("Op", event["op"])]
    is_batch = event["op"] == "batch"
    if is_batch:
        found += [("Task", task) for task in tasks_of(event)]
    elif event.get("task"):
        found.append(("Task", event["task"]))
    found.append(("Agent", event["agent"]))
    for key, name in (("phase", "Phase"), ("token", "Claim"), ("attempt", "Attempt")):
        if event.get(key):
            found.append((name, event[key]))  # type: ignore[literal-required]
    takeover = event.get("takeover")
    if takeover:
        found.append(("Takeover", takeover["token"]))
    entries, gone_too = [event], event.get("expired", [])
    if is_batch:
        entries, gone_too = event["events"], evidence_of(event)
    found += [("Expired", f"{gone['task']} {gone['token']}") for gone in gone_too]
    for one in entries:
        for lock in one.get("lapsed", []):
            found.append(("Lapsed", f"{lock['lock']} {lock['agent']}"))
    result = event.get("result")
    if result is not None:
        found.append(("Result", result["oid"] or "none"))
    if event.get("abandoned"):
        found.append(("Abandoned", event["abandoned"]))
    reason = reason_in(event)
    if reason:
        found.append(("Reason", first_line(reason)))
    found += [("Id", event["id"]), ("Format", event["format"])]
    return found
