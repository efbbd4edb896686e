"""Doctor names each ailment, and heals what is safe."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gitcoord.features.land import landings, target_moves
from gitcoord.features.maintain import doctor
from tests.support.ailments import states
from tests.support.builders import tasks
from tests.support.world import do, found, git, record


def test_a_sound_repository_has_no_findings(repo: Path) -> None:
    work = found(repo, tasks("a"), "x")
    assert states(work) == {}
    assert {one.check for one in doctor.examine(work).findings} >= {
        "git",
        "engine",
        "repository",
        "durability",
        "ledger",
        "worktrees",
        "hooks",
        "leftovers",
        "clocks",
        "disk",
        "objects",
        "ownership",
        "attic",
        "index",
    }


def test_each_ailment_is_named_and_what_is_safe_is_healed(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = found(repo, tasks("a"), "x")
    git("config", "gc.pruneExpire", "now", cwd=repo)
    git("config", "remote.origin.fetch", "+refs/heads/*:refs/heads/*", cwd=repo)
    monkeypatch.setenv("GITCOORD_DURABILITY", "process")
    work.index.update(work.store, work.ledger.snapshot().oid)
    work.index.close()
    work.ledger.files.index.write_bytes(
        b"no database at all, and long enough to be read as one" * 40
    )
    (repo / ".git/refs/heads/gitcoord/ledger.lock").touch()
    git("branch", "task/gone/1-abcdef", cwd=repo)
    place = work.worktree_of("x")
    assert place is not None
    place.rename(place.with_name("moved"))
    dead = work.ledger.files.pending / "x" / ("0" * 32 + ".json")
    dead.parent.mkdir(parents=True)
    dead.write_text(
        json.dumps(
            {
                "process": "another-boot:1:1:1",
                "op": "claim",
                "task": "a",
                "token": "t",
                "tip": "gone",
            }
        )
    )
    assert states(work) == {
        "gc": "problem",
        "fetch": "problem",
        "durability": "problem",
        "index": "problem",
        "locks": "problem",
        "branches": "problem",
        "worktrees": "problem",
        "leftovers": "problem",
    }
    assert states(work, fix=True) == {
        "gc": "problem",
        "fetch": "problem",
        "durability": "problem",
        "index": "fixed",
        "locks": "fixed",
        "branches": "problem",
        "worktrees": "problem",
        "leftovers": "fixed",
    }
    assert not (repo / ".git/refs/heads/gitcoord/ledger.lock").exists()
    assert "task/gone/1-abcdef" in git("branch", "--list", "task/*", cwd=repo)
    assert record(work, "a")["state"] == "open"


def test_a_pending_move_is_a_finding_and_fix_finishes_it(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = found(repo, tasks("a"), "x")
    do(work, "x", "a")
    with monkeypatch.context() as patched:
        patched.setattr(
            target_moves,
            "_finish",
            lambda *_args, **_more: (_ for _ in ()).throw(KeyboardInterrupt),
        )
        with pytest.raises(KeyboardInterrupt):
            landings.land(work, "default")
    assert states(work) == {"pending": "problem"}
    assert states(work, fix=True) == {"pending": "fixed"}
    assert states(work) == {}
