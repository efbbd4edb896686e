"""The repository stays small by itself, and nothing is dropped silently."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from gitcoord.core.errors import GitcoordError
from gitcoord.features.land import landings, rollbacks, target_moves
from gitcoord.features.maintain import doctor, upkeep, verify
from gitcoord.features.work import claims, results
from gitcoord.features.workspace import Workspace, open_workspace
from gitcoord.git.maintenance import MARK, MOST_PACKS
from gitcoord.host.clock import Clock
from tests.support.builders import tasks
from tests.support.world import do, environment, found, git, record


class Later(Clock):
    """A wall clock that is a year ahead."""

    def seconds(self) -> int:
        return super().seconds() + 365 * 86400


def churn(work: Workspace, count: int, agent: str = "x") -> None:
    for _ in range(count):
        claimed = claims.claim(work, agent, checkout=False)
        token = claimed.claim["token"]
        work.ledger.beat(agent, token)
        work.ledger.beat(agent, token)
        results.release(work, agent, claimed.task["id"], token)


def loose(repo: Path) -> int:
    return sum(len(list(folder.iterdir())) for folder in (repo / ".git/objects").glob("??"))


def test_what_the_ledger_reaches_is_packed_and_still_verifies(repo: Path) -> None:
    work = found(repo, tasks("a"), "x", worktrees=False)
    user = {path.name for path in (repo / ".git/objects").glob("??/*")}
    churn(work, 10)
    assert loose(repo) > 100
    done = upkeep.upkeep(work)
    assert done["packed"] > 100
    # One beat, and what is the user's own, stay loose.
    left = {path.name for path in (repo / ".git/objects").glob("??/*")}
    assert len(left - user) <= 2
    churn(work, 2)
    verify.verify(work)
    assert verify.verify(open_workspace(repo)).entries == 27
    git("fsck", "--strict", cwd=repo)


def test_beats_leave_one_object_each(repo: Path) -> None:
    work = found(repo, tasks("a"), "x", worktrees=False)
    token = claims.claim(work, "x", checkout=False).claim["token"]
    work.ledger.beat("x", token)
    before = loose(repo)
    for _ in range(20):
        work.ledger.beat("x", token)
    assert loose(repo) == before


def test_packs_are_merged_and_those_of_others_left_alone(repo: Path) -> None:
    work = found(repo, tasks("a"), "x", worktrees=False)
    git("repack", "-q", cwd=repo)
    packs = repo / ".git/objects/pack"
    theirs = {path.name for path in packs.glob("*.pack")}
    for _ in range(MOST_PACKS * 2):
        churn(work, 1)
        upkeep.upkeep(work)
    assert theirs <= {path.name for path in packs.glob("*.pack")}
    assert len(list(packs.glob(f"{MARK}*.pack"))) <= MOST_PACKS + 1
    verify.verify(open_workspace(repo))
    git("fsck", "--strict", cwd=repo)


def test_landed_results_go_with_their_refs_and_a_rollback_brings_them_back(repo: Path) -> None:
    work = found(repo, tasks("a", "b"), "x")
    do(work, "x", "a")
    do(work, "x", "b")
    whole = work.ledger.snapshot().oid
    assert upkeep.upkeep(work)["results"] == []
    landings.land(work, "default")
    done = upkeep.upkeep(work)
    assert len(done["results"]) == 2
    assert len(done["candidates"]) == 1
    assert work.store.list_refs("refs/gitcoord/ledger/results/") == {}
    logged = (work.ledger.files.root / "upkeep/ledger.log").read_text()
    assert logged.count("dropped refs/gitcoord/ledger/results/") == 2
    rollbacks.rollback(work, rollbacks.choose(work, to=whole), code=True)
    assert len(work.store.list_refs("refs/gitcoord/ledger/results/")) == 2
    git("gc", "-q", "--prune=now", cwd=repo)
    landings.land(work, "default")
    verify.verify(open_workspace(repo))


def test_the_attic_expires_as_configured_and_says_so(repo: Path) -> None:
    work = found(repo, tasks("a"), "x", worktrees=False)
    chosen = work.ledger.snapshot().oid
    claims.claim(work, "x", checkout=False)
    abandoned = work.ledger.snapshot().oid
    rollbacks.rollback(work, rollbacks.choose(work, to=chosen))
    verify.verify_ledger(work)
    assert upkeep.upkeep(work)["attic"] == []
    later = open_workspace(repo, clock=Later())
    git("config", "gitcoord.ledger.atticKeep", "never", cwd=repo)
    assert upkeep.upkeep(later)["attic"] == []
    git("config", "gitcoord.ledger.atticKeep", "400d", cwd=repo)
    assert upkeep.upkeep(later)["attic"] == []
    git("config", "gitcoord.ledger.atticKeep", "30d", cwd=repo)
    assert [line.split()[1] for line in upkeep.upkeep(later)["attic"]] == [abandoned]
    assert abandoned in (work.ledger.files.root / "upkeep/ledger.log").read_text()
    git("reflog", "expire", "--expire=now", "--all", cwd=repo)
    git("gc", "-q", "--prune=now", cwd=repo)
    assert verify.verify_ledger(open_workspace(repo)).entries == 4


def test_upkeep_beside_writers_loses_nothing(repo: Path) -> None:
    work = found(repo, tasks("a", "b", "c"), "x", "y", "z", worktrees=False)
    errors: list[BaseException] = []

    def write(agent: str) -> None:
        own = open_workspace(repo)
        try:
            churn(own, 12, agent)
        except GitcoordError as error:
            errors.append(error)
        finally:
            own.close()

    threads = [threading.Thread(target=write, args=(name,)) for name in "xyz"]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        upkeep.upkeep(work)
    assert not errors
    assert verify.verify(open_workspace(repo)).entries == 5 + 3 * 24
    git("fsck", "--strict", cwd=repo)


def test_it_starts_by_itself_when_much_lies_loose(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = found(repo, tasks("a"), "x", worktrees=False)
    assert not upkeep.maybe(work, sample=1.0)
    churn(work, 3)
    monkeypatch.setattr(upkeep, "LOOSE_LIMIT", 0)
    assert upkeep.maybe(work, sample=1.0)
    while not list((repo / ".git/objects/pack").glob(f"{MARK}*.idx")):
        work.clock.sleep(0.05)
    monkeypatch.setenv("GITCOORD_UPKEEP", "off")
    assert not upkeep.maybe(work, sample=1.0)


def states(work: Workspace, *, fix: bool = False) -> dict[str, str]:
    return {
        one.check: one.state for one in doctor.examine(work, fix=fix).findings if one.state != "ok"
    }


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


def test_the_hooks_that_git_really_runs_are_named(repo: Path, tmp_path: Path) -> None:
    work = found(repo, tasks("a"), "x")
    folder = tmp_path / "own-hooks"
    folder.mkdir()
    (folder / "pre-commit").write_text("#!/bin/sh\n")
    git("config", "core.hooksPath", str(folder), cwd=repo)
    told = [one for one in doctor.examine(work).findings if one.check == "hooks"]
    assert [one.state for one in told] == ["problem", "ok"]
    assert f"git looks in {folder} and runs nothing for pre-commit, commit-msg" in told[1].text
    (folder / "pre-commit").chmod(0o755)
    assert states(work) == {}
    assert "runs your hook for pre-commit; nothing for commit-msg" in next(
        one.text for one in doctor.examine(work).findings if one.check == "hooks"
    )


def test_a_lock_of_a_living_git_is_never_removed(repo: Path) -> None:
    import os

    work = found(repo, tasks("a"), "x")
    place = work.worktree_of("x")
    assert place is not None
    lock = Path(git("rev-parse", "--absolute-git-dir", cwd=place)) / "index.lock"
    lock.touch()
    os.utime(lock, (0, 0))
    child = subprocess.Popen(
        ["git", "cat-file", "--batch"], cwd=place, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
    )
    try:
        assert states(work, fix=True) == {"locks": "problem"}
        assert lock.exists()
    finally:
        assert child.stdin is not None
        child.stdin.close()
        child.wait()
    assert states(work) == {"locks": "problem"}
    assert lock.exists()
    assert states(work, fix=True) == {"locks": "fixed"}
    assert not lock.exists()


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


def test_the_commands_speak(repo: Path) -> None:
    found(repo, tasks("a"), "x", worktrees=False)

    def run(*args: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "gitcoord", *args],
            cwd=repo,
            env=environment(),
            capture_output=True,
            text=True,
            check=False,
        )

    well = run("doctor")
    assert well.returncode == 0
    assert well.stdout.endswith("nothing is wrong\n")
    git("config", "gc.pruneExpire", "now", cwd=repo)
    ill = run("doctor", "--json")
    assert ill.returncode == 18
    answer = json.loads(ill.stdout)
    assert answer["ok"] is True
    assert [one["check"] for one in answer["findings"] if one["state"] == "problem"] == ["gc"]
    kept = json.loads(run("upkeep", "--json").stdout)
    assert kept["packed"] > 10
    assert not kept["busy"]
