"""What is seen of a ledger looking back."""

from __future__ import annotations

from pathlib import Path

from tests.support.builders import tasks
from tests.support.cli import Cli
from tests.support.world import do, found


def test_the_conditions_are_shown_with_their_verdicts(cli: Cli, repo: Path) -> None:
    work = found(repo, tasks("a", "b"), "ada")
    empty = cli("stats")
    assert "failure rate                not known" in empty
    assert "agents: none" in empty
    do(work, "ada", "a")
    text = cli("stats")
    assert "failure rate                0.0%       under 10.0%  met" in text
    assert "1 of 1 tasks" not in text
    assert "0 of 1 tasks were set back" in text
    entry = cli.json("log", "-n", "1")["tip"]
    assert cli.json("stats", "--since", entry[:12])["counts"]["entries"] == 0
    assert cli.json("stats", "--since", "2h")["counts"]["attempts"] == 1
    found_json = cli.json("stats")
    assert [one["name"] for one in found_json["conditions"]] == [
        "efficiency",
        "overhead",
        "failure_rate",
        "recovery",
    ]
    assert cli.json("stats", "--since", "nothing", status=2)["code"] == "not-found"
    assert cli.json("stats", "--since", "2026-99", status=2)["code"] == "usage"
