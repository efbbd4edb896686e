"""A pending move is finished by whoever comes next, and only if it was begun."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gitcoord.core import codec
from gitcoord.core.errors import CorruptError
from gitcoord.core.ids import ORCHESTRATOR
from gitcoord.features.land import landings, rollback_preview, rollbacks, target_moves
from gitcoord.features.land.target_moves import finish_for_agent, finish_pending
from gitcoord.features.maintain import verify
from gitcoord.features.work import claims
from gitcoord.features.workspace import Workspace, open_workspace
from gitcoord.store.file_refs import FileRefs
from tests.support.builders import tasks
from tests.support.formats import needs_ref_files
from tests.support.world import do, found, git, write

PHASES = '[[phase]]\nname = "p"\n[[phase]]\nname = "q"\n'
PLAN = (
    tasks("a", "b", head=PHASES)
    .replace('id = "a"', 'id = "a"\nphase = "p"')
    .replace('id = "b"', 'id = "b"\nphase = "q"')
)


def killed(act: Callable[[], Any]) -> None:
    """Do something in a fork of this process that is killed over it."""
    child = os.fork()
    if child == 0:
        try:
            act()
        finally:
            os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


def die(*_args: object, **_more: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.fixture
def work(repo: Path) -> Workspace:
    """A ledger with a phase that is whole, and another one."""
    work = found(repo, PLAN, "x", "y")
    do(work, "x", "a")
    return work


def begin(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a lander be killed between its entry and the move."""
    with monkeypatch.context() as patched:
        patched.setattr(target_moves, "_move", die)
        killed(lambda: landings.land(open_workspace(repo), "p"))


def main_of(repo: Path) -> str:
    return git("rev-parse", "main", cwd=repo)


@needs_ref_files
def test_the_lock_of_a_lander_that_was_killed_over_its_entry_is_cleared_by_an_agent(
    work: Workspace, repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock, old = repo / ".git" / "refs" / "heads" / "main.lock", main_of(repo)
    sync = FileRefs._sync

    def dies_over_the_entry(self: FileRefs, ref: str, **more: Any) -> None:
        if ref.endswith("gitcoord/ledger") and lock.exists():
            die()
        sync(self, ref, **more)

    with monkeypatch.context() as patched:
        patched.setattr(FileRefs, "_sync", dies_over_the_entry)
        killed(lambda: landings.land(open_workspace(repo), "p"))
    assert lock.exists()
    assert finish_for_agent(work) == ""
    assert not lock.exists()
    assert main_of(repo) != old
    assert work.ledger.snapshot().settings()["pending"] is None
    verify.verify(work)


@needs_ref_files
@pytest.mark.parametrize("name", ["HEAD.lock", "refs/heads/main.lock"])
def test_a_foreign_lock_is_named_to_agents_who_go_on_without_the_landing(
    work: Workspace, repo: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    begin(repo, monkeypatch)
    lock, old = repo / ".git" / name, main_of(repo)
    lock.touch()
    told = finish_for_agent(work)
    assert str(lock) in told
    assert "gitcoord doctor --fix" in told
    assert lock.exists()
    assert main_of(repo) == old
    assert claims.claim(work, "y", "b", checkout=False).task["id"] == "b"
    lock.unlink()
    assert finish_for_agent(work) == ""
    assert main_of(repo) != old


def forge(work: Workspace, **changed: object) -> str:
    """Write an entry that only changes the ledger's settings, as plain git can."""
    tip = work.ledger.snapshot()
    entry = work.store.read_entry(tip.oid)
    settings = codec.dump({**tip.settings(), **changed})
    tree = work.store.write_tree(entry.tree, {"settings.json": settings})
    oid = work.store.write_entry(tree, (tip.oid,), entry.message, ("x", "x@x"), entry.time)
    work.store.swap(work.ledger.ref, tip.oid, oid)
    return oid


def evil_commit(repo: Path) -> str:
    """Make a commit on the target's tip that no task handed in."""
    git("switch", "-q", "--detach", "main", cwd=repo)
    oid = write(repo, "secret.txt", "evil\n")
    git("switch", "-q", "main", cwd=repo)
    return oid


def pending_move(work: Workspace, repo: Path, kind: str, new: str) -> dict[str, object]:
    phase = "p" if kind == "landing" else None
    old = main_of(repo)
    return {"kind": kind, "phase": phase, "target": "refs/heads/main", "old": old, "new": new}


@pytest.mark.parametrize("kind", ["landing", "rollback"])
def test_a_move_that_only_stands_in_the_settings_is_not_followed(
    work: Workspace, repo: Path, kind: str
) -> None:
    before, evil, old = work.ledger.snapshot().oid, evil_commit(repo), main_of(repo)
    forged = forge(work, pending=pending_move(work, repo, kind, evil))
    with pytest.raises(CorruptError) as caught:
        finish_pending(work)
    assert caught.value.facts["entry"] == forged
    assert "is illegal" in finish_for_agent(work)
    assert main_of(repo) == old
    with pytest.raises(CorruptError):
        verify.verify(work)
    # The way out: the orchestrator goes back before it.
    rollbacks.rollback(work, rollbacks.choose(work, to=before))
    assert finish_for_agent(work) == ""
    assert main_of(repo) == old
    verify.verify(work)


def test_a_landing_of_what_its_results_do_not_merge_to_is_aborted(
    work: Workspace, repo: Path
) -> None:
    evil, old = evil_commit(repo), main_of(repo)
    result = work.ledger.snapshot().require_task("a")["result"]
    assert result is not None
    listing = codec.dump([["a", result["oid"]]])
    work.ledger.hints.keep(f"refs/gitcoord/ledger/landing/p/{evil}", evil)
    command = {
        "op": "land-begin",
        "phase": "p",
        "target": "refs/heads/main",
        "old": old,
        "new": evil,
        "results": work.store.write_blob(listing),
        "count": 1,
        "tree": None,
        "without": [],
    }
    work.ledger.execute(command, agent=ORCHESTRATOR, inputs=[listing])
    finish_pending(work)
    assert main_of(repo) == old
    assert [one["code"] for one in work.ledger.snapshot().escalations()] == ["landing-aborted"]
    assert landings.land(work, "p").new == main_of(repo)
    verify.verify(work)


def test_a_rollback_to_what_its_entries_do_not_give_is_aborted(
    work: Workspace, repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = work.ledger.snapshot().oid
    landings.land(work, "p")
    landed, evil = main_of(repo), evil_commit(repo)
    with monkeypatch.context() as patched:
        patched.setattr(rollbacks, "finish_pending", lambda *_args, **_more: None)
        move = rollback_preview.CodeMove("refs/heads/main", landed, evil, (), is_reset=False)
        rollbacks._publish(work, before, move, "back")
    finish_pending(work)
    assert main_of(repo) == landed
    assert [one["code"] for one in work.ledger.snapshot().escalations()] == ["rollback-aborted"]


def test_a_note_of_a_mover_clears_no_lock_but_those_of_its_move(
    work: Workspace, repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(repo, monkeypatch)
    pending = work.ledger.snapshot().settings()["pending"]
    assert pending is not None
    theirs = tmp_path / "theirs.txt"
    theirs.write_text("theirs")
    note = repo / ".git" / "gitcoord" / "follow" / "ledger" / "p.json"
    note.parent.mkdir(parents=True, exist_ok=True)
    move = {key: pending[key] for key in ("target", "old", "new")}
    note.write_text(json.dumps({**move, "locks": [str(theirs)]}))
    finish_pending(work)
    assert theirs.read_text() == "theirs"
    assert work.ledger.snapshot().settings()["pending"] is None


@pytest.mark.parametrize("target", ["../../elsewhere", "refs/heads/other", 5, None])
def test_a_note_about_another_ref_than_the_target_is_dropped(
    work: Workspace, repo: Path, target: object
) -> None:
    note = repo / ".git" / "gitcoord" / "follow" / "ledger" / "p.json"
    note.parent.mkdir(parents=True, exist_ok=True)
    tip = main_of(repo)
    note.write_text(json.dumps({"target": target, "old": tip, "new": tip, "locks": ["/"]}))
    assert target_moves.lagging(work, bring_along=True) == []
    assert not note.exists()
