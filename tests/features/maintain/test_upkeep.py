"""The repository stays small by itself, and nothing is dropped silently."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from gitcoord.core.errors import GitcoordError
from gitcoord.features.land import landings, rollbacks
from gitcoord.features.maintain import upkeep, verify
from gitcoord.features.work import claims
from gitcoord.features.workspace import open_workspace
from gitcoord.git.maintenance import MANY_SMALL
from gitcoord.git.pack_folder import KEEP, MARK, own_packs
from gitcoord.host.clock import Clock
from gitcoord.store import disk_store
from tests.support.builders import tasks
from tests.support.growth import churn, loose
from tests.support.irregular import IRREGULAR, REPLACEABLE, is_theirs_whole
from tests.support.machines import ask_anew, joined, made, server
from tests.support.world import do, found, git


class Later(Clock):
    """A wall clock that is a year ahead."""

    def seconds(self) -> int:
        return super().seconds() + 365 * 86400


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


@pytest.mark.parametrize("kind", REPLACEABLE)
def test_what_lies_in_the_place_of_its_log_is_replaced_and_not_followed(
    kind: str, repo: Path
) -> None:
    work = found(repo, tasks("a"), "x")
    do(work, "x", "a")
    landings.land(work, "default")
    log = work.ledger.files.root / "upkeep/ledger.log"
    log.parent.mkdir()
    IRREGULAR[kind](log)
    assert len(upkeep.upkeep(work)["results"]) == 1
    assert log.read_text().count("dropped refs/gitcoord/ledger/results/") == 1
    assert log.stat().st_mode & 0o777 == 0o600
    assert is_theirs_whole(log)


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


def test_what_was_moved_aside_goes_when_the_attic_forgets_and_that_is_logged(repo: Path) -> None:
    work = found(repo, tasks("a"), worktrees=False)
    for name in (".old.new", "file"):
        aside = work.kept_folder / "a" / "1-abcdef" / name
        aside.parent.mkdir(parents=True, exist_ok=True)
        aside.write_text("the only copy\n")
        os.utime(aside, (0, 0))
    assert upkeep.upkeep(work)["kept"] == []
    assert len(list(aside.parent.iterdir())) == 2
    assert upkeep.upkeep(open_workspace(repo, clock=Later()))["kept"] == [str(aside.parent)]
    assert not aside.parent.exists()
    assert str(aside.parent) in (work.ledger.files.root / "upkeep/ledger.log").read_text()


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


def test_landed_results_go_on_the_server_too_and_a_rollback_brings_them_back_there(
    repo: Path, tmp_path: Path
) -> None:
    def results_of(place: Path) -> int:
        return len(git("for-each-ref", "refs/gitcoord/ledger/results", cwd=place).splitlines())

    bare = server(tmp_path)
    work = made(repo, str(bare), tasks("a", "b"), "x")
    do(work, "x", "a")
    do(work, "x", "b")
    whole = work.ledger.snapshot().oid
    second = joined(str(bare), tmp_path / "second" / "repo")
    landings.land(work, "default")
    assert results_of(bare) == 2
    ask_anew(second)
    assert len(upkeep.upkeep(second)["results"]) == 2
    assert results_of(bare) == 0
    git("gc", "-q", "--prune=now", cwd=bare)
    ask_anew(work)
    assert len(upkeep.upkeep(work)["results"]) == 2, "its own refs go, too"
    assert results_of(repo) == 0
    rollbacks.rollback(work, rollbacks.choose(work, to=whole), code=True)
    assert results_of(bare) == 2
    ask_anew(second)
    landings.land(second, "default")
    verify.verify(second)


def test_an_upkeep_without_its_server_drops_nothing_and_goes_on(repo: Path, tmp_path: Path) -> None:
    bare = server(tmp_path)
    work = made(repo, str(bare), tasks("a"), "x")
    do(work, "x", "a")
    landings.land(work, "default")
    hook = bare / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\necho nothing goes; exit 1\n")
    hook.chmod(0o755)
    assert upkeep.upkeep(work)["results"] == []
    hook.unlink()
    assert len(upkeep.upkeep(work)["results"]) == 1


def test_it_starts_by_itself_when_many_packs_are_small_and_merges_them_alone(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = found(repo, tasks("a"), "x", worktrees=False)
    monkeypatch.setattr(disk_store, "MIN_PACKED", 1)
    before = loose(repo)
    assert not upkeep.maybe(work, sample=1.0)
    churn(work, MANY_SMALL // 2)
    packs = repo / ".git/objects/pack"
    assert len(own_packs(packs)) >= MANY_SMALL
    assert loose(repo) == before
    assert upkeep.maybe(work, sample=1.0)
    while len(own_packs(packs)) >= MANY_SMALL:
        work.clock.sleep(0.05)
    assert loose(repo) == before, "what is loose is packed when there is much of it"
    assert not upkeep.maybe(work, sample=1.0)
    verify.verify(open_workspace(repo))
    git("fsck", "--strict", cwd=repo)


def test_upkeep_gives_back_what_a_killed_writer_kept(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = found(repo, tasks("a"), "x", worktrees=False)
    monkeypatch.setattr(disk_store, "MIN_PACKED", 1)
    churn(work, 1)
    ((_, name), *_) = own_packs(repo / ".git/objects/pack")
    keep = repo / ".git/objects/pack" / f"{name}{KEEP}"
    keep.write_text('{"process": "dead"}')
    upkeep.upkeep(work)
    assert not keep.exists()
    verify.verify(open_workspace(repo))
