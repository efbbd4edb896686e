"""Work out what landing a phase would make of the target, and what forbids it.

Everything happens in memory: nothing moves, nothing is checked out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, cast

from gitcoord.core import codec
from gitcoord.core.boundary import boundary_of_result
from gitcoord.core.errors import NotFoundError, RefusedError, UnavailableError, UsageError
from gitcoord.core.ids import Oid, PhaseId, TaskId
from gitcoord.core.messages import author_of
from gitcoord.core.model import Result, Said, TaskRecord
from gitcoord.core.operations.landings import left_out, merge_order, wholeness
from gitcoord.core.sentences import said
from gitcoord.core.shapes import NamedTuple
from gitcoord.core.snapshot import Snapshot
from gitcoord.core.streams import is_stream
from gitcoord.features.names import named_phase
from gitcoord.features.work.checks import gate_facts
from gitcoord.features.workspace import Workspace, plan_of

if TYPE_CHECKING:
    from gitcoord.git.merges import Identity

__all__ = [
    "Conflicted",
    "PhaseCheck",
    "check_phase",
    "in_the_way",
    "merge",
    "refuse_replaced",
]


MERGES = 3
Made = TypeVar("Made")


class Conflicted(NamedTuple):
    """Two results that do not merge, and the files that they both changed.

    ``is_moved`` says that one changed them and the other renamed them: git would
    move the first one's changes along, out of its boundary.
    """

    task: TaskId
    other: str
    files: list[str]
    is_moved: bool = False

    @property
    def said(self) -> Said:
        """What became of the task's result."""
        code = "result-conflicts"
        if self.is_moved:
            code = "result-renamed"
        return said(code, other=self.other, files=self.files)


class PhaseCheck(NamedTuple):
    """Whether a phase could land now, and what is missing."""

    phase: PhaseId
    state: str
    is_ready: bool
    missing: list[TaskRecord]
    results: list[list[str]]
    conflict: Conflicted | None = None
    tips: Sequence[Oid] = ()
    in_the_way: Sequence[str] = ()
    gates: Sequence[dict[str, Any]] = ()
    without: Sequence[TaskId] = ()
    problem: str = ""
    is_empty: bool = False
    """Whether it is a stream of which nothing is to land."""

    @property
    def new(self) -> Oid | None:
        """Where the target would be; ``tips`` begins with where it is."""
        if not self.tips:
            return None
        return self.tips[-1]


def check_phase(
    work: Workspace,
    phase: PhaseId,
    snapshot: Snapshot | None = None,
    without: Sequence[TaskId] = (),
    *,
    is_signing: bool = False,
) -> PhaseCheck:
    """Return whether a phase could land now, but for its gates; move nothing.

    With ``is_signing`` the merges are signed where the user's configuration
    asks for it; without, nothing is asked of whoever holds the key.

    Raises:
        NotFoundError: The plan has no such phase, or the phase no such task.
        RefusedError: A merge could not be signed (reason ``commit``).

    """
    snapshot = snapshot or work.ledger.snapshot()
    plan = plan_of(snapshot)
    record = named_phase(snapshot, phase)
    phase = record["id"]
    gone = _left_out(snapshot, phase, without)
    tasks, missing = wholeness(snapshot, phase, gone)
    results = merge_order(tasks)
    check = PhaseCheck(
        phase,
        record["state"],
        is_ready=False,
        missing=missing,
        results=results,
        without=gone,
        gates=gate_facts(work, snapshot, record, None),
    )
    if plan["gates_required"] and not record["spec"]["gates"] and record["state"] != "landed":
        check = check._replace(
            problem=f"phase {phase} has no gate, and the plan says gates_required"
        )
    if record["state"] == "landed" or missing or not snapshot.is_started(record):
        started = record["state"] == "landed" or snapshot.is_started(record)
        if not started and not missing:
            raise RefusedError(
                f"phase {phase} has not started: {', '.join(record['spec']['after'])} has to land "
                "first",
                reason="phase",
                hint="`gitcoord phase list` shows the order",
            )
        return check
    if is_stream(record["spec"]) and not tasks:
        return check._replace(is_empty=True)
    from gitcoord.git.identities import identity_of, refuse_planted_signers

    gate_names = [gate["name"] for gate in record["spec"]["gates"]]
    by_id = {task["id"]: task for task in tasks}

    def merged() -> PhaseCheck:
        identity = identity_of(work.git)
        if not is_signing:
            identity = identity._replace(is_signing=False)
        elif identity.is_signing:
            refuse_planted_signers(work.git)
        tips = merge(work, by_id, results, work.target_tip(snapshot), gate_names, identity)
        if isinstance(tips, Conflicted):
            return check._replace(conflict=tips)
        blocked = in_the_way(work, work.target(snapshot), tips[0], tips[-1])
        gates = gate_facts(work, snapshot, record, tips[-1])
        is_allowed = all(gate["trusted"] or gate["passed"] for gate in gates)
        return check._replace(
            is_ready=not blocked and not check.problem and is_allowed,
            tips=tips,
            in_the_way=blocked,
            gates=gates,
        )

    return unpruned(work, merged)


def _left_out(snapshot: Snapshot, phase: PhaseId, named: Sequence[TaskId]) -> list[TaskId]:
    """Return what a person leaves out, with all that goes with it."""
    for name in named:
        task = snapshot.require_task(name)
        is_over = task["state"] == "cancelled" or "landed" in task
        if task["spec"]["phase"] != phase or is_over:
            if "landed" in task:
                what = "has landed"
            elif task["state"] == "cancelled":
                what = "is cancelled"
            else:
                what = f"belongs to phase {task['spec']['phase']}"
            raise UsageError(
                f"task {name} {what}: phase {phase} lands without it anyway",
                hint="leave --without out",
            )
    if not named:
        return []
    return left_out(snapshot, phase, named)


def merge(
    work: Workspace,
    tasks: dict[TaskId, TaskRecord],
    results: list[list[str]],
    target_tip: Oid,
    gates: Sequence[str] = (),
    identity: Identity | None = None,
) -> list[Oid] | Conflicted:
    """Merge results onto the target's tip, each as a merge commit.

    The last one names the ``gates`` that have to pass on it. Without an
    ``identity`` nobody made them. Returns the
    target's tip, and the tip after each result. No ref keeps those yet: what
    a prune takes of them meanwhile is made again when it is over.

    Raises:
        RefusedError: A result is not what it may be, with its task; one
            whose changes the target has already is.
        UnavailableError: What was merged is taken again and again.

    """
    from gitcoord.git.soundness import require_sound

    def merged() -> list[Oid] | Conflicted:
        tips = _merged(work, tasks, results, target_tip, gates, identity)
        if not isinstance(tips, Conflicted):
            require_sound(work.git, tips[-1], [target_tip])
        return tips

    return unpruned(work, merged, lambda: _refuse_broken(work, tasks, results, target_tip))


def unpruned(
    work: Workspace,
    act: Callable[[], Made],
    refuse: Callable[[], None] | None = None,
    *,
    may_be_gone: bool = False,
) -> Made:
    """Make commits that no ref keeps, and read them; anew if a prune took some.

    Objects may be broken in what was made, or in what it was made of: ``refuse``
    raises for the latter. Without it a refusal of ``act`` is the answer. With
    ``may_be_gone`` a NotFoundError of ``act`` says that a prune took something.

    Raises:
        UnavailableError: A prune goes on, or what was made is taken again and again.

    """
    from gitcoord.git.program import GitError

    error: Exception
    attempts = 0
    while True:
        attempts += 1
        try:
            return act()
        except RefusedError as refused:
            if refuse is None or refused.reason != "broken-objects":
                raise
            error = refused
        except GitError as failed:
            error = failed
        except NotFoundError as gone:
            if not may_be_gone:
                raise
            error = gone
        if refuse is not None:
            refuse()
        if attempts == MERGES:
            raise UnavailableError(
                f"the commits cannot be merged now: {error}",
                hint="try again; where a git gc prunes at once, when it is over",
            )
        work.ledger.require_unpruned()


def refuse_replaced(snapshot: Snapshot, results: Iterable[Sequence[str]]) -> None:
    """Refuse to hold against a task what was found out with other results.

    Raises:
        RefusedError: One was replaced (reason ``results-changed``).

    """
    for name, oid in results:
        result = snapshot.require_task(TaskId(name))["result"]
        if result is None or result["oid"] != oid:
            raise RefusedError(
                f"the result of task {name} changed meanwhile", reason="results-changed"
            )


def _refuse_broken(
    work: Workspace, tasks: dict[TaskId, TaskRecord], results: list[list[str]], target_tip: Oid
) -> None:
    """Return the first result that is broken, if one is why a merge failed."""
    from gitcoord.git.soundness import require_sound

    for name, found in results:
        task, oid = tasks[TaskId(name)], Oid(found)
        built_on = cast("Result", task["result"])["built_on"]
        try:
            require_sound(work.git, oid, [target_tip, *built_on.values()])
        except RefusedError as error:
            raise _cannot_land(task, error) from None


def _cannot_land(task: TaskRecord, error: RefusedError) -> RefusedError:
    name = task["id"]
    facts: dict[str, Any] = {**error.facts, "task": name}
    return RefusedError(
        f"task {name} cannot land: {error.message}",
        **facts,
        hint=f"`gitcoord phase land {task['spec']['phase']} --without {name}` lands the rest",
    )


def _merged(
    work: Workspace,
    tasks: dict[TaskId, TaskRecord],
    results: list[list[str]],
    target_tip: Oid,
    gates: Sequence[str],
    identity: Identity | None,
) -> list[Oid] | Conflicted:
    from gitcoord.git.merges import NOBODY, Conflict, commit_merge, is_ancestor, merge_tree
    from gitcoord.git.results import inspect, inspect_merge, lift

    made_by = identity or NOBODY
    tips = [target_tip]
    merged: list[TaskId] = []
    for name, found in results:
        task, oid = tasks[TaskId(name)], Oid(found)
        result = cast("Result", task["result"])
        boundary = boundary_of_result(task, result)
        lifted = oid
        try:
            if is_ancestor(work.git, oid, target_tip):
                lifted = lift(work.git, oid, result["base"], target_tip, made_by)
            else:
                inspect(work.git, oid, target_tip, result["built_on"], boundary, result["base"])
            tree = merge_tree(work.git, tips[-1], lifted)
            if isinstance(tree, Conflict):
                return Conflicted(
                    task["id"], _other_side(work, tasks, merged, list(tree.files)), list(tree.files)
                )
            inspect_merge(work.git, tips[-1], tree.tree, boundary)
        except RefusedError as error:
            moved = cast("list[str]", error.facts.get("moved") or [])
            if moved and lifted == oid:
                return Conflicted(
                    task["id"], _other_side(work, tasks, merged, moved), moved, is_moved=True
                )
            raise _cannot_land(task, error) from None
        passed: Sequence[str] = ()
        if name == results[-1][0]:
            passed = gates
        message = _landing_message(work, task, result, passed)
        parents = [tips[-1], lifted]
        tips.append(commit_merge(work.git, tree.tree, parents, message, result["at"], made_by))
        merged.append(task["id"])
    return tips


def _landing_message(
    work: Workspace, task: TaskRecord, result: Result, gates: Sequence[str]
) -> str:
    """Return what a landing's merge commit says.

    It tells who did the work and who approved it. The last one of a phase is
    the commit on which the gates have to pass before it lands, and names
    them.
    """
    title = codec.printable(task["spec"]["title"])
    approved = []
    for review in task["reviews"]:
        if review["verdict"] == "approved" and review["result"] == result["oid"]:
            approved.append(author_of(review["agent"], work.ledger.name))
    trailers = [
        f"Gitcoord-Task: {task['id']}",
        f"Gitcoord-Agent: {result['agent']}",
        f"Gitcoord-Attempt: {result['attempt']}",
        f"Gitcoord-Result: {result['oid']}",
        *(f"Reviewed-by: {agent} <{address}>" for agent, address in approved),
        *(f"Gitcoord-Gate: {gate}" for gate in gates),
    ]
    lines = "\n".join(trailers)
    return f"Land task {task['id']}: {title}\n\n{lines}\n"


def _other_side(
    work: Workspace, tasks: dict[TaskId, TaskRecord], merged: list[TaskId], files: list[str]
) -> str:
    """Return the merged task that changed one of the files, or the target."""
    from gitcoord.git.results import changed_files

    for name in reversed(merged):
        result = tasks[name]["result"]
        if (
            result
            and result["oid"]
            and changed_files(work.git, result["base"], result["oid"]) & set(files)
        ):
            return f"task {name}"
    return "the target branch"


def in_the_way(work: Workspace, target: str, old: Oid, new: Oid) -> list[str]:
    """List local changes where the target is checked out that block a landing.

    Where the target is a server's, a branch here that stands elsewhere does not follow.

    Raises:
        RefusedError: The target is being rebased (reason ``rebase``).

    """
    from gitcoord.git import worktrees
    from gitcoord.git.unfinished import refuse_rebased

    if work.remote is not None and work.store.read_ref(target) != old:
        return []
    refuse_rebased(work.git, target)
    found: list[str] = []
    for place in worktrees.checkouts_of(work.git, target):
        found += worktrees.in_the_way(place, old, new)
    return found
