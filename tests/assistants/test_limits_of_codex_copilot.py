"""Codex and Copilot reach their usage limit under a run: no failure, and the plan lands."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitcoord.features.workspace import open_workspace
from tests.assistants.conftest import gitcoord
from tests.assistants.loops import run_over_a_limit


@pytest.mark.parametrize("name", ["codex", "copilot"])
def test_a_limit_in_the_middle_is_no_failure(repo: Path, home: Path, name: str) -> None:
    told, model = run_over_a_limit(repo, home, "--assistant", name)
    assert f"{name} has reached its usage limit" in told
    work = open_workspace(repo)
    alpha = work.ledger.snapshot().require_task("alpha")
    work.close()
    assert (alpha["failures"], alpha["attempt"] > 1) == (0, True)
    goes_on = any("A usage limit ended this session" in body for body in model.bodies)
    assert goes_on is (name == "codex"), "Copilot starts from the branch"
    assert (repo / "alpha" / "half").exists(), "what it had done is there"
    gitcoord(repo, "verify")
