"""Speak for several machines: put a ledger on a server, and join one there."""

from __future__ import annotations

from typing import Any

import click

from gitcoord.cli.app import App, pass_app
from gitcoord.core.refs import branch_name

__all__ = ["join", "made_on"]


def made_on(app: App, name: str, *, no_branch: bool) -> tuple[dict[str, Any], str]:
    """Make a ledger on a remote, or put the one of this machine there."""
    from gitcoord.features.setup import machines

    work = app.work
    place = ""
    if no_branch:
        place = machines.apart_ref(work.ledger.name)
    home = machines.home_for(work, name, place)
    app.out.notice(
        f"whoever can read {name} can read this ledger: titles, messages, costs, and the end of "
        "logs of failures"
    )
    if work.remote is None and work.ledger.tip() is not None:
        entry = machines.publish(work, home)
        what = "put ledger '{}' on {}"
    else:
        entry = machines.make(work, home)
        what = "created ledger '{}' on {}"
    facts = {
        "ledger": work.ledger.name,
        "entry": entry,
        "target": branch_name(work.ledger.snapshot().target()),
        "remote": name,
    }
    text = what.format(facts["ledger"], name)
    text += f"; phases will land on its {facts['target']}\nother clones: gitcoord join"
    return facts, text


@click.command()
@click.option("--remote", metavar="NAME", help="The remote, where several have such a ledger.")
@click.option(
    "--depth",
    type=click.IntRange(min=1),
    metavar="N",
    help="Fetch the newest N entries, and not the whole history.",
)
@pass_app
def join(app: App, remote: str | None, depth: int | None) -> None:
    """Work from this clone on a ledger that is on a git server.

    What is fetched goes to refs of gitcoord's own; remotes, branches and
    what `git fetch` does stay as they are. With --depth the state is all
    here, and of its history the newest entries.

    Example: gitcoord join
    """
    from gitcoord.features.setup import machines
    from gitcoord.git.program import require_git

    require_git()
    app.refuse_agents()
    done = machines.join(app.work, remote, depth=depth)
    begins = app.tell_of_cut()
    if depth is not None and begins is None:
        app.out.notice("the whole history of the ledger is in this clone")
    facts = {
        "ledger": app.work.ledger.name,
        "remote": done.remote,
        "entry": done.entry,
        "already": done.already,
        "begins": begins,
    }
    text = f"this clone works on ledger '{facts['ledger']}' of {done.remote}"
    if done.already:
        text += " already"
    text += "\nnext: gitcoord agent add ID, and gitcoord claim in its worktree"
    app.out.answer("join", facts, text)
