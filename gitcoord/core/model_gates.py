"""Define the records of gates and of the landings that rest on them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from gitcoord.core.ids import AgentId, Oid, TaskId
from gitcoord.core.model_said import Said
from gitcoord.core.shapes import TypedDict

if TYPE_CHECKING:
    from typing import NotRequired

__all__ = ["GateRun", "GateSpec", "Landing", "Proof"]


class GateSpec(TypedDict):
    """A check of a phase: a shell command, its timeout and its retries.

    ``setup`` builds what it needs, from the files that ``cache`` names
    alone; each run gets a copy.
    """

    name: str
    run: str
    timeout_ms: int
    retry: int
    setup: NotRequired[str]
    cache: NotRequired[list[str]]


class GateRun(TypedDict):
    """The last run of a gate, or of a task's check.

    ``gates/<phase>/<gate>.json`` and ``checks/<h1>/<h2>/<task>.json``. A
    pass counts for exactly this tree and this definition, the hash of what
    ran. ``log`` is the blob with the end of its output.
    """

    gate: str
    definition: str
    tree: Oid
    commit: Oid
    verdict: Literal["passed", "failed"]
    reason: str | Said
    millis: int
    log: Oid | None
    agent: AgentId
    at: int


class Proof(TypedDict):
    """A pass that a landing rests on: what ran, and on which tree."""

    gate: str
    definition: str
    tree: Oid
    commit: Oid


class Landing(TypedDict):
    """A move of the target to the merged results of a phase.

    ``results`` is the oid of the blob that lists (task, result) in merge
    order; ``old`` and ``new`` are the target's tips; ``at`` is for reading.
    ``gates`` are the passes that it rests on, ``tree`` what they ran on;
    ``without`` are the tasks that a person left out, ``bare`` those of a
    stream that land with the others and have no commit.
    """

    old: Oid
    new: Oid
    tree: Oid | None
    results: Oid
    count: int
    gates: list[Proof]
    without: list[TaskId]
    at: int
    bare: NotRequired[list[TaskId]]
