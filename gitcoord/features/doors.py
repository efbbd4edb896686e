"""Begin as an agent, or as the orchestrator, by whichever door one comes in.

The command line, the Python interface, and what is to come enter here before
they do anything else: an unknown outcome is settled first, a move of the
target that was cut off is finished, and answers are handed on.
"""

from __future__ import annotations

from typing import Literal

from gitcoord.core import ids
from gitcoord.core.errors import CorruptError
from gitcoord.core.ids import AgentId, PhaseId, TaskId
from gitcoord.core.refs import branch_name
from gitcoord.core.shapes import NamedTuple
from gitcoord.core.snapshot import Snapshot
from gitcoord.features.workspace import Workspace
from gitcoord.git.places import TABLES, discover, keeps_tables
from gitcoord.ledger.files import sync_files
from gitcoord.ledger.pending import Settled

__all__ = ["Notice", "begin_as_agent", "begin_as_orchestrator", "landed_by_itself"]

MAX_QUOTED_CHARS = 80
_LEASES = {"claim": "claims", "reissue": "claims", "review": "reviews"}


class Notice(NamedTuple):
    """Something to be told beside what a command answers."""

    kind: Literal["settled", "answer", "landing", "worktree", "claim", "copy"]
    text: str


def begin_as_agent(work: Workspace, agent: AgentId) -> list[Notice]:
    """Settle, finish and hand on what concerns an agent, before its command.

    Of a move of the target the refs are finished, if that can be done at
    once; files follow with the orchestrator's next command.
    """
    notices = _settle(work, agent)
    tip = work.ledger.tip()
    if tip is None:
        return notices
    snapshot = work.ledger.snapshot(tip)
    if snapshot.settings()["pending"] is not None:
        from gitcoord.features.land.target_moves import finish_for_agent

        hindrance = finish_for_agent(work)
        if hindrance:
            notices.append(Notice("landing", hindrance))
    return notices + _answers(work, snapshot, agent) + _in_the_way(work, snapshot, agent)


def begin_as_orchestrator(work: Workspace) -> list[Notice]:
    """Settle and finish what concerns the orchestrator, before its command."""
    notices = _settle(work, ids.ORCHESTRATOR)
    if work.ledger.tip() is None:
        return notices
    from gitcoord.features.land.target_moves import finish_pending, lagging
    from gitcoord.features.setup.agents import finish_removals

    try:
        finish_pending(work)
    except CorruptError as error:
        # To go back before such an entry is the orchestrator's, too.
        text = f"a move of the target is not followed: {error.message}"
        notices.append(Notice("landing", text))
    notices += [Notice("worktree", text) for text in finish_removals(work)]
    for worktree in lagging(work):
        text = (
            f"{worktree} has the target checked out and is behind it: local changes are in the way"
        )
        notices.append(Notice("worktree", text))
    return notices


def landed_by_itself(work: Workspace, phase: PhaseId) -> list[Notice]:
    """Land a phase that a completion, or an approval, made whole; tell it."""
    plan = work.ledger.snapshot().plan()
    if plan is None or plan["landing"] != "auto":
        return []  # without loading what lands: most completions have nothing to land
    from gitcoord.features.land import landings

    landed = landings.land_automatically(work, phase)
    if landed is None:
        return []
    if isinstance(landed, landings.Landed):
        target = branch_name(landed.target)
        told = [f"phase {phase} landed: {target} is at {landed.new[:12]}"]
        if landed.push is not None and landed.push.told:
            told.append(landed.push.told)
        return [Notice("landing", text) for text in told]
    return [Notice("landing", f"phase {phase} is whole and did not land: {landed.message}")]


def _settle(work: Workspace, agent: AgentId) -> list[Notice]:
    """Settle what dead processes left unknown, and forget leases that never were."""
    if keeps_tables(work.place.common_dir):
        _clear_tables(work, agent)
    notices = []
    if work.remote is not None:
        work.remote.ask_anew()
    else:
        notices = _copied(work)
    for settled in work.ledger.settle(agent):
        _mend_token(work, agent, settled)
        what = f"{settled.op} {settled.task}".strip()
        became = "was not done"
        if settled.is_applied:
            became = "was done"
        notices.append(Notice("settled", f"an earlier {what} that was cut off {became}"))
    return notices


def _copied(work: Workspace) -> list[Notice]:
    """Return that a remote has this ledger too, where this clone merely fetched it."""
    name, folder = work.ledger.name, work.place.common_dir.joinpath("refs", "remotes")
    if not folder.is_dir():
        return []
    for remote in sorted(one.name for one in folder.iterdir()):
        if work.store.read_ref(f"refs/remotes/{remote}/gitcoord/{name}") is not None:
            text = f"{remote} has a ledger {name!r} too, and this clone works on a copy of its own"
            return [Notice("copy", f"{text}: `gitcoord join` works on the one that all share")]
    return []


def _clear_tables(work: Workspace, agent: AgentId) -> None:
    """Remove the locks that dead gits left on tables, in the agent's worktree too."""
    from gitcoord.git.refs import clear_table_locks

    folders = [work.place.common_dir, work.place.git_dir]
    if agent != ids.ORCHESTRATOR and (worktree := work.worktree_of(agent)) is not None:
        folders.append(discover(worktree).git_dir)
    for folder in dict.fromkeys(folders):
        clear_table_locks(folder / TABLES)


def _mend_token(work: Workspace, agent: AgentId, settled: Settled) -> None:
    """Forget the token of a lease that never was; complete that of one which others decided."""
    if not settled.token or settled.op not in _LEASES:
        return
    tokens = work.tokens(agent, _LEASES[settled.op])
    if not settled.is_applied:
        tokens.remove(settled.token)
        return
    kept = tokens.read(settled.token)
    if kept and kept.get("task") != settled.task:
        sync_files(tokens.write(settled.token, {**kept, "task": settled.task}))


def _in_the_way(work: Workspace, snapshot: Snapshot, agent: AgentId) -> list[Notice]:
    """Return what came into the way of an agent's tasks since it claimed them."""
    kept = work.tokens(agent).all(besides=work.ended_tokens)
    if not kept:
        return []
    from gitcoord.core.readiness import hindrance

    notices = []
    for one in kept:
        task = snapshot.task(TaskId(one["task"]))
        if task is None or task["claim"] is None or task["claim"]["token"] != one["token"]:
            continue
        found = hindrance(snapshot, task)
        if found is not None:
            text = f"your claim on task {task['id']} stands, but {found.text}"
            notices.append(Notice("claim", text))
    return notices


def _answers(work: Workspace, snapshot: Snapshot, agent: AgentId) -> list[Notice]:
    """Return what the orchestrator answered since this agent last asked."""
    if not snapshot.names("escalations"):
        return []
    from gitcoord.core.sentences import answer_of, text_of_escalation
    from gitcoord.features.work.escalations import answers_for

    notices = []
    for one in answers_for(work, snapshot, agent):
        about = ""
        if one["task"]:
            about = f" about task {one['task']}"
        quoted = f"({text_of_escalation(one)[:MAX_QUOTED_CHARS]})"
        text = f"answer to your escalation {one['id']}{about} {quoted}: {answer_of(one)}"
        notices.append(Notice("answer", text))
    return notices
