"""Worktrees that do not stay: what killed processes left is cleared, and nothing else."""

from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest

from gitcoord.core.errors import UnavailableError
from gitcoord.git import scratch, worktrees
from gitcoord.git.program import Git
from gitcoord.git.scratch import clear_dead, throw_away
from gitcoord.host.processes import identity
from tests.support.world import git

NAME = "0123456789ab"


@pytest.fixture
def place(repo: Path) -> Path:
    return repo.parent / "repo.gates" / NAME


def marker(repo: Path, *lines: str, name: str = NAME) -> Path:
    path = repo / ".git" / "gitcoord" / "checks" / f"{name}.marker"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines))
    return path


def make(repo: Path, place: Path) -> None:
    worktrees.add(Git(repo), place, commit=git("rev-parse", "HEAD", cwd=repo))


def test_what_a_killed_check_left_is_cleared_its_command_included(repo: Path, place: Path) -> None:
    make(repo, place)
    env = {**os.environ, "GITCOORD_WORKTREE": str(place)}
    child = subprocess.Popen(["sleep", "60"], env=env, start_new_session=True)
    left = marker(repo, str(place), "another-boot:1:1:1", identity(child.pid))
    assert clear_dead(Git(repo)) == 1
    assert child.wait() == -signal.SIGKILL
    assert not place.exists()
    assert not left.exists()
    assert list((repo / ".git" / "worktrees").glob("*")) == []


@pytest.mark.parametrize("kind", ["files", "private", "both"])
def test_a_removal_that_was_cut_off_is_gone_on_with(repo: Path, place: Path, kind: str) -> None:
    make(repo, place)
    left = marker(repo, str(place), "another-boot:1:1:1")
    if kind != "files":
        (repo / ".git" / "worktrees" / NAME / "HEAD").unlink()
    if kind != "private":
        scratch._delete(place)
    assert clear_dead(Git(repo)) == 1
    assert not left.exists()
    assert not place.exists()
    git("fsck", "--no-dangling", cwd=repo)
    assert git("worktree", "list", cwd=repo).count("\n") == 0


@pytest.mark.parametrize("last", ["HEAD", "gitdir"])
def test_git_finds_no_fault_with_what_the_disk_kept_of_a_removal(
    repo: Path, place: Path, monkeypatch: pytest.MonkeyPatch, last: str
) -> None:
    make(repo, place)
    left = marker(repo, str(place), "another-boot:1:1:1")
    real = os.unlink

    def failing(path: str, **more: Any) -> None:
        if os.path.basename(path) == last:  # noqa: PTH119 - rmtree names them so
            raise OSError(errno.EIO, "the disk failed", path)
        real(path, **more)

    with monkeypatch.context() as patched:
        patched.setattr(os, "unlink", failing)
        assert clear_dead(Git(repo)) == 0
    assert left.exists()
    git("fsck", "--no-dangling", cwd=repo)
    assert clear_dead(Git(repo)) == 1
    assert not left.exists()
    assert not (repo / ".git" / "worktrees").exists()


def test_a_check_that_runs_is_left_alone(repo: Path) -> None:
    with throw_away(Git(repo), git("rev-parse", "HEAD", cwd=repo)) as thrown:
        assert clear_dead(Git(repo)) == 0
        assert (thrown.place / "README.md").exists()
    assert not thrown.place.exists()
    assert not thrown.marker.exists()


@pytest.mark.parametrize("name", [NAME, "../../../theirs", "name", "0123456789AB"])
def test_a_marker_that_names_another_place_removes_nothing(
    repo: Path, tmp_path: Path, name: str
) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir(exist_ok=True)
    (theirs / "file.txt").write_text("theirs")
    folder = repo / ".git" / "gitcoord" / "checks"
    folder.mkdir(parents=True)
    path = folder / f"{name.replace('/', '_')}.marker"
    for named in (theirs, repo, f"{repo}.gates/{NAME}/../../theirs", "/", ""):
        path.write_text(f"{named}\nanother-boot:1:1:1")
        clear_dead(Git(repo))
    assert (theirs / "file.txt").read_text() == "theirs"
    assert (repo / "README.md").exists()


def test_a_folder_that_is_a_link_is_not_followed(repo: Path, tmp_path: Path, place: Path) -> None:
    theirs = tmp_path / "theirs"
    (theirs / NAME).mkdir(parents=True)
    place.parent.symlink_to(theirs)
    marker(repo, str(place), "another-boot:1:1:1")
    clear_dead(Git(repo))
    assert (theirs / NAME).is_dir()


@pytest.mark.parametrize("kind", ["another group's member", "not started for it"])
def test_a_process_that_is_not_provably_the_command_is_not_ended(
    repo: Path, place: Path, kind: str
) -> None:
    env = dict(os.environ)
    if kind != "not started for it":
        env["GITCOORD_WORKTREE"] = f"{place}-of-others"
    child = subprocess.Popen(["sleep", "60"], env=env, start_new_session=True)
    marker(repo, str(place), "another-boot:1:1:1", identity(child.pid))
    clear_dead(Git(repo))
    assert child.poll() is None
    child.kill()
    child.wait()


@pytest.mark.parametrize("content", [b"", b"\xff\n\xfe\n\xfd", b"\n" * 20_000, b"x" * 20_000])
def test_a_marker_of_rubbish_is_passed_over(repo: Path, content: bytes) -> None:
    marker(repo).write_bytes(content)
    assert clear_dead(Git(repo)) == 0


def test_a_marker_that_is_a_pipe_is_passed_over(repo: Path) -> None:
    path = repo / ".git" / "gitcoord" / "checks" / f"{NAME}.marker"
    path.parent.mkdir(parents=True)
    os.mkfifo(path)
    assert clear_dead(Git(repo)) == 0


def left(repo: Path) -> list[str]:
    """Name what is left of worktrees that were thrown away."""
    beside = repo.with_name("repo.gates")
    markers = repo / ".git" / "gitcoord" / "checks"
    listed = git("worktree", "list", "--porcelain", cwd=repo).count("worktree ") - 1
    return [
        *(path.name for path in (beside.iterdir() if beside.exists() else ())),
        *(path.name for path in (markers.iterdir() if markers.exists() else ())),
        *["listed"] * listed,
    ]


def test_it_holds_the_commit_and_lies_beside_the_repository(repo: Path, base: str) -> None:
    with throw_away(Git(repo), base) as thrown:
        assert thrown.place.parent == repo.with_name("repo.gates")
        assert (thrown.place / "deep" / "c").read_text() == "c\n"
        assert git("rev-parse", "HEAD", cwd=thrown.place) == base
        assert git("status", "--porcelain", cwd=repo) == ""
        assert thrown.environment()["GITCOORD_WORKTREE"] == str(thrown.place)
    assert left(repo) == []


def test_it_goes_whatever_was_made_of_it_and_after_an_error_too(repo: Path, base: str) -> None:
    def ruin(place: Path) -> None:
        (place / "sub").mkdir()
        (place / "sub" / "file").write_text("x")
        (place / "sub").chmod(stat.S_IRUSR)
        (place / ".git").unlink()
        raise KeyError

    with pytest.raises(KeyError), throw_away(Git(repo), base) as thrown:
        ruin(thrown.place)
    assert left(repo) == []


def test_of_a_commit_that_is_not_there_nothing_is_left(repo: Path) -> None:
    with pytest.raises(UnavailableError), throw_away(Git(repo), "1" * 40):
        pytest.fail("it was made")
    assert left(repo) == []
