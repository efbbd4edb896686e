"""A gc that prunes at once is noticed, and no other."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gitcoord.git.pruning import pruning_now
from tests.git.building import git
from tests.support.irregular import IRREGULAR


@contextmanager
def working(repo: Path, *flags: str) -> Iterator[int]:
    """Let a process that looks like ``git gc`` name itself as git does."""
    command = ["sh", "-c", "echo begun; read line", "git", "gc", *flags]
    gc = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert gc.stdout is not None
    gc.stdout.readline()
    pid = repo / ".git" / "gc.pid"
    pid.write_text(f"{gc.pid} here")
    try:
        yield gc.pid
    finally:
        gc.kill()
        gc.communicate()
        pid.unlink()


def test_where_no_gc_is_at_work_nothing_prunes(repo: Path) -> None:
    assert pruning_now(repo / ".git") is None


@pytest.mark.parametrize(
    ("flags", "expire", "is_noticed"),
    [
        (["--prune=now"], "", True),
        (["--prune=all"], "2.weeks.ago", True),
        (["--prune=2.weeks.ago"], "now", False),
        (["--no-prune"], "now", False),
        ([], "now", True),
        ([], "all", True),
        ([], "10s", True),
        ([], "2h", False),
        ([], "2.weeks.ago", False),
        ([], "never", False),
        ([], "", False),
    ],
)
def test_what_a_gc_was_told_counts_and_then_what_is_configured(
    repo: Path, flags: list[str], expire: str, is_noticed: bool
) -> None:
    if expire:
        git(repo, "config", "gc.pruneExpire", expire)
    with working(repo, *flags) as pid:
        assert pruning_now(repo / ".git") == (pid if is_noticed else None)
    assert pruning_now(repo / ".git") is None


@pytest.mark.parametrize("text", ["", "nonsense here", "-1 here", "999999999 here", "\xb2 here"])
def test_a_file_that_names_no_living_process_is_no_gc(repo: Path, text: str) -> None:
    git(repo, "config", "gc.pruneExpire", "now")
    (repo / ".git" / "gc.pid").write_bytes(text.encode("latin-1"))
    assert pruning_now(repo / ".git") is None


@pytest.mark.parametrize("kind", IRREGULAR)
def test_what_is_no_file_is_no_gc_and_is_not_waited_for(kind: str, repo: Path) -> None:
    git(repo, "config", "gc.pruneExpire", "now")
    IRREGULAR[kind](repo / ".git" / "gc.pid")
    assert pruning_now(repo / ".git") is None
