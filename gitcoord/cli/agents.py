"""Speak for agents: add, list, show, prepare and remove them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gitcoord.cli.app import App, pass_app
from gitcoord.cli.groups import NearGroup
from gitcoord.cli.output import git_line, incomplete_if, table
from gitcoord.core.errors import GitcoordError, UsageError
from gitcoord.core.ids import AgentId
from gitcoord.core.texts import clause
from gitcoord.core.times import instant

if TYPE_CHECKING:
    from gitcoord.features.setup.agents import Added

__all__ = ["agent"]


@click.group(cls=NearGroup)
def agent() -> None:
    """Add, list, show, prepare and remove agents."""


@agent.command("add")
@click.argument("names", metavar="AGENT...", nargs=-1, required=True)
@click.option(
    "--pool",
    "pools",
    multiple=True,
    metavar="POOL",
    help="Take tasks of this pool only (repeatable).",
)
@click.option(
    "--capacity",
    type=int,
    default=1,
    show_default=True,
    help="How many claims each may hold at once.",
)
@click.option(
    "--path",
    "paths",
    metavar="PATH",
    multiple=True,
    help="Take only tasks that write below this path.",
)
@click.option(
    "--worktree", type=click.Path(path_type=Path), help="Where its worktree goes, if one is added."
)
@click.option("--no-worktree", is_flag=True, help="Create no worktrees.")
@click.option(
    "--assistant",
    type=click.Choice(["claude", "codex", "gemini", "copilot", "opencode"]),
    help="Prepare them for this assistant, and show how to start it.",
)
@pass_app
def agent_add(
    app: App,
    names: tuple[AgentId, ...],
    pools: tuple[str, ...],
    capacity: int,
    paths: tuple[str, ...],
    worktree: Path | None,
    no_worktree: bool,
    assistant: str | None,
) -> None:
    """Add agents, each with a worktree of its own beside the repository.

    If one of them is refused, none is added.

    Example: gitcoord agent add builder-1 builder-2 --pool builders
    """
    from gitcoord.core.paths import problem_of
    from gitcoord.features.setup import agents

    app.orchestrate()
    if assistant and no_worktree:
        raise UsageError("an assistant needs a worktree of its own", hint="leave --no-worktree out")
    if worktree is not None and len(names) > 1:
        raise UsageError("--worktree is the place of one agent", hint="add the agents one by one")
    for pattern in paths:
        problem = problem_of(pattern)
        if problem:
            raise UsageError(f"--path {pattern}: {problem}", hint="give a path like src/lexer/")
    asked = agents.Asked(pools, capacity, paths, worktree, no_worktree=no_worktree)
    each: list[dict[str, Any]] = []
    lines: list[str] = []
    try:
        for name, done in zip(names, agents.add_each(app.work, names, asked), strict=True):
            lines.append(f"agent {name} added" + clause(" with worktree {}", done.worktree))
            each.append(_told(app, name, done))
    except GitcoordError:
        # The error speaks of one agent: say what was done before it.
        for line in lines:
            app.out.notice(line)
        raise
    starts = _starts(app, assistant, each)
    lines += [f"next: {start}" for start in starts]
    if len(each) == 1:
        facts = each[0]
    else:
        facts = {"entry": each[-1]["entry"], "agents": each}
    app.out.answer("agent add", facts, "\n".join(lines))


def _told(app: App, name: AgentId, done: Added) -> dict[str, Any]:
    """Tell what an agent still lacks; return the facts of what was added."""
    from gitcoord.features.setup.trust import setup_log

    if done.setup == "untrusted":
        app.out.notice(
            "the plan's worktree setup was not run: `gitcoord trust` allows it on this machine, "
            f"then `gitcoord agent setup {name}` runs it"
        )
    elif done.setup == "failed":
        log = setup_log(app.work, Path(done.worktree or ""))
        app.out.notice(
            f"the plan's worktree setup failed: {log} has its output; "
            f"`gitcoord agent setup {name}` runs it again, and until then it is offered no task"
        )
    if done.notice:
        app.out.notice(done.notice)
    return {
        "entry": done.entry,
        "agent": dict(done.agent),
        "worktree": done.worktree,
        "setup": done.setup,
    }


def _starts(app: App, assistant: str | None, each: list[dict[str, Any]]) -> list[str]:
    """Prepare new agents for an assistant; return the lines that start it, for each."""
    if assistant is None:
        return []
    from gitcoord.cli.assistants import prepare

    starts = prepare(app, assistant, [facts["worktree"] for facts in each])
    for facts, start in zip(each, starts, strict=True):
        facts["start"] = start
    return starts


@agent.command("list")
@pass_app
def agent_list(app: App) -> None:
    """List the agents and what they hold.

    Example: gitcoord agent list
    """
    from gitcoord.core.git_reading import agents_command
    from gitcoord.features.inspect import facts

    agents = facts.status(app.work)["agents"]
    rows = []
    for agent in agents:
        place = app.work.worktree_of(agent["id"])
        agent["worktree"] = str(place) if place else None
        pools = ", ".join(agent["pools"]) or "any"
        rows.append((agent["id"], pools, ", ".join(agent["claims"]) or "-", str(place or "-")))
    text = (
        table(rows, ("AGENT", "POOLS", "HOLDS", "WORKTREE"))
        or "no agents yet: gitcoord agent add ID"
    )
    answer = {"agents": agents, "git": agents_command(app.work.ledger.ref)}
    app.out.answer("agent list", answer, f"{text}\n{git_line(answer)}")


@agent.command("show")
@click.argument("name", metavar="AGENT")
@pass_app
def agent_show(app: App, name: AgentId) -> None:
    """Show one agent, its claims and its newest entries.

    Example: gitcoord agent show builder-1
    """
    from gitcoord.core.git_reading import record_command
    from gitcoord.core.layout import agent_path
    from gitcoord.features.inspect import facts
    from gitcoord.features.names import named_agent

    snapshot = app.work.ledger.snapshot()
    record = named_agent(snapshot, name)
    name = record["id"]
    place = app.work.worktree_of(name)
    claims = [claim for claim in facts.status(app.work)["claims"] if claim["agent"] == name]
    entries = list(facts.history(app.work, snapshot.oid, agent=name, limit=10))
    detail = {
        **record,
        "at": instant(record["at"]),
        "worktree": str(place) if place else None,
        "claims": claims,
    }
    lines = [
        f"agent {name}",
        f"  pools     {', '.join(record['pools']) or 'any'}",
        f"  capacity  {record['capacity']}",
        f"  worktree  {detail['worktree'] or '-'}",
    ]
    lines += [f"  holds     {claim['task']} until {claim['expires_at']}" for claim in claims]
    lines += [f"  {entry['at']}  {entry['subject']}" for entry in entries]
    command = record_command(app.work.ledger.ref, agent_path(name))
    answer = {"agent": detail, "history": entries, "git": command}
    app.out.answer("agent show", answer, "\n".join([*lines, git_line(answer)]))


@agent.command("remove")
@click.argument("name", metavar="AGENT")
@pass_app
def agent_remove(app: App, name: AgentId) -> None:
    """Remove an agent and its worktree, unless work would be lost.

    Example: gitcoord agent remove builder-1
    """
    from gitcoord.features.setup import agents

    app.orchestrate()
    done, left = agents.remove(app.work, name)
    name = AgentId(done.event["name"])
    for text in left:
        app.out.notice(text)
    app.out.answer("agent remove", {"entry": done.entry, "agent": name}, f"agent {name} removed")


@agent.command("setup")
@click.argument("names", metavar="[AGENT...]", nargs=-1)
@pass_app
def agent_setup(app: App, names: tuple[AgentId, ...]) -> int:
    """Prepare the worktrees of agents again; exit 18 if a setup fails.

    Files that the plan names are copied where they are missing, and the
    plan's setup is run. Without AGENT, that is done for each agent whose
    setup has not succeeded.

    Example: gitcoord agent setup builder-1
    """
    from gitcoord.features.setup.preparing import prepare_again

    app.orchestrate()
    done = prepare_again(app.work, names)
    rows = [(one.agent, one.setup, one.log) for one in done]
    text = table(rows, ("AGENT", "SETUP", "LOG")) or "every agent's worktree is prepared"
    app.out.answer("agent setup", {"agents": [one._asdict() for one in done]}, text)
    return incomplete_if(sum(one.setup == "failed" for one in done))
