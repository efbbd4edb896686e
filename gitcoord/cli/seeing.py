"""Speak for those who look back: log, events, stats, report; and ahead: simulate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gitcoord.cli.app import App
from gitcoord.cli.declared import ClickType, argument, command, option
from gitcoord.cli.output import git_line, table, wrapped
from gitcoord.cli.ticker import ticking
from gitcoord.cli.times import entry_or_time, read_time
from gitcoord.core import ids, paths
from gitcoord.core.errors import UsageError
from gitcoord.core.ids import Oid
from gitcoord.core.texts import counted

__all__ = ["events", "log", "report", "simulate", "stats"]

_COUNTS = (
    "tasks",
    "attempts",
    "standing",
    "retries",
    "failed",
    "released",
    "expired",
    "takeovers",
    "rejected",
    "conflicts",
    "culprits",
    "redone",
    "failed_checks",
    "failed_gates",
    "landings",
    "rollbacks",
    "escalations",
)


_FILTERS = (
    option("--op", "ops", metavar="OP", multiple=True, help="Only this operation."),
    option("--phase", metavar="PHASE", help="Only what is about this phase."),
    option("--path", metavar="PATH", help="Only tasks and locks that may write PATH."),
    option("--since", metavar="ENTRY|TIME", help="Only what came after an entry, or since a time."),
    option("--until", metavar="TIME", help="Only what came before a time."),
    option(
        "-n",
        "limit",
        type=ClickType("IntRange", 1, 100_000),
        default=20,
        show_default=True,
        help="The number of entries to list, or to begin with.",
    ),
)
"""The options that choose entries."""


@command(
    argument("task", required=False),
    *_FILTERS,
    option("--follow", is_flag=True, help="Go on as entries come, one a line."),
    option("--once", is_flag=True, help="With --follow, end at the newest entry."),
)
def log(app: App, /, follow: bool, once: bool, limit: int, **asked: Any) -> None:
    """List the newest entries; --agent ID lists one agent's.

    The last line is the git command that lists the same entries.

    Example: gitcoord log 25 -n 5
    """
    from gitcoord.features.inspect import log as listing

    app.tell_of_cut()
    if follow:
        _stream(app, asked, limit, is_once=once)
        return
    wanted, since = _wanted(app, asked)
    found = listing.log(
        app.work,
        task=asked["task"],
        agent=app.named_agent,
        limit=limit,
        wanted=wanted,
        after=since,
    )
    rows = [(entry["at"], entry["entry"][:10], entry["subject"]) for entry in found["entries"]]
    text = table(rows) or "no such entries"
    app.out.answer("log", found, f"{text}\n{git_line(found)}")


@command(
    argument("task", required=False),
    *_FILTERS,
    option("--once", is_flag=True, help="End at the newest entry."),
)
def events(app: App, /, once: bool, limit: int, **asked: Any) -> None:
    """Follow the ledger, a line of JSON for each entry: log --follow --json.

    Example: gitcoord events --since 2h --once
    """
    app.out.as_json = True
    app.tell_of_cut()
    _stream(app, asked, limit, is_once=once)


def _wanted(app: App, asked: dict[str, Any]) -> tuple[Any, Oid | None]:
    """Return what is asked for, and the entry after which it begins."""
    from gitcoord.core import machine
    from gitcoord.features.inspect.events import Wanted
    from gitcoord.features.names import named_phase

    known = machine.operations()
    for op in asked["ops"]:
        if op not in known:
            near = ids.nearest(op, known) or sorted(known)
            raise UsageError(f"there is no operation {op!r}", hint=f"known: {', '.join(near)}")
    phase = asked["phase"]
    if phase is not None:
        phase = named_phase(app.work.ledger.snapshot(), phase)["id"]
    entry, since = entry_or_time(app, asked["since"])
    until = None
    if asked["until"] is not None:
        until = read_time(app, asked["until"])
    wanted = Wanted(
        ops=asked["ops"], phase=phase, path=_path(asked["path"]), since=since, until=until
    )
    return wanted, entry


def _path(path: str | None) -> str | None:
    """Return a path as a pattern of the plan."""
    if path is None:
        return None
    problem = paths.problem_of(path)
    if problem:
        raise UsageError(problem, hint="give a path such as src/a.py, or src/ for all below")
    return path


def _stream(app: App, asked: dict[str, Any], limit: int, *, is_once: bool) -> None:
    from gitcoord.features.names import named_actor, named_task
    from gitcoord.features.work.follow import follow, newest

    wanted, cursor = _wanted(app, asked)
    task = asked["task"]
    if task is not None:
        task = named_task(app.work, app.work.ledger.snapshot(), task)["id"]
    agent = app.named_agent
    if agent is not None:
        agent = named_actor(app.work.ledger.snapshot(), agent)
    wanted = wanted._replace(task=task, agent=agent)
    if asked["since"] is None:
        tip = app.work.ledger.snapshot().oid
        for line in newest(app.work, tip, wanted, limit):
            _tell(app, line)
        cursor = tip
    for line in follow(app.work, cursor, wanted, is_once=is_once):
        _tell(app, line)


def _tell(app: App, line: dict[str, Any]) -> None:
    app.out.line(line, f"{line['at']}  {line['entry'][:10]}  {line['subject']}")


@command(
    option(
        "--since",
        metavar="ENTRY|TIME",
        help="Only what began after an entry, or a time "
        "(2026-11-24T10:00:00Z, or 2h: two hours ago).",
    ),
)
def stats(app: App, since: str | None) -> None:
    """Judge the parallel work: efficiency, overhead, failures, recovery.

    Everything is computed from the ledger, and is the same in any clone.

    Example: gitcoord stats --since 2h
    """
    from gitcoord.features.inspect.statistics import statistics

    app.tell_of_cut()
    entry, time = entry_or_time(app, since)
    with ticking(app, "reading the history"):
        found = statistics(app.work, since=entry, since_time=time)
    app.out.answer("stats", found, _stats_text(found))


def _stats_text(found: dict[str, Any]) -> str:
    from gitcoord.core import report_words as words

    lines = [words.condition_words(one) for one in found["conditions"]]
    told = table(
        [(title, value, wanted, verdict) for title, value, wanted, verdict in lines],
        ("CONDITION", "IS", "WANTED", "VERDICT"),
    )
    hows = [wrapped(f"  {one['name']}: ", one["how"]) for one in found["conditions"]]
    counts = ", ".join(
        counted(found["counts"][name], name.replace("_", " "))
        for name in _COUNTS
        if found["counts"][name]
    )
    spent = ", ".join(
        f"{name.removesuffix('_ms')} {words.duration(ms)}" for name, ms in found["times"].items()
    )
    parts = [told, *hows, wrapped("counts  ", counts or "-"), wrapped("times   ", spent)]
    used = found["usage"]
    parts.append(f"usage   tokens {words.tokens_words(used)}, cost {words.cost_words(used)}")
    for name in ("agents", "pools", "phases", "assistants"):
        parts += ["", _group(name, found[name])]
    return "\n".join([*parts, "", git_line(found)])


def _group(name: str, groups: list[dict[str, Any]]) -> str:
    """Return a table of groups, with tokens and cost where any of them told its own."""
    head = [name.upper(), "TASKS", "ATTEMPTS", "STAND", "SETBACKS", "WORK", "WASTED", "WAITED"]
    is_told = any(one["usage"]["told"] for one in groups)
    if is_told:
        head += ["TOKENS", "COST"]
    rows = [_row(one, is_told=is_told) for one in groups]
    return table(rows, head) or f"{name}: none"


def _row(one: dict[str, Any], *, is_told: bool) -> Sequence[object]:
    from gitcoord.core import report_words as words

    numbers = (one["name"], one["tasks"], one["attempts"], one["standing"], one["setbacks"])
    row = [*numbers, *(_brief(one[key]) for key in ("work_ms", "wasted_ms", "waiting_ms"))]
    if is_told:
        row += [words.tokens_words(one["usage"]), words.cost_words(one["usage"])]
    return row


def _brief(ms: int | None) -> str:
    """Return a time in a table, where a dash says that it is not known."""
    from gitcoord.core.report_words import duration

    if ms is None:
        return "-"
    return duration(ms)


@command(
    argument("plan", required=False),
    option(
        "--agents",
        metavar="N,N,...",
        default="1,2,4,8,16",
        show_default=True,
        help="The numbers of agents to compare.",
    ),
    option("--task-time", metavar="TIME", help="For tasks without an estimate, such as 20m."),
    option(
        "--spread",
        type=ClickType("FloatRange", 0, 3),
        help="How much durations differ: 0 not at all, 0.5 by about half.",
    ),
    option(
        "--failure", type=ClickType("FloatRange", 0, 0.9), help="The share of attempts that fail."
    ),
    option("--overhead", metavar="TIME", help="What each claim costs, such as 5s."),
    option(
        "--cost",
        type=ClickType("FloatRange", 0),
        metavar="USD",
        help="What each attempt costs, such as 0.4.",
    ),
    option("--seed", type=int, default=0, show_default=True, help="Seed of the random numbers."),
)
def simulate(app: App, /, plan: str | None, agents: str, **given: Any) -> None:
    """Work through the plan, or the file PLAN, in memory: how long, and with how many agents.

    What is not given is learned from the ledger, where it has finished
    tasks. Claims, failures and landings follow the real rules; checks, gates
    and reviews take no time.

    Example: gitcoord simulate --agents 1,4,16 --task-time 20m
    """
    from gitcoord.features.inspect import simulations

    counts = _counts(agents)
    with ticking(app, "simulating"):
        document = _document(app, plan)
        assumed = _assumed(app, plan, given)
        found = simulations.simulation(document, counts, assumed)
    app.out.answer("simulate", found, _simulation_text(found))


def _counts(text: str) -> list[int]:
    """Read numbers of agents."""
    found = [int(word) for word in text.split(",") if word.strip().isdecimal()]
    is_right = len(found) == len(text.split(",")) and all(0 < one <= 1000 for one in found)
    if not is_right:
        raise UsageError(
            f"{text!r} is not a list of numbers of agents", hint="give some, such as 1,4,16"
        )
    return found


def _document(app: App, plan: str | None) -> Any:
    from gitcoord.features.inspect.simulations import plan_document

    if plan is None:
        return plan_document(app.work)
    from gitcoord.cli.setup import read_plan
    from gitcoord.core.plan import parse

    text, name = read_plan(plan, app.start)
    return parse(text, name=name)[0]


def _assumed(app: App, plan: str | None, given: dict[str, Any]) -> Any:
    """Return what is assumed: what was given, else what the ledger's history says."""
    from gitcoord.core.simulation import Assumptions
    from gitcoord.features.inspect.simulations import DEFAULT_TASK_MS, learned

    assumed = Assumptions(DEFAULT_TASK_MS)
    if plan is None:
        assumed = learned(app.work)
    known = {"task_ms": _ms(given["task_time"]), "overhead_ms": _ms(given["overhead"])}
    known["cost_micros"] = _micros(given["cost"])
    known |= {"spread": given["spread"], "failure_rate": given["failure"], "seed": given["seed"]}
    return assumed._replace(**{key: value for key, value in known.items() if value is not None})


def _ms(text: str | None) -> int | None:
    if text is None:
        return None
    ms = ids.duration_ms(text)
    if not ms:
        raise UsageError(f"{text!r} is not a duration", hint="write 90s, 30m or 2h")
    return ms


def _micros(dollars: float | None) -> int | None:
    if dollars is None:
        return None
    return round(dollars * 1_000_000)


def _simulation_text(found: dict[str, Any]) -> str:
    from gitcoord.core.report_words import cost_words, duration

    assumed, path = found["assumed"], found["critical_path"]
    told = (
        f"{duration(assumed['task_ms'])} for a task without an estimate, spread "
        f"{assumed['spread']:g}, {assumed['failure_rate']:.1%} of attempts fail, a claim costs "
        f"{duration(assumed['overhead_ms'])}, an attempt costs {cost_words(assumed)}"
    )
    lines = [
        f"{counted(found['tasks'], 'tasks')} in {counted(found['phases'], 'phases')}",
        wrapped("assumed  ", told),
        f"longest  {duration(path['ms'])}: {' -> '.join(path['tasks'][:10])}",
        *(f"conflict {one}" for one in found["conflicts"]),
    ]
    rows = [_run_row(one) for one in found["runs"]]
    head = ("AGENTS", "TAKES", "EFFICIENCY", "OVERHEAD", "ATTEMPTS", "COST", "LEFT", "WORTH IT")
    worth = "no number of these agents is worth it: efficiency over 60 %, overhead under 20 %"
    if found["worth"] is not None:
        worth = f"worth it: {counted(found['worth'], 'agents')}"
    return "\n".join([*lines, table(rows, head), worth])


def _run_row(one: dict[str, Any]) -> Sequence[object]:
    from gitcoord.core.report_words import cost_words, duration, share

    is_worth_it = "no"
    if one["is_worth_it"]:
        is_worth_it = "yes"
    return (
        one["agents"],
        duration(one["makespan_ms"]),
        share("efficiency", one["efficiency"]),
        share("overhead", one["overhead"]),
        one["attempts"],
        cost_words(one),
        one["left"],
        is_worth_it,
    )


@command(
    option("--output", metavar="FILE", help="Write FILE instead of standard output."),
    option(
        "--format",
        "kind",
        type=ClickType("Choice", ["html", "md", "json", "mermaid"]),
        default="html",
        show_default=True,
        help="HTML page, Markdown, the facts as JSON, or the graph for Mermaid.",
    ),
)
def report(app: App, output: str | None, kind: str) -> None:
    """Write a report of the ledger: one self-contained page.

    It shows who did what when, the graph of tasks, results over time and
    the conditions of parallel work, and has its facts inside as JSON.

    Example: gitcoord report --output report.html
    """
    import json

    from gitcoord.features.maintain.report import FORMATS, report_facts

    app.tell_of_cut()
    with ticking(app, "reading the history"):
        facts = report_facts(app.work)
    if kind == "json":
        text = json.dumps(facts, ensure_ascii=True, sort_keys=True) + "\n"
    else:
        text = FORMATS[kind](facts)
    told = {"format": kind, "file": output, "bytes": len(text.encode())}
    if output is None:
        app.out.answer("report", {**told, "text": text}, text.rstrip("\n"))
        return
    _write(output, text)
    app.out.answer("report", told, f"report written to {output}")


def _write(output: str, text: str) -> None:
    """Replace a file by a text; the old content stays if it fails."""
    from pathlib import Path

    from gitcoord.host.files import replace_file

    path = Path(output)
    if not path.name:
        raise UsageError(f"{output!r} names no file", hint="name a file that can be written")
    if ".git" in path.absolute().parts or ".git" in path.resolve().parts:
        raise UsageError(f"{output} is git's own", hint="name a file outside of .git")
    try:
        replace_file(path, text.encode(), mode=0o644)
    except OSError as error:
        raise UsageError(
            f"{output} cannot be written: {error.strerror}", hint="name a file that can be written"
        ) from None
