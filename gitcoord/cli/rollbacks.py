"""Speak for going back: rollback, checkpoint, batch."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from gitcoord.cli.app import App, pass_app
from gitcoord.cli.groups import NearGroup
from gitcoord.cli.output import git_line, table
from gitcoord.cli.times import read_time
from gitcoord.core.errors import NotFoundError, RefusedError, UsageError
from gitcoord.core.ids import ORCHESTRATOR, Oid, PhaseId
from gitcoord.core.refs import branch_name
from gitcoord.core.texts import text_of
from gitcoord.core.times import instant

__all__ = ["batch", "checkpoint", "rollback"]


@click.group(cls=NearGroup, invoke_without_command=True)
@click.option("--to", metavar="REV", help="Go back to this entry or checkpoint.")
@click.option("--steps", type=click.IntRange(min=1), metavar="N", help="Go back N entries.")
@click.option(
    "--before",
    metavar="TIME",
    help="Go back to before a time (2026-11-24T10:00:00Z, or 2h for two hours ago).",
)
@click.option(
    "--phase",
    metavar="PHASE",
    help="Go back to before the phase's last landing, or its first claim.",
)
@click.option("--code", is_flag=True, help="Take the landings since then back from the target too.")
@click.option("--reason", metavar="TEXT", default="", help="Why.")
@click.option("--dry-run", is_flag=True, help="Show what would change; change nothing.")
@click.pass_context
def rollback(
    ctx: click.Context,
    to: str | None,
    steps: int | None,
    before: str | None,
    phase: PhaseId | None,
    code: bool,
    reason: str,
    dry_run: bool,
) -> None:
    """Go back to an earlier entry, exactly; what is abandoned is kept.

    Claims made since are fenced. Work branches and results stay. `rollback
    list` shows the rollbacks, `rollback undo` takes one back.

    Example: gitcoord rollback --phase build --dry-run
    """
    if ctx.invoked_subcommand is not None:
        return
    from gitcoord.features.land import rollbacks

    app = ctx.find_object(App)
    assert app is not None
    app.tell_of_cut()
    if dry_run:
        app.refuse_agents()
        choice = rollbacks.choose(
            app.work, to=to, steps=steps, before=_time(app, before), phase=phase
        )
        facts, text = preview(app, choice.entry, choice.words, code=code)
        app.out.answer("rollback", {**facts, "dry_run": True}, text)
        return
    work = app.orchestrate()
    choice = rollbacks.choose(work, to=to, steps=steps, before=_time(app, before), phase=phase)
    done = rollbacks.rollback(work, choice, code=code, reason=_reason(reason))
    _tell(app, "rollback", done, choice.words)


def _reason(text: str) -> str:

    if not text:
        return ""
    return text_of(text, "reason")


def _time(app: App, text: str | None) -> int | None:
    """Read a time, or a duration as so long ago."""
    if text is None:
        return None
    return read_time(app, text)


def _tell(app: App, op: str, done: Any, words: str) -> None:
    facts = {
        "entry": done.entry,
        "onto": done.onto,
        "abandoned": done.abandoned,
        "epoch": done.epoch,
        "code": done.code,
    }
    text = f"the ledger is back at {done.onto[:12]} ({words}), epoch {done.epoch}"
    if done.unmoved:
        app.out.notice(done.unmoved)
    elif done.code:
        text += f"\n{branch_name(done.code['target'])} is at {done.code['new'][:12]}"
    text += (
        f"\nwhat was abandoned is kept at {done.abandoned[:12]}: gitcoord rollback undo brings it "
        "back"
    )
    for worktree in done.behind:
        app.out.notice(f"{worktree} has the target checked out and is behind it")
    app.out.answer(op, facts, text)


def preview(app: App, entry: Oid, words: str, *, code: bool) -> tuple[dict[str, Any], str]:
    """Return what going back to an entry would change."""
    from gitcoord.features.land import rollback_preview

    tip, chosen = app.work.ledger.snapshot(), app.work.ledger.snapshot(entry)
    found = rollback_preview.changes_of(app.work, tip, chosen)
    facts: dict[str, Any] = {"onto": entry, "abandoned": tip.oid, "changes": found, "code": None}
    lines = [f"back to {entry[:12]}: {words}"]
    rows = [(one["task"], one["now"] or "-", "->", one["then"] or "gone") for one in found["tasks"]]
    lines += [f"{len(rows)} task(s) change"] + ["  " + row for row in table(rows[:40]).splitlines()]
    lines += [
        f"claim on {one['task']} by {one['agent']} is fenced" for one in found["claims_ended"]
    ]
    lines += [f"claim on {one['task']} by {one['agent']} stays" for one in found["claims_kept"]]
    lines += [f"review of {name} ends" for name in found["reviews_ended"]]
    lines += [f"lock {name} ends" for name in found["locks_ended"]]
    lines += [
        f"phase {one['phase']}: {one['now']} -> {one['then'] or 'gone'}" for one in found["phases"]
    ]
    if code:
        move = rollback_preview.code_move(app.work, tip, chosen)
        facts["code"] = move and move._asdict()
        lines.append(_code_line(move))
    elif found["phases"]:
        lines.append("the target branch keeps its landings; --code takes them back too")
    return facts, "\n".join(lines)


def _code_line(move: Any) -> str:
    if move is None:
        return "the target branch stays where it is"
    name = branch_name(move.target)
    how = f"gets {len(move.reverts)} revert(s), since others committed to it,"
    if move.is_reset:
        how = "is reset"
    return f"{name} {how} from {move.old[:12]} to {move.new[:12]}"


def _rollback_row(facts: dict[str, Any]) -> tuple[str, ...]:
    onto = facts["onto"] or ""
    code = "no"
    if facts["code"]:
        code = "yes"
    reason = facts["reason"]
    if not facts["is_current"]:
        reason += " (itself abandoned)"
    return facts["entry"][:12], facts["at"], onto[:12], facts["abandoned"][:12], code, reason


@rollback.command("list")
@click.pass_obj
def rollback_list(app: App) -> None:
    """List rollbacks, newest first, and where what they abandoned is.

    Example: gitcoord rollback list
    """
    from gitcoord.core.git_reading import rollbacks_command
    from gitcoord.core.refs import attic_refs
    from gitcoord.features.land import rollbacks

    found = rollbacks.rollbacks(app.work)
    for one in found:
        one["at"] = instant(one.pop("time"))
    rows = [_rollback_row(one) for one in found]
    text = (
        table(rows, ("ROLLBACK", "AT", "BACK TO", "ABANDONED", "CODE", "WHY"))
        or "nothing was rolled back"
    )
    work = app.work
    command = rollbacks_command(work.ledger.ref, attic_refs(work.ledger.name))
    answer = {"rollbacks": found, "git": command}
    app.out.answer("rollback list", answer, f"{text}\n{git_line(answer)}")


@rollback.command("undo")
@click.argument("word", metavar="[ENTRY]", required=False)
@click.option("--reason", metavar="TEXT", default="", help="Why.")
@click.option("--dry-run", is_flag=True, help="Show what would change; change nothing.")
@click.pass_obj
def rollback_undo(app: App, word: str | None, reason: str, dry_run: bool) -> None:
    """Bring back what a rollback abandoned, by default the last one.

    Claims that it ended stay ended: their holders were told to stop.

    Example: gitcoord rollback undo
    """
    from gitcoord.features.land import rollbacks
    from gitcoord.features.names import named_entry

    app.refuse_agents()
    work = app.work
    if not dry_run:
        work = app.orchestrate()
    named = None
    if word:
        named = named_entry(work, word)
    if dry_run:
        last = _newest(rollbacks.rollbacks(work), named)
        what = f"undo of rollback {last['entry'][:12]}"
        facts, text = preview(app, last["abandoned"], what, code=False)
        app.out.answer("rollback undo", {**facts, "dry_run": True}, text)
        return
    _tell(app, "rollback undo", rollbacks.undo(work, named, reason=_reason(reason)), "undone")


def _newest(known: list[dict[str, Any]], entry: Oid | None) -> dict[str, Any]:
    """Return the rollback of an entry, or the newest one, that was not abandoned itself."""
    for rollback in known:
        if rollback["is_current"] and entry in {None, rollback["entry"]}:
            return rollback
    raise NotFoundError("nothing was rolled back", hint="`gitcoord rollback list` lists rollbacks")


@click.command()
@click.argument("name")
@pass_app
def checkpoint(app: App, name: str) -> None:
    """Create a checkpoint, to go back to with `rollback --to NAME`.

    Example: gitcoord checkpoint before-refactoring
    """
    work = app.orchestrate()
    done = work.ledger.execute(
        {"op": "checkpoint", "agent": ORCHESTRATOR, "name": name}, agent=ORCHESTRATOR
    )
    app.out.answer(
        "checkpoint",
        {"entry": done.entry, "name": name},
        f"checkpoint {name} is entry {done.entry[:12]}\nback to it: gitcoord rollback --to {name}",
    )


@click.command()
@click.argument("file", metavar="[FILE]", default="-")
@pass_app
def batch(app: App, file: str) -> None:
    """Apply lines of JSON as one entry, all of them or none.

    A line is {"op": COMMAND, ...} with the options' names as keys, and may
    name its agent. FILE is - (standard input) unless given.

    Example: echo '{"op": "retry", "task": "25"}' | gitcoord batch
    """
    from gitcoord.features.run import batches

    lines = batches.parse_lines(_read(file))
    if all(batches.is_for_agents(line["op"]) for line in lines) and app.is_agent_known():
        agent = app.agent()
        others = {line["agent"] for line in lines if line.get("agent", agent) != agent}
        if others and app.work.standing_agent() is not None and not app.as_orchestrator:
            raise RefusedError(
                f"{agent} speaks for itself alone, not for {', '.join(sorted(others))}",
                reason="role",
                hint="leave `agent` out of the lines",
            )
    else:
        app.orchestrate()
        agent = ORCHESTRATOR
    done = batches.batch(app.work, lines, agent=agent)
    results = []
    for line, event in zip(lines, done.event["events"], strict=True):
        facts = {"line": line["line"], "op": line["op"], "task": event.get("task") or None}
        if event["op"] == "claim":
            facts |= {"token": event["token"], "branch": event["branch"]}
        results.append(facts)
    app.out.answer(
        "batch",
        {"entry": done.entry, "results": results},
        f"{len(results)} operation(s) applied as entry {done.entry[:12]}",
    )


def _read(file: str) -> str:
    try:
        if file == "-":
            return sys.stdin.read()
        return Path(file).read_text("utf-8")
    except FileNotFoundError:
        raise NotFoundError(
            f"there is no file {file}", hint="name a file of JSON lines, or - for standard input"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"{file} cannot be read as text: {error}", hint="give JSON lines in UTF-8"
        ) from None
