"""Notice an agent that keeps losing, and hand it to the orchestrator.

Losing a race is normal and costs nothing. An agent that lost many claims
in a row, or found no room for longer than a lease, needs a person: its
tasks are cut badly, or somebody holds what everyone wants.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gitcoord.core import ids
from gitcoord.core.errors import ConflictError, GitcoordError, NothingReadyError
from gitcoord.core.ids import AgentId
from gitcoord.features.workspace import Workspace
from gitcoord.ledger.files import read_json, write_json

__all__ = ["LOSSES", "lost", "won"]

LOSSES = 10
MAX_NAMED = 5


def won(work: Workspace, agent: AgentId) -> None:
    """Forget the losses before a claim that succeeded."""
    (work.agent_folder(agent) / "losses.json").unlink(missing_ok=True)


def _known(file: Path) -> dict[str, Any]:
    """Read what was counted; nothing where the file is not what it has to be."""
    known = read_json(file) or {}
    is_right = isinstance(known.get("met"), list) and all(
        type(known.get(key)) is int for key in ("count", "since_ns")
    )
    if is_right:
        return known
    return {}


def lost(work: Workspace, agent: AgentId, error: GitcoordError) -> None:
    """Count a lost claim; escalate when there were too many, once.

    What is counted: a task that another holds, and tasks that are ready
    and have no room. Other refusals say nothing about contention.
    """
    has_no_room = isinstance(error, NothingReadyError) and error.facts.get("no_room")
    if not (isinstance(error, ConflictError) or has_no_room):
        return
    file = work.agent_folder(agent) / "losses.json"
    known = _known(file)
    boot, now_ns = work.clock.machine_id(), work.clock.monotonic_ns()
    if known.get("boot") != boot:
        known = {"boot": boot, "since_ns": now_ns, "count": 0, "met": []}
    met = [*known["met"], error.message[:200]][-MAX_NAMED:]
    known |= {"count": int(known["count"]) + 1, "met": list(dict.fromkeys(met))}
    write_json(file, known)
    plan = work.ledger.snapshot().plan()
    waited_ms = (now_ns - int(known["since_ns"])) // 1_000_000
    is_starving = has_no_room and plan is not None and waited_ms > plan["lease_ms"]
    if known["count"] >= LOSSES or is_starving:
        from gitcoord.features.work.escalations import escalate_once

        text = (
            f"{agent} lost {known['count']} claims in {ids.show_duration(waited_ms)}: "
            + "; ".join(known["met"])
        )
        escalate_once(work, agent, "contention", None, text)
        write_json(file, {**known, "since_ns": now_ns, "count": 0, "met": []})
