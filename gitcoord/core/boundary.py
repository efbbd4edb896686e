"""Decide what a claim may write: the one module that everything asks.

The plan bounds a task, its pool and its phase; whoever added an agent
bounds the agent. Each is a layer, and a path is inside where every layer
allows it and it means the same on every disk. ``reads`` are not a layer: what
a task relies on is shared, and nobody may write it for having named it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitcoord.core import paths
from gitcoord.core.shapes import NamedTuple

if TYPE_CHECKING:
    # An assistant's hook judges by a boundary at every tool call, and needs no record.
    from collections.abc import Mapping

    from gitcoord.core.model import AgentRecord, Result, TaskRecord
    from gitcoord.core.snapshot import Snapshot

__all__ = [
    "Boundary",
    "Layer",
    "boundary_of",
    "boundary_of_result",
    "could_write",
    "fits_agent",
    "paths_of",
    "recorded",
]


class Layer(NamedTuple):
    """The patterns that one part of the plan, or an agent, is bound to."""

    name: str
    patterns: tuple[str, ...]


class Boundary(NamedTuple):
    """What a claim may write; without a layer: whatever is safe."""

    layers: tuple[Layer, ...]

    def allows(self, path: str, *, is_gone: bool = False) -> bool:
        """Return whether every layer allows a path; an unsafe one may only be taken away."""
        return (is_gone or paths.is_safe(path)) and self.forbidden_by(path) is None

    def forbidden_by(self, path: str) -> str | None:
        """Return the first layer that does not allow a path, or None."""
        for layer in self.layers:
            if not any(paths.matches(pattern, path) for pattern in layer.patterns):
                return layer.name
        return None

    def problem(self, path: str, *, is_new: bool, is_gone: bool = False) -> str | None:
        """Return why a path may not be written, in a few words, or None.

        A new path has to be one that no disk takes for another, too; a path that is
        taken away may have had any name.
        """
        if not is_gone and not paths.is_safe(path):
            return "a name that is unsafe on some disks"
        layer = self.forbidden_by(path)
        if layer is not None and layer.startswith("task "):
            return "outside"
        if layer is not None:
            return f"outside of {layer}"
        if is_new and not paths.is_portable(path):
            return "a name that some disks take for another"
        return None

    def describe(self) -> str:
        """Return in a few words what may be written."""
        if not self.layers:
            return "anything safe"
        return ", and of that only ".join(_described(layer) for layer in self.layers)


def paths_of(task: TaskRecord) -> list[str] | None:
    """Return what a task may write of its own: its paths, and those it was widened by.

    None where the plan sets no bound for it.
    """
    own = task["spec"]["paths"]
    if own is None:
        return None
    return [*own, *task.get("widened", [])]


def boundary_of(snapshot: Snapshot, task: TaskRecord, agent: AgentRecord | None) -> Boundary:
    """Combine what binds a task, its pool, its phase and an agent."""
    layers = _plan_layers(snapshot, task)
    if agent is not None:
        layers += _layer("agent", agent["id"], agent["paths"])
    return Boundary(layers)


def recorded(boundary: Boundary) -> dict[str, list[str]]:
    """Return what a result has to record of the boundary that it was held to.

    The task's own paths stay as they are while its result counts; the other
    layers can change, and an agent can go.
    """
    return {
        layer.name: list(layer.patterns)
        for layer in boundary.layers
        if not layer.name.startswith("task ")
    }


def boundary_of_result(task: TaskRecord, result: Result) -> Boundary:
    """Return the boundary that was in force when a result was handed in."""
    own = _layer("task", task["id"], paths_of(task))
    return Boundary(
        (*own, *(Layer(name, tuple(patterns)) for name, patterns in result["boundary"].items()))
    )


def fits_agent(snapshot: Snapshot, task: TaskRecord, agent: AgentRecord) -> bool:
    """Return whether all that the plan lets a task write is the agent's to write."""
    if agent["paths"] is None:
        return True
    plan = _plan_layers(snapshot, task) or (Layer("", ("**",)),)
    return any(paths.covers(agent["paths"], layer.patterns) for layer in plan)


def could_write(own: list[str] | None, *others: list[str] | None) -> bool:
    """Return whether layers of a plan surely leave a task something to write."""
    if own is None:
        own = ["**"]
    return not own or all(
        other is None or paths.overlaps(own, other) is not None for other in others
    )


def _plan_layers(snapshot: Snapshot, task: TaskRecord) -> tuple[Layer, ...]:
    spec = task["spec"]
    plan, phase = snapshot.plan(), snapshot.phase(spec["phase"])
    pool: Mapping[str, object] = {}
    if plan is not None:
        pool = plan["pools"].get(spec["pool"], {})
    return (
        *_layer("task", task["id"], paths_of(task)),
        *_layer("pool", spec["pool"], pool.get("paths")),
        *_layer("phase", spec["phase"], phase and phase["spec"]["paths"]),
    )


def _layer(kind: str, name: str, patterns: object) -> tuple[Layer, ...]:
    if not isinstance(patterns, list):
        return ()
    return (Layer(f"{kind} {name}", tuple(patterns)),)


def _described(layer: Layer) -> str:
    text = ", ".join(layer.patterns[:10]) or "nothing"
    if layer.name.startswith("task "):
        return text
    return f"{text} ({layer.name})"
