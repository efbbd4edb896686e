"""Whoever comes in, by whichever door, settles what is unknown first."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import gitcoord
from gitcoord.features import doors
from gitcoord.features.work import escalations
from tests.support.builders import tasks
from tests.support.cli import Cli
from tests.support.formats import needs_ref_files, require_reftable
from tests.support.world import environment, found, git

DIE = """
import os, signal, sys
import gitcoord
from gitcoord.store import file_refs
real = file_refs.FileRefs.swap
def swap(self, ref, wanted, new):
    real(self, ref, wanted, new)
    if ref.endswith("gitcoord/ledger"):
        os.kill(os.getpid(), signal.SIGKILL)
with gitcoord.open(sys.argv[1]) as coord:
    held = coord.claim("x", checkout=False, session="s")
    file_refs.FileRefs.swap = swap
    coord.progress(held, "was this applied?")
"""
OPTIONAL = tasks("a", "b", b=["a"]).replace("paths =", 'result = "optional"\npaths =')


def left(repo: Path) -> list[Path]:
    return list((repo / ".git" / "gitcoord" / "pending" / "ledger" / "x").glob("*.json"))


def die_after_the_swap(repo: Path) -> None:
    done = subprocess.run([sys.executable, "-c", DIE, str(repo)], env=environment(), check=False)
    assert done.returncode == -signal.SIGKILL
    assert len(left(repo)) == 1


@needs_ref_files
def test_the_python_interface_settles_before_it_does_anything_else(repo: Path) -> None:
    found(repo, tasks("a", "b"), "x", worktrees=False).close()
    die_after_the_swap(repo)
    with gitcoord.open(repo) as coord:
        coord.claim("x", checkout=False, session="s")
        told = coord.notices
    assert [one.kind for one in told] == ["settled"]
    assert re.fullmatch("an earlier progress [ab] that was cut off was done", told[0].text)
    assert left(repo) == []


@needs_ref_files
def test_the_command_line_tells_the_same(repo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cli = Cli(repo, capsys)
    found(repo, tasks("a", "b"), "x", worktrees=False).close()
    die_after_the_swap(repo)
    cli("note", "hello", "--agent", "x")
    assert re.search("an earlier progress [ab] that was cut off was done", cli.err)
    assert left(repo) == []


def test_answers_are_handed_on_once_by_the_first_door(repo: Path) -> None:
    work = found(repo, tasks("a"), "x", worktrees=False)
    asked = escalations.escalate(work, "x", "which one?").event
    escalations.resolve(work, str(asked["id"])[:8], "the left one")
    with gitcoord.open(repo) as coord:
        coord.claim("x", checkout=False)
        assert [one.kind for one in coord.notices] == ["answer"]
        assert coord.notices[0].text.endswith("(which one?): the left one")
    assert doors.begin_as_agent(work, "x") == []


def test_a_holder_is_told_that_a_need_of_its_task_is_open_again(repo: Path) -> None:
    work = found(repo, OPTIONAL, "x", "y", worktrees=False)
    with gitcoord.open(repo) as coord:
        coord.complete(coord.claim("y", "a", checkout=False), no_result=True)
        held = coord.claim("x", "b", checkout=False)
        coord.progress(held, "begun")
        assert coord.notices == []
        command = {"op": "reopen", "agent": "orchestrator", "task": "a", "kind": "conflict"}
        work.ledger.execute(
            {**command, "reason": "it conflicts", "log": None}, agent="orchestrator"
        )
        coord.progress(held, "going on")
        assert [tuple(one) for one in coord.notices] == [
            ("claim", "your claim on task b stands, but task b waits for a")
        ]
    assert doors.begin_as_agent(work, "y") == []


def test_locks_that_a_dead_git_left_on_tables_are_gone_after_the_next_command(
    tmp_path: Path,
) -> None:
    require_reftable()
    repo = tmp_path / "tables"
    git("init", "-q", "--ref-format=reftable", str(repo), cwd=tmp_path)
    git("commit", "-q", "--allow-empty", "-m", "first", cwd=repo)
    found(repo, tasks("a", "b"), "x").close()
    with gitcoord.open(repo) as coord:
        coord.claim("x", checkout=False, session="s")
        for tables in (repo / ".git").rglob("reftable"):
            table = next(tables.glob("*.ref"))
            for name in (table.name, "tables.list"):
                (tables / f"{name}.lock").touch()
        coord.claim("x", checkout=False, session="s")  # answers what is held, and writes nothing
        assert list((repo / ".git").rglob("*.lock")) == [
            repo / ".git" / "gitcoord" / "worktrees.lock"
        ]
