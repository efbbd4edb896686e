"""A write that a living process hinders says which process that is."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gitcoord.core.errors import UnavailableError
from gitcoord.features.land import landings
from gitcoord.features.work import claims
from tests.support.builders import tasks
from tests.support.formats import lock_of, needs_ref_files
from tests.support.world import do, found, git

HOLD_REF = """
import os, sys
os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_EXCL)
print("held", flush=True)
sys.stdin.read()
"""
HOLD_QUEUE = """
import sys
from pathlib import Path
from gitcoord.store.queue import QueueLock
with QueueLock(Path(sys.argv[1])).hold(0) as is_held:
    print("held" if is_held else "not held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def held_by(program: str, path: Path) -> Iterator[int]:
    """Have another process hold a lock, and give its number."""
    command = [sys.executable, "-c", program, str(path)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        try:
            assert process.stdout.readline() == "held\n"
            yield process.pid
        finally:
            process.kill()


def test_a_lock_that_a_living_process_holds_stays_and_the_error_names_the_process(
    repo: Path,
) -> None:
    work = found(repo, tasks("a"), "x", worktrees=False)
    work.ledger.timeout_s = 0.1
    tip, lock = work.ledger.tip(), lock_of(repo / ".git", work.ledger.ref)
    with held_by(HOLD_REF, lock) as pid, pytest.raises(UnavailableError) as caught:
        claims.claim(work, "x", checkout=False)
    assert f"{lock} is in the way" in caught.value.message
    assert f"process {pid} ({sys.executable} -c " in caught.value.message
    assert "bin/git" not in caught.value.message, "our own git reads objects, and holds nothing"
    assert caught.value.exit_status == 15
    assert lock.exists()
    assert work.ledger.tip() == tip


@needs_ref_files
def test_a_git_that_holds_a_ref_transaction_is_named(repo: Path) -> None:
    work = found(repo, tasks("a"), "x")
    do(work, "x", "a")
    work.ledger.timeout_s = 0.1
    head, tip = git("rev-parse", "HEAD", cwd=repo), work.ledger.tip()
    with subprocess.Popen(
        ["git", "update-ref", "--stdin"],
        cwd=repo,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(f"start\nverify refs/heads/main {head}\nprepare\n")
        process.stdin.flush()
        try:
            steps = [process.stdout.readline() for _ in range(2)]
            assert steps == ["start: ok\n", "prepare: ok\n"]
            with pytest.raises(UnavailableError) as caught:
                landings.land(work, "default")
        finally:
            process.kill()
    assert "refs/heads/main.lock is in the way" in caught.value.message
    assert f"process {process.pid} (" in caught.value.message
    assert "git update-ref --stdin)" in caught.value.message
    assert work.ledger.tip() == tip


def test_whoever_keeps_the_queue_is_named_beside_what_is_in_the_way(repo: Path) -> None:
    work = found(repo, tasks("a"), "x", worktrees=False)
    work.ledger.timeout_s = 0.1
    lock = lock_of(repo / ".git", work.ledger.ref)
    with held_by(HOLD_REF, lock) as first, held_by(HOLD_QUEUE, work.ledger.queue.path) as second:
        with pytest.raises(UnavailableError) as caught:
            claims.claim(work, "x", checkout=False)
        assert f"process {first} (" in caught.value.message
        assert f"process {second} (" in caught.value.message
