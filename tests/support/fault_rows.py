"""Tell the fault tests about each writing command: one row for each.

A row makes a repository in which its command has something to do, and
says what is true once the command was done, however often it was tried.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from gitcoord.core.ids import ORCHESTRATOR
from gitcoord.features.land import landings, rollbacks, streams
from gitcoord.features.setup import hooks, ledger, planned_tasks, plans, trust
from gitcoord.features.work import claims, escalations, locks, notes, results, reviews
from gitcoord.features.workspace import Workspace, open_workspace
from tests.support.builders import tasks
from tests.support.world import do, found, git, write

__all__ = ["ROWS", "Row", "make_repository"]


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


def make_repository(top: Path) -> Path:
    """Make a repository with a commit of two files on main."""
    repo = top / "repo"
    repo.mkdir(parents=True)
    git("init", "-q", "-b", "main", "--template=", cwd=repo)
    write(repo, "README.md", "hello\n", "first")
    return repo


def _plain(top: Path) -> None:
    make_repository(top)
    (top / "plan.toml").write_text(tasks("a", "b"))


def _ledger(top: Path) -> None:
    _plain(top)
    work = open_workspace(top / "repo")
    ledger.init(work)
    work.close()


def _founded(top: Path, *names: str, head: str = "", worktrees: bool = True) -> Workspace:
    return found(make_repository(top), tasks("a", "b", head=head), *names, worktrees=worktrees)


def _planned(top: Path) -> None:
    _founded(top).close()


def _agent(top: Path) -> None:
    _founded(top, "x", worktrees=False).close()


def _worktree(top: Path) -> None:
    """Give an agent a worktree that is behind the target by several files."""
    work = _founded(top, "x")
    repo = top / "repo"
    for name in ("README.md", "shared/one.txt", "shared/two.txt"):
        write(repo, name, f"more in {name}\n" * 50)
    work.close()


def _claimed(top: Path) -> None:
    work = _founded(top, "x", worktrees=False)
    claims.claim(work, "x", "a", checkout=False)
    work.close()


def _of_a_run(top: Path) -> None:
    _founded(top, "run-1").close()


def _worked(top: Path) -> None:
    work = _founded(top, "x")
    claimed = claims.claim(work, "x", "a")
    write(Path(claimed.worktree or ""), "a/file.txt")
    work.close()


def _widenable(top: Path) -> None:
    work = _founded(top, "x", head='[plan]\nwidening = "free"\n', worktrees=False)
    claims.claim(work, "x", "a", checkout=False)
    work.close()


def _streaming(top: Path) -> None:
    _founded(top, "x", head='[[phase]]\nname = "default"\nstream = true\n').close()


def _batch(top: Path) -> None:
    _streaming(top)
    work = open_workspace(top / "repo")
    do(work, "x", "a")
    work.close()


def _closed(top: Path) -> None:
    _streaming(top)
    work = open_workspace(top / "repo")
    streams.change(work, "phase-close", "default")
    work.close()


def _adhoc(top: Path) -> None:
    work = open_workspace(make_repository(top))
    ledger.init(work)
    plans.apply_adhoc(work)
    work.close()


def _failed(top: Path) -> None:
    work = _founded(top, "x", worktrees=False)
    claimed = claims.claim(work, "x", "a", checkout=False)
    results.fail(work, "x", "a", claimed.claim["token"], "no", "permanent")
    work.close()


def _expired(top: Path) -> None:
    work = _founded(
        top, "x", head='[plan]\nlease = "200ms"\nheartbeat = "100ms"\n', worktrees=False
    )
    claims.claim(work, "x", "a", checkout=False)
    work.close()
    time.sleep(0.3)


def _whole(top: Path) -> None:
    work = _founded(top, "x", "y")
    do(work, "x", "a")
    do(work, "y", "b")
    work.close()


def _gated(top: Path) -> None:
    gates = (
        'gates = [{ name = "both", run = "echo tested; test -f a/file.txt && test -f b/file.txt" '
        "}]\n"
    )
    work = _founded(top, "x", "y", head='[[phase]]\nname = "default"\n' + gates)
    trust.trust(work, work.ledger.snapshot())
    do(work, "x", "a")
    do(work, "y", "b")
    work.close()


def _escalated(top: Path) -> None:
    work = _founded(top, "x", worktrees=False)
    claims.claim(work, "x", "a", checkout=False)
    name = escalations.escalate(work, "x", "may I?").event["id"][:8]
    rows = (
        {"op": "resolve", "escalation": name, "answer": "yes"},
        {"op": "cancel", "task": "b"},
        {"op": "note", "text": "n"},
    )
    (top / "batch.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    work.close()


def _proposed(top: Path) -> None:
    work = _founded(top, "x", worktrees=False)
    planned_tasks.propose(work, "x", {"id": "c", "title": "Do c", "paths": ["c/"]})
    work.close()


def _marked(top: Path) -> None:
    work = _founded(top, "x", worktrees=False)
    work.ledger.execute(
        {"op": "checkpoint", "agent": ORCHESTRATOR, "name": "start"}, agent=ORCHESTRATOR
    )
    claims.claim(work, "x", "a", checkout=False)
    work.close()


def _done(top: Path) -> Workspace:
    work = found(make_repository(top), tasks("a"), "x")
    do(work, "x", "a")
    work.ledger.execute(
        {"op": "checkpoint", "agent": ORCHESTRATOR, "name": "whole"}, agent=ORCHESTRATOR
    )
    return work


def _locked(top: Path) -> None:
    work = _founded(top, "x", worktrees=False)
    locks.lock(work, "x", ["c/"])
    work.close()


def _noted(top: Path) -> None:
    work = _founded(top, "x", worktrees=False)
    notes.note(work, "x", "mind the gap")
    work.close()


def _hooked(top: Path) -> None:
    work = _founded(top, "x", worktrees=False)
    hooks.install(work)
    work.close()


def _damaged(top: Path) -> None:
    """Leave an index that is none, and an operation of a dead writer."""
    work = _founded(top, "x", worktrees=False)
    claims.claim(work, "x", "a", checkout=False)
    work.index.close()
    work.ledger.files.index.write_bytes(
        b"no database at all, and long enough to be read as one" * 40
    )
    dead = work.ledger.files.pending / ".refs" / f"{'0' * 32}.json"
    dead.parent.mkdir(parents=True, exist_ok=True)
    dead.write_text(json.dumps({"process": "another-boot:1:1:1", "op": "ref", "tip": None}))
    work.close()


def _reviewable(top: Path) -> Workspace:
    work = _founded(top, "x", "y", head='[[phase]]\nname = "default"\nreviews = 1\n')
    do(work, "x", "a")
    return work


def _in_review(top: Path) -> None:
    _reviewable(top).close()


def _reviewed(top: Path) -> None:
    work = _reviewable(top)
    reviews.claim(work, "y")
    work.close()


def _landed(top: Path) -> None:
    work = _done(top)
    landings.land(work, "default")
    work.close()


def _paused(top: Path) -> None:
    work = _founded(top)
    work.ledger.execute({"op": "pause", "task": "a", "reason": "wait"}, agent=ORCHESTRATOR)
    work.close()


def _went_back(top: Path) -> None:
    work = _founded(top, "x", worktrees=False)
    work.ledger.execute(
        {"op": "checkpoint", "agent": ORCHESTRATOR, "name": "start"}, agent=ORCHESTRATOR
    )
    work.ledger.execute({"op": "cancel", "task": "b", "reason": "no"}, agent=ORCHESTRATOR)
    rollbacks.rollback(work, rollbacks.choose(work, to="start"))
    work.close()


def _code_went_back(top: Path) -> None:
    work = _done(top)
    landings.land(work, "default")
    rollbacks.rollback(work, rollbacks.choose(work, to="whole"), code=True)
    work.close()


def _pooled(top: Path) -> None:
    """Let the plan have a pool, and a folder outside be there for a worktree."""
    _founded(top, head='[[pool]]\nname = "builders"\n').close()


_GONE = frozenset({"claim-lost", "not-found"})
_EXISTS = frozenset({"exists"})
X, Y = ("--agent", "x"), ("--agent", "y")

ROWS: dict[str, Row] = {
    "init": Row(_plain, ("init",), {"tasks": {}}, _EXISTS),
    "init-plan": Row(
        _plain,
        ("init", "{top}/plan.toml"),
        {"tasks": {"a": "open", "b": "open"}},
        _EXISTS,
        partial=frozenset({"init"}),
    ),
    "plan-apply": Row(
        _ledger,
        ("plan", "apply", "{top}/plan.toml"),
        {"tasks": {"a": "open", "b": "open"}},
        repeats=frozenset({"plan"}),
    ),
    "agent-add": Row(
        _planned, ("agent", "add", "x", "--no-worktree"), {"agents": {"x": None}}, _EXISTS
    ),
    "agent-add-worktree": Row(
        _planned,
        ("agent", "add", "x"),
        {"agents": {"x": "detached"}},
        _EXISTS,
        frozenset({"agent-add", "agent-remove"}),
    ),
    "agent-add-chosen": Row(
        _pooled,
        (
            *("agent", "add", "x", "--pool", "builders", "--capacity", "2", "--path", "a/"),
            *("--worktree", "{top}/elsewhere"),
        ),
        {"agents": {"x": "detached"}},
        _EXISTS,
        frozenset({"agent-add", "agent-remove"}),
    ),
    "agent-remove": Row(
        _worktree,
        ("agent", "remove", "x"),
        {"agents": {}, "worktrees": []},
        frozenset({"not-found"}),
    ),
    "claim": Row(
        _agent, (*X, "claim", "a", "--no-checkout"), {"tasks": {"a": "claimed", "b": "open"}}
    ),
    "claim-checkout": Row(
        _worktree,
        (*X, "claim", "a"),
        {"tasks": {"a": "claimed", "b": "open"}, "agents": {"x": "a/1"}},
    ),
    "progress": Row(
        _claimed,
        (*X, "progress", "half", "--percent", "50"),
        {"percent": {"a": 50, "b": None}},
        repeats=frozenset({"progress"}),
    ),
    "beat": Row(_claimed, (*X, "beat"), {"beats": 1}),
    "keepalive": Row(_claimed, (*X, "keepalive", "--", "true"), {"beats": 1}),
    "complete": Row(
        _worked,
        (*X, "complete"),
        {"tasks": {"a": "done", "b": "open"}},
        # A claim that is a minute old beats before its long step.
        drifts=frozenset({"beats"}),
    ),
    "fail": Row(_claimed, (*X, "fail", "--reason", "no"), {"failures": {"a": 1, "b": 0}}, _GONE),
    "release": Row(_claimed, (*X, "release"), {"tasks": {"a": "open", "b": "open"}}, _GONE),
    "retry": Row(
        _failed, ("retry", "a"), {"tasks": {"a": "open", "b": "open"}}, frozenset({"state"})
    ),
    "cancel": Row(
        _claimed, ("cancel", "a"), {"tasks": {"a": "cancelled", "b": "open"}}, frozenset({"state"})
    ),
    "widen": Row(
        _widenable,
        (*X, "widen", "lib/"),
        {"tasks": {"a": "claimed", "b": "open"}},
        frozenset({"nothing-to-do"}),
    ),
    "start": Row(
        _adhoc,
        ("--agent", "x", "start", "Do c", "--id", "c", "--path", "c/"),
        {"tasks": {"c": "claimed"}, "worktrees": ["x"]},
        frozenset({"exists"}),
        # What it had not checked out the agent's next claim does.
        drifts=frozenset({"agents"}),
    ),
    "phase-close": Row(
        _streaming,
        ("phase", "close", "default"),
        {"closed": ["default"]},
        frozenset({"nothing-to-do"}),
    ),
    "phase-open": Row(
        _closed,
        ("phase", "open", "default"),
        {"closed": []},
        frozenset({"nothing-to-do"}),
    ),
    "pause": Row(
        _claimed,
        ("pause", "a"),
        {"paused": ["a"]},
        frozenset({"nothing-to-do"}),
    ),
    "unpause": Row(_paused, ("unpause", "a"), {"paused": []}, frozenset({"nothing-to-do"})),
    "assign": Row(
        _claimed,
        ("assign", "b", "x"),
        {"assigned": {"a": None, "b": "x"}},
        repeats=frozenset({"assign"}),
    ),
    "escalate": Row(
        _claimed,
        (*X, "escalate", "may I?"),
        {"tasks": {"a": "claimed", "b": "open"}},
        repeats=frozenset({"escalate"}),
    ),
    "note": Row(
        _claimed,
        (*X, "note", "mind the gap"),
        {"tasks": {"a": "claimed", "b": "open"}},
        repeats=frozenset({"note"}),
    ),
    "task-add": Row(
        _planned,
        ("task", "add", "Do c", "--id", "c", "--path", "c/"),
        {"tasks": {"a": "open", "b": "open", "c": "open"}},
        _EXISTS,
    ),
    "task-propose": Row(
        _claimed,
        (*X, "task", "propose", "Do c", "--id", "c", "--path", "c/"),
        {"escalations": ["open"], "tasks": {"a": "claimed", "b": "open"}},
        _EXISTS,
    ),
    "resolve-proposal": Row(
        _proposed,
        ("resolve", "{escalation}", "yes", "--grant"),
        {"escalations": ["resolved"], "tasks": {"a": "open", "b": "open", "c": "open"}},
        frozenset({"resolved"}),
    ),
    "task-edit": Row(
        _planned,
        ("task", "edit", "a", "--priority", "5"),
        {"priority": {"a": 5, "b": 0}},
        frozenset({"nothing-to-do"}),
    ),
    "checkpoint": Row(
        _planned, ("checkpoint", "start"), {"tasks": {"a": "open", "b": "open"}}, _EXISTS
    ),
    "batch": Row(
        _escalated,
        ("batch", "{top}/batch.jsonl"),
        {"tasks": {"a": "claimed", "b": "cancelled"}},
        frozenset({"resolved"}),
    ),
    "rollback": Row(
        _marked,
        ("rollback", "--to", "start"),
        {"tasks": {"a": "open", "b": "open"}},
        repeats=frozenset({"rollback"}),
    ),
    "rollback-undo": Row(
        _went_back,
        ("rollback", "undo", "{rollback}"),
        {"tasks": {"a": "open", "b": "cancelled"}},
        frozenset({"not-found"}),
    ),
    "rollback-undo-code": Row(
        _code_went_back,
        ("rollback", "undo", "{rollback}"),
        {"phases": {"default": "landed"}, "files": ["README.md", "a/file.txt"], "changes": []},
        frozenset({"not-found"}),
        frozenset({"rollback-done"}),
        frozenset({"rollback"}),
    ),
    "rollback-code": Row(
        _landed,
        ("rollback", "--to", "whole", "--code"),
        {"phases": {"default": "open"}, "files": ["README.md"], "changes": []},
        repeats=frozenset({"rollback", "rollback-done"}),
    ),
    "lock": Row(
        _agent,
        (*X, "lock", "c/"),
        {"tasks": {"a": "open", "b": "open"}},
        repeats=frozenset({"lock"}),
    ),
    "unlock": Row(
        _locked,
        (*X, "unlock", "--all"),
        {"tasks": {"a": "open", "b": "open"}},
        frozenset({"not-found"}),
    ),
    "review-claim": Row(
        _in_review, (*Y, "review", "claim"), {"reviewers": {"a": [["y", None]], "b": []}}
    ),
    "review-approve": Row(
        _reviewed, (*Y, "review", "approve"), {"tasks": {"a": "done", "b": "open"}}
    ),
    "review-reject": Row(
        _reviewed, (*Y, "review", "reject", "--reason", "no"), {"failures": {"a": 1, "b": 0}}, _GONE
    ),
    "review-release": Row(
        _reviewed, (*Y, "review", "release"), {"reviewers": {"a": [], "b": []}}, _GONE
    ),
    "resolve": Row(
        _escalated,
        ("resolve", "{escalation}", "yes"),
        {"escalations": ["resolved"]},
        frozenset({"resolved"}),
    ),
    "note-drop": Row(_noted, (*X, "note", "--drop", "{note}"), {"notes": 0}, _GONE),
    "unlock-path": Row(_locked, (*X, "unlock", "c/"), {"held": []}, frozenset({"not-found"})),
    "agent-remove-plain": Row(
        _agent, ("agent", "remove", "x"), {"agents": {}}, frozenset({"not-found"})
    ),
    "hooks-install": Row(_agent, ("hooks", "install"), {"agents": {"x": None}}),
    "hooks-uninstall": Row(_hooked, ("hooks", "uninstall"), {"agents": {"x": None}}),
    "doctor-fix": Row(_damaged, ("doctor", "--fix"), {"tasks": {"a": "claimed", "b": "open"}}),
    "upkeep": Row(_claimed, ("upkeep",), {"tasks": {"a": "claimed", "b": "open"}}),
    "tidy": Row(_of_a_run, ("tidy",), {"agents": {}}),
    "reap": Row(
        _expired, ("reap",), {"tasks": {"a": "open", "b": "open"}, "failures": {"a": 1, "b": 0}}
    ),
    "phase-land-gated": Row(
        _gated,
        ("phase", "land", "default"),
        {"phases": {"default": "landed"}, "changes": []},
        repeats=frozenset({"gate"}),
        partial=frozenset({"land-begin"}),
    ),
    "run": Row(
        _planned,
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
        repeats=frozenset({"agent-add", "claim", "fail", "release", "takeover"}),
        partial=frozenset({"agent-add", "claim", "complete", "release", "land-begin"}),
        drifts=frozenset({"agents", "attempts", "failures", "beats", "worktrees"}),
    ),
    "phase-land-batch": Row(
        _batch,
        ("phase", "land", "default"),
        {"phases": {"default": "open"}, "landed": ["a"], "changes": []},
        frozenset({"nothing-to-do"}),
        partial=frozenset({"land-begin", "land-done"}),
    ),
    "phase-land": Row(
        _whole,
        ("phase", "land", "default"),
        {"phases": {"default": "landed"}, "changes": []},
        partial=frozenset({"land-begin", "land-done"}),
    ),
}
