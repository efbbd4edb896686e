"""What is seen of a ledger looking back."""

from __future__ import annotations

import json
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


def test_entries_are_listed_with_the_git_command_that_lists_the_same(cli: Cli, repo: Path) -> None:
    found(repo, tasks("a"), "ada", worktrees=False).close()
    text = cli("log", "--op", "init")
    assert text.splitlines()[0].endswith("init ledger ledger for refs/heads/main")
    assert text.splitlines()[1].startswith("with git: git log --format=")
    assert len(text.splitlines()) == 2
    entries = cli.json("log")["entries"]
    assert [one["op"] for one in entries] == ["agent-add", "plan", "init"]
    since = cli.json("log", "--since", entries[1]["entry"])["entries"]
    assert [one["op"] for one in since] == ["agent-add"]
    assert "no such entries" in cli("log", "--until", "1970-01-02")
    assert cli.json("log", "--op", "clam", status=2)["hint"].startswith("known: claim")
    assert cli.json("log", "--phase", "nowhere", status=2)["code"] == "not-found"
    assert cli.json("log", "--path", "../x", status=2)["code"] == "usage"


def test_events_are_lines_of_json_that_can_be_resumed(cli: Cli, repo: Path) -> None:
    found(repo, tasks("a"), "ada", worktrees=False).close()
    lines = [json.loads(line) for line in cli("events", "--once").splitlines()]
    assert [line["op"] for line in lines] == ["init", "plan", "agent-add"]
    assert all(line["schema"] == 1 for line in lines)
    rest = cli("events", "--once", "--since", lines[0]["entry"], "--op", "agent-add")
    assert json.loads(rest)["entry"] == lines[-1]["entry"]
    followed = cli("log", "--follow", "--once", "-n", "1")
    assert followed.split()[1] == lines[-1]["entry"][:10]
    assert json.loads(cli("events", "nobody", "--once", status=2))["error"]["code"] == "not-found"


def test_a_plan_is_simulated_from_its_file_or_from_the_ledger(
    cli: Cli, repo: Path, tmp_path: Path
) -> None:
    path = tmp_path / "p.toml"
    path.write_text(tasks("a", "b", b=["a"]))
    text = cli("simulate", str(path), "--agents", "1,2", "--task-time", "20m", "--overhead", "5s")
    assert "2 tasks in 1 phase" in text
    assert "longest  40m: a -> b" in text
    assert "no number of these agents is worth it" in text
    assert cli.json("simulate", status=2)["code"] == "not-found"
    found(repo, tasks("a", "b", "c"), worktrees=False).close()
    told = cli.json("simulate", "--agents", "3", "--spread", "0.5", "--failure", "0.1")
    assert (told["tasks"], told["assumed"]["failure_rate"]) == (3, 0.1)
    assert cli.json("simulate", "--agents", "1,x", status=2)["code"] == "usage"
    assert cli.json("simulate", "--task-time", "soon", status=2)["code"] == "usage"


def test_a_report_is_written_in_each_format(cli: Cli, repo: Path, tmp_path: Path) -> None:
    found(repo, tasks("a", "b", b=["a"]), worktrees=False).close()
    assert cli("report").startswith("<!doctype html>\n")
    assert cli("report", "--format", "md").startswith("# plan: report\n")
    assert "t0 --> t1" in cli("report", "--format", "mermaid")
    facts = json.loads(cli("report", "--format", "json"))
    assert [one["id"] for one in facts["tasks"]] == ["a", "b"]
    file = tmp_path / "report.html"
    told = cli.json("report", "--output", str(file))
    assert (told["file"], told["bytes"]) == (str(file), len(file.read_bytes()))
    error = cli.json("report", "--output", str(file / "below"), status=2)
    assert "cannot be written" in error["message"]


def test_a_report_is_never_written_over_what_is_gits(cli: Cli, repo: Path) -> None:
    cli("init")
    before = (repo / ".git" / "config").read_bytes()
    told = cli.json("report", "--output", str(repo / ".git" / "config"), status=2)
    assert "git's own" in told["message"]
    assert (repo / ".git" / "config").read_bytes() == before
