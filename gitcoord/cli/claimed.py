"""Show a claim: what the task is, where to work, and what is known about it."""

from __future__ import annotations

from typing import Any, Literal

from gitcoord.cli.app import App
from gitcoord.cli.output import shown_paths
from gitcoord.core import ids
from gitcoord.core.boundary import boundary_of
from gitcoord.core.sentences import reason_of
from gitcoord.features.inspect.task_facts import claim_facts, heartbeat_ms_of, task_facts
from gitcoord.features.work.claim_facts import claim_answer, lines_of
from gitcoord.features.work.claims import Claimed

__all__ = ["show_claim"]


def show_claim(app: App, done: Claimed, op: Literal["claim", "start"] = "claim") -> None:
    """Answer a claim, and tell why its branch is not checked out here."""
    facts = _facts_of(app, done)
    _tell_of_checkout(app, done, op)
    app.out.answer(op, facts, "\n".join(_lines_of(done, facts)))


def _facts_of(app: App, done: Claimed) -> dict[str, Any]:
    snapshot, context = done.snapshot, app.work.ledger.context()
    held = done.claim
    boundary = boundary_of(snapshot, done.task, snapshot.agent(held["agent"]))
    return {
        "task": task_facts(snapshot, done.task, context),
        "claim": claim_facts(held, context, heartbeat_ms_of(snapshot)),
        "entry": done.entry,
        "branch": held["branch"],
        "base": held["base"],
        "worktree": done.worktree,
        "checkout": done.checkout,
        "already": done.already,
        "reissued": done.reissued,
        "held": app.work.held,
        "ledger": app.work.ledger.name,
        **claim_answer(app.work, done),
        "boundary": {layer.name: list(layer.patterns) for layer in boundary.layers},
    }


def held_lines(facts: dict[str, Any]) -> list[str]:
    """Write that the claim holds for every clone, where the ledger is on a server."""
    if facts["held"] == "on this machine":
        return []
    return [f"  held      {facts['held']}"]


def _tell_of_checkout(app: App, done: Claimed, op: str) -> None:
    """Tell why the branch is not checked out here, where it is not."""
    agent, standing = done.claim["agent"], app.work.standing_agent()
    if done.checkout == "none" and standing not in {None, agent}:
        own = app.work.recorded_worktree(agent)
        told = (
            f"this is the worktree of {standing}: the branch of {agent}'s claim is not "
            "checked out here"
        )
        if own:
            told += f"; {agent} works in {own}"
        app.out.notice(told)
    if done.checkout == "failed":
        again = "claim again"
        if op == "start":
            again = f"start it again with --id {done.task['id']}"
        app.out.notice(
            f"the claim stands, but its branch could not be checked out in {done.worktree}: "
            f"{done.problem}; then {again}"
        )


def _lines_of(done: Claimed, facts: dict[str, Any]) -> list[str]:
    """Write those facts for people: the task, its boundary, where to work, what was before."""
    spec, held = done.task["spec"], done.claim
    what = "claimed"
    if done.already:
        what = "still holding"
    branch = held["branch"]
    if done.checkout != "done":
        branch += " (not checked out)"
    lines = [f"{what} {spec['id']}: {spec['title']}", f"  paths     {shown_paths(spec['paths'])}"]
    for layer, patterns in facts["boundary"].items():
        if not layer.startswith("task "):
            lines.append(f"  only in   {', '.join(patterns) or 'nothing'} ({layer})")
    if spec["reads"]:
        lines.append(f"  reads     {', '.join(spec['reads'])}")
    lines += [
        f"  branch    {branch}",
        f"  worktree  {done.worktree or '-'}",
        *held_lines(facts),
        f"  lease     {ids.show_duration(held['lease_ms'])}, renewed by progress and beat",
    ]
    for setback in done.task["setbacks"]:
        lines.append(
            f"  before    attempt {setback['attempt']} by {setback['agent']}: {setback['code']}: "
            f"{reason_of(setback)}"
        )
    lines += lines_of(facts)
    if spec["description"]:
        lines.append("  about     " + spec["description"].replace("\n", "\n            "))
    lines.append("next: work, commit, then gitcoord complete")
    return lines
