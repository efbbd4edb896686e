"""Two engines: which one is chosen, and that nobody can tell them apart."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitcoord.core.errors import CorruptError, UnavailableError, UsageError
from gitcoord.features.inspect import facts
from gitcoord.features.land import landings, rollbacks
from gitcoord.features.maintain import upkeep, verify
from gitcoord.features.work import claims, results
from gitcoord.features.workspace import Workspace, open_workspace
from gitcoord.store.libgit import LibgitStore
from gitcoord.store.plumbing import PlumbingStore
from tests.support.builders import tasks
from tests.support.formats import needs_libgit2
from tests.support.world import do, found, git, write


@needs_libgit2
@pytest.mark.parametrize(
    ("asked", "one_shot", "kind"),
    [
        ("", False, LibgitStore),
        ("", True, PlumbingStore),
        ("plumbing", False, PlumbingStore),
        ("libgit2", True, LibgitStore),
    ],
)
def test_libgit2_serves_what_lives_long_unless_told_otherwise(
    repo: Path, monkeypatch: pytest.MonkeyPatch, asked: str, one_shot: bool, kind: type
) -> None:
    monkeypatch.setenv("GITCOORD_ENGINE", asked)
    work = open_workspace(repo, is_one_shot=one_shot)
    assert type(work.store) is kind
    work.close()


def test_an_engine_that_does_not_exist_is_named_with_those_that_do(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITCOORD_ENGINE", "jgit")
    with pytest.raises(UsageError) as caught:
        open_workspace(repo)
    assert "'jgit'" in caught.value.message
    assert "libgit2 or plumbing" in caught.value.hint


@pytest.fixture(params=["sha256", "partial", "bare-sha256"])
def odd(request: pytest.FixtureRequest, repo: Path, tmp_path: Path) -> Path:
    """A repository that libgit2 cannot open."""
    top = tmp_path / "odd"
    if request.param == "partial":
        git("config", "uploadpack.allowFilter", "true", cwd=repo)
        git("clone", "-q", "--filter=blob:none", f"file://{repo}", str(top), cwd=tmp_path)
        return top
    git("init", "-q", "-b", "main", "--object-format=sha256", str(top), cwd=tmp_path)
    git("commit", "-q", "--allow-empty", "-m", "first", cwd=top)
    if request.param == "bare-sha256":
        git("clone", "-q", "--bare", str(top), str(tmp_path / "odd.git"), cwd=tmp_path)
        return tmp_path / "odd.git"
    return top


def test_what_libgit2_cannot_open_is_served_from_plan_to_landing_and_back(
    odd: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = found(odd, tasks("a", "b"), "x")
    assert isinstance(work.store, PlumbingStore)
    do(work, "x", "a")
    upkeep.upkeep(work)
    held = claims.claim(work, "x", "b")
    token = held.claim["token"]
    results.progress(work, "x", "b", token, "half of it", 50)
    work.ledger.beat("x", token)
    write(Path(held.worktree or ""), "b/file.txt")
    results.complete(work, "x", "b", token)
    landed = landings.land(work, "default")
    assert git("rev-parse", "main", cwd=odd) == landed.new
    rollbacks.rollback(work, rollbacks.choose(work, steps=2))
    rollbacks.undo(work)
    assert facts.status(work)["counts"] == {"landed": 2}
    verify.verify(work)
    work.close()
    git("fsck", "--no-dangling", cwd=odd)
    monkeypatch.setenv("GITCOORD_ENGINE", "libgit2")
    with pytest.raises(UnavailableError, match="libgit2 cannot open"):
        open_workspace(odd)


def test_a_partial_clone_fetches_nothing_of_the_ledger_behind_our_back(
    repo: Path, tmp_path: Path
) -> None:
    work = found(repo, tasks("a"), "x", worktrees=False)
    work.close()
    git("config", "uploadpack.allowFilter", "true", cwd=repo)
    git(
        "clone",
        "-q",
        "--no-checkout",
        "--filter=blob:none",
        f"file://{repo}",
        "partial",
        cwd=tmp_path,
    )
    git(
        "fetch",
        "-q",
        "origin",
        "refs/heads/gitcoord/ledger:refs/heads/gitcoord/ledger",
        cwd=tmp_path / "partial",
    )
    lazy = open_workspace(tmp_path / "partial")
    packs = sorted((tmp_path / "partial" / ".git" / "objects" / "pack").iterdir())
    with pytest.raises(CorruptError, match="missing") as caught:
        lazy.ledger.snapshot()
    assert "partial clone" in caught.value.message
    assert sorted((tmp_path / "partial" / ".git" / "objects" / "pack").iterdir()) == packs
    git(
        "-c",
        "remote.origin.partialCloneFilter=",
        "fetch",
        "-q",
        "--refetch",
        "--no-filter",
        "origin",
        "refs/heads/gitcoord/ledger",
        cwd=tmp_path / "partial",
    )
    assert lazy.ledger.snapshot().require_task("a")["state"] == "open"
    lazy.close()


def test_another_users_repository_is_refused_as_git_does(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import os

    us = os.geteuid()
    if us == 0:
        os.chown(repo / ".git", 12345, -1)
    else:
        monkeypatch.setattr("os.geteuid", lambda: us + 1)
        monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    monkeypatch.setenv("GITCOORD_ENGINE", "plumbing")
    with pytest.raises(UnavailableError, match="another user"):
        open_workspace(repo)
    git("config", "--global", "--add", "safe.directory", str(repo), cwd=repo.parent)
    open_workspace(repo).close()


def both(repo: Path, monkeypatch: pytest.MonkeyPatch) -> list[Workspace]:
    opened = []
    for engine in ("libgit2", "plumbing"):
        monkeypatch.setenv("GITCOORD_ENGINE", engine)
        opened.append(open_workspace(repo))
    return opened


@needs_libgit2
@pytest.mark.parametrize("name", ["Tester", "  Zoë «Ü».\n", "日本", "A. B.", '"quoted"'])
def test_both_engines_give_the_same_entry_the_same_oid(
    repo: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    git("config", "user.name", name, cwd=repo)
    git("config", "user.email", "tester@example.invalid", cwd=repo)
    oids = set()
    for work in both(repo, monkeypatch):
        tree = work.store.write_tree(None, {"a/ü.json": b"{}", "a.b": b"1", "a/z": b"2"})
        one = work.store.write_entry(
            tree, (), "subject\n\nKey: välue\n", ("x", "x@ledger"), 1_700_000_000
        )
        oids.add(
            work.store.write_entry(tree, (one,), "no line feed", ("x", "x@ledger"), 1_700_000_001)
        )
        work.close()
    assert len(oids) == 1
    git("fsck", "--strict", "--no-dangling", cwd=repo)


@needs_libgit2
def test_engines_take_turns_on_one_ledger(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found(repo, tasks("a", "b", "c", "d"), "x", "y", worktrees=False).close()
    one, two = both(repo, monkeypatch)
    for turn, task in enumerate("abcd"):
        first, second = (one, two) if turn % 2 else (two, one)
        held = claims.claim(first, "x", task, checkout=False)
        results.progress(second, "x", task, held.claim["token"], "on")
        second.ledger.beat("x", held.claim["token"])
        git("pack-refs", "--all", cwd=repo)
        first.ledger.beat("x", held.claim["token"])
        results.release(first, "x", task, held.claim["token"])
    verify.verify(one)
    verify.verify(two)
    one.close()
    two.close()
    assert one.ledger.tip() == two.ledger.tip() == git("rev-parse", "gitcoord/ledger", cwd=repo)
