"""Speak for work that touches other work: overlaps."""

from __future__ import annotations

import click

from gitcoord.cli.app import App, pass_app

__all__ = ["overlaps"]


@click.command()
@pass_app
def overlaps(app: App) -> None:
    """Show whose work touches whose, before it clashes.

    Who writes what another reads, who works in one folder, which results
    that have not landed touch what somebody writes, and whose reads changed
    on the target since they began. `gitcoord phase check --merge` merges.

    Example: gitcoord overlaps
    """
    from gitcoord.features.inspect import overlaps as seen

    found = seen.overlaps(app.work)
    lines = [f"{one['task']}: {seen.overlap_line(one)}" for one in found["overlaps"]]
    lines += [
        f"{one['task']}: what it reads changed on the target: {', '.join(one['files'][:5])}"
        for one in found["changed"]
    ]
    app.out.answer("overlaps", found, "\n".join(lines) or "nothing touches other work")
