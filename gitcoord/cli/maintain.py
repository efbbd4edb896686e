"""Speak for the repository's health, and for its end: doctor, upkeep, archive, uninstall."""

from __future__ import annotations

import os

import click

from gitcoord.cli.app import App, pass_app
from gitcoord.cli.output import incomplete_if, table
from gitcoord.core.texts import clause

__all__ = ["archive", "doctor", "uninstall", "upkeep"]


@click.command()
@click.option("--fix", is_flag=True, help="Remove leftovers of dead processes.")
@pass_app
def doctor(app: App, fix: bool) -> int:
    """Check the repository and its surroundings; exit 18 if something is wrong.

    Example: gitcoord doctor --fix
    """
    from gitcoord.features.maintain import doctor as doctoring

    if fix:
        app.refuse_agents()
    found = doctoring.examine(app.work, fix=fix)
    rows = [(one.state, one.check, one.text + clause(": {}", one.advice)) for one in found.findings]
    count = len(found.problems)
    summary = "nothing is wrong"
    if count:
        summary = f"{count} problem(s)"
    text = f"{table(rows)}\n{summary}"
    app.out.answer(
        "doctor", {"findings": [one._asdict() for one in found.findings], "problems": count}, text
    )
    return incomplete_if(count)


@click.command()
@click.option(
    "--auto", is_flag=True, help="Quietly, and at low priority: a command that wrote starts it so."
)
@pass_app
def upkeep(app: App, auto: bool) -> None:
    """Pack the ledger and prune.

    Runs by itself when it is due; what it removes is in its log.

    Example: gitcoord upkeep
    """
    from gitcoord.features.maintain import upkeep as keeping

    if auto:
        os.nice(10)
    done = keeping.upkeep(app.work, by_itself=auto)
    if done["busy"]:
        app.out.answer("upkeep", done, "another upkeep is at work")
        return
    text = (
        f"{done['packed']} object(s) packed, {done['merged']} pack(s) merged, "
        f"{len(done['results'])} landed result ref(s) "
        f"and {len(done['candidates'])} candidate(s) dropped, {len(done['attic'])} attic tip(s) "
        "expired"
    )
    app.out.answer("upkeep", done, text)


@click.command()
@pass_app
def archive(app: App) -> None:
    """Close a finished ledger: a tag keeps it.

    Every phase has to have landed. The agents go with their worktrees, where
    nothing in them would be lost; the ledger's branch, its results, beats and
    attic go, here and on its server. `git log TAG` shows its entries for
    ever, and `gitcoord init` begins a new ledger.

    Example: gitcoord archive
    """
    from gitcoord.features.maintain import archive as archiving

    app.refuse_agents()
    done = archiving.followed(app.work)
    is_followed = done is not None
    if done is None:
        done = archiving.archive(app.orchestrate())
    tag = done.tag.removeprefix("refs/tags/")
    facts = {
        "entry": done.entry,
        "ledger": app.work.ledger.name,
        "tag": tag,
        "branches": done.branches,
        "followed": is_followed,
    }
    text = f"archived ledger '{app.work.ledger.name}' as the tag {tag}"
    if is_followed:
        text = f"ledger '{app.work.ledger.name}' was archived as the tag {tag}; this clone follows"
    text += f"\nits entries: git log {tag}\nnext: gitcoord init begins a new one"
    app.out.answer("archive", facts, text)


@click.command()
@click.option("--yes", "is_told", is_flag=True, help="Remove it; without, it is only shown.")
@click.option(
    "--with-ledger", is_flag=True, help="Include the branch of each ledger here, and its attic."
)
@pass_app
def uninstall(app: App, is_told: bool, with_ledger: bool) -> None:
    """Show what gitcoord has in the repository, or remove it.

    Agents with their worktrees, branches of landed work, hooks, settings of
    assistants, refs, configuration, what was trusted and the private folder
    go. The branch of each ledger stays unless you include it. Nothing goes
    while an agent here holds a claim, or if work would be lost.

    Example: gitcoord uninstall
    """
    from gitcoord.features.run.uninstall import uninstall as take_out

    app.refuse_agents()
    done = take_out(app.work, is_told=is_told, with_ledger=with_ledger)
    rows = [(one.kind, one.what) for one in done.items]
    text = table(rows) or "gitcoord has nothing here"
    text += "".join(f"\nstays: {one.what}: {one.why}" for one in done.kept)
    if rows and is_told:
        text += "\nremoved; what stays is named above"
    elif rows:
        text += "\nnothing was removed; --yes removes all but what stays"
    facts = {
        "removed": is_told,
        "items": [one._asdict() for one in done.items],
        "kept": [one._asdict() for one in done.kept],
    }
    app.out.answer("uninstall", facts, text)
