"""Find what waits for a person, each with the command that helps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gitcoord.core import codec
from gitcoord.core.ids import AgentId, PhaseId, TaskId
from gitcoord.core.model import TaskRecord
from gitcoord.core.operations.changes import TASK_FAILED
from gitcoord.core.operations.widenings import KIND as WIDENING
from gitcoord.core.refs import branch_name
from gitcoord.core.sentences import reason_of, text_of_escalation
from gitcoord.core.shapes import TypedDict
from gitcoord.core.snapshot import Snapshot
from gitcoord.core.times import instant
from gitcoord.features.inspect.gates import failed_gates
from gitcoord.features.prepared import failed_setup
from gitcoord.features.setup.trust import gates_and_setup, shown, untrusted
from gitcoord.features.workspace import Workspace
from gitcoord.git.places import may_be_checked_out

__all__ = ["Attention", "item", "needs_you"]

MAX_FAILED = 20
_MAX_CHARS = 300


class Attention(TypedDict):
    """One thing that waits for a person."""

    kind: str
    task: TaskId | None
    phase: PhaseId | None
    agent: AgentId | None
    since: str | None
    text: str
    command: str


def needs_you(work: Workspace, snapshot: Snapshot) -> list[Attention]:
    """Return everything that waits for a person, the most pressing first."""
    unlanded = [phase["id"] for phase in snapshot.phases() if phase["state"] != "landed"]
    failed = work.index.in_state(unlanded, "failed")
    return [
        *_target(work, snapshot),
        *_escalations(snapshot, failed),
        *_failed_tasks(snapshot, failed),
        *_gates(snapshot),
        *_setups(work, snapshot),
        *_untrusted(work, snapshot),
    ]


def item(
    kind: str,
    text: str,
    command: str,
    *,
    task: TaskId | None = None,
    phase: PhaseId | None = None,
    agent: AgentId | None = None,
    since: str | None = None,
) -> Attention:
    """Return one thing that is told, with what it is about and the command for it."""
    return {
        "kind": kind,
        "task": task,
        "phase": phase,
        "agent": agent,
        "since": since,
        "text": codec.printable(text.split("\n", 1)[0][:_MAX_CHARS]),
        "command": command,
    }


def _target(work: Workspace, snapshot: Snapshot) -> Iterator[Attention]:
    """Find a target that is gone, and a ledger that somebody has checked out."""
    target = work.target(snapshot)
    name = branch_name(target)
    if work.read_target(target) is None:
        text = f"the target branch {name} does not exist: it was renamed or deleted"
        yield item("target", text, 'gitcoord plan apply FILE, with target = "BRANCH" in its [plan]')
    if not may_be_checked_out(work.place.common_dir, work.ledger.ref):
        return
    from gitcoord.git.worktrees import checkouts_of

    for place in checkouts_of(work.git, work.ledger.ref):
        text = f"the ledger is checked out in {place}: a commit there would break it"
        yield item("checkout", text, f"git -C {place} switch {name}")


def _escalations(snapshot: Snapshot, failed: Sequence[TaskId]) -> Iterator[Attention]:
    """Find what is asked; that a task failed is told of the task, and its retry answers it."""
    told = frozenset(failed)
    for one in snapshot.escalations():
        is_told = one["code"] == TASK_FAILED and one["task"] in told
        if one["state"] == "open" and not is_told:
            command = f"gitcoord resolve {one['id']} ANSWER"
            if one["code"] == WIDENING:
                command += " --grant"
            yield item(
                "escalation",
                f"{one['id']} {text_of_escalation(one)}",
                command,
                task=one["task"],
                agent=one["agent"],
                since=instant(one["at"]),
            )


def _failed_tasks(snapshot: Snapshot, names: Sequence[TaskId]) -> Iterator[Attention]:
    for name in names[:MAX_FAILED]:
        task = snapshot.require_task(name)
        text = f"task {name} failed{_last_reason(task)}"
        yield item("failed", text, f"gitcoord retry {name}", task=name, phase=task["spec"]["phase"])
    if len(names) > MAX_FAILED:
        text = f"{len(names) - MAX_FAILED} more tasks failed"
        yield item("failed", text, "gitcoord tasks --state failed")


def _last_reason(task: TaskRecord) -> str:
    """Return why the last attempt at a task ended."""
    if not task["setbacks"]:
        return ""
    last = task["setbacks"][-1]
    return f": attempt {last['attempt']} by {last['agent']}: {reason_of(last)}"


def _gates(snapshot: Snapshot) -> Iterator[Attention]:
    for phase in snapshot.phases():
        for failed in failed_gates(snapshot, phase):
            text = f"gate {failed['gate']} of phase {phase['id']} failed: {failed['reason']}"
            yield item("gate", text, f"gitcoord phase check {phase['id']}", phase=phase["id"])


def _setups(work: Workspace, snapshot: Snapshot) -> Iterator[Attention]:
    """Find worktrees whose setup did not succeed."""
    for agent in snapshot.agents():
        log = failed_setup(work, agent["id"])
        if log:
            text = f"the setup of {agent['id']}'s worktree failed: its output is in {log}"
            yield item("setup", text, f"gitcoord agent setup {agent['id']}", agent=agent["id"])


def _untrusted(work: Workspace, snapshot: Snapshot) -> Iterator[Attention]:
    """Find commands of gates and of the setup that may not run here yet.

    Checks of tasks are left to their claims: to look at each of a hundred
    thousand tasks would make looking slow.
    """
    missing = untrusted(work, gates_and_setup(snapshot))
    if missing:
        text = f"not trusted on this machine: {'; '.join(map(shown, missing[:3]))}"
        yield item("trust", text, "gitcoord trust")
