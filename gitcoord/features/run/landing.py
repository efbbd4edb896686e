"""Land the phases that a run made whole, and tell it after what made them whole."""

from __future__ import annotations

from gitcoord.core.errors import RefusedError, UnavailableError
from gitcoord.core.ids import NO_AGENT, PhaseId, TaskId
from gitcoord.core.refs import branch_name
from gitcoord.features.inspect import facts
from gitcoord.features.land import landings
from gitcoord.features.run.crew import Shared
from gitcoord.features.run.reviews import Note
from gitcoord.features.workspace import Workspace

__all__ = ["land_what_is_whole"]


def land_what_is_whole(work: Workspace, shared: Shared, *, is_last: bool = False) -> bool:
    """Land every phase that is whole; True if one landed or was reopened.

    A stream's batch waits until it is due, unless nothing comes any more.

    What forbids a landing is told, and is not the end of the others' work.
    """
    with shared.landing:
        is_moved = False
        for phase in facts.status(work)["phases"]:
            if not phase["is_landable"] or phase["id"] in shared.hopeless:
                continue
            if shared.within.phases and phase["id"] not in shared.within.phases:
                continue
            if shared.stop.is_set():
                break
            if not (is_last or landings.is_batch_due(work, phase["id"])):
                continue
            is_moved |= _land(work, shared, phase["id"])
        return is_moved


def _land(work: Workspace, shared: Shared, phase: PhaseId) -> bool:
    def tell(what: str, text: str) -> None:
        shared.tell(Note(NO_AGENT, TaskId(phase), what, text))

    try:
        landed = landings.land(work, phase)
    except UnavailableError as error:
        if not shared.stop.is_set():
            tell("not landed", error.message)
        return False
    except RefusedError as error:
        tell("not landed", error.message)
        is_reopened = error.reason == "conflict" or bool(error.facts.get("tasks"))
        if not is_reopened and error.reason not in {"not-whole", "nothing-to-do"}:
            shared.hopeless.add(phase)
        return is_reopened
    _wait_until_told(work, shared, phase)
    shared.landed.append(phase)
    tell("landed", f"{landed.results} result(s) on {branch_name(landed.target)}")
    if landed.push is not None and landed.push.told:
        tell("not pushed", landed.push.told)
    return True


def _wait_until_told(work: Workspace, shared: Shared, phase: PhaseId) -> None:
    """Wait until the results that landed with a phase have been told."""
    snapshot = work.ledger.snapshot()
    handed = [snapshot.require_task(name) for name in shared.handing.now()]
    shared.handing.wait(task["id"] for task in handed if task["spec"]["phase"] == phase)
