"""Speak for whoever watches a run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import click

from gitcoord.cli.app import App, pass_app
from gitcoord.cli.inspect import progress_lines
from gitcoord.cli.output import git_line, wrapped
from gitcoord.core.errors import UsageError

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from gitcoord.features.run.web import Web

__all__ = ["watch"]


@click.command()
@click.option("--once", is_flag=True, help="Show the present state, and end.")
@click.option("--plain", is_flag=True, help="Plain lines, on a terminal too.")
@click.option(
    "--web",
    "port",
    type=click.IntRange(0, 65535),
    is_flag=False,
    flag_value=0,
    metavar="[PORT]",
    help="Show the report live in a browser of this machine, on any free port by default.",
)
@pass_app
def watch(app: App, once: bool, plain: bool, port: int | None) -> None:
    """Watch the ledger: what happens, who needs you, what is stuck.

    On a terminal, with the extra "watch" installed, a screen whose keys look
    into a task, its log and its diff, answer an escalation, retry, release
    and land. Elsewhere one line for each event, and two for each thing that
    newly needs you or is stuck; with --json one object a line, after each
    change. What notify.toml names is told meanwhile.

    --web prints these lines, too, and first the address of the report, which
    is drawn anew after each change. Nothing can be changed there.

    Example: gitcoord watch --once
    """
    from gitcoord.cli import watch_screen
    from gitcoord.features.run.notify import notifying
    from gitcoord.features.run.watch import watch as watching

    seen: set[Any] = set()
    if once and port is not None:
        raise UsageError("--once and --web exclude each other", hint="leave one out")
    if not (once or plain or app.out.as_json or port is not None) and watch_screen.fits():
        watch_screen.show(app)
        return
    with (
        notifying(app.start, app.work.ledger.name, lambda text: click.echo(text, err=True)),
        _web(app, port) as web,
    ):
        for told in watching(app.work, is_once=once):
            app.out.line({"op": "watch", **told}, "\n".join(_lines(app, told, seen)))
            if web is not None:
                web.changed()


def _web(app: App, port: int | None) -> AbstractContextManager[Web | None]:
    """Return the server that was asked for, once its address was told."""
    if port is None:
        return nullcontext()
    return _serving(app, port)


@contextmanager
def _serving(app: App, port: int) -> Iterator[Web]:
    from gitcoord.features.run.web import serving

    # Named before anything is served: there is such a ledger.
    app.work.ledger.snapshot()
    with serving(app.start, app.work.ledger.name, port) as web:
        text = f"open {web.url}\nCtrl-C ends it"
        app.out.line({"op": "watch", "url": web.url, "port": web.port}, text)
        yield web


def _lines(app: App, told: dict[str, Any], seen: set[Any]) -> list[str]:
    """Return what is new: events, and what was not told of before."""
    from gitcoord.features.run.watch import key_of

    is_first = not seen
    lines = [f"{one['at']}  {one['entry'][:10]}  {one['subject']}" for one in told["events"]]
    known = set()
    for name, words in (("needs_you", "needs you"), ("stuck", "stuck")):
        for item in told[name]:
            key = (name, *key_of(item))
            known.add(key)
            if key not in seen:
                lines += [wrapped(f"{words}: ", item["text"]), f"  next: {item['command']}"]
    # What is over and comes again is told again.
    seen.clear()
    seen |= {("git",), *known}
    lines += progress_lines(app, {**told, "phases": []})
    if is_first:
        lines.append(git_line(told))
    return lines
