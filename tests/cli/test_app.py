"""Who asks, and what every command does before its own."""

from __future__ import annotations

from pathlib import Path

from tests.support.cli import Cli


def test_agents_may_not_orchestrate_from_their_worktree(cli: Cli, repo: Path, plan: Path) -> None:
    cli("init", str(plan))
    place = Path(cli.json("agent", "add", "x")["worktree"])
    assert cli.json("cancel", "a", cwd=place, status=14)["reason"] == "role"
    assert cli.json("trust", "--yes", "--as-orchestrator", cwd=place, status=14)["reason"] == "role"
    cli("cancel", "a", "--as-orchestrator", cwd=place)
