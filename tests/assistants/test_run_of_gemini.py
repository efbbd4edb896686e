"""Gemini works through a plan under a run, its hooks set up before, over a usage limit."""

from __future__ import annotations

from pathlib import Path

from gitcoord.features.workspace import open_workspace
from tests.assistants.conftest import gitcoord
from tests.assistants.loops import run_over_a_limit, usages


def test_a_run_over_a_limit_lands_and_counts_tokens(repo: Path, home: Path) -> None:
    words = ["--assistant", "gemini", "--model", "gemini-2.5-pro"]
    told, model = run_over_a_limit(repo, home, *words)
    assert "gemini has reached its usage limit" in told
    work = open_workspace(repo)
    tasks = [work.ledger.snapshot().require_task(name) for name in ("alpha", "beta")]
    work.close()
    assert [task["failures"] for task in tasks] == [0, 0]
    assert (repo / "alpha" / "half").exists(), "what it had done is there"
    assert "agent run-1 holds task alpha" in model.bodies[0]
    used = usages(repo)
    assert {one["assistant"] for one in used} == {"gemini"}
    assert all(one["input_tokens"] > 0 for one in used)
    gitcoord(repo, "verify")
