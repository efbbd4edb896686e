"""A pending move is finished by whoever comes next, and only if it was begun."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gitcoord.features.land import landings, target_moves
from gitcoord.features.land.target_moves import finish_for_agent, finish_pending
from gitcoord.features.maintain import verify
from gitcoord.features.work import claims
from gitcoord.features.workspace import Workspace, open_workspace
from gitcoord.store.file_refs import FileRefs
from tests.support.builders import tasks
from tests.support.formats import needs_ref_files
from tests.support.world import do, found, git

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
