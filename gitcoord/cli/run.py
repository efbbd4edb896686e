"""Speak for what runs a whole plan: run, demo; and for the command line itself."""

from __future__ import annotations

import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from gitcoord.cli.app import App, pass_app
from gitcoord.cli.ticker import CLEAR
from gitcoord.core import codec
from gitcoord.core.errors import IncompleteError, UsageError
from gitcoord.core.texts import clause

if TYPE_CHECKING:
    from gitcoord.core.model import Budget
    from gitcoord.features.run.assistants import Assistant
    from gitcoord.features.run.runner import Run
    from gitcoord.features.workspace import Workspace

MAX_LEFT = 10

__all__ = ["commands", "completion", "demo", "run", "tidy"]


class _Display:
    """Show a run: a line for each event, and on a terminal a line that lives."""

    def __init__(self, *, as_json: bool, app: App) -> None:
        self._as_json = as_json
        self._app = app
        self._is_live = sys.stderr.isatty() and not as_json
        self._busy: dict[str, str] = {}
        self._done = 0
        self._lock = threading.Lock()

    def tell(self, note: Any) -> None:
        """Show one event."""
        with self._lock:
            if note.what == "claimed":
                self._busy[note.agent] = note.task
            elif note.what == "reviewing":
                self._busy[note.agent] = f"the review of {note.task}"
            elif note.agent:
                self._busy.pop(note.agent, None)
                self._done += note.what == "completed"
            text = f"{note.agent or 'gitcoord':<8} {clause('{} ', note.task)}{note.what}"
            text = codec.printable(text + clause(": {}", note.text))
            if self._is_live:
                text = CLEAR + text
            click.echo(text, err=True)
            if self._is_live:
                busy = ", ".join(f"{agent} on {task}" for agent, task in sorted(self._busy.items()))
                click.echo(f"{self._done} completed; {busy or 'nobody busy'}", err=True, nl=False)

    def close(self) -> None:
        """Remove the line that lives."""
        if self._is_live:
            click.echo("\r\x1b[K", err=True, nl=False)


@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.option(
    "-j",
    "--jobs",
    metavar="N|auto",
    default="2",
    show_default=True,
    help="How many agents work at once; auto, or auto:2-16, finds a number within bounds.",
)
@click.option(
    "--pilot", type=click.IntRange(1, 1000), metavar="N", help="Try N tasks first, and judge them."
)
@click.option(
    "--after-pilot",
    type=click.Choice(["judge", "go", "stop"]),
    default="judge",
    show_default=True,
    help="Whether the rest follows: if the pilot went well, always, never.",
)
@click.option("--phase", "phases", metavar="PHASE", multiple=True, help="Only tasks of this phase.")
@click.option("--task", "tasks", metavar="TASK", multiple=True, help="Only this task.")
@click.option(
    "--timeout",
    "timeouts",
    metavar="TIME",
    multiple=True,
    help="How long a command may take: 30m, or 3x for three times the task's estimate.",
)
@click.option(
    "--hung",
    type=click.Choice(["tell", "end"]),
    default="tell",
    show_default=True,
    help="What is done with a command that leaves no trace of work.",
)
@click.option("--keep-going", is_flag=True, help="Go on when ten attempts in a row have failed.")
@click.option("--memory", metavar="SIZE", help="Address space of each process, such as 4G.")
@click.option("--cpu", metavar="TIME", help="Processor time of each process, such as 20m.")
@click.option(
    "--review", metavar="CMD", help="Review results with this shell command: 0 approves, 1 rejects."
)
@click.option(
    "--assistant",
    "names",
    metavar="NAME",
    multiple=True,
    help="Let this coding assistant work, in place of a command (may be given several times).",
)
@click.option(
    "--review-assistant",
    "reviewers",
    metavar="NAME",
    multiple=True,
    help="Let this assistant review, as an agent of its own (may be given several times).",
)
@click.option("--model", metavar="MODEL", default="", help="Which model the assistant uses.")
@click.option(
    "--max-budget",
    type=click.FloatRange(min=0, min_open=True, max=1_000_000),
    metavar="USD",
    help="Start no assistant once all of them together have cost this much.",
)
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
@pass_app
def run(
    app: App,
    /,
    jobs: str,
    review: str | None,
    names: tuple[str, ...],
    reviewers: tuple[str, ...],
    model: str,
    max_budget: float | None,
    command: tuple[str, ...],
    **wanted: Any,
) -> None:
    """Work on the plan: one command per task, phases land as they finish.

    The command runs in its agent's worktree, with GITCOORD_TASK,
    GITCOORD_TITLE, GITCOORD_PATHS (one a line), GITCOORD_AGENT and
    GITCOORD_CLAIM set. What it leaves inside the task's paths is committed
    and handed in; a failure is tried again. Where the plan asks for reviews,
    --review runs in a worktree of another agent's result, and what it
    prints is the reason of a rejection. Exit 0 only if everything landed,
    else 18.

    With --assistant a coding assistant gets the brief, and hands in itself:
    claude, codex, or a recipe of your own. The ledger alone says what it did.
    With --review-assistant one reviews, beside a command too.

    Example: gitcoord run -j 4 -- sh -c 'mkdir -p out && date > out/$GITCOORD_TASK'
    """
    from gitcoord.cli.run_options import jobs_of, order_of
    from gitcoord.features.run import runner
    from gitcoord.features.run.assistants import load_assistant
    from gitcoord.host.programs import find_program, from_here

    count, pace = jobs_of(jobs)
    work = app.orchestrate()
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda _number, _frame: stop.set())
    display = _Display(as_json=app.out.as_json, app=app)
    words = [word for at, word in enumerate(command) if (at, word) != (0, "--")]
    assistants = _assistants(names, model, words)
    if review is not None and reviewers:
        raise UsageError(
            "either --review or --review-assistant reviews",
            hint="leave one of them out",
        )
    reviewing = [load_assistant(one) for one in reviewers]
    if words:
        words = [find_program(words[0]), *words[1:]]
    if review is not None:
        review = from_here(review)
    crew = runner.Crew(assistants, reviewing, _budget(max_budget, [*assistants, *reviewing]))
    order = order_of(wanted, pace)
    try:
        done = runner.run(work, app.start, words, count, display.tell, stop, review, crew, order)
    finally:
        display.close()
    if not done.is_landed:
        raise _not_landed(work, done)
    told = f"everything landed: {_counted(done)}"
    if order.within.tasks:
        told = f"what was named is done: {_counted(done)}"
    app.out.answer("run", _facts(done), "\n".join([told, *_figures(done)]))


def _counted(done: Run) -> str:
    return ", ".join(f"{count} {state}" for state, count in done.counts.items())


def _facts(done: Run) -> dict[str, Any]:
    return {
        "counts": done.counts,
        "landed": list(done.landed),
        "failed": list(done.failed),
        "conditions": list(done.conditions),
        "stopped": done.stopped or None,
        "missed": list(done.missed),
    }


def _figures(done: Run) -> list[str]:
    """Return the four conditions as lines; those that are not known are left out."""
    from gitcoord.core.stats import CONDITIONS

    lines = []
    for one in done.conditions:
        if one["value"] is None:
            continue
        condition = CONDITIONS[one["name"]]
        verdict = "met"
        if not one["is_met"]:
            verdict = "missed"
        bound = "under"
        if condition.is_over:
            bound = "over"
        wanted = f"{bound} {condition.threshold}"
        lines.append(f"  {condition.title}: {one['value']:.2f}, wanted {wanted}: {verdict}")
    return lines


def _assistants(names: tuple[str, ...], model: str, command: list[str]) -> list[Assistant]:
    """Return the assistants that were named.

    Raises:
        UsageError: An assistant and a command are to work.

    """
    from gitcoord.features.run.assistants import load_assistant

    if names and command:
        raise UsageError(
            "either a command or --assistant works on the tasks",
            hint="give a command after `--`, or --assistant NAME",
        )
    if model and len(names) != 1:
        raise UsageError("--model is for one assistant", hint="give --assistant once with it")
    return [load_assistant(name, model) for name in names]


def _budget(dollars: float | None, assistants: list[Assistant]) -> Budget:
    """Return what a run may cost; only assistants tell."""
    if dollars is None:
        return {}
    if not assistants:
        raise UsageError("--max-budget is for assistants", hint="give --assistant NAME with it")
    return {"cost_micros": round(dollars * 1_000_000)}


_STOPPED = {
    "pilot": "the pilot has ended, and the rest was not begun",
    "failures": "stopped after ten failed attempts in a row",
}


def _not_landed(work: Workspace, done: Run) -> IncompleteError:
    """Return what a run left, with the command that helps for each."""
    from gitcoord.features.maintain.attention import needs_you

    what = _STOPPED.get(done.stopped, "not everything landed")
    hint = "`gitcoord status` shows what is left"
    if done.is_interrupted:
        what = "interrupted"
        hint = "the same command goes on where this one stopped"
    elif done.stopped == "pilot":
        hint = "the same command without --pilot works on the rest"
    snapshot = work.ledger.snapshot()
    work.index.update(work.store, snapshot.oid)
    left = needs_you(work, snapshot)
    lines = [f"  {one['text']}\n    next: {one['command']}" for one in left[:MAX_LEFT]]
    return IncompleteError(
        "\n".join([f"{what}: {_counted(done)}", *_figures(done), *lines]),
        hint=hint,
        needs_you=cast("Any", left),
        **_facts(done),
    )


@click.command()
@click.option("--keep", type=click.Path(path_type=Path), help="Where the scratch repository goes.")
@click.option(
    "--agents",
    "count",
    type=click.IntRange(2, 16),
    default=8,
    show_default=True,
    help="How many agents work.",
)
@pass_app
def demo(app: App, keep: Path | None, count: int) -> None:
    """Run the main job on a scratch repository, faults included.

    Example: gitcoord demo
    """
    from gitcoord.features.run import demo as demonstration

    if keep is not None and keep.exists() and any(keep.iterdir()):
        raise UsageError(f"{keep} exists and is not empty", hint="name another place")

    def tell(text: str) -> None:
        if not app.out.as_json:
            click.echo(text)

    facts = demonstration.demo(keep, count, tell)
    is_ok = facts.pop("ok")
    if not is_ok:
        raise IncompleteError(
            "the demo did not end as it should",
            hint=f"look around in {facts['repository']}",
            **facts,
        )
    app.out.answer("demo", facts, "")


@click.command()
@pass_app
def commands(app: App) -> None:
    """List every command.

    Example: gitcoord commands --json
    """
    from gitcoord.cli.main import COMMANDS
    from gitcoord.cli.output import table
    from gitcoord.cli.root import cli

    found: list[dict[str, Any]] = []
    context = click.Context(cli, info_name="gitcoord")
    for name in COMMANDS:
        command = cli.get_command(context, name)
        if isinstance(command, click.Group):
            found += [
                _described(f"{name} {inner}", command.commands[inner]) for inner in command.commands
            ]
        elif command is not None:
            found.append(_described(name, command))
    app.out.answer(
        "commands", {"commands": found}, table((one["name"], one["help"]) for one in found)
    )


def _described(name: str, command: click.Command) -> dict[str, Any]:
    words = [word for param in command.params for word in param.opts]
    options = [word for word in words if word.startswith("-")]
    return {"name": name, "help": command.get_short_help_str(90), "options": options}


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the shell's completion script.

    Example: eval "$(gitcoord completion bash)"
    """
    from click.shell_completion import get_completion_class

    from gitcoord.cli.main import COMPLETE
    from gitcoord.cli.root import cli

    found = get_completion_class(shell)
    if found is None:
        raise UsageError(f"{shell} is not supported", hint="bash, zsh and fish are")
    click.echo(found(cli, {}, "gitcoord", COMPLETE).source())


@click.command()
@pass_app
def tidy(app: App) -> None:
    """Remove worktrees of finished runs and branches of landed work.

    Nothing goes that a run has, that holds a claim, or that has changes or
    commits which nothing else holds.

    Example: gitcoord tidy
    """
    from gitcoord.features.run.tidy import tidy as tidied

    done = tidied(app.orchestrate())
    for one in done.kept:
        app.out.notice(f"{one.agent} stays: {one.why}")
    for branch, why in done.left.items():
        app.out.notice(f"{branch} stays: {why}")
    facts = {
        "agents": done.agents,
        "branches": done.branches,
        "kept": [one._asdict() for one in done.kept],
        "left": [{"branch": branch, "why": why} for branch, why in done.left.items()],
    }
    text = f"{len(done.agents)} agent(s) of runs and {len(done.branches)} branch(es) removed"
    app.out.answer("tidy", facts, text)
