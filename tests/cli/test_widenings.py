"""The command that widens a claim."""

from __future__ import annotations

from pathlib import Path

from tests.support.builders import tasks
from tests.support.cli import Cli
from tests.support.world import found, write


def test_a_widened_claim_commits_and_shows_what_it_may_write(cli: Cli, repo: Path) -> None:
    found(repo, '[plan]\nwidening = "free"\n' + tasks("a"), "x").close()
    cli("hooks", "install")
    place = repo.with_name("repo.worktrees") / "x"
    cli("claim", cwd=place)
    assert cli("widen", "./lib/", cwd=place) == "a may write lib/, too\n"
    write(place, "lib/f")
    shown = cli.json("show", "a")["task"]
    assert (shown["paths"], shown["widened"]) == (["a/"], ["lib/"])
    assert cli.json("locks")["claims"][0]["paths"] == ["a/", "lib/"]
    assert cli.json("widen", "docs/", cwd=place)["widened"] == ["lib/", "docs/"]


def test_the_orchestrator_grants_what_the_plan_wants_asked(cli: Cli, repo: Path) -> None:
    found(repo, tasks("a"), "x", worktrees=False).close()
    cli("claim", "a", "--agent", "x")
    asked = cli.json("widen", "lib/", "--agent", "x", status=14)
    assert asked["reason"] == "widening"
    assert "--grant lets a claim be widened" in cli("inbox")
    cli("resolve", asked["escalation"], "yes", "--grant")
    assert cli("widen", "lib/", "--agent", "x") == "a may write lib/, too\n"
    assert "granted: yes" in cli.err
