"""Speak for readers: status, tasks, show, impact, verify."""

from __future__ import annotations

from typing import Any

from gitcoord.cli.app import App
from gitcoord.cli.declared import argument, command, option
from gitcoord.cli.locks import lock_line, wait_line
from gitcoord.cli.output import git_line, shown_paths, table, wrapped
from gitcoord.cli.ticker import ticking
from gitcoord.core import ids
from gitcoord.core.errors import UsageError
from gitcoord.core.ids import PhaseId, TaskId
from gitcoord.core.texts import clause
from gitcoord.core.times import span

__all__ = ["impact", "progress_lines", "show", "status", "tasks", "verify", "why"]

_STATES = (
    "ready",
    "waiting",
    "blocked",
    "claimed",
    "review",
    "done",
    "landed",
    "failed",
    "cancelled",
)


@command(
    option("--all", "is_all", is_flag=True, help="A line for each ledger of the repository."),
)
def status(app: App, is_all: bool) -> None:
    """Show what needs you, is stuck, runs and comes next, and when it ends.

    Example: gitcoord status
    """
    if is_all:
        _every_ledger(app)
        return
    from gitcoord.features.assist.turn_counts import ended_turns
    from gitcoord.features.inspect import facts
    from gitcoord.features.land.target_moves import lagging
    from gitcoord.features.maintain.overview import overview

    with ticking(app, "reading the ledger"):
        found = facts.status(app.work)
        found["behind"] = [str(path) for path in lagging(app.work)]
        found |= overview(app.work, app.work.ledger.snapshot(found["tip"]), found)
    for text in ended_turns(app.work, app.work.ledger.snapshot(found["tip"])):
        app.out.notice(text)
    app.out.answer("status", found, _status_text(app, found))


def _every_ledger(app: App) -> None:
    """Show how each ledger of the repository stands."""
    from gitcoord.features.maintain.ledgers import every_ledger

    with ticking(app, "reading ledgers"):
        found = every_ledger(app.work)
    lines = [_standing_line(one) for one in found] or ["this repository has no ledger"]
    app.out.answer("status", {"ledgers": found}, "\n".join(lines))


def _standing_line(one: dict[str, Any]) -> str:
    if one["problem"]:
        return f"{one['ledger']}: {one['problem']}"
    shown = [f"{count} {state}" for state, count in one["counts"].items() if count]
    line = f"{one['ledger']}: {', '.join(shown) or 'no tasks'}, target {one['target']}"
    if one["remote"]:
        line += f", on {one['remote']}"
    for key, words in (("needs_you", "need you"), ("stuck", "stuck")):
        if one[key]:
            line += f"; {one[key]} {words}"
    return line


def gates_line(failed: list[dict[str, Any]]) -> str:
    """Return how the gates of a phase failed, or nothing."""
    return "".join(f"; gate {one['gate']} failed: {one['reason']}" for one in failed)


def _lease(held: dict[str, Any]) -> str:
    if held["is_over"]:
        return "its lease is over"
    return f"lease {ids.show_duration(held['lease_left_ms'])}"


def _progress(progress: dict[str, Any] | None) -> str:
    """Return how far a claim is, as it said last, or nothing."""
    if progress is None:
        return ""
    told = f": {progress['message'].splitlines()[0]}"
    if progress["percent"] is not None:
        told = f" {progress['percent']}%{told}"
    return told


def _status_text(app: App, found: dict[str, Any]) -> str:
    """Answer the questions in the order in which they are asked."""
    lines = [f"ledger {found['ledger']}, plan {found['plan'] or '-'}, target {found['target']}"]
    for one in found["needs_you"]:
        lines += [wrapped("needs you: ", one["text"]), f"  next: {one['command']}"]
    for one in found["stuck"]:
        trouble = wrapped("stuck   ", f"{one['kind']}: {one['text']}")
        lines += [trouble, f"  next: {one['command']}"]
    lines += _running_lines(app, found)
    for one in found["next"]:
        lines.append(f"next    {one['text']}: {one['command']}")
    return "\n".join([*lines, *progress_lines(app, found), git_line(found)])


def _running_lines(app: App, found: dict[str, Any]) -> list[str]:
    """Return who holds what, and what stands in the way of others."""
    from gitcoord.features.inspect import impact

    lines = []
    for claim in found["claims"]:
        line = f"claim   {claim['task']} by {claim['agent']}, {_lease(claim)}"
        if claim["is_late"] and not claim["is_over"]:
            line += " " + app.out.state("late")
        lines.append(f"{line}, since {claim['since']}{_progress(claim['progress'])}")
    for one in found["reviews"]:
        lines.append(f"review  {one['task']} by {one['agent']}, {_lease(one)}")
    lines += [f"lock    {lock_line(one)}" for one in found["locks"]]
    lines += [f"waits   {wait_line(one)}" for one in found["waiting"]]
    for one in found["blocked"]:
        lines.append(f"blocked {one['task']} {one['state']}: {impact.told(one, is_failed=True)}")
    if found["pending"]:
        lines.append(
            f"pending: a {found['pending']['kind']} of {found['pending']['phase']}; the next "
            "command finishes it"
        )
    for path in found["behind"]:
        told = "has the target checked out; an orchestrator's command brings it along"
        lines.append(f"behind: {path} {told}")
    return lines


def progress_lines(app: App, found: dict[str, Any]) -> list[str]:
    """Return how much is done, and when the rest will be."""
    lines = []
    for one in found["phases"]:
        state = one["state"]
        if state == "open" and not one["is_started"]:
            state = "not started"
        told = ", ".join(f"{count} {name}" for name, count in sorted(one["counts"].items()))
        lines.append(
            f"phase   {one['id']}: {state}; {told or 'no tasks'}{gates_line(one['failed_gates'])}"
            + clause("; next: {}", one["next"])
        )
    counts = found["counts"]
    shown = [state for state in _STATES if state in counts]
    told = ", ".join(f"{counts[state]} {app.out.state(state)}" for state in shown)
    eta = found["eta"]
    end = eta["basis"]
    if eta["from"] is not None:
        end = f"{span(eta['from'], eta['to'])}, by {eta['basis']}"
    return [*lines, f"tasks   {told or '-'}", wrapped("end     ", end)]


@command(
    option("--state", metavar="STATE", help="Only tasks in this state."),
    option("--phase", metavar="PHASE", help="Only tasks of this phase."),
    option("--pool", metavar="POOL", help="Only tasks of this pool."),
)
def tasks(app: App, state: str | None, phase: PhaseId | None, pool: str | None) -> None:
    """List tasks in plan order; --agent ID lists one agent's.

    Example: gitcoord tasks --state ready
    """
    from gitcoord.features.inspect import facts

    known = (*_STATES, "open")
    if state is not None and state not in known:
        near = ids.nearest(state, known, 1)
        raise UsageError(f"there is no state {state!r}", hint=f"known: {', '.join(near or known)}")
    with ticking(app, "reading tasks"):
        found = facts.tasks(app.work, state=state, phase=phase, pool=pool, agent=app.named_agent)
    rows = []
    for task in found["tasks"]:
        holder = task["claim"] or task["result"] or {"agent": "-"}
        row = (task["id"], task["state"], task["phase"], task["pool"], holder["agent"])
        rows.append((*row, task["title"]))
    text = table(rows, ("TASK", "STATE", "PHASE", "POOL", "AGENT", "TITLE")) or "no such tasks"
    app.out.answer("tasks", found, f"{text}\n{git_line(found)}")


@command(
    argument("task"),
    option("--log", "log_only", is_flag=True, help="Print the newest log that an attempt left."),
    option("--follow", is_flag=True, help="With --log, go on while the attempt prints."),
)
def show(app: App, task: TaskId, log_only: bool, follow: bool) -> None:
    """Show one task with its history.

    Example: gitcoord show 25
    """
    from gitcoord.features.inspect import facts

    if log_only or follow:
        _show_log(app, task, log_only=log_only, follow=follow)
        return
    from gitcoord.features.inspect import impact

    found = facts.show(app.work, task)
    detail = found["task"]
    claim, result = detail["claim"], detail["result"]
    rows: list[tuple[str, str]] = [
        ("state", app.out.state(detail["state"])),
        ("phase", detail["phase"]),
        ("pool", detail["pool"]),
    ]
    rows.append(("paths", shown_paths(detail["paths"])))
    for key in ("widened", "reads", "needs", "needed_by"):
        if detail[key]:
            rows.append((key.replace("_", " "), ", ".join(detail[key][:20])))
    for one in detail["waiting_for"]:
        text = one["text"] + clause(": `{}`", one["command"])
        rows.append(("because", text))
    if detail["assigned"]:
        rows.append(("assigned", detail["assigned"]))
    if claim:
        rows.append(
            ("claim", f"{claim['agent']}, attempt {claim['attempt']}, until {claim['expires_at']}")
        )
        rows.append(("branch", claim["branch"]))
    if result:
        rows.append(
            (
                "result",
                f"{(result['oid'] or 'no commit')[:12]} by {result['agent']}: {result['commits']} "
                "commit(s), "
                f"{result['files']} file(s)",
            )
        )
    rows += _review_rows(detail)
    if detail["failures"]:
        rows.append(("failures", str(detail["failures"])))
    if detail["would_block"]["count"]:
        is_failed = detail["state"] in {"failed", "cancelled"}
        rows.append(("needed", impact.told(detail["would_block"], is_failed=is_failed)))
    rows += _told_rows(detail)
    lines = [f"{detail['id']}: {detail['title']}"]
    lines += [f"  {name:<9} {value}" for name, value in rows]
    if detail["description"]:
        lines += ["", *("  " + line for line in detail["description"].splitlines())]
    lines.append("")
    for entry in detail["history"]:
        lines.append(f"  {entry['at']}  {entry['entry'][:10]}  {entry['subject']}")
    lines.append(git_line(found))
    app.out.answer("show", found, "\n".join(lines))


def _review_rows(detail: dict[str, Any]) -> list[tuple[str, str]]:
    """Return who looked at a task's result, and what they found."""
    rows = []
    reviews = detail["reviews"]
    if detail["state"] == "review":
        over = sum(one["verdict"] is not None for one in reviews)
        of_pool = clause(", one by pool {}", detail["verify_by"])
        rows.append(("approvals", f"{over} of {detail['approvals']}{of_pool}"))
    for one in reviews:
        state = one["verdict"] or f"at work until {one['expires_at']}"
        said = clause(": {}", one["message"] and one["message"].splitlines()[0])
        rows.append(("review", f"{one['agent']}: {state}{said}"))
    return rows


def _told_rows(detail: dict[str, Any]) -> list[tuple[str, str]]:
    """Return what earlier attempts, notes, escalations and logs tell of a task."""
    rows = []
    for one in detail["setbacks"]:
        why = f"{one['kind']}: {one['reason'].splitlines()[0]}"
        rows.append(("before", f"attempt {one['attempt']} by {one['agent']}: {why}"))
    for one in detail["notes"]:
        rows.append(("note", f"{one['text']} ({one['agent']})"))
    for one in detail["escalations"]:
        question = f"{one['id']} {one['text'].splitlines()[0]}"
        rows.append(("asked", f"{question}: {one['answer'] or 'open'}"))
    if detail["logs"]:
        rows.append(("logs", f"{', '.join(detail['logs'])}: gitcoord show {detail['id']} --log"))
    return rows


def _show_log(app: App, task: TaskId, *, log_only: bool, follow: bool) -> None:
    """Print the output of the newest attempt, or go on with it as it comes."""
    from gitcoord.features.inspect import facts
    from gitcoord.features.inspect.log_following import follow_log

    if not log_only:
        raise UsageError("--follow goes with --log", hint="`gitcoord show TASK --log --follow`")
    if not follow:
        name, text = facts.log_of(app.work, task)
        app.out.answer("show", {"task": task, "log": name, "text": text}, text.rstrip("\n"))
        return
    for part in follow_log(app.work, task):
        app.out.line({"task": task, "log": part.log, "text": part.text}, part.text)


@command(
    argument("task"),
)
def why(app: App, task: TaskId) -> None:
    """Show everything that a task waits for, with the command that helps.

    What a line waits for itself stands below it, indented, down to the
    roots.

    Example: gitcoord why 25
    """
    from gitcoord.features.inspect.why import why as ask

    with ticking(app, "reading the ledger"):
        found = ask(app.work, task)
    lines = [f"{found['task']} is {app.out.state(found['state'])}: {found['title']}"]
    for step in found["steps"]:
        text = step["text"] + clause(": `{}`", step["command"])
        lines.append("  " * (step["depth"] + 1) + text)
    if not found["steps"]:
        lines.append("  it waits for nothing")
    if found["is_cut"]:
        lines.append("  ... and more: `gitcoord status` shows it all")
    lines.append(git_line(found))
    app.out.answer("why", found, "\n".join(lines))


@command(
    argument("task"),
)
def impact(app: App, task: TaskId) -> None:
    """Show what waits for a task, and what would be blocked if it failed.

    Example: gitcoord impact 25
    """
    from gitcoord.features.inspect import facts

    with ticking(app, "reading the ledger"):
        found = facts.impact(app.work, task)
    direct, further = found["direct"], found["transitive"]
    lines = [f"{found['task']}: {len(direct)} task(s) need it, {len(further)} more through them"]
    if direct:
        lines.append(f"  directly      {', '.join(direct[:40])}")
    if further:
        lines.append(f"  transitively  {', '.join(further[:40])}")
    phases = ", ".join(found["phases_waiting"])
    lines.append(f"  phases that cannot land without it: {phases or 'none, it has landed'}")
    lines.append(git_line(found))
    app.out.answer("impact", found, "\n".join(lines))


@command(
    argument("span", metavar="[RANGE]", required=False),
    option("--quick", is_flag=True, help="Only what is new since this machine last verified."),
    option("--from-checkpoint", is_flag=True, help="Only what came after the last checkpoint."),
)
def verify(app: App, span: str | None, quick: bool, from_checkpoint: bool) -> None:
    """Replay the history, or RANGE (OLD..NEW), and check every entry.

    Reports the first illegal entry, and a history that lacks what was
    verified here before; repairs nothing. Where this clone was made by
    `join --depth` it begins with the oldest entry that is here.

    Example: gitcoord verify
    """
    from gitcoord.features.inspect.chain import last_checkpoint
    from gitcoord.features.maintain import verify
    from gitcoord.features.names import named_entry

    app.tell_of_cut()
    since = until = None
    if span is not None and from_checkpoint:
        raise UsageError(
            "a range and --from-checkpoint both say where to begin",
            hint="give one of them",
        )
    if from_checkpoint:
        since = last_checkpoint(app.work, app.work.ledger.snapshot())
    if span is not None:
        old, dots, new = span.partition("..")
        if not dots:
            raise UsageError(
                f"{span!r} is not a range", hint="give OLD..NEW, two entries of the ledger"
            )
        if old:
            since = named_entry(app.work, old)
        if new:
            until = named_entry(app.work, new)

    with ticking(app, "verifying"):
        if span is None and not from_checkpoint:
            done = verify.verify_ledger(app.work, quick=quick)
        else:
            done = verify.verify(app.work, since=since, until=until)
    after = ""
    if done.since:
        after = f" after {done.since[:12]}"
    app.out.answer(
        "verify",
        {"entries": done.entries, "tip": done.tip, "since": done.since},
        f"{done.entries} entries verified{after}, up to {done.tip[:12]}: every one follows from "
        "its parent",
    )
