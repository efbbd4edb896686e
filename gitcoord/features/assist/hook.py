"""Answer one event of a coding assistant: the way that loads least, first.

Most tool calls change nothing about the claim, and are answered from what is
kept beside it. Only when the ledger moved, or something is due, or another
event than a tool call comes, is the ledger opened (``events``).
"""

from __future__ import annotations

import os

from gitcoord.core.boundary import Boundary, Layer
from gitcoord.core.hook_answers import SILENT, HookAnswer
from gitcoord.core.hook_calls import HookCall, acts_over_mcp, begins_or_ends_claim
from gitcoord.features.assist.edits import outside_of
from gitcoord.features.assist.standing import Standing, agent_marker, standing_at, top_above
from gitcoord.features.assist.views import ClaimView, View, quick_view
from gitcoord.host.clock import Clock

__all__ = ["answer", "judge_tool", "owns_worktree"]


def answer(call: HookCall, assistant: str, top: str = "") -> HookAnswer:
    """Return what is to be said about an event; mostly nothing.

    ``top`` is the worktree's folder, where the caller knows it.
    """
    standing = standing_at(top or top_above(call.cwd))
    if standing is None:
        return SILENT
    if (
        call.kind in {"before-tool", "after-tool"}
        and not call.is_isolated
        and not is_unbound(standing)
    ):
        view = quick_view(standing, Clock().monotonic_ns())
        if view is not None:
            verdict = judge_tool(call, standing, view)
            if not verdict.denial or not call.is_edit:
                return verdict
    from gitcoord.features.assist.events import answer_from_ledger

    return answer_from_ledger(call, assistant, standing)


def is_unbound(standing: Standing) -> bool:
    """Return whether a worktree waits for its first tool call to be told its task."""
    return os.path.lexists(os.path.join(standing.git_dir, "gitcoord", "unbound"))


def owns_worktree(call: HookCall, standing: Standing) -> bool:
    """Return whether whoever calls may claim here: no subagent in its lead's place."""
    if not call.subagent:
        return True
    return agent_marker(standing).get("subagent") == call.subagent


def judge_tool(call: HookCall, standing: Standing, view: View) -> HookAnswer:
    """Judge a tool call by the claims of the worktree that it is made in."""
    if call.kind != "before-tool":
        return SILENT
    if begins_or_ends_claim(call.command) and not owns_worktree(call, standing):
        return HookAnswer(denial=_SHARED)
    if call.subagent and acts_over_mcp(call.tool):
        return HookAnswer(denial=_LEADS_SERVER)
    if not call.is_edit:
        return SILENT
    if not view.current:
        if view.lost:
            return HookAnswer(denial=lost_text(view))
        return SILENT
    cwd = call.cwd or standing.top
    found = outside_of(call.paths, cwd, standing.top, standing.common_dir, view.current)
    if found is None:
        return SILENT
    return HookAnswer(denial=_outside_text(found.path, found.why, view))


_SHARED = (
    "gitcoord: this subagent shares its lead's worktree and has no claim of its own. "
    "Next: leave claiming and completing to the lead, or let the lead start subagents with "
    'isolation "worktree" and gitcoord:TASK in the prompt'
)


_LEADS_SERVER = (
    "gitcoord: these tools act for the lead's worktree, where the session was started, and not for "
    "this subagent. Next: use the commands, such as gitcoord hand-in, in a worktree of your own"
)


def _allowed(claim: ClaimView) -> str:
    """Return what a claim may write, in words."""
    layers = [Layer(name, rules) for name, rules in claim.layers]
    return Boundary(tuple(layers)).describe()


def _outside_text(path: str, why: str, view: View) -> str:
    tasks = " and ".join(claim.task for claim in view.current)
    allowed = "; ".join(map(_allowed, view.current))
    return (
        f"gitcoord: {path} is not part of task {tasks} ({why}); it may write {allowed}. "
        'Next: work inside it, or ask with gitcoord escalate "TEXT"'
    )


def lost_text(view: View) -> str:
    """Return what the holder of a lost claim is told."""
    told = []
    for claim in view.lost:
        now = "it is not claimed by this agent any more"
        if claim.holder:
            now = f"{claim.holder} holds it now"
        told.append(f"the claim on task {claim.task} is lost: {now}")
    return (
        f"gitcoord: {'; '.join(told)}. Nothing more of it counts. "
        "Next: stop working on it; gitcoord claim"
    )
