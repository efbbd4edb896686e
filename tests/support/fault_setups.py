"""Make the repositories in which the fault tests' commands have something to do."""

from __future__ import annotations

import json
import time
from pathlib import Path

from gitcoord.core.ids import ORCHESTRATOR
from gitcoord.features.land import landings, rollbacks, streams
from gitcoord.features.setup import hooks, ledger, planned_tasks, plans, trust
from gitcoord.features.work import claims, escalations, locks, notes, results, reviews
from gitcoord.features.workspace import Workspace, open_workspace
from gitcoord.git.maintenance import MAX_PACKS
from gitcoord.store import disk_store
from tests.support.builders import tasks
from tests.support.world import do, found, git, write

LARGE = tuple(f"t{number}" for number in range(24))


def make_repository(top: Path) -> Path:
    """Make a repository with a commit of two files on main."""
    repo = top / "repo"
    repo.mkdir(parents=True)
    git("init", "-q", "-b", "main", "--template=", cwd=repo)
    write(repo, "README.md", "hello\n", "first")
    return repo


def plain(top: Path) -> None:
    make_repository(top)
    (top / "plan.toml").write_text(tasks("a", "b"))


def empty_ledger(top: Path) -> None:
    plain(top)
    work = open_workspace(top / "repo")
    ledger.init(work)
    work.close()


def large_plan(top: Path) -> None:
    """Make a plan whose entry has so many objects that they are one pack."""
    empty_ledger(top)
    (top / "plan.toml").write_text(tasks(*LARGE))


def many_packs(top: Path) -> None:
    """Write every entry as a pack, and more of them than upkeep leaves."""
    usual = disk_store.MIN_PACKED
    disk_store.MIN_PACKED = 1
    try:
        work = founded(top, "x", worktrees=False)
        token = claims.claim(work, "x", "a", checkout=False).claim["token"]
        for _ in range(MAX_PACKS):
            results.progress(work, "x", "a", token, "on", 50)
        work.close()
    finally:
        disk_store.MIN_PACKED = usual


def founded(top: Path, *names: str, head: str = "", worktrees: bool = True) -> Workspace:
    return found(make_repository(top), tasks("a", "b", head=head), *names, worktrees=worktrees)


def planned(top: Path) -> None:
    founded(top).close()


def one_agent(top: Path) -> None:
    founded(top, "x", worktrees=False).close()


def worktree_behind(top: Path) -> None:
    """Give an agent a worktree that is behind the target by several files."""
    work = founded(top, "x")
    repo = top / "repo"
    for name in ("README.md", "shared/one.txt", "shared/two.txt"):
        write(repo, name, f"more in {name}\n" * 50)
    work.close()


def claimed(top: Path) -> None:
    work = founded(top, "x", worktrees=False)
    claims.claim(work, "x", "a", checkout=False)
    work.close()


def of_a_run(top: Path) -> None:
    founded(top, "run-1").close()


def worked(top: Path) -> None:
    work = founded(top, "x")
    held = claims.claim(work, "x", "a")
    write(Path(held.worktree or ""), "a/file.txt")
    work.close()


def widenable(top: Path) -> None:
    work = founded(top, "x", head='[plan]\nwidening = "free"\n', worktrees=False)
    claims.claim(work, "x", "a", checkout=False)
    work.close()


def streaming(top: Path) -> None:
    founded(top, "x", head='[[phase]]\nname = "default"\nstream = true\n').close()


def batch(top: Path) -> None:
    streaming(top)
    work = open_workspace(top / "repo")
    do(work, "x", "a")
    work.close()


def closed(top: Path) -> None:
    streaming(top)
    work = open_workspace(top / "repo")
    streams.change(work, "phase-close", "default")
    work.close()


def adhoc(top: Path) -> None:
    work = open_workspace(make_repository(top))
    ledger.init(work)
    plans.apply_adhoc(work)
    work.close()


def failed(top: Path) -> None:
    work = founded(top, "x", worktrees=False)
    held = claims.claim(work, "x", "a", checkout=False)
    results.fail(work, "x", "a", held.claim["token"], "no", "permanent")
    work.close()


def expired(top: Path) -> None:
    work = founded(top, "x", head='[plan]\nlease = "200ms"\nheartbeat = "100ms"\n', worktrees=False)
    claims.claim(work, "x", "a", checkout=False)
    work.close()
    time.sleep(0.3)


def whole(top: Path) -> None:
    work = founded(top, "x", "y")
    do(work, "x", "a")
    do(work, "y", "b")
    work.close()


def gated(top: Path) -> None:
    gates = (
        'gates = [{ name = "both", run = "echo tested; test -f a/file.txt && test -f b/file.txt" '
        "}]\n"
    )
    work = founded(top, "x", "y", head='[[phase]]\nname = "default"\n' + gates)
    trust.trust(work, work.ledger.snapshot())
    do(work, "x", "a")
    do(work, "y", "b")
    work.close()


def escalated(top: Path) -> None:
    work = founded(top, "x", worktrees=False)
    claims.claim(work, "x", "a", checkout=False)
    name = escalations.escalate(work, "x", "may I?").event["id"][:8]
    rows = (
        {"op": "resolve", "escalation": name, "answer": "yes"},
        {"op": "cancel", "task": "b"},
        {"op": "note", "text": "n"},
    )
    (top / "batch.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    work.close()


def proposed(top: Path) -> None:
    work = founded(top, "x", worktrees=False)
    planned_tasks.propose(work, "x", {"id": "c", "title": "Do c", "paths": ["c/"]})
    work.close()


def marked(top: Path) -> None:
    work = founded(top, "x", worktrees=False)
    work.ledger.execute(
        {"op": "checkpoint", "agent": ORCHESTRATOR, "name": "start"}, agent=ORCHESTRATOR
    )
    claims.claim(work, "x", "a", checkout=False)
    work.close()


def done(top: Path) -> Workspace:
    work = found(make_repository(top), tasks("a"), "x")
    do(work, "x", "a")
    work.ledger.execute(
        {"op": "checkpoint", "agent": ORCHESTRATOR, "name": "whole"}, agent=ORCHESTRATOR
    )
    return work


def locked(top: Path) -> None:
    work = founded(top, "x", worktrees=False)
    locks.lock(work, "x", ["c/"])
    work.close()


def noted(top: Path) -> None:
    work = founded(top, "x", worktrees=False)
    notes.note(work, "x", "mind the gap")
    work.close()


def hooked(top: Path) -> None:
    work = founded(top, "x", worktrees=False)
    hooks.install(work)
    work.close()


def damaged(top: Path) -> None:
    """Leave an index that is none, and an operation of a dead writer."""
    work = founded(top, "x", worktrees=False)
    claims.claim(work, "x", "a", checkout=False)
    work.index.close()
    work.ledger.files.index.write_bytes(
        b"no database at all, and long enough to be read as one" * 40
    )
    dead = work.ledger.files.pending / ".refs" / f"{'0' * 32}.json"
    dead.parent.mkdir(parents=True, exist_ok=True)
    dead.write_text(json.dumps({"process": "another-boot:1:1:1", "op": "ref", "tip": None}))
    work.close()


def reviewable(top: Path) -> Workspace:
    work = founded(top, "x", "y", head='[[phase]]\nname = "default"\nreviews = 1\n')
    do(work, "x", "a")
    return work


def in_review(top: Path) -> None:
    reviewable(top).close()


def reviewed(top: Path) -> None:
    work = reviewable(top)
    reviews.claim(work, "y")
    work.close()


def landed(top: Path) -> None:
    work = done(top)
    landings.land(work, "default")
    work.close()


def paused(top: Path) -> None:
    work = founded(top)
    work.ledger.execute({"op": "pause", "task": "a", "reason": "wait"}, agent=ORCHESTRATOR)
    work.close()


def went_back(top: Path) -> None:
    work = founded(top, "x", worktrees=False)
    work.ledger.execute(
        {"op": "checkpoint", "agent": ORCHESTRATOR, "name": "start"}, agent=ORCHESTRATOR
    )
    work.ledger.execute({"op": "cancel", "task": "b", "reason": "no"}, agent=ORCHESTRATOR)
    rollbacks.rollback(work, rollbacks.choose(work, to="start"))
    work.close()


def code_went_back(top: Path) -> None:
    work = done(top)
    landings.land(work, "default")
    rollbacks.rollback(work, rollbacks.choose(work, to="whole"), code=True)
    work.close()


def pooled(top: Path) -> None:
    """Let the plan have a pool, and a folder outside be there for a worktree."""
    founded(top, head='[[pool]]\nname = "builders"\n').close()
