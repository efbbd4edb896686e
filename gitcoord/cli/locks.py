"""Speak for locks: lock, unlock, locks."""

from __future__ import annotations

from typing import Any

from gitcoord.cli.app import App
from gitcoord.cli.declared import argument, command, option
from gitcoord.cli.output import git_line, table
from gitcoord.core import ids
from gitcoord.core.errors import UsageError
from gitcoord.core.ids import AgentId, TaskId
from gitcoord.core.texts import clause

__all__ = ["lock", "lock_line", "locks", "unlock", "wait_line"]


@command(
    argument("paths", metavar="PATH...", nargs=-1, required=True),
    option("--for", "duration", metavar="TIME", help="Release it after this time, such as 30m."),
    option(
        "--shared",
        is_flag=True,
        help="Beside other shared locks; only exclusive ones and claims conflict.",
    ),
    option("--reason", metavar="TEXT", default="", help="Why; shown to agents that wait."),
    option("--task", metavar="TASK", help="With which claim, where the agent has several."),
)
def lock(
    app: App,
    paths: tuple[str, ...],
    duration: str | None,
    shared: bool,
    reason: str,
    task: TaskId | None,
) -> None:
    """Reserve paths: no other agent can lock or claim them.

    A lock taken while holding a claim ends with it; one taken without stays
    until its time is over or it is unlocked. Paths start at the top of
    the repository: a/b.py, a/b/, a/*.py.

    Example: gitcoord lock src/parser/ --for 30m --reason "renaming"
    """
    from gitcoord.features.inspect.locks import lock_facts
    from gitcoord.features.work import locks as feature

    for_ms = None
    if duration is not None:
        for_ms = ids.duration_ms(duration)
        if not for_ms:
            raise UsageError(f"{duration!r} is not a duration", hint="write 90s, 30m or 2h")
    agent = app.agent()
    done = feature.lock(
        app.work, agent, paths, shared=shared, for_ms=for_ms, reason=reason, task=task
    )
    facts = lock_facts(feature.record_of(done), app.work.ledger.context())
    how = f"exclusive, by {agent}"
    if shared:
        how = f"shared with other shared locks, by {agent}"
    lines = [f"locked {', '.join(facts['paths'])}", f"  {how}", f"  {_until(facts)}"]
    app.out.answer("lock", {"entry": done.entry, "lock": facts}, "\n".join(lines))


@command(
    argument("paths", metavar="[PATH]...", nargs=-1),
    option("--all", "everything", is_flag=True, help="Every path that the agent has locked."),
    option("--of", metavar="AGENT", help="Another agent's, as the orchestrator."),
)
def unlock(app: App, paths: tuple[str, ...], everything: bool, of: AgentId | None) -> None:
    """Release locked paths, named as they were locked.

    Example: gitcoord unlock src/parser/
    """
    from gitcoord.features.work import locks as feature

    if of is not None:
        app.orchestrate()
        agent = ids.ORCHESTRATOR
    else:
        agent = app.agent()
    done = feature.unlock(app.work, agent, paths, everything=everything, of=of)
    given = done.event["paths"] or []
    app.out.answer(
        "unlock",
        {"entry": done.entry, "agent": done.event["name"], "paths": given},
        f"unlocked {', '.join(given)}",
    )


@command()
def locks(app: App) -> None:
    """List what is locked and claimed, and who waits for whom.

    --agent ID lists what one agent holds.

    Example: gitcoord locks
    """
    from gitcoord.features.inspect.locks import listing

    found = listing(app.work, agent=app.named_agent)
    rows: list[tuple[object, ...]] = []
    for lock in found["locks"]:
        how = "shared" if lock["shared"] else "exclusive"
        why = lock["reason"] or "-"
        rows.append((", ".join(lock["paths"]), lock["agent"], how, _until(lock), why))
    for claim in found["claims"]:
        if claim["paths"]:
            until = f"while it holds task {claim['task']}"
            rows.append((", ".join(claim["paths"]), claim["agent"], "exclusive", until, "-"))
    lines = [table(rows, ("PATHS", "AGENT", "HOW", "UNTIL", "WHY")) or "nothing is locked"]
    lines += [wait_line(waiting) for waiting in found["waiting"]]
    app.out.answer("locks", found, "\n".join([*lines, git_line(found)]))


def lock_line(lock: dict[str, Any]) -> str:
    """Return one line of a summary about a lock."""
    holder = lock["agent"]
    if lock["shared"]:
        holder += " (shared)"
    line = f"{', '.join(lock['paths'][:5])} by {holder}, {_until(lock)}"
    return line + clause(": {}", lock["reason"])


def wait_line(waiting: dict[str, Any]) -> str:
    """Return in one line what a task waits for."""
    told = []
    for one in waiting["for"][:3]:
        what = "its lock"
        if one["lock"] is None:
            what = f"task {one['task']}"
        told.append(f"{one['agent']} ({what}: {one['paths'][1]})")
    return f"task {waiting['task']} waits for {', '.join(told)}"


def _until(lock: dict[str, Any]) -> str:
    ends = []
    if lock["left_ms"] is not None and lock["is_over"]:
        ends.append("its time is over")
    elif lock["left_ms"] is not None:
        ends.append(f"for another {ids.show_duration(lock['left_ms'])}")
    if lock["task"]:
        ends.append(f"while it holds task {lock['task']}")
    return ", ".join(ends) or "until it is unlocked"
