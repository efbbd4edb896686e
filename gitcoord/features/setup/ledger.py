"""Make a ledger, and load a plan into it."""

from __future__ import annotations

from typing import NamedTuple

from gitcoord.core import codec, ids
from gitcoord.core.bulk import uncollected
from gitcoord.core.errors import NotFoundError, RefusedError, UsageError
from gitcoord.core.ids import ORCHESTRATOR
from gitcoord.core.messages import parse as parse_message
from gitcoord.core.model import MAX_PLAN_BYTES, PhaseSpec, PlanDocument, TaskSpec
from gitcoord.core.plan import parse
from gitcoord.core.snapshot import Snapshot
from gitcoord.features.workspace import DEFAULT_LEDGER, Workspace
from gitcoord.ledger.ledger import Done

__all__ = ["Applied", "apply_plan", "begun", "check_plan", "init"]


class Applied(NamedTuple):
    """A plan that was applied: how it differs from what was there."""

    entry: str
    added: int
    changed: int
    kept: list[str]
    warnings: list[str]


def init(work: Workspace) -> Done:
    """Make the ledger; its first entry names the target and its tip.

    Raises:
        RefusedError: It exists already, or a branch stands in the way.
        UsageError: The repository has no commit or no branch checked out.

    """
    name = work.ledger.name
    if work.ledger.tip() is not None:
        raise RefusedError(
            f"this repository has a ledger {name!r} already",
            reason="exists",
            hint="`gitcoord status` shows it; `gitcoord plan apply FILE` loads a plan",
        )
    prefix = "task" if name == DEFAULT_LEDGER else f"task-{name}"
    for branch, option in (
        ("gitcoord", "no option helps: rename that branch"),
        (prefix, "--ledger NAME"),
    ):
        if work.store.read_ref(f"refs/heads/{branch}") is not None:
            raise RefusedError(
                f"a branch {branch!r} is in the way of gitcoord's branches {branch}/...",
                reason="branch-in-the-way",
                hint="rename that branch"
                + (f", or choose another prefix with {option}" if option[0] == "-" else ""),
            )
    target, tip = _checked_out(work)
    command = {
        "op": "init",
        "agent": ORCHESTRATOR,
        "ledger": name,
        "task_prefix": prefix,
        "target": target,
        "target_tip": tip,
    }
    try:
        return work.ledger.execute(command, agent=ORCHESTRATOR)
    except RefusedError:
        raise RefusedError(
            f"this repository has a ledger {name!r} already",
            reason="exists",
            hint="`gitcoord status` shows it",
        ) from None


def begun(work: Workspace) -> Done | None:
    """Return the first entry where it is all there is: ``init`` was cut off."""
    tip = work.ledger.tip()
    entry = work.store.read_entry(tip) if tip else None
    if entry is None or entry.parents:
        return None
    return Done(entry.oid, parse_message(entry.message, entry.oid), work.ledger.snapshot(entry.oid))


def _checked_out(work: Workspace) -> tuple[str, str]:
    head = work.git.run("symbolic-ref", "-q", "HEAD", check=False)
    target = head.stdout.decode("utf-8", "replace").strip()
    if head.status != 0 or not target.startswith("refs/heads/"):
        raise UsageError(
            "no branch is checked out here, so there is no target to land on",
            hint="check out the branch that phases shall land on, and run it again",
        )
    tip = work.store.read_ref(target)
    if tip is None:
        raise UsageError(
            f"the branch {target.removeprefix('refs/heads/')} has no commit yet",
            hint="make a first commit, and run it again",
        )
    return target, tip


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
        target = snapshot.settings()["target"].removeprefix("refs/heads/")
        phases: dict[str, PhaseSpec] = {phase["id"]: phase["spec"] for phase in snapshot.phases()}

        def known(task: str) -> TaskSpec | None:
            record = snapshot.task(task) if ids.is_id(task) else None
            return record["spec"] if record else None

        document, warnings = parse(text, name=name, target=target, known=known, known_phases=phases)
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
    target = f"refs/heads/{document['plan']['target']}"
    if work.store.read_ref(target) is None:
        raise NotFoundError(
            f"the plan's target branch {document['plan']['target']!r} does not exist",
            hint="create it, or change `target` in the plan",
        )
    work.tell("writing tasks", 0, 0)
    content = codec.dump(document)
    named = {spec["id"] for spec in document["tasks"]}
    # The blob is read again where it is applied: a huge plan is not held twice.
    del document
    command = {"op": "plan", "agent": ORCHESTRATOR, "input": work.store.write_blob(content)}
    done = work.ledger.execute(command, agent=ORCHESTRATOR, inputs=[content])
    kept = [task["id"] for task in snapshot.tasks() if task["id"] not in named]
    return Applied(done.entry, done.event["added"], done.event["changed"], sorted(kept), warnings)
