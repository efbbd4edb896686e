"""Own how a stream is closed, and opened again."""

from __future__ import annotations

from typing import Any, cast

from gitcoord.core.errors import RefusedError, UsageError
from gitcoord.core.events import Command, Event
from gitcoord.core.ids import PhaseId
from gitcoord.core.layout import phase_path
from gitcoord.core.leases import Context
from gitcoord.core.model import PhaseRecord
from gitcoord.core.operation import Operation, keys
from gitcoord.core.operations.preconditions import named_phase
from gitcoord.core.snapshot import Changes, Snapshot
from gitcoord.core.streams import end_stream, is_stream

__all__ = ["OPERATIONS"]


def decide_phase(_snapshot: Snapshot, command: Command, _context: Context) -> dict[str, Any]:
    """Name the stream, and why."""
    return {"phase": command["phase"], "reason": command["reason"]}


def _stream(snapshot: Snapshot, phase: PhaseId) -> PhaseRecord:
    record = named_phase(snapshot, phase)
    if not is_stream(record["spec"]):
        raise UsageError(
            f"phase {phase} is not a stream: it ends when its tasks have landed",
            hint=f"`gitcoord phase land {phase}` lands it",
        )
    return record


def check_close(snapshot: Snapshot, event: Event) -> None:
    """Refuse to close what is not a stream, or is closed."""
    if _stream(snapshot, event["phase"]).get("closed"):
        raise RefusedError(f"stream {event['phase']} is closed already", reason="nothing-to-do")


def apply_close(snapshot: Snapshot, event: Event, changes: Changes) -> None:
    """Let nothing be added any more; where nothing is left to land, it has landed."""
    phase = cast("PhaseRecord", snapshot.phase(event["phase"]))
    changes[phase_path(phase["id"])] = {**phase, "closed": True}
    end_stream(snapshot, changes, phase["id"])


def check_open(snapshot: Snapshot, event: Event) -> None:
    """Refuse to open what is open, and what others rest on that have begun."""
    phase = _stream(snapshot, event["phase"])
    if not phase.get("closed"):
        raise RefusedError(f"stream {phase['id']} is open already", reason="nothing-to-do")
    later = [one["id"] for one in snapshot.phases() if phase["id"] in one["spec"]["after"]]
    if later:
        raise RefusedError(
            f"stream {phase['id']} stays closed: phase {later[0]} comes after it",
            reason="phase",
            hint="begin another stream for what is new",
        )


def apply_open(snapshot: Snapshot, event: Event, changes: Changes) -> None:
    """Let tasks be added, claimed and landed again."""
    phase = cast("PhaseRecord", snapshot.phase(event["phase"]))
    after = {key: value for key, value in phase.items() if key != "closed"}
    if phase["state"] == "landed":
        after["state"] = "open"
    changes[phase_path(phase["id"])] = after


OPERATIONS = {
    "phase-close": Operation(
        fields=keys("phase"),
        optional={"reason": ""},
        decide=decide_phase,
        check=check_close,
        apply=apply_close,
        subject="phase-close {phase} by {agent}[: {reason}]",
        body="reason",
    ),
    "phase-open": Operation(
        fields=keys("phase"),
        optional={"reason": ""},
        decide=decide_phase,
        check=check_open,
        apply=apply_open,
        subject="phase-open {phase} by {agent}[: {reason}]",
        body="reason",
    ),
}
