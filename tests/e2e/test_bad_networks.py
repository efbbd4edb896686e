"""Lines that break, servers that go away, are full or hang: nothing half-done, nobody asked."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.lines import dead_line, line
from gitcoord.core.errors import UnavailableError
from gitcoord.features.doors import begin_as_agent
from gitcoord.features.maintain import verify
from gitcoord.features.work import claims
from gitcoord.features.workspace import Workspace, open_workspace
from tests.support.builders import tasks
from tests.support.machines import made, server
from tests.support.servers import git_daemon, sshd
from tests.support.world import git

LEDGER = "gitcoord/ledger"


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    place = server(tmp_path)
    git("config", "daemon.receivepack", "true", cwd=place)
    return place


def again(work: Workspace, timeout_s: float = 30.0) -> Workspace:
    """Open the same clone once more, as another process would."""
    return open_workspace(work.place.common_dir.parent, timeout_s=timeout_s)


def tip_of(bare: Path) -> str:
    return git("rev-parse", LEDGER, cwd=bare)


def claimed_over(work: Workspace, bare: Path) -> None:
    """Claim, and look that it was done exactly once."""
    before = int(git("rev-list", "--count", LEDGER, cwd=bare))
    done = claims.claim(again(work), "x", checkout=False)
    assert tip_of(bare) == done.entry
    assert int(git("rev-list", "--count", LEDGER, cwd=bare)) == before + 1
    verify.verify(work)


@pytest.mark.parametrize("after", [1, 400, 900, 1500])
def test_a_line_that_breaks_in_the_middle_leaves_nothing_half_done(
    repo: Path, bare: Path, tmp_path: Path, after: int
) -> None:
    with git_daemon(tmp_path) as start, line(f"{start}/{bare.name}") as (between, url):
        work = made(repo, url, tasks("a", "b"), "x", worktrees=False)
        between.cut_after = after
        claimed_over(work, bare)
        assert between.cut_after is None


def test_a_server_that_is_down_is_unavailable_and_back_again_goes_on(
    repo: Path, bare: Path, tmp_path: Path
) -> None:
    with git_daemon(tmp_path) as start, line(f"{start}/{bare.name}") as (between, url):
        work = made(repo, url, tasks("a", "b"), "x", worktrees=False)
        before = tip_of(bare)
        between.is_down = True
        with pytest.raises(UnavailableError, match="origin was not reached"):
            claims.claim(again(work, 2.0), "x", checkout=False)
        assert tip_of(bare) == before
        between.is_down = False
        claimed_over(work, bare)


def test_a_slow_line_takes_longer_and_no_other_way(repo: Path, bare: Path, tmp_path: Path) -> None:
    with git_daemon(tmp_path) as start, line(f"{start}/{bare.name}") as (between, url):
        work = made(repo, url, tasks("a", "b"), "x", worktrees=False)
        between.delay_s = 0.1
        claimed_over(work, bare)


@pytest.fixture
def full(tmp_path: Path) -> Iterator[Path]:
    """A server on a small disk of its own."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)],
        check=False,
        capture_output=True,
    )
    if os.geteuid() != 0 or mounted.returncode != 0:
        pytest.skip("only root can mount a small disk, and not everywhere")
    try:
        yield server(disk)
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def test_a_server_whose_disk_is_full_says_so_and_goes_on_when_there_is_room(
    repo: Path, full: Path
) -> None:
    work = made(repo, str(full), tasks("a", "b"), "x", worktrees=False)
    before = tip_of(full)
    filler = full.parent / "filler"
    with pytest.raises(OSError, match="space"):
        filler.write_bytes(b"x" * 2**21)
    with pytest.raises(UnavailableError, match="could not store"):
        claims.claim(again(work), "x", checkout=False)
    assert tip_of(full) == before
    filler.unlink()
    claimed_over(work, full)


def test_a_key_that_ran_out_changes_nothing_and_asks_nobody(
    repo: Path, bare: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with sshd(tmp_path / "sshd", monkeypatch) as start:
        work = made(repo, str(bare), tasks("a", "b"), "x", worktrees=False)
        git("remote", "set-url", "origin", f"{start}{bare}", cwd=repo)
        before = tip_of(bare)
        known = tmp_path / "sshd" / "key.pub"
        known.rename(known.with_name("revoked"))
        with pytest.raises(UnavailableError, match="origin was not reached"):
            claims.claim(again(work, 2.0), "x", checkout=False)
        assert tip_of(bare) == before
        known.with_name("revoked").rename(known)
        claimed_over(work, bare)


@pytest.mark.parametrize("scheme", ["git", "http", "ssh"])
def test_a_server_that_says_nothing_is_left_when_the_time_is_up(
    repo: Path, bare: Path, tmp_path: Path, scheme: str
) -> None:
    work = made(repo, str(bare), tasks("a"), "x", worktrees=False)
    before = tip_of(bare)
    with dead_line() as port:
        git("remote", "set-url", "origin", f"{scheme}://127.0.0.1:{port}/s.git", cwd=repo)
        with pytest.raises(UnavailableError, match="longer than 1 seconds"):
            begin_as_agent(again(work, 1.0), "x")
    assert tip_of(bare) == before


def test_a_tool_call_waits_less_for_a_server_that_says_nothing(
    repo: Path, bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = made(repo, str(bare), tasks("a"), "x", worktrees=False)
    held = claims.claim(work, "x", checkout=False)
    monkeypatch.setattr("gitcoord.features.workspace.LAZY_WAIT_S", 0.5)
    with dead_line() as port:
        git("remote", "set-url", "origin", f"git://127.0.0.1:{port}/s.git", cwd=repo)
        hook = open_workspace(repo, is_lazy=True)
        with pytest.raises(UnavailableError, match=r"longer than 0\.5 seconds"):
            hook.ledger.beat("x", held.claim["token"])
