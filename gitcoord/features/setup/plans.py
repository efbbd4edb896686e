"""Check plans, and load them into the ledger."""

from __future__ import annotations

from gitcoord.core import codec, ids
from gitcoord.core.bulk import uncollected
from gitcoord.core.errors import NotFoundError, UsageError
from gitcoord.core.ids import ORCHESTRATOR, Oid, TaskId
from gitcoord.core.model import MAX_PLAN_BYTES, PhaseSpec, PlanDocument, TaskSpec
from gitcoord.core.operations.plans import refuse_document
from gitcoord.core.plan import parse
from gitcoord.core.plan_changes import (
    ChangedPart,
    PlanChanges,
    changed_parts,
    part_line,
    plan_changes,
)
from gitcoord.core.refs import branch_name, branch_ref
from gitcoord.core.shapes import NamedTuple
from gitcoord.core.snapshot import Snapshot
from gitcoord.core.streams import ADHOC
from gitcoord.features.setup.other_ledgers import shared_paths
from gitcoord.features.setup.trust import commands_of_document, untrusted
from gitcoord.features.workspace import Workspace

__all__ = [
    "Applied",
    "Trial",
    "apply_adhoc",
    "apply_plan",
    "check_plan",
    "path_notices",
    "try_plan",
]

MAX_NOTICES = 20


class Applied(NamedTuple):
    """A plan that was applied: how it differs from what was there."""

    entry: Oid
    added: int
    changed: int
    kept: list[TaskId]
    warnings: list[str]
    changed_parts: list[str]
    parts: list[ChangedPart]


class Trial(NamedTuple):
    """A plan that was not applied: what would change, and for whom.

    ``commands`` are those that it would run on this machine and that nobody trusted yet.
    """

    changes: PlanChanges
    warnings: list[str]
    changed_parts: list[str]
    commands: list[str]


@uncollected()
def check_plan(
    text: str, name: str, snapshot: Snapshot | None = None
) -> tuple[PlanDocument, list[str]]:
    """Parse a plan, against the ledger's tasks where there is a ledger.

    Raises:
        InvalidPlanError: Every problem, each with file and line.

    """
    if snapshot is None:
        document, warnings = parse(text, name=name)
    else:
        target = branch_name(snapshot.settings()["target"])
        phases = {phase["id"]: phase["spec"] for phase in snapshot.phases()}

        def known(task: TaskId) -> TaskSpec | None:
            if not ids.is_id(task):
                return None
            record = snapshot.task(task)
            if not record:
                return None
            return record["spec"]

        closed = [phase["id"] for phase in snapshot.phases() if phase.get("closed")]
        document, warnings = parse(
            text, name=name, target=target, known=known, known_phases=phases, closed=closed
        )
    return document, warnings


@uncollected()
def apply_plan(work: Workspace, text: str, name: str) -> Applied:
    """Load a plan as one entry, or change the one that is there.

    Raises:
        InvalidPlanError: It breaks a rule, or changes what is claimed or
            finished; nothing changed.

    """
    snapshot = work.ledger.snapshot()
    document, warnings = _readable(work, text, name, snapshot)
    parts = [part_line(part) for part in changed_parts(snapshot, document)]
    changes = plan_changes(snapshot, document)
    warnings += _alike_notices(changes)
    work.tell("writing tasks", 0, 0)
    content = codec.dump(document)
    # The blob is read again where it is applied: a huge plan is not held twice.
    del document
    command = {"op": "plan", "agent": ORCHESTRATOR, "input": work.store.write_blob(content)}
    done = work.ledger.execute(command, agent=ORCHESTRATOR, inputs=[content])
    event = done.event
    return Applied(
        done.entry,
        event["added"],
        event["changed"],
        changes.kept,
        warnings,
        parts,
        changes.parts,
    )


@uncollected()
def try_plan(work: Workspace, text: str, name: str) -> Trial:
    """Tell what ``apply_plan`` would change, and for whom; nothing is written.

    Raises:
        InvalidPlanError: It would be refused; the problems are those of ``apply_plan``.

    """
    snapshot = work.ledger.snapshot()
    document, warnings = _readable(work, text, name, snapshot)
    refuse_document(snapshot, document)
    changes = plan_changes(snapshot, document)
    parts = [part_line(part) for part in changed_parts(snapshot, document)]
    commands = untrusted(work, commands_of_document(document))
    return Trial(changes, warnings + _alike_notices(changes), parts, commands)


def _readable(
    work: Workspace, text: str, name: str, snapshot: Snapshot
) -> tuple[PlanDocument, list[str]]:
    """Parse a plan that is to be applied, and look at its target and its paths."""
    if len(text) > MAX_PLAN_BYTES:
        raise UsageError(f"{name} is larger than {MAX_PLAN_BYTES >> 20} MiB")
    document, warnings = check_plan(text, name, snapshot)
    if work.read_target(branch_ref(document["plan"]["target"])) is None:
        raise NotFoundError(
            f"the plan's target branch {document['plan']['target']!r} does not exist",
            hint="create it, or change `target` in the plan",
        )
    return document, warnings + path_notices(work, document) + shared_paths(work, document)


def _alike_notices(changes: PlanChanges) -> list[str]:
    """Return which new tasks may be ones that were added in passing, under another id."""
    told = [
        f"task {new} is new, and says what task {old} of the ledger says, which this plan lacks: "
        f"where they are one, give it the id {old}"
        for new, old in changes.alike
    ]
    if len(told) > MAX_NOTICES:
        more = f"and {len(told) - MAX_NOTICES} more tasks that say the same as others"
        told = [*told[:MAX_NOTICES], more]
    return told


def apply_adhoc(work: Workspace) -> Oid:
    """Load the plan of a ledger without one: a stream for work in passing; return the entry."""
    phase: PhaseSpec = {
        "id": ADHOC,
        "title": "Work in passing",
        "paths": None,
        "after": [],
        "reviews": 0,
        "gates": [],
        "stream": True,
    }
    head = '[plan]\nname = "adhoc"\nwidening = "free"\n[[pool]]\nname = "default"\n'
    target = branch_name(work.ledger.snapshot().settings()["target"])
    document, _ = parse(head, name="init", target=target, known_phases={ADHOC: phase})
    content = codec.dump({**document, "phases": [phase]})
    command = {"op": "plan", "agent": ORCHESTRATOR, "input": work.store.write_blob(content)}
    return work.ledger.execute(command, agent=ORCHESTRATOR, inputs=[content]).entry


def path_notices(work: Workspace, document: PlanDocument) -> list[str]:
    """Return paths that name a folder as if it were a file.

    ``src/lexer`` is one file; an agent that writes below it is refused when
    its work is done, so this is told before anybody begins.
    """
    tip = work.read_target(branch_ref(document["plan"]["target"]))
    if tip is None:
        return []
    listed = work.git.run("ls-tree", "-r", "-d", "-z", "--name-only", "--full-tree", tip).stdout
    folders = set(listed.decode("utf-8", "surrogateescape").split("\0"))
    named = []
    for task in document["tasks"]:
        for path in task["paths"] or []:
            if path in folders:
                text = f'"{path}" is a folder: write "{path}/" for everything below it'
                named.append(f"task {task['id']}: {text}")
    if len(named) > MAX_NOTICES:
        more = f"and {len(named) - MAX_NOTICES} more paths that are folders"
        named = [*named[:MAX_NOTICES], more]
    return named
