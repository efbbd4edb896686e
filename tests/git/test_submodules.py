"""Worktrees get the submodules that the main repository has, and no server is asked."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from gitcoord.core.errors import RefusedError, UnavailableError
from gitcoord.features.setup import agents
from gitcoord.features.work import claims, results
from gitcoord.git import worktrees
from gitcoord.git.program import Git
from gitcoord.git.scratch import throw_away
from gitcoord.git.submodules import KEPT
from tests.support.builders import tasks
from tests.support.world import found, git, write

LOCAL = ("-c", "protocol.file.allow=always")


def made(folder: Path, text: str) -> Path:
    folder.mkdir()
    git("init", "-q", "-b", "main", cwd=folder)
    write(folder, "f", text)
    return folder


@pytest.fixture
def servers(tmp_path: Path) -> Path:
    """Two repositories, one with the other inside; they are moved away where nobody finds them."""
    folder = tmp_path / "servers"
    folder.mkdir()
    inner, lib = made(folder / "inner", "inner\n"), made(folder / "lib", "lib\n")
    git(*LOCAL, "submodule", "-q", "add", str(inner), "deep/inner", cwd=lib)
    git("commit", "-q", "-m", "With inner", cwd=lib)
    return folder


@pytest.fixture
def main(repo: Path, servers: Path) -> Path:
    git(*LOCAL, "submodule", "-q", "add", str(servers / "lib"), "vendor/lib", cwd=repo)
    git("commit", "-q", "-m", "With lib", cwd=repo)
    git(*LOCAL, "submodule", "-q", "update", "--init", "--recursive", cwd=repo)
    return repo


def gone(servers: Path) -> None:
    servers.rename(servers.with_name("gone"))


def bumped(main: Path) -> None:
    """Commit a newer commit of the submodule, made in the main worktree."""
    lib = main / "vendor" / "lib"
    write(lib, "f", "newer\n")
    write(main, "b/done.txt", "with a newer lib\n")


def test_a_worktree_has_them_without_a_server_and_nobody_elses_configuration_changes(
    main: Path, servers: Path
) -> None:
    gone(servers)
    before = (main / ".git" / "config").read_bytes()
    place = main.parent / "linked"
    worktrees.add(Git(main), place, commit=git("rev-parse", "HEAD", cwd=main))
    assert (place / "vendor/lib/f").read_text() == "lib\n"
    assert (place / "vendor/lib/deep/inner/f").read_text() == "inner\n"
    assert (main / ".git" / "config").read_bytes() == before
    assert git("status", "--porcelain", cwd=place) == ""
    states = git("submodule", "status", "--recursive", cwd=place)
    assert [line[0] for line in states.splitlines()] != ["-", "-"]
    url = git("config", "remote.origin.url", cwd=place / "vendor/lib")
    assert url == str(servers / "lib")


def test_what_the_main_repository_never_got_stays_empty(main: Path) -> None:
    git("submodule", "-q", "deinit", "-f", "vendor/lib", cwd=main)
    shutil.rmtree(main / ".git" / "modules")
    place = main.parent / "linked"
    worktrees.add(Git(main), place, commit=git("rev-parse", "HEAD", cwd=main))
    assert list((place / "vendor/lib").iterdir()) == []


def test_a_commit_that_the_copy_lacks_is_named_with_what_to_do(main: Path, servers: Path) -> None:
    other = write(servers / "lib", "f", "later\n")
    git("update-index", "--cacheinfo", f"160000,{other},vendor/lib", cwd=main)
    git("commit", "-q", "-m", "Later", cwd=main)
    with pytest.raises(UnavailableError, match="vendor/lib: the main repository's copy lacks"):
        worktrees.add(Git(main), main.parent / "x", commit=git("rev-parse", "HEAD", cwd=main))


def test_a_claim_follows_the_target_and_a_gate_sees_the_same(main: Path, servers: Path) -> None:
    work = found(main, tasks("a", "b"), "ada")
    place = work.worktree_of("ada")
    assert place is not None
    first = claims.claim(work, "ada", "a")
    write(place, "a/file.txt")
    results.complete(work, "ada", "a", first.claim["token"])
    gone(servers)
    bumped(main)
    again = claims.claim(work, "ada", "b")
    assert (again.checkout, again.problem) == ("done", "")
    assert (place / "vendor/lib/f").read_text() == "newer\n"
    assert git("status", "--porcelain", cwd=place) == ""
    with throw_away(work.git, git("rev-parse", "HEAD", cwd=main)) as thrown:
        assert (thrown.place / "vendor/lib/f").read_text() == "newer\n"
        assert (thrown.place / "vendor/lib/deep/inner/f").read_text() == "inner\n"


def test_what_was_committed_in_one_is_kept_and_refuses_the_removal(main: Path) -> None:
    work = found(main, tasks("a", "b"), "ada")
    place = work.worktree_of("ada")
    assert place is not None
    agents.remove(work, "ada")
    assert not place.exists()
    agents.add(work, "ada")
    lib = place / "vendor" / "lib"
    git("checkout", "-q", "--detach", cwd=lib)
    mine = write(lib, "f", "mine\n")
    claims.claim(work, "ada", "a")
    assert git("rev-parse", "HEAD", cwd=lib) != mine
    assert git("rev-parse", f"{KEPT}/{mine}", cwd=lib) == mine
    with pytest.raises(RefusedError, match="vendor/lib has commits"):
        worktrees.remove(work.git, place)


def test_the_agent_has_the_sparse_cone_and_a_gate_has_every_file(repo: Path) -> None:
    write(repo, "one/f")
    write(repo, "two/f")
    git("sparse-checkout", "set", "--cone", "one", cwd=repo)
    work = found(repo, tasks("a"), "ada")
    place = work.worktree_of("ada")
    assert place is not None
    assert (place / "one").exists()
    assert not (place / "two").exists()
    with throw_away(work.git, git("rev-parse", "HEAD", cwd=repo)) as thrown:
        assert (thrown.place / "two/f").exists()
        assert git("status", "--porcelain", cwd=thrown.place) == ""


def test_a_filter_for_large_files_runs_with_the_users_setting(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = 'if test -n "$GIT_LFS_SKIP_SMUDGE"; then cat; else cat >/dev/null; echo large; fi'
    git("config", "filter.lfs.smudge", program, cwd=repo)
    git("config", "filter.lfs.clean", "cat >/dev/null; echo pointer", cwd=repo)
    (repo / ".gitattributes").write_text("*.bin filter=lfs\n")
    write(repo, "x.bin", "large\n")
    work = found(repo, tasks("a"), "ada")
    place = work.worktree_of("ada")
    assert place is not None
    assert (place / "x.bin").read_text() == "large\n"
    monkeypatch.setenv("GIT_LFS_SKIP_SMUDGE", "1")
    bob = agents.add(work, "bob").worktree
    assert (Path(bob or "") / "x.bin").read_text() == "pointer\n"
