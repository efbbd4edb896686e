"""Know whether an agent's worktree is prepared, as its last setup left it."""

from __future__ import annotations

from pathlib import Path

from gitcoord.core.errors import RefusedError
from gitcoord.core.ids import AgentId
from gitcoord.features.workspace import Workspace
from gitcoord.host.processes import is_alive
from gitcoord.ledger.files import read_json

__all__ = ["failed_setup", "is_set_up", "refuse_failed", "setup_file"]


def setup_file(work: Workspace, agent: AgentId) -> Path:
    """Return the file that says what the setup of an agent's worktree came to."""
    return work.agent_folder(agent) / "setup.json"


def is_set_up(work: Workspace, agent: AgentId) -> bool:
    """Return whether the setup of an agent's worktree succeeded, or there was none to run."""
    facts = read_json(setup_file(work, agent)) or {}
    return facts.get("state", "done") in {"none", "done"}


def failed_setup(work: Workspace, agent: AgentId) -> str:
    """Return the log of a setup that failed or was cut off, else nothing."""
    facts = read_json(setup_file(work, agent)) or {}
    state = facts.get("state")
    is_cut_off = state == "begun" and not is_alive(str(facts.get("process", "")))
    if state == "failed" or is_cut_off:
        return str(facts.get("log"))
    return ""


def refuse_failed(work: Workspace, agent: AgentId) -> None:
    """Refuse to offer a task to an agent whose worktree is not prepared.

    Raises:
        RefusedError: Reason ``worktree``; the log and the next step are named.

    """
    log = failed_setup(work, agent)
    if log:
        raise RefusedError(
            f"the setup of {agent}'s worktree failed: its output is in {log}",
            reason="worktree",
            hint=f"`gitcoord agent setup {agent}` runs it again",
        )
    if (read_json(setup_file(work, agent)) or {}).get("state") == "begun":
        raise RefusedError(
            f"the setup of {agent}'s worktree is still running",
            reason="worktree",
            hint="claim when it has ended",
        )
