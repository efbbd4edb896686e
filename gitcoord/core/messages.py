"""Write an event as a commit message, and read it back.

The message is a pure function of the event's line: ``parse`` renders it
again and compares byte for byte, so that nothing a user types can forge a
trailer. Free text is shown without control characters and stands indented
in the body, where no line of it can look like a trailer.
"""

from __future__ import annotations

import re
from typing import Any, cast

from gitcoord.core import codec
from gitcoord.core.errors import CorruptError
from gitcoord.core.events import Event, evidence_of, tasks_of
from gitcoord.core.machine import operation
from gitcoord.core.model import FORMAT
from gitcoord.core.operation import COMMON
from gitcoord.core.texts import first_line

__all__ = ["EVENT_TRAILER", "author_of", "parse", "render", "subject_of"]

EVENT_TRAILER = "Gitcoord-Event"
MAX_EVENT_BYTES = 4 * 1024 * 1024
MAX_LISTED = 4
_OPTIONAL = re.compile(r"\[([^\[\]]*)\]")
_PLACE = re.compile(r"\{([a-z_/]+)(?::(\d+))?\}")


def author_of(agent: str, ledger: str) -> tuple[str, str]:
    """Give the author's name and address of an agent's entries."""
    return agent, f"{agent}@{ledger}.gitcoord.invalid"


def render(event: Event) -> str:
    """Write the whole message of an entry, with its final newline."""
    lines = [subject_of(event), ""]
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
        RefusedError: An operation that this version does not know (reason
            ``newer-format``).

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
    if event.keys() != COMMON | operation(str(event.get("op"))).fields:
        raise CorruptError(f"{place} has keys that do not fit its operation", entry=where)
    try:
        same = render(cast("Event", event)) == message
    except (KeyError, TypeError, ValueError, AttributeError):
        same = False
    if not same:
        raise CorruptError(f"{place} has a message that differs from its event", entry=where)
    return cast("Event", event)


def _line(text: object) -> str:
    return codec.printable(str(text)).strip() or "-"


def subject_of(event: Event) -> str:
    """Return the line for people, which the operation's row describes.

    ``{key}`` stands for what is said there; a part in brackets is left out
    where one of its keys says nothing.
    """

    def optional(part: re.Match[str]) -> str:
        keys = [place[1] for place in _PLACE.finditer(part[1])]
        is_said = all(_shown(event, key) for key in keys)
        return part[1] if is_said else ""

    def place(found: re.Match[str]) -> str:
        shown = _shown(event, found[1])
        return shown[: int(found[2])] if found[2] else shown

    return _line(_PLACE.sub(place, _OPTIONAL.sub(optional, operation(event["op"]).subject)))


def _shown(event: Event, path: str) -> str:
    """Return what an event says at a key, or at a key of what is there."""
    key, _, below = path.partition("/")
    value: Any = event.get(key)
    if below and isinstance(value, list):
        value = [one[below] for one in value]
    elif below and value is not None:
        value = value[below]
    if value is None or value is False:
        return ""
    if value is True:
        return key
    if isinstance(value, list):
        return _listed([str(one) for one in value])
    if key.endswith("_ms"):
        return f"{value / 1000:g} s"
    return first_line(str(value))


def _listed(values: list[str]) -> str:
    shown = first_line(", ".join(values[:MAX_LISTED]))
    more = len(values) - MAX_LISTED
    return f"{shown} and {more} more" if more > 0 else shown


def _body(event: Event) -> str:
    """Return the text that stands below the subject, unless all of it is there."""
    row = operation(event["op"])
    if event["op"] == "batch":
        return "\n".join(subject_of(one) for one in event["events"])
    text = str(event.get(row.body) or "")
    is_shown = f"{{{row.body}}}" in row.subject and first_line(text) == text.strip()
    return "" if is_shown else text


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
        found.append(("Reason", first_line(event["reason"])))
    found += [("Id", event["id"]), ("Format", event["format"])]
    return found
