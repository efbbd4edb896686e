"""A move of the target counts only with the entry that began it."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitcoord.core import codec
from gitcoord.core.errors import CorruptError
from gitcoord.core.ids import ORCHESTRATOR
from gitcoord.features.land import landings, rollback_preview, rollbacks
from gitcoord.features.land.target_moves import finish_for_agent, finish_pending
from gitcoord.features.maintain import verify
from gitcoord.features.workspace import Workspace
from tests.support.builders import tasks
from tests.support.world import do, found, git, write

PHASES = '[[phase]]\nname = "p"\n[[phase]]\nname = "q"\n'


PLAN = (
    tasks("a", "b", head=PHASES)
    .replace('id = "a"', 'id = "a"\nphase = "p"')
    .replace('id = "b"', 'id = "b"\nphase = "q"')
)


@pytest.fixture
def work(repo: Path) -> Workspace:
    """A ledger with a phase that is whole, and another one."""
    work = found(repo, PLAN, "x", "y")
    do(work, "x", "a")
    return work


def main_of(repo: Path) -> str:
    return git("rev-parse", "main", cwd=repo)


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
