"""Speak for what sets a ledger up: init, plans, trust."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import click

from gitcoord.cli.app import App, pass_app
from gitcoord.cli.groups import NearGroup
from gitcoord.cli.output import git_line, table
from gitcoord.cli.ticker import ticking
from gitcoord.core.errors import GitcoordError, NotFoundError, UsageError
from gitcoord.core.plan_changes import ChangedPart
from gitcoord.core.refs import branch_name
from gitcoord.core.texts import clause, counted

__all__ = ["init", "plan", "read_plan", "trust"]

MAX_COMMANDS = 20
MAX_TASKS = 50


def read_plan(path: str, start: Path) -> tuple[str, str]:
    """Read a plan's text from a file, or from standard input for ``-``.

    A path starts where the command works: ``-C`` counts for it, as git has it.
    """
    from gitcoord.core.plan_text import decode

    if path == "-":
        return decode(sys.stdin.buffer.read(), "<stdin>"), "<stdin>"
    try:
        return decode((start / path).read_bytes(), path), path
    except FileNotFoundError:
        raise NotFoundError(
            f"there is no file {path}", hint="name a plan file, or - for standard input"
        ) from None
    except OSError as error:
        raise UsageError(
            f"{path} cannot be read: {error.strerror}",
            hint="name a plan file, or - for standard input",
        ) from None


def _applied(app: App, text: str, name: str, *, is_trusted: bool) -> dict[str, Any]:
    from gitcoord.features.setup import plans
    from gitcoord.features.setup import trust as trusting

    with ticking(app, "checking the plan"):
        done = plans.apply_plan(app.work, text, name)
    for warning in done.warnings:
        app.out.notice(warning)
    _tell_kept(app, done.kept)
    snapshot = app.work.ledger.snapshot()
    commands = trusting.commands_of(snapshot)
    if is_trusted and commands:
        trusting.trust(app.work, snapshot)
    _tell_commands(app, trusting.untrusted(app.work, commands))
    _notice_misled(app, commands)
    return {
        "entry": done.entry,
        "added": done.added,
        "changed": done.changed,
        "kept": done.kept,
        "warnings": done.warnings,
        "changed_parts": done.changed_parts,
        "parts": done.parts,
    }


def _tell_ledgers(app: App) -> None:
    """Notice which other ledgers are at work in this repository."""
    from gitcoord.features.setup.other_ledgers import ledger_notices

    for notice in ledger_notices(app.work):
        app.out.notice(notice)


def _tell_kept(app: App, kept: Sequence[str]) -> None:
    """Notice which tasks of the ledger a plan lacks."""
    if not kept:
        return
    shown = ", ".join(kept[:10])
    if len(kept) > 10:
        shown += " ..."
    app.out.notice(f"{len(kept)} task(s) of the ledger are not in this plan, and stay: {shown}")


def _tell_commands(app: App, missing: Sequence[str]) -> None:
    """Notice which commands would run on this machine once they are trusted."""
    from gitcoord.features.setup.trust import shown

    for command in missing[:MAX_COMMANDS]:
        app.out.notice(f"the plan would run on this machine: {shown(command)}")
    if missing:
        advice = "`gitcoord trust` lists the plan's commands and allows exactly those"
        if len(missing) > MAX_COMMANDS:
            advice += f" ({len(missing)} in all)"
        app.out.notice(advice)


def _part_lines(parts: Sequence[ChangedPart]) -> list[str]:
    """Return what changes beside tasks, what that means, and whose work it concerns."""
    lines = []
    for part in parts:
        whom = [
            f"{one['task']} ({one['state']} by {one['agent']})" for one in part["concerned"][:10]
        ]
        if len(part["concerned"]) > 10:
            whom.append(f"and {len(part['concerned']) - 10} more")
        if whom:
            told = "; ".join(part["means"]) or "holds for it from now on"
            lines.append(f"  {part['kind']} {part['name']}: {told}: {', '.join(whom)}")
    return lines


def _trial(app: App, text: str, name: str) -> None:
    """Show what applying a plan would change, and for whom."""
    from gitcoord.features.setup import plans

    with ticking(app, "checking the plan"):
        found = plans.try_plan(app.work, text, name)
    for warning in found.warnings:
        app.out.notice(warning)
    changes = found.changes
    _tell_kept(app, changes.kept)
    _tell_commands(app, found.commands)
    lines = [
        f"{counted(len(changes.added), 'tasks')} would be added, {len(changes.changed)} changed"
    ]
    lines[0] += clause("; changed: {}", ", ".join(found.changed_parts))
    lines += [f"  {name}: new" for name in changes.added[:MAX_TASKS]]
    for one in changes.changed[:MAX_TASKS]:
        whom = clause(", assigned to {}", one["agent"])
        lines.append(f"  {one['task']}: {', '.join(one['keys'])} ({one['state']}{whom})")
    more = max(len(changes.added), len(changes.changed)) - MAX_TASKS
    if more > 0:
        lines.append("  ... (--json lists all of them)")
    lines += _part_lines(changes.parts)
    facts = {
        "dry_run": True,
        "added": changes.added,
        "changed": changes.changed,
        "changed_parts": found.changed_parts,
        "parts": changes.parts,
        "kept": changes.kept,
        "warnings": found.warnings,
        "untrusted": found.commands,
    }
    app.out.answer("plan apply", facts, "\n".join([*lines, "nothing was changed"]))


def _notice_misled(app: App, commands: list[str]) -> None:
    """Notice where commands of the plan may test another commit."""
    for text in _misled(app, commands):
        app.out.notice(text)


def _misled(app: App, commands: list[str]) -> list[str]:
    from gitcoord.features.maintain.installs import misled_here

    return [f"{one.text}: {one.advice}" for one in misled_here(app.work, commands)]


@click.command()
@click.argument("plan_file", metavar="[PLAN]", required=False)
@click.option(
    "--trust", "is_trusted", is_flag=True, help="Trust the plan's commands on this machine."
)
@click.option("--template", metavar="NAME", help="Write a plan to start from into plan.toml.")
@click.option(
    "--with",
    "given",
    metavar="NAME=VALUE",
    multiple=True,
    help="Set something in the template (repeatable).",
)
@click.option("--remote", metavar="NAME", help="Put the ledger on this remote, for all clones.")
@click.option(
    "--no-branch", is_flag=True, help="With --remote: keep it out of the server's branches."
)
@click.option("--list-templates", "is_list", is_flag=True, help="List the plans to start from.")
@pass_app
def init(
    app: App,
    plan_file: str | None,
    is_trusted: bool,
    template: str | None,
    remote: str | None,
    no_branch: bool,
    given: tuple[str, ...],
    is_list: bool,
) -> None:
    """Create a ledger in this repository, and load a plan if one is named.

    Without a plan `gitcoord start` begins work at once, and each piece lands
    when it is done.

    The branch that is checked out becomes the target that phases land on.
    Nothing is checked out, staged or changed. With --remote the ledger lives
    on a git server, where other clones join it; a ledger that is here already
    is moved there as it is.

    Example: gitcoord init plan.toml
    """
    from gitcoord.features.setup import ledger, plans
    from gitcoord.features.setup.trust import require_person
    from gitcoord.git.program import require_git

    if is_list:
        from gitcoord.cli.plan_templates import list_templates

        list_templates(app)
        return
    require_git()
    if is_trusted:
        require_person()
    app.refuse_agents()
    if template is not None or given:
        from gitcoord.cli.plan_templates import write_template

        write_template(app, template, given)
        return
    document = None
    if plan_file is not None:
        document = read_plan(plan_file, app.start)
        with ticking(app, "checking the plan"):
            plans.check_plan(*document)
    if remote is not None:
        from gitcoord.cli.machines import made_on

        facts, text = made_on(app, remote, no_branch=no_branch)
    else:
        # A ledger without a plan is what a killed `init` leaves: go on.
        done = ledger.begun(app.work) or ledger.init(app.work)
        facts = {
            "ledger": app.work.ledger.name,
            "entry": done.entry,
            "target": branch_name(done.event["target"]),
        }
        text = f"created ledger '{facts['ledger']}'; phases will land on {facts['target']}"
        _tell_ledgers(app)
    if document is not None:
        applied = _applied(app, *document, is_trusted=is_trusted)
        facts |= {"plan": applied}
        text += (
            f"\n{counted(applied['added'], 'tasks')} loaded\nnext: gitcoord agent add ID, and "
            "gitcoord claim in its worktree"
        )
    elif app.work.ledger.snapshot().plan() is None:
        facts["entry"] = plans.apply_adhoc(app.work)
        app.out.notice("there is no gate: nothing is run before work lands")
        text += (
            "\nnext: gitcoord start TITLE begins a piece of work; gitcoord plan apply FILE loads "
            "a plan (gitcoord init --template minimal writes one to start from)"
        )
    app.out.answer("init", facts, text)


@click.group(cls=NearGroup)
def plan() -> None:
    """Check, apply and show plans."""


@plan.command("check")
@click.argument("plan_file", metavar="FILE")
@pass_app
def plan_check(app: App, plan_file: str) -> None:
    """Check a plan, and list all that is wrong with it; change nothing.

    Example: gitcoord plan check plan.toml
    """
    from gitcoord.core.plan_patterns import fitting_pattern
    from gitcoord.features.setup import plans
    from gitcoord.features.setup.other_ledgers import shared_paths
    from gitcoord.features.setup.trust import commands_of_document

    text, name = read_plan(plan_file, app.start)
    snapshot = None
    # A plan can be looked at before there is a ledger, or a repository.
    with suppress(GitcoordError):
        snapshot = app.work.ledger.snapshot()
    with ticking(app, "checking the plan"):
        document, warnings = plans.check_plan(text, name, snapshot)
    with suppress(GitcoordError):
        warnings += plans.path_notices(app.work, document)
        warnings += shared_paths(app.work, document)
        warnings += _misled(app, commands_of_document(document))
    for warning in warnings:
        app.out.notice(warning)
    pattern = fitting_pattern(document)
    count = len(document["tasks"])
    facts = {
        "tasks": count,
        "phases": len(
            {task["phase"] for task in document["tasks"]}
            | {phase["id"] for phase in document["phases"]}
        ),
        "warnings": warnings,
        "pattern": pattern._asdict(),
    }
    outcome = "no problems"
    if warnings:
        outcome = f"valid, with {len(warnings)} notice(s)"
    app.out.answer(
        "plan check",
        facts,
        f"{name}: {counted(count, 'tasks')} in {facts['phases']} phase(s), {outcome}\n"
        f"pattern: {pattern.name}: {pattern.why}",
    )


@plan.command("apply")
@click.argument("plan_file", metavar="FILE")
@click.option(
    "--trust", "is_trusted", is_flag=True, help="Trust the plan's commands on this machine."
)
@click.option("--dry-run", is_flag=True, help="Show what would change, and for whom; no more.")
@pass_app
def plan_apply(app: App, plan_file: str, is_trusted: bool, dry_run: bool) -> None:
    """Load a plan as one entry, or change the open part of the one there.

    What is claimed or finished cannot change; what the new file lacks stays.
    Gates, pools and settings hold at once, and the tasks at work or done that
    they concern are listed; with --dry-run before anything has changed.

    Example: gitcoord plan apply plan.toml
    """
    if dry_run:
        app.orchestrate()
        _trial(app, *read_plan(plan_file, app.start))
        return
    if is_trusted:
        from gitcoord.features.setup.trust import require_person

        require_person()
    app.orchestrate()
    facts = _applied(app, *read_plan(plan_file, app.start), is_trusted=is_trusted)
    text = f"{counted(facts['added'], 'tasks')} added, {facts['changed']} changed"
    if facts["changed_parts"]:
        text += f"; changed: {', '.join(facts['changed_parts'])}"
    text = "\n".join([text, *_part_lines(facts["parts"])])
    app.out.answer("plan apply", facts, text)


@plan.command("show")
@pass_app
def plan_show(app: App) -> None:
    """Show the plan's waves: what can run at once, how wide, what limits it.

    Example: gitcoord plan show
    """
    from gitcoord.core.git_reading import record_command
    from gitcoord.core.graph import waves
    from gitcoord.features.workspace import plan_of

    snapshot = app.work.ledger.snapshot()
    record = plan_of(snapshot)
    with ticking(app, "reading the plan"):
        tasks = sorted(snapshot.tasks(), key=lambda task: task["order"])
        # What is done, or will never be, limits nobody any more.
        specs = [task["spec"] for task in tasks if task["state"] not in {"done", "cancelled"}]
        found = waves(specs, [phase["spec"] for phase in snapshot.phases()], record["pools"])
    rows = []
    for wave in found:
        names = ", ".join(wave.tasks[:12])
        if len(wave.tasks) > 12:
            names += f" ... ({len(wave.tasks)} in all)"
        rows.append(
            (wave.phase, wave.number, f"{wave.width} at once", "; ".join(wave.limits) or "-", names)
        )
    over = len(tasks) - len(specs)
    text = (
        f"plan {record['name']}: {counted(len(tasks), 'tasks')}, {over} of them done or cancelled, "
    )
    text += f"target {record['target']}\n"
    text += table(rows, ("PHASE", "WAVE", "WIDTH", "LIMITED BY", "TASKS"))
    answer = {
        "plan": dict(record),
        "waves": [wave._asdict() for wave in found],
        "git": record_command(app.work.ledger.ref, "plan.json"),
    }
    app.out.answer("plan show", answer, f"{text}\n{git_line(answer)}")


@click.command()
@click.option("--yes", is_flag=True, help="Do not ask.")
@pass_app
def trust(app: App, yes: bool) -> None:
    """Trust the plan's commands on this machine, exactly as they are now.

    Example: gitcoord trust --yes
    """
    from gitcoord.features.setup import trust as trusting

    trusting.require_person()
    app.refuse_agents(never=True)
    snapshot = app.work.ledger.snapshot()
    listed = trusting.commands_of(snapshot)
    commands = [trusting.shown(command) for command in listed]
    if not commands:
        app.out.answer("trust", {"commands": []}, "the plan runs no command on this machine")
        return
    _notice_misled(app, listed)
    if not yes:
        if app.out.as_json or not sys.stdin.isatty():
            raise UsageError(
                "\n  ".join(["trust has to be confirmed:", *commands]),
                hint=f"`gitcoord trust --yes` allows exactly these ({len(commands)})",
                commands=cast("Any", commands),
            )
        for command in commands:
            click.echo(command, err=True)
        click.confirm("Run these on this machine when the plan asks for it?", abort=True, err=True)
    trusting.trust(app.work, snapshot)
    app.out.answer(
        "trust",
        {"commands": commands},
        "trusted:\n" + "\n".join(f"  {command}" for command in commands),
    )
