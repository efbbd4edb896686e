"""Whose clock judges a lease: the four ways in which two processes may stand to each other.

===================== ============================ ==================================
boot and time         processes                    a lease is judged by
===================== ============================ ==================================
the same              see each other               the clock that both read
the same              another pid namespace        the clock that both read
another time          a container with its own     the observer's, since it first saw
another boot          another machine              the observer's, since it first saw
===================== ============================ ==================================
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from gitcoord.core.errors import ConflictError
from gitcoord.core.events import evidence_of
from gitcoord.core.messages import parse
from gitcoord.features.work import claims, results
from gitcoord.features.workspace import Workspace
from tests.support.builders import tasks
from tests.support.machines import OtherMachine, joined, made, server
from tests.support.world import LONGER, SHORT, environment

PIDS = ("unshare", "--fork", "--pid", "--mount-proc")
TIMES = ("unshare", "--fork", "--time", "--monotonic", "100000")


def require(wrapper: tuple[str, ...]) -> None:
    if wrapper and subprocess.run([*wrapper, "true"], check=False, capture_output=True).returncode:
        pytest.skip("no such namespace can be made here")


def asked(wrapper: tuple[str, ...], clone: Path) -> dict[str, Any]:
    """Let another process claim the task from another clone; returns its answer."""
    command = [sys.executable, "-m", "gitcoord", "--json", "--agent", "y", "claim", "a"]
    done = subprocess.run(
        [*wrapper, *command, "--no-checkout"],
        cwd=clone,
        env=environment(),
        check=False,
        capture_output=True,
        text=True,
    )
    answer: dict[str, Any] = json.loads(done.stdout or done.stderr)
    return answer


def rule_of(work: Workspace) -> str:
    """Return how the newest entry, a takeover, judged the lease that it ended."""
    work.remote.ask_anew()  # type: ignore[union-attr]
    tip = work.ledger.tip()
    assert tip is not None
    (evidence,) = evidence_of(parse(work.store.read_entry(tip).message, tip))
    return evidence["rule"]


@pytest.mark.parametrize(
    ("wrapper", "lease_s"),
    [((), 1.0), (PIDS, 1.0), (TIMES, 5.0)],
    ids=["same", "pid namespace", "time namespace"],
)
def test_the_clock_that_both_read_judges_and_else_the_observers(
    repo: Path, tmp_path: Path, wrapper: tuple[str, ...], lease_s: float
) -> None:
    require(wrapper)
    bare = server(tmp_path)
    is_same = wrapper != TIMES
    plan = (SHORT if is_same else LONGER) + tasks("a")
    work = made(repo, str(bare), plan, "x", "y", worktrees=False)
    second = joined(str(bare), tmp_path / "second")
    claims.claim(work, "x", "a", checkout=False)
    time.sleep(lease_s + 0.1)
    if not is_same:
        # It did not watch the claim for a whole lease by its own clock yet.
        assert asked(wrapper, tmp_path / "second")["error"]["code"] == "conflict"
        time.sleep(lease_s + 0.1)
    assert asked(wrapper, tmp_path / "second")["task"]["id"] == "a"
    assert rule_of(second) == ("monotonic" if is_same else "observed")


@pytest.mark.parametrize("years", [1, -1])
def test_a_machine_whose_clocks_are_a_year_off_steals_and_immortalises_nothing(
    repo: Path, tmp_path: Path, years: int
) -> None:
    bare = server(tmp_path)
    clock = OtherMachine("second", ahead_s=years * 3.2e7 if years > 0 else 5.0, years=years)
    names = ("x", "y", "v", "w")
    work = made(repo, str(bare), LONGER + tasks("a", "b"), *names, worktrees=False)
    second = joined(str(bare), tmp_path / "second", clock=clock)
    held = claims.claim(work, "x", "a", checkout=False)
    theirs = claims.claim(second, "y", "b", checkout=False)
    for asking, agent, task in ((second, "v", "a"), (work, "w", "b")):
        with pytest.raises(ConflictError):
            claims.claim(asking, agent, task, checkout=False)
    results.progress(work, "x", "a", held.claim["token"], "alive")
    # Who is silent loses its task after a lease, whatever year it is there.
    time.sleep(5.1)
    work.remote.ask_anew()  # type: ignore[union-attr]
    taken = claims.claim(work, "w", "b", checkout=False)
    assert taken.claim["token"] != theirs.claim["token"]
    assert rule_of(work) == "observed"
