"""The commands doctor, upkeep and verify."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.support.builders import tasks
from tests.support.world import environment, found, git


def test_doctor_and_upkeep_say_what_they_found_and_did(repo: Path) -> None:
    found(repo, tasks("a"), "x", worktrees=False)

    def run(*args: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "gitcoord", *args],
            cwd=repo,
            env=environment(),
            capture_output=True,
            text=True,
            check=False,
        )

    well = run("doctor")
    assert well.returncode == 0
    assert well.stdout.endswith("nothing is wrong\n")
    git("config", "gc.pruneExpire", "now", cwd=repo)
    ill = run("doctor", "--json")
    assert ill.returncode == 18
    answer = json.loads(ill.stdout)
    assert answer["ok"] is True
    assert [one["check"] for one in answer["findings"] if one["state"] == "problem"] == ["gc"]
    kept = json.loads(run("upkeep", "--json").stdout)
    assert kept["packed"] > 10
    assert not kept["busy"]
