"""Tell how the gates of a phase ended last."""

from __future__ import annotations

from gitcoord.core.ids import Oid
from gitcoord.core.layout import gate_log_path
from gitcoord.core.model import PhaseRecord
from gitcoord.core.operations.gates import definition_of, run_of
from gitcoord.core.sentences import words
from gitcoord.core.shapes import TypedDict
from gitcoord.core.snapshot import Snapshot

__all__ = ["FailedGate", "failed_gates"]


class FailedGate(TypedDict):
    """A gate whose last run failed, and how it ended."""

    gate: str
    reason: str
    commit: Oid
    log: str


def failed_gates(snapshot: Snapshot, phase: PhaseRecord) -> list[FailedGate]:
    """Return the gates of a phase that failed and have not passed since.

    A gate that was redefined since has not failed.
    """
    if phase["state"] == "landed":
        return []
    found: list[FailedGate] = []
    for spec in phase["spec"]["gates"]:
        run = run_of(snapshot, phase=phase["id"], gate=spec["name"])
        if run is None or run["verdict"] != "failed" or run["definition"] != definition_of(spec):
            continue
        found.append(
            {
                "gate": spec["name"],
                "reason": words(run["reason"]),
                "commit": run["commit"],
                "log": gate_log_path(phase["id"], spec["name"]),
            }
        )
    return found
