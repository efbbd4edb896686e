"""Gather what one agent should know of its task, and write it down.

Everything comes from one entry of the ledger and from git's objects, so
that a brief can be read where nothing can be written.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from gitcoord.core import ids, paths
from gitcoord.core.boundary import Boundary, boundary_of, boundary_of_result, paths_of
from gitcoord.core.brief_text import BUDGET_BYTES, MIN_BUDGET_BYTES, compose
from gitcoord.core.errors import GitcoordError, UsageError
from gitcoord.core.ids import AgentId, Oid, TaskId
from gitcoord.core.layout import attempt_log_path
from gitcoord.core.leases import running
from gitcoord.core.model import AgentRecord, Claim, Result, Review, TaskRecord
from gitcoord.core.operations.preconditions import require_agent
from gitcoord.core.sentences import answer_of, text_of_escalation
from gitcoord.core.shapes import NamedTuple
from gitcoord.core.snapshot import Snapshot
from gitcoord.features.inspect import impact
from gitcoord.features.inspect.notes import notes_about
from gitcoord.features.inspect.sentences import setback_facts
from gitcoord.features.names import named_task
from gitcoord.features.workspace import Workspace

__all__ = ["SUBAGENT", "Brief", "brief_of", "hand_in_verb"]

SUBAGENT = "sub-"
"""How the names of native subagents' agents begin."""
MAX_NEIGHBOURS = 10
MAX_FILES = 50
LOG_TAIL_CHARS = 800
MAX_SUMMARY_CHARS = 400


class Brief(NamedTuple):
    """A brief as text, and the facts that it was written from."""

    text: str
    facts: dict[str, Any]


def brief_of(
    work: Workspace, agent: AgentId, task: TaskId | None = None, budget_bytes: int = BUDGET_BYTES
) -> Brief:
    """Return the brief of what an agent holds, or of a task that is named.

    Nothing is written.

    Raises:
        UsageError: The budget is too small for what a brief always says.
        NotFoundError: There is no such agent or task.

    """
    if budget_bytes < MIN_BUDGET_BYTES:
        raise UsageError(
            f"a brief needs at least {MIN_BUDGET_BYTES} bytes",
            hint=f"give --budget {MIN_BUDGET_BYTES} or more",
        )
    facts = _facts(work, work.ledger.snapshot(), agent, task)
    return Brief(compose(facts, budget_bytes), facts)


def _facts(
    work: Workspace, snapshot: Snapshot, agent: AgentId, task: TaskId | None
) -> dict[str, Any]:
    record = require_agent(snapshot, agent)
    worktree = work.worktree_of(agent)
    facts: dict[str, Any] = {
        "agent": {
            "id": agent,
            "pools": record["pools"],
            "paths": record["paths"],
            "worktree": str(worktree) if worktree else None,
        },
        "assigned": _assigned(work, snapshot, agent),
        "task": None,
    }
    chosen = _chosen(work, snapshot, agent, task)
    if chosen is None:
        return facts | {"commands": _idle_commands()}
    review = next((one for one in running(chosen) if one["agent"] == agent), None)
    facts |= _task_facts(work, snapshot, record, chosen)
    if review is not None:
        return facts | _review_facts(work, snapshot, chosen, review)
    return facts | {"commands": _commands(snapshot, hand_in_verb(agent))}


def _chosen(
    work: Workspace, snapshot: Snapshot, agent: AgentId, task: TaskId | None
) -> TaskRecord | None:
    """Return the task that a brief is about: the named one, or what is held."""
    if task is not None:
        return named_task(work, snapshot, task)
    live = snapshot.live()
    held = [one for one in live if one["claim"] and one["claim"]["agent"] == agent]
    held.sort(key=lambda one: cast("Claim", one["claim"])["since"])
    if held:
        return held[0]
    for one in live:
        if agent in {review["agent"] for review in running(one)}:
            return one
    return None


def _assigned(work: Workspace, snapshot: Snapshot, agent: AgentId) -> list[TaskId]:
    work.index.update(work.store, snapshot.oid)
    return work.index.assigned_to(agent)


def _task_facts(
    work: Workspace, snapshot: Snapshot, agent: AgentRecord, task: TaskRecord
) -> dict[str, Any]:
    spec, held = task["spec"], task["claim"]
    boundary = boundary_of(snapshot, task, agent)
    return {
        "task": {
            "id": task["id"],
            "title": spec["title"],
            "description": spec["description"],
            "phase": spec["phase"],
            "pool": spec["pool"],
            "state": task["state"],
            "attempt": task["attempt"],
            "failures": task["failures"],
        },
        "context": _contexts(snapshot, task),
        "branch": held["branch"] if held else task["branch"],
        "base": held["base"] if held else None,
        "boundary": _layers(boundary),
        "check": spec["check"],
        "reads": spec["reads"],
        "changed_reads": _changed_reads(work, snapshot, task),
        "needs": [_need(work, snapshot, need) for need in spec["needs"]],
        "neighbours": _neighbours(snapshot, task, agent["id"]),
        "blocks": impact.behind(work, snapshot, task["id"]),
        "setbacks": _setbacks(snapshot, task),
        "reviews": [_remark(review) for review in task["reviews"] if review["verdict"]],
        "notes": [
            {
                "agent": one["agent"],
                "about": one["path"] or one["task"] or "the plan",
                "text": one["text"],
            }
            for one in notes_about(snapshot, task)
        ],
        "answers": [
            {"text": text_of_escalation(one), "answer": answer_of(one)}
            for one in snapshot.escalations()
            if one["task"] == task["id"] and one["state"] == "resolved"
        ],
    }


def _layers(boundary: Boundary) -> list[dict[str, Any]]:
    return [{"name": layer.name, "patterns": list(layer.patterns)} for layer in boundary.layers]


def _contexts(snapshot: Snapshot, task: TaskRecord) -> dict[str, str]:
    """Return what the plan tells every agent of a pool, and of this task."""
    plan = snapshot.plan()
    pool: Mapping[str, Any] = (plan["pools"].get(task["spec"]["pool"]) if plan else None) or {}
    found = {
        f"pool {task['spec']['pool']}": pool.get("context"),
        "task": task["spec"].get("context"),
    }
    return {name: str(text) for name, text in found.items() if text}


def _need(work: Workspace, snapshot: Snapshot, name: TaskId) -> dict[str, Any]:
    """Return what a need delivered: its commit, in a line, and its files."""
    task = snapshot.require_task(name)
    result = task["result"]
    facts: dict[str, Any] = {
        "task": name,
        "title": task["spec"]["title"],
        "state": task["state"],
        "result": result["oid"] if result else None,
        "summary": "",
        "files": [],
    }
    if result is None or result["oid"] is None:
        return facts
    from gitcoord.git.program import GitError
    from gitcoord.git.results import changed_files

    try:
        facts["files"] = sorted(changed_files(work.git, result["base"], result["oid"]))[:MAX_FILES]
        facts["summary"] = _summary(work, result["oid"])
    except (GitError, GitcoordError):
        # The objects are not here: what the ledger says has to do.
        facts["summary"] = ""
    return facts


def _changed_reads(work: Workspace, snapshot: Snapshot, task: TaskRecord) -> list[str]:
    """Return what the task relies on and the target changed since its base."""
    if not task["spec"]["reads"]:
        return []
    from gitcoord.features.inspect.overlaps import changed_reads
    from gitcoord.git.program import GitError

    try:
        return changed_reads(work, snapshot, task)
    except (GitError, GitcoordError):
        # The objects are not here: complete says it, where they are.
        return []


def _summary(work: Workspace, oid: Oid) -> str:
    message = work.git.run("show", "-s", "--format=%B", "--end-of-options", oid).text.strip()
    return message[:MAX_SUMMARY_CHARS]


def _neighbours(snapshot: Snapshot, task: TaskRecord, agent: AgentId) -> list[dict[str, Any]]:
    """Return who else is at work, those nearest to this task's paths first."""
    own = [paths.literal_prefix(pattern) for pattern in paths_of(task) or []]
    found = []
    for other in snapshot.live():
        held = other["claim"]
        if held is None or held["agent"] == agent:
            continue
        patterns = paths_of(other) or []
        near = max((_shared(a, paths.literal_prefix(b)) for a in own for b in patterns), default=0)
        facts = {"task": other["id"], "agent": held["agent"], "paths": patterns}
        found.append((-near, other["order"], facts))
    found.sort(key=lambda one: one[:2])
    return [facts for _, _, facts in found[:MAX_NEIGHBOURS]]


def _shared(one: str, other: str) -> int:
    """Return how many leading folders two paths have in common."""
    count = 0
    for a, b in zip(one.split("/"), other.split("/"), strict=False):
        if a != b:
            break
        count += 1
    return count


def _setbacks(snapshot: Snapshot, task: TaskRecord) -> list[dict[str, Any]]:
    found = []
    for one in task["setbacks"]:
        name = attempt_log_path(task["id"], one["attempt"])
        log = (snapshot.file(name) or b"").decode("utf-8", "replace").strip()
        facts = setback_facts(one)
        found.append({**facts, "log": name if log else None, "log_tail": log[-LOG_TAIL_CHARS:]})
    return found


def _remark(review: Review) -> dict[str, Any]:
    return {"agent": review["agent"], "verdict": review["verdict"], "message": review["message"]}


def _review_facts(
    work: Workspace, snapshot: Snapshot, task: TaskRecord, review: Review
) -> dict[str, Any]:
    """Return what a reviewer needs beside the task: the diff and the gates."""
    from gitcoord.features.work.reviews import material

    shown = material(work, snapshot, task)
    diff = shown["diff"] or {}
    result = cast("Result", task["result"])
    phase = snapshot.phase(task["spec"]["phase"])
    gates = []
    if phase:
        gates = phase["spec"]["gates"]
    return {
        "review": {
            "token": review["token"],
            "author": result["agent"],
            "problem": shown["problem"],
        },
        "boundary": _layers(boundary_of_result(task, result)),
        "base": diff.get("old"),
        "result": diff.get("new"),
        "diff": diff.get("text") or "",
        "files": diff.get("files") or [],
        "gates": [{"name": gate["name"], "run": gate.get("run") or ""} for gate in gates],
        "check_run": shown["check"],
        "commands": _review_commands(),
    }


def hand_in_verb(agent: AgentId) -> str:
    """Return the word by which an agent hands its work in.

    Claude lets no isolated subagent run ``complete``, a word of the shell's.
    """
    if agent.startswith(SUBAGENT):
        return "hand-in"
    return "complete"


def _commands(snapshot: Snapshot, verb: str) -> list[str]:
    plan = snapshot.plan()
    every = "5m"
    if plan:
        every = ids.show_duration(plan["heartbeat_ms"])
    return [
        f'`gitcoord progress "TEXT" --percent N` reports; expected at least every {every}',
        f'`gitcoord {verb} --commit "MESSAGE"` commits what lies inside the boundary and hands it '
        "in",
        f"`gitcoord {verb} --dry-run` tells what that would say, and changes nothing",
        '`gitcoord fail --reason "TEXT"` reports a failure; '
        '`gitcoord release --reason "TEXT"` gives the task back',
        '`gitcoord escalate "TEXT"` asks the orchestrator; `gitcoord note "TEXT"` tells the others',
    ]


def _review_commands() -> list[str]:
    return [
        "`gitcoord review approve` approves the result",
        '`gitcoord review reject --reason "TEXT"` sends it back; the reason is in the next brief',
        "`gitcoord beat` keeps the review's lease",
        '`gitcoord escalate "TEXT"` asks the orchestrator',
    ]


def _idle_commands() -> list[str]:
    return [
        "`gitcoord claim` takes the next task, `gitcoord claim --wait` waits for one",
        "`gitcoord brief` shows the task that is held",
        "`gitcoord status` shows where the plan stands",
    ]
