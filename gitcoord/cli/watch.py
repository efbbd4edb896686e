"""Speak for whoever watches a run."""

from __future__ import annotations

from typing import Any

import click

from gitcoord.cli.app import App, pass_app
from gitcoord.cli.inspect import progress_lines

__all__ = ["watch"]


@click.command()
@click.option("--once", is_flag=True, help="Show the present state, and end.")
@click.option("--plain", is_flag=True, help="Plain lines, on a terminal too.")
@pass_app
def watch(app: App, once: bool, plain: bool) -> None:
    """Watch the ledger: what happens, who needs you, what is stuck.

    On a terminal, with the extra "watch" installed, a screen whose keys look
    into a task, its log and its diff, answer an escalation, retry, release
    and land. Elsewhere one line for each event, and two for each thing that
    newly needs you or is stuck; with --json one object a line, after each
    change. What notify.toml names is told meanwhile.

    Example: gitcoord watch --once
    """
    from gitcoord.cli import watch_screen
    from gitcoord.features.run.notify import notifying
    from gitcoord.features.run.watch import watch as watching

    seen: set[Any] = set()
    if not (once or plain or app.out.as_json) and watch_screen.fits():
        watch_screen.show(app)
        return
    with notifying(app.start, app.work.ledger.name, lambda text: click.echo(text, err=True)):
        for told in watching(app.work, is_once=once):
            app.out.line({"op": "watch", **told}, "\n".join(_lines(app, told, seen)))


def _lines(app: App, told: dict[str, Any], seen: set[Any]) -> list[str]:
    """Return what is new: events, and what was not told of before."""
    from gitcoord.features.run.watch import key_of

    lines = [f"{one['at']}  {one['entry'][:10]}  {one['subject']}" for one in told["events"]]
    known = set()
    for name, words in (("needs_you", "needs you"), ("stuck", "stuck")):
        for item in told[name]:
            key = (name, *key_of(item))
            known.add(key)
            if key not in seen:
                lines += [f"{words}: {item['text']}", f"  next: {item['command']}"]
    # What is over and comes again is told again.
    seen.clear()
    seen |= known
    return [*lines, *progress_lines(app, {**told, "phases": []})]
