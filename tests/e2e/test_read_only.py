"""Who may only read can read: a git directory on a read-only file system."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.builders import tasks
from tests.support.world import do, environment, found

READING = [
    "status",
    "tasks",
    "show a",
    "impact a",
    "log",
    "log a",
    "verify",
    "verify --quick",
    "inbox",
    "locks",
    "note",
    "plan show",
    "plan check plan.toml",
    "agent list",
    "agent show x",
    "phase list",
    "rollback list",
    "review list",
    "hooks status",
    "commands",
]
MOUNTED = """
mount --bind "$1/.git" "$1/.git" && mount -o remount,ro,bind "$1/.git" || exit 77
cd "$1" && shift
for words in "$@"; do
    "$PYTHON" -m gitcoord $words > /dev/null || echo "$words: $?"
done
"""


def test_commands_that_read_work_on_a_read_only_git_directory(repo: Path) -> None:
    if sys.platform != "linux" or os.geteuid() != 0 or shutil.which("unshare") is None:
        pytest.skip("needs a mount of its own")
    (repo / "plan.toml").write_text(tasks("a", "b"))
    work = found(repo, tasks("a", "b"), "x")
    do(work, "x", "a")
    work.close()
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", MOUNTED, "sh", str(repo), *READING, "claim --agent x"],
        env=environment(PYTHON=sys.executable),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 77:
        pytest.skip("may not mount here")
    # The one that writes says so; nothing else fails.
    assert done.stdout.splitlines() == ["claim --agent x: 15"], done.stderr
    assert "cannot be written" in done.stderr
