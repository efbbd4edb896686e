"""A tree of a hundred thousand files costs one tree, not one for each candidate.

Each command is a process of its own; what it and the gits that it starts take at most is
what the kernel says of it. The same phase with two results and with twelve is compared.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.git.building import commit_tree
from tests.git.building import git as plumbing
from tests.support.world import environment, git

pytestmark = [
    pytest.mark.soak,
    pytest.mark.skipif(sys.platform != "linux", reason="elsewhere memory is counted otherwise"),
]
FOLDERS, FILES = 400, 250
FEW, MANY = 2, 12
MIB = 1024
# A process is counted from what its parent had when it started it: so the parent is small.
MEASURE = """
import os, sys
pid = os.spawnv(os.P_NOWAIT, sys.argv[1], sys.argv[1:])
_, status, usage = os.wait4(pid, 0)
print(usage.ru_maxrss, file=sys.stderr)
sys.exit(os.waitstatus_to_exitcode(status))
"""


def huge(repo: Path) -> None:
    """Give main a commit of as many files as two numbers make."""
    lines = ["commit refs/heads/main", "committer x <x@example.invalid> 1700000000 +0000"]
    lines += ["data 5", "huge", "", "from refs/heads/main^0"]
    for folder in range(FOLDERS):
        for file in range(FILES):
            lines += [
                f"M 100644 inline big/{folder}/{file}",
                "data 8",
                f"{folder:03}.{file:03}",
                "",
            ]
    text = "\n".join([*lines, ""]).encode()
    subprocess.run(["git", "fast-import", "--quiet"], cwd=repo, input=text, check=True)
    git("reset", "-q", "--hard", cwd=repo)


def plan() -> str:
    rows = []
    for phase, count in (("few", FEW), ("many", MANY)):
        rows.append(f'[[phase]]\nname = "{phase}"\n')
        rows += [
            f'[[task]]\nid = "{phase}{number}"\ntitle = "T"\nphase = "{phase}"\n'
            f'paths = ["big/{number}/"]\n'
            for number in range(count)
        ]
    return "".join(rows)


class Measured:
    """Run commands, and keep the most that each of them took."""

    def __init__(self, repo: Path) -> None:
        self.repo = repo
        self.kib: dict[str, int] = {}
        self.seconds: dict[str, float] = {}

    def __call__(self, name: str, *argv: str) -> dict[str, object]:
        start = time.monotonic()
        command = [sys.executable, "-m", "gitcoord", "-C", str(self.repo), "--json", *argv]
        done = subprocess.run(
            [sys.executable, "-S", "-c", MEASURE, *command],
            env=environment(),
            capture_output=True,
            check=False,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        peak = int(done.stderr.splitlines()[-1])
        self.kib[name] = max(peak, self.kib.get(name, 0))
        self.seconds[name] = self.seconds.get(name, 0) + time.monotonic() - start
        answer: dict[str, object] = json.loads(done.stdout)
        return answer


def result_for(repo: Path, task: str, base: str) -> str:
    """Change one file of a task's folder, without a worktree."""
    number = task.removeprefix("few").removeprefix("many")
    blob = plumbing(repo, "hash-object", "-w", "--stdin", stdin=task.encode())
    env = {"GIT_INDEX_FILE": str(repo / ".git" / "huge-index")}
    plumbing(repo, "read-tree", base, env=env)
    row = f"100644,{blob},big/{number}/0"
    plumbing(repo, "update-index", "--add", "--cacheinfo", row, env=env)
    return commit_tree(repo, plumbing(repo, "write-tree", env=env), base)


def test_a_landing_of_many_results_takes_no_more_than_one_of_few(repo: Path) -> None:
    huge(repo)
    (repo.parent / "plan.toml").write_text(plan())
    measured = Measured(repo)
    measured("init", "init", str(repo.parent / "plan.toml"))
    measured("agent add", "agent", "add", "x")
    for phase, count in (("few", FEW), ("many", MANY)):
        for number in range(count):
            task = f"{phase}{number}"
            where = () if number == 0 else ("--no-checkout",)
            claimed = measured("claim", "--agent", "x", "claim", task, *where)
            base = str(claimed["claim"]["base"])  # type: ignore[index]
            made = result_for(repo, task, base)
            measured("complete", "--agent", "x", "complete", task, "--result", made)
        measured(f"phase land, {count}", "phase", "land", phase)
    measured("rollback --code", "rollback", "--phase", "many", "--code")
    measured("rollback undo", "rollback", "undo")
    for name, kib in measured.kib.items():
        print(f"  {name:<18} {kib / MIB:>7.0f} MiB {measured.seconds[name]:>7.1f} s")
    few, many = measured.kib[f"phase land, {FEW}"], measured.kib[f"phase land, {MANY}"]
    assert many < few + 32 * MIB
    assert max(measured.kib.values()) < 256 * MIB
    git("fsck", "--no-dangling", "--no-progress", cwd=repo)
