"""Several runs share a ledger, and one goes on where a killed one stopped."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from gitcoord.features.run.order import Order
from tests.support.builders import tasks
from tests.support.runs import WRITE, run, started, told
from tests.support.world import found, record


def test_runs_beside_each_other_have_agents_and_slots_of_their_own(
    repo: Path, tmp_path: Path
) -> None:
    work = found(repo, tasks("a", "b"))
    seen = tmp_path / "seen"
    # Each waits until both were there.
    script = (
        f'echo "$GITCOORD_AGENT $GITCOORD_SLOT" >> {seen}; '
        f"while [ $(wc -l < {seen}) -lt 2 ]; do sleep 0.1; done; {WRITE}"
    )
    runs = [started(repo, script) for _ in range(2)]
    errors = [one.communicate(timeout=300)[1] for one in runs]
    assert [one.returncode for one in runs] == [0, 0], errors
    agents, slots = zip(*(line.split() for line in seen.read_text().splitlines()), strict=True)
    assert set(agents) == {"run-1", "run-2"}
    assert len(set(slots)) == 2
    assert [record(work, name)["state"] for name in "ab"] == ["done", "done"]
    assert any("other run(s)" in error for error in errors)


def test_the_same_command_resumes_a_run_that_was_killed_and_says_so(
    repo: Path, tmp_path: Path
) -> None:
    work = found(repo, tasks("a"))
    first = started(repo, f"touch {tmp_path}/begun; sleep 60")
    with first:
        while not (tmp_path / "begun").exists():
            assert first.poll() is None, first.communicate()
        os.kill(first.pid, signal.SIGKILL)
    done, notes = run(work, repo, WRITE, 1, Order())
    assert done.is_landed
    assert "1 claim(s) are given back and begun anew: a" in told(notes, "resumes")[0]
    assert record(work, "a")["failures"] == 0
