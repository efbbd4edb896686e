"""Speak for phases: list, check and land them."""

from __future__ import annotations

from typing import Any, Literal

import click

from gitcoord.cli.app import App, pass_app
from gitcoord.cli.groups import NearGroup
from gitcoord.cli.output import git_line, incomplete_if, table
from gitcoord.cli.ticker import ticking
from gitcoord.core.errors import IncompleteError, NotFoundError, RefusedError
from gitcoord.core.ids import PhaseId, TaskId
from gitcoord.core.refs import branch_name
from gitcoord.core.texts import clause

__all__ = ["phase"]


@click.group(cls=NearGroup)
def phase() -> None:
    """List, check and land phases; close streams and open them again."""


@phase.command("list")
@pass_app
def phase_list(app: App) -> None:
    """List the phases with their counts, and the command each waits for.

    Example: gitcoord phase list
    """
    from gitcoord.core.git_reading import phases_command
    from gitcoord.features.inspect import facts

    found = facts.status(app.work)["phases"]
    rows = [(one["id"], _phase_state(one), _counts(one), one["next"] or "-") for one in found]
    text = table(rows, ("PHASE", "STATE", "TASKS", "NEXT")) or "no phases yet"
    answer = {"phases": found, "git": phases_command(app.work.ledger.ref)}
    app.out.answer("phase list", answer, f"{text}\n{git_line(answer)}")


def _phase_state(one: dict[str, Any]) -> str:
    if one["state"] == "open" and not one["is_started"]:
        return "not started"
    told = [one["state"]]
    if one["is_stream"]:
        told.append("stream")
    if one["is_closed"] and one["state"] != "landed":
        told.append("closed")
    told += [f"gate {gate['gate']} failed" for gate in one["failed_gates"]]
    return ", ".join(told)


def _counts(one: dict[str, Any]) -> str:
    counts = [f"{count} {state}" for state, count in sorted(one["counts"].items())]
    return ", ".join(counts) or "-"


def _phase_id(app: App, name: str) -> PhaseId:
    """Return the id of the phase that was named."""
    from gitcoord.features.names import named_phase

    return named_phase(app.work.ledger.snapshot(), name)["id"]


def _task_ids(app: App, names: tuple[str, ...]) -> tuple[TaskId, ...]:
    """Return the ids of the tasks that were named."""
    from gitcoord.features.names import named_task

    snapshot = app.work.ledger.snapshot()
    return tuple(named_task(app.work, snapshot, name)["id"] for name in names)


def _check(app: App, name: PhaseId, without: tuple[TaskId, ...] = ()) -> tuple[dict[str, Any], str]:
    from gitcoord.features.land import landings

    with ticking(app, "checking the phase"):
        check = landings.check_phase(app.work, name, without=without)
    conflict = None
    if check.conflict:
        conflict = check.conflict._asdict()
    facts: dict[str, Any] = {
        "phase": check.phase,
        "state": check.state,
        "ready": check.is_ready,
        "results": check.results,
        "missing": [{"id": task["id"], "state": task["state"]} for task in check.missing],
        "conflict": conflict,
        "in_the_way": list(check.in_the_way),
        "new": check.new,
        "gates": list(check.gates),
        "without": list(check.without),
        "problem": check.problem or None,
        "failed_gates": _failed_gates(app, check.phase),
    }
    if check.is_empty:
        return facts, f"stream {name}: nothing is done that has not landed"
    if check.state == "landed":
        return facts, f"phase {name} has landed"
    lines = [f"phase {name}: {len(check.results)} result(s) to land"]
    for task in check.missing[:50]:
        lines.append(f"  {task['id']} is {task['state']}: {task['spec']['title']}")
        if task["state"] == "failed":
            lines.append(f"    next: gitcoord retry {task['id']} (why: gitcoord show {task['id']})")
    if check.without:
        lines.append(
            f"  left out, and cancelled when the rest has landed: {', '.join(check.without)}"
        )
    if check.conflict:
        lines.append(
            f"  {check.conflict.task} conflicts with {check.conflict.other} in "
            f"{', '.join(check.conflict.files[:10])}"
        )
    lines += [f"  in the way: {path}" for path in check.in_the_way]
    failed = facts["failed_gates"]
    lines += [
        f"  gate {gate['name']}: {gate['run']} ({_gate_state(gate, failed)})"
        for gate in check.gates
    ]
    if not check.gates:
        lines.append(f"  {check.problem or 'no gate: nothing is run before it lands'}")
    if check.is_ready:
        lines.append(
            f"  ready: the target would be at {str(check.new)[:12]}; gitcoord phase land {name} "
            "lands it"
        )
    return facts, "\n".join(lines)


def _failed_gates(app: App, phase: PhaseId) -> list[dict[str, Any]]:
    """Return the gates that failed, each with the command that shows its output."""
    from gitcoord.features.inspect.gates import failed_gates
    from gitcoord.features.names import named_phase

    snapshot = app.work.ledger.snapshot()
    branch = branch_name(app.work.ledger.ref)
    found = failed_gates(snapshot, named_phase(snapshot, phase))
    return [{**one, "show": f"git show {branch}:{one['log']}"} for one in found]


def _status(facts: dict[str, Any]) -> int:
    return incomplete_if(not facts["ready"] and facts["state"] != "landed")


def _gate_state(gate: dict[str, Any], failed: list[dict[str, Any]]) -> str:
    last = next((one for one in failed if one["gate"] == gate["name"]), None)
    if last is not None and not gate["passed"]:
        return f"failed: {last['reason']}; its output: {last['show']}"
    if gate["passed"]:
        return "passed on this very tree"
    if gate["trusted"]:
        return "to be run"
    return "not trusted on this machine: gitcoord trust"


def _way_back(app: App, name: PhaseId) -> tuple[dict[str, Any] | None, str]:
    """Return what `rollback --phase` would change now."""
    from gitcoord.cli.rollbacks import preview
    from gitcoord.features.land import rollbacks

    try:
        choice = rollbacks.choose(app.work, phase=name)
    except (NotFoundError, RefusedError):
        return None, ""
    facts, _ = preview(app, choice.entry, choice.words, code=False)
    changes = facts["changes"]
    counts = (
        f"{len(changes['tasks'])} task(s), {len(changes['claims_ended'])} claim(s), "
        f"{len(changes['locks_ended'])} lock(s)"
    )
    return facts, (
        f"\n  back: gitcoord rollback --phase {name} --code goes to {choice.entry[:12]}, "
        f"{choice.words}: {counts} and "
        f"{len(changes['phases'])} phase(s) change"
    )


@phase.command("check")
@click.argument("name", metavar="PHASE")
@click.option(
    "--merge", is_flag=True, help="Merge open branches in memory: who clashes with whom, where."
)
@pass_app
def phase_check(app: App, name: PhaseId, merge: bool) -> int:
    """Check whether a phase could land now, and what is missing; move nothing.

    Also shows what going back from there would change. With --merge the open
    branches are merged in memory, with each other and with the target.

    Example: gitcoord phase check build
    """
    name = _phase_id(app, name)
    facts, text = _check(app, name)
    facts["rollback"], way_back = _way_back(app, name)
    if merge:
        text += _clashes(app, name, facts)
    app.out.answer("phase check", facts, text + way_back)
    return _status(facts)


def _clashes(app: App, name: PhaseId, facts: dict[str, Any]) -> str:
    """Add to the facts which open branches clash, and return it for people."""
    from gitcoord.features.land.clashes import clashes

    with ticking(app, "merging open branches"):
        found = clashes(app.work, name)
    facts |= found
    lines = [
        f"\n  will clash: {one['task']} with {one['other'] or 'the target'} in "
        f"{', '.join(one['files'][:5])}"
        for one in found["clashes"]
    ]
    if not lines:
        return f"\n  no clash among {len(found['tried'])} open branch(es) and result(s)"
    return "".join(lines)


@phase.command("land")
@click.argument("name", metavar="PHASE")
@click.option(
    "--dry-run",
    is_flag=True,
    help="Merge in memory; show what would be run, and what would happen.",
)
@click.option(
    "--without",
    multiple=True,
    metavar="TASK",
    help=(
        "Leave a task out, with what was built on it: cancelled once the rest has landed "
        "(repeatable)."
    ),
)
@pass_app
def phase_land(app: App, name: PhaseId, dry_run: bool, without: tuple[TaskId, ...]) -> int:
    """Land a whole phase on the target branch, all or nothing.

    Of a stream, what is done lands as one batch. The gates run on the merged
    commit first, in a throw-away worktree. If one fails, nothing moves, and
    the results that make it fail are given back; the rest of a stream's batch
    is merged and tested again, and lands.

    Example: gitcoord phase land build
    """
    from gitcoord.features.land import landings
    from gitcoord.features.land.target_moves import lagging

    name = _phase_id(app, name)
    without = _task_ids(app, without)
    if dry_run:
        app.refuse_agents()
        facts, text = _check(app, name, without)
        landings.refuse_unready(app.work, name, without)
        app.out.answer("phase land", {**facts, "dry_run": True}, text)
        return _status(facts)
    work = app.orchestrate()
    try:
        done = landings.land(work, name, without=without)
    except RefusedError as error:
        if error.reason == "conflict" or (error.reason == "gate" and error.facts["tasks"]):
            raise IncompleteError(error.message, hint=error.hint, **error.facts) from None
        raise
    for worktree in lagging(work):
        app.out.notice(f"{worktree} has the target checked out and is behind it")
    facts = {
        "phase": name,
        "entry": done.entry,
        "target": branch_name(done.target),
        "old": done.old,
        "new": done.new,
        "results": done.results,
        "already": done.already,
        "gates": list(done.gates),
        "without": list(done.without),
        "given_back": list(done.given_back),
        "push": None,
    }
    if done.push is not None:
        facts["push"] = {"remote": done.push.remote, "problem": done.push.problem or None}
        if done.push.told:
            again = f"; `gitcoord phase land {name}` tries it again"
            app.out.notice(done.push.told + again)
    if not done.gates and not done.already:
        app.out.notice(f"phase {name} has no gate: nothing was run before it landed")
    was = f"landed: {facts['target']} is at"
    if done.already:
        was = f"had landed already: {facts['target']} contains"
    text = f"phase {name} {was} {done.new[:12]}"
    text += clause("; gates passed: {}", ", ".join(done.gates))
    if done.push is not None and not done.push.problem:
        text += f"; pushed to {done.push.remote}"
    text += clause("\nleft out and cancelled: {}", ", ".join(done.without))
    text += clause("\ngiven back, and not landed: {}", ", ".join(done.given_back))
    app.out.answer("phase land", facts, text)
    return incomplete_if(bool(done.given_back))


@phase.command("close")
@click.argument("name", metavar="PHASE")
@click.option("--reason", metavar="TEXT", default="", help="Why.")
@pass_app
def phase_close(app: App, name: PhaseId, reason: str) -> None:
    """Close a stream: no more tasks are added to it.

    What it holds is worked on and lands as before. Then the stream has
    landed, and phases may come after it.

    Example: gitcoord phase close adhoc
    """
    _open_or_close(app, "close", name, reason)


@phase.command("open")
@click.argument("name", metavar="PHASE")
@click.option("--reason", metavar="TEXT", default="", help="Why.")
@pass_app
def phase_open(app: App, name: PhaseId, reason: str) -> None:
    """Open a closed stream again, so that tasks may be added.

    Example: gitcoord phase open adhoc
    """
    _open_or_close(app, "open", name, reason)


def _open_or_close(app: App, word: Literal["open", "close"], name: PhaseId, reason: str) -> None:
    from gitcoord.features.land import streams
    from gitcoord.features.names import named_phase

    work = app.orchestrate()
    name = _phase_id(app, name)
    if word == "close":
        done = streams.change(work, "phase-close", name, reason)
    else:
        done = streams.change(work, "phase-open", name, reason)
    state = named_phase(done.snapshot, name)["state"]
    text = f"stream {name} is open again"
    if word == "close":
        text = f"stream {name} is closed: nothing is added to it any more"
        if state == "landed":
            text = f"stream {name} is closed, and all that it held has landed"
    facts = {"entry": done.entry, "phase": name, "state": state}
    app.out.answer(f"phase {word}", facts, text)
