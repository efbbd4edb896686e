"""Check plans, and load them into the ledger."""

from __future__ import annotations

from typing import NamedTuple, cast

from gitcoord.core import codec, ids
from gitcoord.core.bulk import uncollected
from gitcoord.core.errors import NotFoundError, UsageError
from gitcoord.core.ids import ORCHESTRATOR, Oid, TaskId
from gitcoord.core.model import MAX_PLAN_BYTES, PhaseSpec, PlanDocument, TaskSpec
from gitcoord.core.plan import parse
from gitcoord.core.refs import branch_name, branch_ref
from gitcoord.core.snapshot import Snapshot
from gitcoord.core.streams import ADHOC
from gitcoord.features.workspace import Workspace

__all__ = ["Applied", "apply_adhoc", "apply_plan", "check_plan", "path_notices"]

MAX_NOTICES = 20


class Applied(NamedTuple):
    """A plan that was applied: how it differs from what was there."""

    entry: Oid
    added: int
    changed: int
    kept: list[str]
    warnings: list[str]
    changed_parts: list[str]


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
    if len(text) > MAX_PLAN_BYTES:
        raise UsageError(f"{name} is larger than {MAX_PLAN_BYTES >> 20} MiB")
    snapshot = work.ledger.snapshot()
    document, warnings = check_plan(text, name, snapshot)
    target = branch_ref(document["plan"]["target"])
    if work.read_target(target) is None:
        raise NotFoundError(
            f"the plan's target branch {document['plan']['target']!r} does not exist",
            hint="create it, or change `target` in the plan",
        )
    warnings += path_notices(work, document)
    changed_parts = _changed_parts(snapshot, document)
    work.tell("writing tasks", 0, 0)
    content = codec.dump(document)
    named = {spec["id"] for spec in document["tasks"]}
    # The blob is read again where it is applied: a huge plan is not held twice.
    del document
    command = {"op": "plan", "agent": ORCHESTRATOR, "input": work.store.write_blob(content)}
    done = work.ledger.execute(command, agent=ORCHESTRATOR, inputs=[content])
    kept = [task["id"] for task in snapshot.tasks() if task["id"] not in named]
    return Applied(
        done.entry,
        done.event["added"],
        done.event["changed"],
        sorted(kept),
        warnings,
        changed_parts,
    )


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


def _changed_parts(snapshot: Snapshot, document: PlanDocument) -> list[str]:
    """Return what a plan changes besides tasks: phases, pools, settings."""
    before = snapshot.plan()
    if before is None:
        return []
    changed = []
    for phase in document["phases"]:
        known = snapshot.phase(phase["id"])
        if known is None:
            changed.append(f"phase {phase['id']} (new)")
            continue
        old = cast("dict[str, object]", known["spec"])
        keys = [key for key, value in phase.items() if old.get(key) != value]
        if keys:
            changed.append(f"phase {phase['id']} ({', '.join(keys)})")
    for name, pool in document["plan"]["pools"].items():
        if before["pools"].get(name) != pool:
            changed.append(f"pool {name}")
    old, new = (cast("dict[str, object]", one) for one in (before, document["plan"]))
    # A key that may be absent is in either of them, in the order of the new one.
    either = dict.fromkeys([*new, *old])
    keys = [key for key in either if key != "pools" and old.get(key) != new.get(key)]
    if keys:
        changed.append(f"plan ({', '.join(keys)})")
    return changed


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
