"""A repository that two users share is read by both, and worked on by its owner."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from gitcoord.cli.main import run
from tests.support.builders import tasks
from tests.support.world import found, git, write

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
NOBODY = 65534
CLAIM = ("--agent", "x", "claim", "--no-checkout")


class Answer(NamedTuple):
    """How a command ended, and all that it said."""

    status: int
    text: str


@pytest.fixture
def shared(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A repository for a group, in a place that everybody can come to."""
    top = Path(tempfile.mkdtemp(prefix="gitcoord-shared-"))
    top.chmod(0o755)
    (top / "home").mkdir()
    config = shutil.copy(os.environ["GIT_CONFIG_GLOBAL"], top / "home")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    monkeypatch.setenv("HOME", str(top / "home"))
    repo = top / "repo"
    git("init", "-q", "-b", "main", "--shared=group", str(repo), cwd=top)
    write(repo, "README.md", "hello\n", "first")
    found(repo, tasks("a"), "x", worktrees=False).close()
    for place, folders, files in os.walk(top):
        for name in (".", *folders, *files):
            os.chown(Path(place, name), -1, NOBODY)
    try:
        yield repo
    finally:
        shutil.rmtree(top)


def as_nobody(repo: Path, *argv: str, is_trusted: bool) -> Answer:
    """Run a command as another user of the repository's group, in a fork of this process."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 70
        try:
            os.dup2(writing, 1)
            os.dup2(writing, 2)
            sys.stdout = sys.stderr = os.fdopen(os.dup(writing), "w", buffering=1)
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            if is_trusted:
                os.environ["GIT_CONFIG_COUNT"] = "1"
                os.environ["GIT_CONFIG_KEY_0"] = "safe.directory"
                os.environ["GIT_CONFIG_VALUE_0"] = "*"
            status = run(["-C", str(repo), *argv])
        finally:
            os._exit(status)
    os.close(writing)
    with os.fdopen(reading) as output:
        text = output.read()
    return Answer(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), text)


def test_the_second_user_reads_and_is_told_why_nothing_is_written(
    shared: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # What is imported late is imported here: the other user may not read our interpreter.
    for argv in (("status",), CLAIM, ("--agent", "x", "release"), ("tasks",)):
        assert run(["-C", str(shared), *argv]) == 0
    capsys.readouterr()
    tip = git("rev-parse", "gitcoord/ledger", cwd=shared)
    told = as_nobody(shared, "status", is_trusted=False)
    assert (told.status, "belongs to another user" in told.text) == (15, True)
    assert "dubious ownership" in told.text
    assert as_nobody(shared, "status", is_trusted=True).status == 0
    told = as_nobody(shared, *CLAIM, is_trusted=True)
    assert told.status == 15
    assert f"{shared}/.git/gitcoord cannot be written" in told.text
    assert "all that work on a repository run as one user" in told.text
    assert git("rev-parse", "gitcoord/ledger", cwd=shared) == tip
    assert [path for path in shared.rglob("*") if path.lstat().st_uid == NOBODY] == []
    assert run(["-C", str(shared), *CLAIM]) == 0
