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
from gitcoord.features.inspect import facts
from gitcoord.features.land import landings
from gitcoord.features.setup import hooks, ledger, trust
from gitcoord.features.work import claims, escalations, locks, notes, results, reviews
from gitcoord.features.workspace import Workspace, open_workspace
from gitcoord.git.local_changes import changed_paths
from tests.support.builders import tasks
from tests.support.world import do, found, git, write

__all__ = ["ROWS", "Row", "make_repository", "ops_of", "state_of"]


class Row(NamedTuple):
    """A command, where it starts from, and what is true when it was done.

    ``after`` are facts of ``state_of``; ``again`` are the codes (or
    reasons) by which a second try may say that it was done already;
    ``repeats`` are operations that a second try may record once more, or
    that an undisturbed run does not need. ``partial`` are entries of
    a command of several, which stand when a later one could not be made.
    """

    setup: Callable[[Path], None]
    argv: tuple[str, ...]
    after: Mapping[str, Any]
    again: frozenset[str] = frozenset()
    repeats: frozenset[str] = frozenset()
    partial: frozenset[str] = frozenset()


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


def _worked(top: Path) -> None:
    work = _founded(top, "x")
    claimed = claims.claim(work, "x", "a")
    write(Path(claimed.worktree or ""), "a/file.txt")
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
    "complete": Row(_worked, (*X, "complete"), {"tasks": {"a": "done", "b": "open"}}),
    "fail": Row(_claimed, (*X, "fail", "--reason", "no"), {"failures": {"a": 1, "b": 0}}, _GONE),
    "release": Row(_claimed, (*X, "release"), {"tasks": {"a": "open", "b": "open"}}, _GONE),
    "retry": Row(
        _failed, ("retry", "a"), {"tasks": {"a": "open", "b": "open"}}, frozenset({"state"})
    ),
    "cancel": Row(
        _claimed, ("cancel", "a"), {"tasks": {"a": "cancelled", "b": "open"}}, frozenset({"state"})
    ),
    "pause": Row(
        _claimed,
        ("pause", "a"),
        {"tasks": {"a": "claimed", "b": "open"}},
        frozenset({"nothing-to-do"}),
    ),
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
    "reap": Row(
        _expired, ("reap",), {"tasks": {"a": "open", "b": "open"}, "failures": {"a": 1, "b": 0}}
    ),
    "phase-land-gated": Row(
        _gated,
        ("phase", "land", "default"),
        {"phases": {"default": "landed"}, "changes": []},
        repeats=frozenset({"gate"}),
    ),
    "phase-land": Row(
        _whole,
        ("phase", "land", "default"),
        {"phases": {"default": "landed"}, "changes": []},
        partial=frozenset({"land-begin", "land-done"}),
    ),
}


def drawn_names(repo: Path) -> dict[str, str]:
    """Return the names that were drawn when a row was set up, for its arguments."""
    work = open_workspace(repo)
    try:
        if work.ledger.tip() is None:
            return {}
        snapshot = work.ledger.snapshot()
        return {
            "note": next((one["id"] for one in snapshot.notes()), ""),
            "escalation": next((one["id"] for one in snapshot.escalations()), ""),
        }
    finally:
        work.close()


def state_of(repo: Path) -> dict[str, Any]:
    """Give everything that a command may change, without what is drawn."""
    work = open_workspace(repo)
    try:
        if work.ledger.tip() is None:
            return {"tasks": None, "changes": changed_paths(repo)}
        snapshot = work.ledger.snapshot()
        records = sorted(snapshot.tasks(), key=lambda task: task["id"])
        return {
            "tasks": {task["id"]: task["state"] for task in records},
            "attempts": {task["id"]: task["attempt"] for task in records},
            "failures": {task["id"]: task["failures"] for task in records},
            "assigned": {task["id"]: task["assigned"] for task in records},
            "reviewers": {
                task["id"]: [[one["agent"], one["verdict"]] for one in task["reviews"]]
                for task in records
            },
            "percent": {task["id"]: _percent_of(task) for task in records},
            "agents": {agent["id"]: _place_of(work, agent["id"]) for agent in snapshot.agents()},
            "worktrees": sorted(path.name for path in (repo.parent / "repo.worktrees").glob("*")),
            "phases": {phase["id"]: phase["state"] for phase in snapshot.phases()},
            "pending": snapshot.settings()["pending"],
            # By what they say: who tries again after a success says the same once more.
            "notes": len({note["text"] for note in snapshot.notes()}),
            "escalations": sorted({one["state"] for one in snapshot.escalations()}),
            "held": [one["paths"] for one in snapshot.locks()],
            "hooks": [(row.event, row.runs) for row in hooks.status(work)],
            "beats": len(work.store.list_refs("refs/gitcoord/ledger/beats/")),
            "files": sorted(git("ls-tree", "-r", "--name-only", "main", cwd=repo).split()),
            "changes": changed_paths(repo),
            "locks": sorted(
                str(path.relative_to(repo))
                for path in (repo / ".git").rglob("*.lock")
                if path.name != "worktrees.lock" and not path.name.startswith("gitcoord-trial-")
            ),
        }
    finally:
        work.close()


def _percent_of(task: Any) -> int | None:
    progress = task["claim"]["progress"] if task["claim"] else None
    return None if progress is None else int(progress["percent"])


def _place_of(work: Workspace, agent: str) -> str | None:
    """Say what an agent's worktree has checked out, and what is changed there."""
    place = work.worktree_of(agent)
    if place is None:
        return None
    head = git("rev-parse", "--abbrev-ref", "HEAD", cwd=place).replace("HEAD", "detached")
    left = "".join(f" {path}" for path in changed_paths(place))
    return "-".join(head.removeprefix("task/").split("-")[:1]) + left


def ops_of(repo: Path) -> dict[str, tuple[int, set[str]]]:
    """Count the entries of each operation, and give their oids."""
    work = open_workspace(repo)
    try:
        tip = work.ledger.tip()
        counts: dict[str, tuple[int, set[str]]] = {}
        for entry in facts.history(work, tip, limit=1000) if tip else ():
            number, oids = counts.get(entry["op"], (0, set()))
            counts[entry["op"]] = (number + 1, {*oids, entry["entry"]})
        return counts
    finally:
        work.close()
