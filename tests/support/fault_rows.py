"""Tell the fault tests about each writing command: one row for each.

A row names the repository in which its command has something to do, and
says what is true once the command was done, however often it was tried.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tests.support import fault_setups as setups

__all__ = ["ROWS", "Row"]


class Row(NamedTuple):
    """A command, where it starts from, and what is true when it was done.

    ``after`` are facts of ``state_of``; ``again`` are the codes (or
    reasons) by which a second try may say that it was done already;
    ``repeats`` are operations that a second try may record once more, or
    that an undisturbed run does not need. ``partial`` are entries of
    a command of several, which stand when a later one could not be made.
    ``drifts`` are facts that depend on how often it was tried.
    """

    setup: Callable[[Path], None]
    argv: tuple[str, ...]
    after: Mapping[str, Any]
    again: frozenset[str] = frozenset()
    repeats: frozenset[str] = frozenset()
    partial: frozenset[str] = frozenset()
    drifts: frozenset[str] = frozenset()


_GONE = frozenset({"claim-lost", "not-found"})
_EXISTS = frozenset({"exists"})
X, Y = ("--agent", "x"), ("--agent", "y")

ROWS: dict[str, Row] = {
    "init": Row(setups.plain, ("init",), {"tasks": {}}, _EXISTS, partial=frozenset({"init"})),
    "init-plan": Row(
        setups.plain,
        ("init", "{top}/plan.toml"),
        {"tasks": {"a": "open", "b": "open"}},
        _EXISTS,
        partial=frozenset({"init"}),
    ),
    "plan-apply": Row(
        setups.empty_ledger,
        ("plan", "apply", "{top}/plan.toml"),
        {"tasks": {"a": "open", "b": "open"}},
        repeats=frozenset({"plan"}),
    ),
    "plan-apply-packed": Row(
        setups.large_plan,
        ("plan", "apply", "{top}/plan.toml"),
        {"tasks": dict.fromkeys(setups.LARGE, "open")},
        repeats=frozenset({"plan"}),
    ),
    "agent-add": Row(
        setups.planned, ("agent", "add", "x", "--no-worktree"), {"agents": {"x": None}}, _EXISTS
    ),
    "agent-add-worktree": Row(
        setups.planned,
        ("agent", "add", "x"),
        {"agents": {"x": "detached"}},
        _EXISTS,
        frozenset({"agent-add", "agent-remove"}),
    ),
    "agent-add-chosen": Row(
        setups.pooled,
        (
            *("agent", "add", "x", "--pool", "builders", "--capacity", "2", "--path", "a/"),
            *("--worktree", "{top}/elsewhere"),
        ),
        {"agents": {"x": "detached"}},
        _EXISTS,
        frozenset({"agent-add", "agent-remove"}),
    ),
    "agent-remove": Row(
        setups.worktree_behind,
        ("agent", "remove", "x"),
        {"agents": {}, "worktrees": []},
        frozenset({"not-found"}),
    ),
    "claim": Row(
        setups.one_agent,
        (*X, "claim", "a", "--no-checkout"),
        {"tasks": {"a": "claimed", "b": "open"}},
    ),
    "claim-checkout": Row(
        setups.worktree_behind,
        (*X, "claim", "a"),
        {"tasks": {"a": "claimed", "b": "open"}, "agents": {"x": "a/1"}},
    ),
    "progress": Row(
        setups.claimed,
        (*X, "progress", "half", "--percent", "50"),
        {"percent": {"a": 50, "b": None}},
        repeats=frozenset({"progress"}),
    ),
    "beat": Row(setups.claimed, (*X, "beat"), {"beats": 1}),
    "keepalive": Row(setups.claimed, (*X, "keepalive", "--", "true"), {"beats": 1}),
    "complete": Row(
        setups.worked,
        (*X, "complete"),
        {"tasks": {"a": "done", "b": "open"}},
        # A claim that is a minute old beats before its long step.
        drifts=frozenset({"beats"}),
    ),
    "fail": Row(
        setups.claimed, (*X, "fail", "--reason", "no"), {"failures": {"a": 1, "b": 0}}, _GONE
    ),
    "release": Row(setups.claimed, (*X, "release"), {"tasks": {"a": "open", "b": "open"}}, _GONE),
    "retry": Row(
        setups.failed, ("retry", "a"), {"tasks": {"a": "open", "b": "open"}}, frozenset({"state"})
    ),
    "cancel": Row(
        setups.claimed,
        ("cancel", "a"),
        {"tasks": {"a": "cancelled", "b": "open"}},
        frozenset({"state"}),
    ),
    "widen": Row(
        setups.widenable,
        (*X, "widen", "lib/"),
        {"tasks": {"a": "claimed", "b": "open"}},
        frozenset({"nothing-to-do"}),
    ),
    "start": Row(
        setups.adhoc,
        ("--agent", "x", "start", "Do c", "--id", "c", "--path", "c/"),
        {"tasks": {"c": "claimed"}, "agents": {"x": "c/1"}, "worktrees": ["x"]},
        # A token that was not kept yet is replaced.
        repeats=frozenset({"reissue"}),
    ),
    "phase-close": Row(
        setups.streaming,
        ("phase", "close", "default"),
        {"closed": ["default"]},
        frozenset({"nothing-to-do"}),
    ),
    "phase-open": Row(
        setups.closed,
        ("phase", "open", "default"),
        {"closed": []},
        frozenset({"nothing-to-do"}),
    ),
    "pause": Row(
        setups.claimed,
        ("pause", "a"),
        {"paused": ["a"]},
        frozenset({"nothing-to-do"}),
    ),
    "unpause": Row(setups.paused, ("unpause", "a"), {"paused": []}, frozenset({"nothing-to-do"})),
    "assign": Row(
        setups.claimed,
        ("assign", "b", "x"),
        {"assigned": {"a": None, "b": "x"}},
        repeats=frozenset({"assign"}),
    ),
    "escalate": Row(
        setups.claimed,
        (*X, "escalate", "may I?"),
        {"tasks": {"a": "claimed", "b": "open"}},
        repeats=frozenset({"escalate"}),
    ),
    "note": Row(
        setups.claimed,
        (*X, "note", "mind the gap"),
        {"tasks": {"a": "claimed", "b": "open"}},
        repeats=frozenset({"note"}),
    ),
    "task-add": Row(
        setups.planned,
        ("task", "add", "Do c", "--id", "c", "--path", "c/"),
        {"tasks": {"a": "open", "b": "open", "c": "open"}},
        _EXISTS,
    ),
    "task-propose": Row(
        setups.claimed,
        (*X, "task", "propose", "Do c", "--id", "c", "--path", "c/"),
        {"escalations": ["open"], "tasks": {"a": "claimed", "b": "open"}},
        _EXISTS,
    ),
    "resolve-proposal": Row(
        setups.proposed,
        ("resolve", "{escalation}", "yes", "--grant"),
        {"escalations": ["resolved"], "tasks": {"a": "open", "b": "open", "c": "open"}},
        frozenset({"resolved"}),
    ),
    "task-edit": Row(
        setups.planned,
        ("task", "edit", "a", "--priority", "5"),
        {"priority": {"a": 5, "b": 0}},
        frozenset({"nothing-to-do"}),
    ),
    "checkpoint": Row(
        setups.planned, ("checkpoint", "start"), {"tasks": {"a": "open", "b": "open"}}, _EXISTS
    ),
    "batch": Row(
        setups.escalated,
        ("batch", "{top}/batch.jsonl"),
        {"tasks": {"a": "claimed", "b": "cancelled"}},
        frozenset({"resolved"}),
    ),
    "rollback": Row(
        setups.marked,
        ("rollback", "--to", "start"),
        {"tasks": {"a": "open", "b": "open"}},
        repeats=frozenset({"rollback"}),
    ),
    "rollback-undo": Row(
        setups.went_back,
        ("rollback", "undo", "{rollback}"),
        {"tasks": {"a": "open", "b": "cancelled"}},
        frozenset({"not-found"}),
    ),
    "rollback-undo-code": Row(
        setups.code_went_back,
        ("rollback", "undo", "{rollback}"),
        {"phases": {"default": "landed"}, "files": ["README.md", "a/file.txt"], "changes": []},
        frozenset({"not-found"}),
        frozenset({"rollback-done"}),
    ),
    "rollback-code": Row(
        setups.landed,
        ("rollback", "--to", "whole", "--code"),
        {"phases": {"default": "open"}, "files": ["README.md"], "changes": []},
        repeats=frozenset({"rollback", "rollback-done"}),
    ),
    "lock": Row(
        setups.one_agent,
        (*X, "lock", "c/"),
        {"tasks": {"a": "open", "b": "open"}},
        repeats=frozenset({"lock"}),
    ),
    "unlock": Row(
        setups.locked,
        (*X, "unlock", "--all"),
        {"tasks": {"a": "open", "b": "open"}},
        frozenset({"not-found"}),
    ),
    "review-claim": Row(
        setups.in_review, (*Y, "review", "claim"), {"reviewers": {"a": [["y", None]], "b": []}}
    ),
    "review-approve": Row(
        setups.reviewed, (*Y, "review", "approve"), {"tasks": {"a": "done", "b": "open"}}
    ),
    "review-reject": Row(
        setups.reviewed,
        (*Y, "review", "reject", "--reason", "no"),
        {"failures": {"a": 1, "b": 0}},
        _GONE,
    ),
    "review-release": Row(
        setups.reviewed, (*Y, "review", "release"), {"reviewers": {"a": [], "b": []}}, _GONE
    ),
    "resolve": Row(
        setups.escalated,
        ("resolve", "{escalation}", "yes"),
        {"escalations": ["resolved"]},
        frozenset({"resolved"}),
    ),
    "note-drop": Row(setups.noted, (*X, "note", "--drop", "{note}"), {"notes": 0}, _GONE),
    "unlock-path": Row(setups.locked, (*X, "unlock", "c/"), {"held": []}, frozenset({"not-found"})),
    "agent-remove-plain": Row(
        setups.one_agent, ("agent", "remove", "x"), {"agents": {}}, frozenset({"not-found"})
    ),
    "hooks-install": Row(setups.one_agent, ("hooks", "install"), {"agents": {"x": None}}),
    "hooks-uninstall": Row(setups.hooked, ("hooks", "uninstall"), {"agents": {"x": None}}),
    "doctor-fix": Row(
        setups.damaged, ("doctor", "--fix"), {"tasks": {"a": "claimed", "b": "open"}}
    ),
    "upkeep": Row(setups.claimed, ("upkeep",), {"tasks": {"a": "claimed", "b": "open"}}),
    "upkeep-packs": Row(setups.many_packs, ("upkeep",), {"tasks": {"a": "claimed", "b": "open"}}),
    "tidy": Row(setups.of_a_run, ("tidy",), {"agents": {}}),
    "reap": Row(
        setups.expired,
        ("reap",),
        {"tasks": {"a": "open", "b": "open"}, "failures": {"a": 1, "b": 0}},
    ),
    "phase-land-gated": Row(
        setups.gated,
        ("phase", "land", "default"),
        {"phases": {"default": "landed"}, "changes": []},
        repeats=frozenset({"gate"}),
        partial=frozenset({"land-begin", "land-done"}),
    ),
    "run": Row(
        setups.planned,
        (
            "run",
            "-j",
            "1",
            "--",
            "sh",
            "-c",
            'mkdir -p "$GITCOORD_TASK"; echo x > "$GITCOORD_TASK/f"',
        ),
        {"phases": {"default": "landed"}, "changes": []},
        repeats=frozenset(
            {"agent-add", "agent-remove", "claim", "fail", "reissue", "release", "takeover"}
        ),
        partial=frozenset({"complete", "land-begin"}),
        drifts=frozenset({"agents", "attempts", "failures", "beats", "worktrees"}),
    ),
    "phase-land-batch": Row(
        setups.batch,
        ("phase", "land", "default"),
        {"phases": {"default": "open"}, "landed": ["a"], "changes": []},
        frozenset({"nothing-to-do"}),
        partial=frozenset({"land-begin", "land-done"}),
    ),
    "phase-land": Row(
        setups.whole,
        ("phase", "land", "default"),
        {"phases": {"default": "landed"}, "changes": []},
        partial=frozenset({"land-begin", "land-done"}),
    ),
}
