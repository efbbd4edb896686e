"""A command kept alive by beats, and ended when its claim is lost."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from gitcoord.core.errors import (
    NothingReadyError,
)
from gitcoord.features.work import claims
from tests.support.builders import tasks
from tests.support.world import LONGER, environment, found, record


def test_keepalive_beats_passes_the_status_on_and_ends_a_lost_command(repo: Path) -> None:
    work = found(repo, LONGER + tasks("a"), "x", "y", worktrees=False)
    held = claims.claim(work, "x")
    base = [sys.executable, "-m", "gitcoord", "-C", str(repo), "--agent", "x", "keepalive", "--"]
    env = environment(GITCOORD_CLAIM=held.claim["token"])
    assert (
        subprocess.run([*base, "sh", "-c", "sleep 6; exit 7"], env=env, check=False).returncode == 7
    )
    assert record(work, "a")["claim"] is not None
    with pytest.raises(NothingReadyError):
        claims.claim(work, "y")
    process = subprocess.Popen([*base, "sleep", "60"], env=env, stderr=subprocess.PIPE)
    time.sleep(0.5)
    work.ledger.execute({"op": "cancel", "task": "a", "reason": ""}, agent="orchestrator")
    assert process.wait(timeout=20) == 13
    process.communicate()
