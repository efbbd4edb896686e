"""Processes that outlived their command are found and ended, and no others."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gitcoord.host import strays
from gitcoord.host.clock import Clock
from gitcoord.host.strays import (
    Stray,
    descendants,
    end_all,
    end_strays,
    find_strays,
    git_standing_in,
    marked,
)

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
MARK = "GITCOORD_CLAIM=0123456789abcdef"
SAYS = "echo begun; exec sleep 600"


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen[bytes]]]:
    children: list[subprocess.Popen[bytes]] = []
    yield children
    for child in children:
        child.kill()
        child.communicate()


def start(
    started: list[subprocess.Popen[bytes]], cwd: Path, script: str = SAYS, *, is_marked: bool
) -> subprocess.Popen[bytes]:
    """Start a command in a folder, and wait until it is what it is."""
    env = {**os.environ, **({"GITCOORD_CLAIM": MARK.partition("=")[2]} if is_marked else {})}
    child = subprocess.Popen(
        ["sh", "-c", script], cwd=cwd, env=env, stdout=subprocess.PIPE, start_new_session=True
    )
    assert child.stdout is not None
    assert child.stdout.readline() == b"begun\n"
    started.append(child)
    return child


def pids(place: Path, *, is_private: bool = False) -> set[int]:
    return {one.pid for one in find_strays(place, {MARK.encode()}, is_private=is_private)}


def test_what_carries_the_mark_is_found_wherever_it_stands(
    tmp_path: Path, started: list[subprocess.Popen[bytes]]
) -> None:
    place = tmp_path / "place"
    place.mkdir()
    marked = start(started, tmp_path, is_marked=True)
    other = start(started, place, is_marked=False)
    found = pids(place)
    assert marked.pid in found
    assert other.pid not in found, "whoever merely stands there is not the command's"
    assert other.pid in pids(place, is_private=True)
    assert marked.pid in pids(tmp_path / "elsewhere")


def test_we_and_our_parents_never_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert not {os.getpid(), os.getppid()} & pids(tmp_path, is_private=True)


def test_strays_are_ended_even_if_they_do_not_want_to(
    tmp_path: Path, started: list[subprocess.Popen[bytes]]
) -> None:
    stubborn = "trap '' TERM; echo begun; while :; do sleep 1; done"
    one = start(started, tmp_path, is_marked=True)
    other = start(started, tmp_path, stubborn, is_marked=True)
    found = [Stray(one.pid), Stray(other.pid)]
    end_all(found, patience_s=0.5)
    assert (one.wait(60), other.wait(60)) == (-signal.SIGTERM, -signal.SIGKILL)
    # What the stubborn one had started is left, and carries the mark too.
    end_strays(tmp_path, {MARK.encode()})
    assert pids(tmp_path) == set()


def test_a_pid_that_came_back_is_another_process(
    tmp_path: Path, started: list[subprocess.Popen[bytes]]
) -> None:
    child = start(started, tmp_path, is_marked=False)
    stray = Stray(child.pid)
    assert stray.is_running()
    stray._fields = [*stray._fields[:19], b"1", *stray._fields[20:]]
    assert not stray.is_running()
    stray.send(signal.SIGKILL)
    assert child.poll() is None
    child.kill()
    child.wait()
    with pytest.raises(OSError, match=r".+"):
        Stray(child.pid)


def test_a_command_is_known_from_its_first_moment_on(
    started: list[subprocess.Popen[bytes]],
) -> None:
    env = {**os.environ, "GITCOORD_CLAIM": MARK.partition("=")[2]}
    for _ in range(100):
        # A program that has begun has no environment for a moment, one time in ten.
        child = subprocess.Popen(["sleep", "600"], env=env)
        started.append(child)
        assert marked([Stray(child.pid)], {MARK.encode()}) != []


@pytest.mark.parametrize(
    ("environ", "memory", "is_found"),
    [
        ("0 0", "4096", True),  # its program has only begun
        ("70 170", "4096", True),  # the environment came between our two looks
        ("70 70", "4096", False),  # it was begun without any
        ("0 0", "0", False),  # the kernel's own
    ],
)
def test_a_program_that_begins_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, environ: str, memory: str, is_found: bool
) -> None:
    proc = tmp_path / "proc"
    for name in ("self", "77"):
        (proc / name).mkdir(parents=True)
        fields = f"S 1 77 77 0 {'0 ' * 14}5 {memory} {'0 ' * 26}{environ} 0"
        (proc / name / "stat").write_text(f"{name} (a) b) {fields}")
    environment = proc / "77" / "environ"
    environment.write_bytes(b"")
    monkeypatch.setattr(strays, "_PROC", proc)
    monkeypatch.setattr(Clock, "sleep", lambda *_: environment.write_bytes(MARK.encode() + b"\0"))
    assert pids(tmp_path) == ({77} if is_found else set())


def test_descendants_are_listed_nearest_first(
    tmp_path: Path, started: list[subprocess.Popen[bytes]]
) -> None:
    script = "sh -c 'sleep 600 & echo begun; wait' & wait"
    top = start(started, tmp_path, script, is_marked=False)
    below = descendants(top.pid)
    assert len(below) == 2
    assert [Stray(pid).parent for pid in below] == [top.pid, below[0]]
    for pid in below:
        os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize(
    ("command", "is_found"), [("cat-file --batch", False), ("update-ref --stdin", True)]
)
def test_a_git_that_reads_objects_is_at_work_on_nothing(
    repo: Path, started: list[subprocess.Popen[bytes]], command: str, is_found: bool
) -> None:
    git = subprocess.Popen(["git", *command.split()], cwd=repo, stdin=subprocess.PIPE)
    started.append(git)
    while not Stray(git.pid).is_git:
        assert git.poll() is None
    assert git_standing_in(repo) == (git.pid if is_found else None)
