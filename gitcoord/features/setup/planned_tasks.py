"""Add one task to a plan in passing, change one that is open, or propose one.

An agent does not plan: what it proposes is an escalation, and the answer that
grants it adds the task in the same entry.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from typing import Any, cast

from gitcoord.core import codec
from gitcoord.core.errors import InvalidPlanError, RefusedError, UsageError
from gitcoord.core.events import Command
from gitcoord.core.ids import ORCHESTRATOR, AgentId, Oid, TaskId
from gitcoord.core.leases import Context
from gitcoord.core.machine import as_one, decide
from gitcoord.core.model import Escalation, PlanRecord, TaskSpec
from gitcoord.core.operations.changes import MAX_ESCALATION_BYTES
from gitcoord.core.operations.escalations import PROPOSAL
from gitcoord.core.operations.preconditions import require_plan
from gitcoord.core.sentences import said
from gitcoord.core.shapes import NamedTuple
from gitcoord.core.snapshot import Snapshot
from gitcoord.features.names import named_task
from gitcoord.features.setup.plans import check_plan
from gitcoord.features.workspace import Workspace
from gitcoord.ledger.ledger import Done

__all__ = ["accept", "add", "edit", "id_of_title", "propose", "spec_of"]

_WHERE = "the task"
_HINT = "the options are those of a plan's task: `gitcoord task add --help`"
_DURATION_MS = "estimate_ms"
MAX_SLUG_CHARS = 40


class Proposed(NamedTuple):
    """A task that an agent asked for: the entry, its escalation, the id that it will have."""

    entry: Oid
    escalation: str
    task: TaskId


def add(work: Workspace, options: Mapping[str, Any]) -> Done:
    """Add a task as the orchestrator; ``options`` has the keys of a plan's ``[[task]]``.

    Raises:
        InvalidPlanError: A plan could not say so.
        RefusedError: There is such a task, or its phase landed.

    """
    snapshot = work.ledger.snapshot()
    wanted = dict(options)
    if not wanted.get("id"):
        wanted["id"] = _next_id(snapshot)
    spec = spec_of(snapshot, wanted)
    command = {"op": "task-add", "agent": ORCHESTRATOR, "spec": spec}
    return work.ledger.execute(command, agent=ORCHESTRATOR)


def edit(work: Workspace, task: TaskId, options: Mapping[str, Any]) -> Done:
    """Change what is said of an open task; keys that ``options`` lacks stay.

    Raises:
        NotFoundError: There is no such task.
        InvalidPlanError: A plan could not say so.
        RefusedError: It is not open, or is so already.

    """
    if not options:
        raise UsageError("nothing to change", hint="`gitcoord task edit --help` lists the options")
    snapshot = work.ledger.snapshot()
    known = named_task(work, snapshot, task)["spec"]
    spec = spec_of(snapshot, {**_as_written(known), **options, "id": known["id"]})
    command = {"op": "task-edit", "agent": ORCHESTRATOR, "spec": spec}
    return work.ledger.execute(command, agent=ORCHESTRATOR)


def propose(work: Workspace, agent: AgentId, options: Mapping[str, Any]) -> Proposed:
    """Ask the orchestrator for a task, as an agent; ``options`` are those of ``add``.

    What could not be added now is not proposed.

    Raises:
        InvalidPlanError: A plan could not say so.
        RefusedError: ``exists``: there is such a task, or it is proposed already; its phase
            landed, or is closed.
        UsageError: An escalation has no room for it.

    """
    wanted = dict(options)
    wanted["id"] = wanted.get("id") or id_of_title(work, wanted["title"])
    asked = {key: value for key, value in wanted.items() if key not in {"id", "title"}}
    text = codec.dump_line(asked)
    if len(text.encode()) > MAX_ESCALATION_BYTES:
        raise UsageError(
            f"the proposed task has {len(text.encode())} bytes beside its title, and an "
            f"escalation has room for {MAX_ESCALATION_BYTES}",
            hint="describe it in fewer words: `gitcoord task edit` tells the rest once it is there",
        )
    question = said("may-add", task=wanted["id"], title=wanted["title"], spec=text)

    def ask(snapshot: Snapshot, context: Context) -> Command:
        _refuse_proposed(snapshot, TaskId(wanted["id"]))
        spec = spec_of(snapshot, wanted)
        decide(snapshot, {"op": "task-add", "agent": ORCHESTRATOR, "spec": spec}, context)
        return {"op": "escalate", "agent": agent, "task": "", "kind": PROPOSAL, "said": question}

    done = work.ledger.execute(ask, agent=agent)
    return Proposed(done.entry, done.event["id"][:8], TaskId(wanted["id"]))


def accept(work: Workspace, proposal: Escalation, answer: Command) -> Done:
    """Grant a proposal: the answer, and the task that it adds, are one entry.

    Raises:
        InvalidPlanError: The plan could not say so any more.
        RefusedError: ``exists``, or the phase landed meanwhile; the proposal stays open.

    """
    values = proposal["values"]["reason"]["values"]
    wanted = {"id": values["task"], "title": values["title"], **json.loads(values["spec"])}

    def resolve(_here: Snapshot, _context: Context) -> Command:
        return answer

    def add_task(here: Snapshot, _context: Context) -> Command:
        return {"op": "task-add", "agent": ORCHESTRATOR, "spec": spec_of(here, wanted)}

    request = as_one(ORCHESTRATOR, [resolve, add_task])
    return work.ledger.execute(request, agent=ORCHESTRATOR)


def _refuse_proposed(snapshot: Snapshot, task: TaskId) -> None:
    """Refuse to propose a task under an id that an open proposal has."""
    for one in snapshot.escalations():
        if one["code"] != PROPOSAL or one["state"] != "open":
            continue
        values = cast("dict[str, Any]", one["values"]["reason"])["values"]
        if values["task"] == task:
            raise RefusedError(
                f"task {task} is proposed already: escalation {one['id']} by {one['agent']}",
                reason="exists",
                hint="the orchestrator answers it; `--id` gives another id",
                escalation=one["id"],
            )


def id_of_title(work: Workspace, title: str) -> str:
    """Return an id for a task of which nobody named one: the title's words, and chance."""
    words = re.findall(r"[a-z0-9]+", title.casefold())
    slug = "-".join(words)[:MAX_SLUG_CHARS].rstrip("-") or "task"
    return f"{slug}-{work.clock.token()[:4]}"


def _next_id(snapshot: Snapshot) -> str:
    """Return the lowest number above the count of what was added, that no task has."""
    number = snapshot.settings()["next_order"]
    while snapshot.task(TaskId(str(number))) is not None or snapshot.twin(TaskId(str(number))):
        number += 1
    return str(number)


def _as_written(spec: TaskSpec) -> dict[str, Any]:
    """Return a spec as a plan writes it: what is at its default is left out."""
    written: dict[str, Any] = {key: value for key, value in spec.items() if value not in (None, "")}
    duration_ms = written.pop(_DURATION_MS, None)
    if duration_ms is not None:
        written["estimate"] = f"{duration_ms}ms"
    return written


def spec_of(snapshot: Snapshot, options: Mapping[str, Any]) -> TaskSpec:
    """Read a task as the plan that is there would: by the same rules, with its words."""
    plan = require_plan(snapshot)
    phases = [phase["id"] for phase in snapshot.phases() if phase["state"] == "open"]
    wanted = {**_only("phase", phases), **_only("pool", plan["pools"]), **options}
    text = _head_of(plan) + "[[task]]\n" + _lines(wanted)
    try:
        document, _ = check_plan(text, _WHERE, snapshot)
    except InvalidPlanError as error:
        problems = [problem.partition(": ")[2] or problem for problem in error.problems]
        raise InvalidPlanError(problems[0], problems, hint=_HINT) from None
    return document["tasks"][0]


def _only(key: str, names: Collection[str]) -> dict[str, str]:
    """Return what a task is in where there is one name alone, and nothing else."""
    if len(names) != 1:
        return {}
    return {key: next(iter(names))}


def _head_of(plan: PlanRecord) -> str:
    """Write what of the plan decides what a task may say."""
    head = f'[plan]\nboundaries = "{plan["boundaries"]}"\n'
    for name, pool in plan["pools"].items():
        head += "[[pool]]\n" + _lines({"name": name, "paths": pool["paths"]})
    return head


def _lines(values: Mapping[str, Any]) -> str:
    """Write keys as TOML, whose strings and lists are those of JSON."""
    rows = [(key, value) for key, value in values.items() if value is not None]
    return "".join(f"{key} = {json.dumps(value, ensure_ascii=False)}\n" for key, value in rows)
