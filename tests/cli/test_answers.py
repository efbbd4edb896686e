"""What commands answer in JSON is what the shapes say, key by key."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gitcoord.features.inspect.answers import ANSWERS
from tests.support.builders import REVIEWED, tasks
from tests.support.cli import Cli
from tests.support.shapes import answer_mistakes, line_mistakes
from tests.support.world import do, environment, found, write

PLAN = """
[plan]
widening = "free"
[[pool]]
name = "default"
[[phase]]
name = "one"
gates = [{ name = "tests", run = "true" }]
[[phase]]
name = "two"
after = ["one"]
[[phase]]
name = "adhoc"
stream = true
[[task]]
id = "a"
title = "A"
phase = "one"
paths = ["a/"]
check = "true"
[[task]]
id = "b"
title = "B"
phase = "two"
paths = ["b/"]
needs = ["a"]
[[task]]
id = "c"
title = "C"
phase = "two"
paths = ["c/"]
"""
ELSEWHERE = {
    "archive",
    "batch",
    "checkpoint",
    "demo",
    "agent setup",
    "doctor",
    "gate try",
    "hooks install",
    "hooks status",
    "hooks uninstall",
    "join",
    "review approve",
    "review claim",
    "review list",
    "review reject",
    "review release",
    "rollback",
    "rollback list",
    "rollback undo",
    "run",
    "setup",
    "tidy",
    "uninstall",
    "upkeep",
}
"""What the life of a plan does not call; the demo's answer is looked at where it runs."""


class Checked(Cli):
    """Run commands, and hold each answer against its shape."""

    seen: set[str]

    def __init__(self, repo: Path, capsys: pytest.CaptureFixture[str]) -> None:
        super().__init__(repo, capsys)
        self.seen = set()

    def answer(self, *words: str, status: int = 0) -> Any:
        before: tuple[str, ...] = words
        after: tuple[str, ...] = ()
        if "--" in words:
            place = words.index("--")
            before, after = words[:place], words[place:]
        answer = json.loads(self(*before, "--json", *after, status=status))
        assert answer_mistakes(answer) == []
        self.seen.add(answer["op"])
        return answer


def _agents_work(cli: Checked, place: Path) -> None:
    """Do what an agent does, from its claim to the landing of its phase."""
    cli.answer("claim", "a", "--agent", "ada")
    cli.answer("progress", "half", "--percent", "50", "--agent", "ada")
    cli.answer("beat", "--agent", "ada")
    cli.answer("lock", "docs/", "--agent", "ada", "--for", "10m")
    cli.answer("locks")
    cli.answer("unlock", "docs/", "--agent", "ada")
    cli.answer("widen", "more/", "--agent", "ada")
    asked = cli.answer("escalate", "may I?", "--task", "a", "--agent", "ada")["escalation"]
    left = cli.answer("note", "tabs are evil", "--task", "a")["note"]
    cli.answer("note")
    cli.answer("brief", "--agent", "ada")
    cli.answer("inbox")
    cli.answer("status")
    cli.answer("resolve", asked, "yes")
    more = ("More", "--id", "m", "--path", "m/", "--phase", "two", "--agent", "ada")
    proposed = cli.answer("task", "propose", *more)["escalation"]
    assert cli.answer("resolve", proposed, "yes", "--grant")["task"] == "m"
    assert cli.answer("task", "list")["op"] == "tasks"
    cli.answer("cancel", "m")
    cli.answer("note", "--drop", left)
    write(place, "a/x")
    cli.answer("complete", "--dry-run", "--agent", "ada")
    cli.answer("complete", "--agent", "ada")
    cli.answer("phase", "check", "one")
    cli.answer("phase", "check", "one", "--merge")
    cli.answer("phase", "land", "one", "--dry-run")
    cli.answer("phase", "land", "one")


def test_answers_are_as_their_shapes_say(
    repo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cli = Checked(repo, capsys)
    plan = tmp_path / "plan.toml"
    plan.write_text(PLAN)
    for words in (
        ["init", str(plan), "--trust"],
        ["plan", "check", str(plan)],
        ["plan", "apply", str(plan), "--dry-run"],
        ["plan", "apply", str(plan)],
        ["plan", "show"],
        ["trust", "--yes"],
        ["agent", "add", "ada"],
        ["agent", "add", "bob", "--no-worktree"],
        ["agent", "list"],
        ["agent", "show", "ada"],
    ):
        cli.answer(*words)
    _agents_work(cli, repo.with_name("repo.worktrees") / "ada")
    for words in (
        ["claim", "b", "--agent", "ada"],
        ["fail", "--reason", "no", "--kind", "permanent", "--agent", "ada"],
        ["status"],
        ["retry", "b"],
        ["task", "add", "One more", "--path", "d/", "--phase", "two", "--id", "d"],
        ["task", "edit", "d", "--priority", "3"],
        ["cancel", "d"],
        ["assign", "b", "bob"],
        ["pause", "b", "--reason", "not now"],
        ["show", "b"],
        ["why", "b"],
        ["unpause", "b"],
        ["claim", "c", "--agent", "ada"],
        ["release", "--agent", "ada"],
        ["cancel", "c"],
        ["reap"],
        ["show", "a"],
        ["show", "b"],
        ["tasks"],
        ["impact", "b"],
        ["log"],
        ["stats"],
        ["report", "--format", "md"],
        ["simulate", "--agents", "1,2"],
        ["verify"],
        ["phase", "list"],
        ["overlaps"],
        ["start", "Work in passing", "--agent", "ida", "--id", "passing"],
        ["phase", "close", "adhoc"],
        ["phase", "open", "adhoc"],
        ["commands"],
        ["agent", "remove", "bob"],
    ):
        cli.answer(*words)
    assert ANSWERS.keys() - cli.seen == ELSEWHERE


def test_answers_to_reviewers_are_as_their_shapes_say(
    repo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    work = found(repo, tasks("a", "b", head=REVIEWED), "x", "y")
    do(work, "x", "a", text="first line\n")
    do(work, "x", "b", text="first line\n")
    work.close()
    cli = Checked(repo, capsys)
    for words in (
        ["review", "claim", "a", "--agent", "y"],
        ["review", "list"],
        ["locks"],
        ["status"],
        ["brief", "--agent", "y"],
        ["review", "release", "--agent", "y"],
        ["review", "claim", "a", "--agent", "y"],
        ["review", "approve", "--agent", "y"],
        ["review", "claim", "b", "--agent", "y"],
        ["review", "reject", "--reason", "no", "--agent", "y"],
        ["brief", "--agent", "x"],
    ):
        cli.answer(*words)
    assert {op for op in ELSEWHERE if op.startswith("review")} <= cli.seen


def test_answers_about_going_back_and_hooks_are_as_their_shapes_say(
    repo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cli = Checked(repo, capsys)
    (tmp_path / "plan.toml").write_text(PLAN)
    lines = tmp_path / "lines"
    lines.write_text('{"op": "claim", "task": "a"}\n{"op": "note", "text": "hm"}\n')
    for words in (
        ["init", "--template", "minimal"],
        ["init", str(tmp_path / "plan.toml"), "--trust"],
        ["agent", "add", "ada"],
        ["checkpoint", "begin"],
        ["batch", str(lines), "--agent", "ada"],
        ["rollback", "--to", "begin", "--dry-run"],
        ["rollback", "--to", "begin"],
        ["rollback", "list"],
        ["rollback", "undo", "--dry-run"],
        ["rollback", "undo"],
        ["hooks", "install", "--dry-run"],
        ["hooks", "install"],
        ["hooks", "status"],
        ["hooks", "uninstall"],
        ["setup", "agents-md", "--print"],
        ["setup", "agents-md"],
        ["agent", "setup", "ada"],
        ["gate", "try", "one"],
        ["tidy"],
        ["upkeep"],
        ["doctor"],
        ["uninstall"],
    ):
        cli.answer(*words)
    assert cli.seen >= ELSEWHERE - {"archive", "run", "demo", "join"} - {
        op for op in ELSEWHERE if op.startswith("review")
    }


def test_the_answer_of_a_run_and_the_lines_that_follow_are_as_their_shapes_say(
    repo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found(repo, tasks("a")).close()
    cli = Checked(repo, capsys)
    cli.answer("run", "-j", "1", "--", "sh", "-c", "mkdir -p a && date > a/x")
    command = [sys.executable, "-m", "gitcoord", "-C", str(repo), "log", "--follow", "--json"]
    with subprocess.Popen(
        command, env=environment(), stdout=subprocess.PIPE, text=True
    ) as follower:
        assert follower.stdout is not None
        line = json.loads(follower.stdout.readline())
        follower.terminate()
    assert line_mistakes("log --follow", line) == []
