"""Tell the command of a run what it works on, in its environment."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from gitcoord.core import codec
from gitcoord.core.boundary import paths_of
from gitcoord.core.ids import AgentId
from gitcoord.core.model import TaskRecord
from gitcoord.core.sentences import reason_of
from gitcoord.features.assist.briefs import brief_of
from gitcoord.features.work.claims import Claimed
from gitcoord.features.workspace import Workspace
from gitcoord.git.temporary import temporary_folder

__all__ = ["variables_of"]

MAX_SETBACKS_BYTES = 16 * 1024
"""The kernel bounds what a command's environment may hold."""


@contextmanager
def variables_of(
    work: Workspace, agent: AgentId, claimed: Claimed, slot: int | None = None
) -> Iterator[dict[str, str]]:
    """Return what a command is told of its claim; the brief's file is gone afterwards.

    ``slot`` is a number that no other agent of a run has on this machine.

    Raises:
        UnavailableError: The brief cannot be written.

    """
    task = claimed.task
    brief = brief_of(work, agent, task["id"])
    with temporary_folder(work.ledger.files.root / "briefs") as folder:
        path = folder / "brief.md"
        path.write_bytes(brief.text.encode("utf-8", "replace"))
        variables = {
            "GITCOORD_TASK": task["id"],
            "GITCOORD_TITLE": task["spec"]["title"],
            "GITCOORD_DESCRIPTION": task["spec"]["description"],
            "GITCOORD_PATHS": "\n".join(paths_of(task) or []),
            "GITCOORD_ATTEMPT": str(claimed.claim["attempt"]),
            "GITCOORD_SETBACKS": _setbacks(task),
            "GITCOORD_BRIEF": str(path),
            "GITCOORD_AGENT": agent,
            "GITCOORD_CLAIM": claimed.claim["token"],
            "GITCOORD_LEDGER": work.ledger.name,
            "GITCOORD_SESSION": claimed.claim["session"],
        }
        if slot is not None:
            variables["GITCOORD_SLOT"] = str(slot)
        yield variables


def _setbacks(task: TaskRecord) -> str:
    told = [f"attempt {one['attempt']}: {reason_of(one)}" for one in task["setbacks"]]
    return codec.cut("\n".join(told), MAX_SETBACKS_BYTES)
