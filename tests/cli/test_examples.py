"""The example of each command's help is run as it stands there, in one session."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import click
import pytest

from gitcoord.cli.root import cli as root
from tests.support.builders import tasks
from tests.support.cli import Cli
from tests.support.world import environment, found

PLAN = """
[plan]
widening = "free"
[[pool]]
name = "builders"
[[phase]]
name = "build"
[[phase]]
name = "polish"
after = ["build"]
reviews = 1
[[task]]
id = "25"
title = "Build the lexer"
phase = "build"
pool = "builders"
paths = ["src/lexer/"]
[[task]]
id = "31"
title = "Polish the lexer"
phase = "polish"
pool = "builders"
paths = ["src/lexer/"]
needs = ["25"]
"""
ELSEWHERE = {
    "gitcoord demo": "tests/features/run/test_demo.py",
    "gitcoord archive": "tests/cli/test_machines.py",
    "gitcoord gate try build": "tests/cli/test_gates.py",
    "gitcoord join": "tests/cli/test_machines.py",
    'gitcoord start "Fix the login form" --agent ana': __name__,
    "gitcoord phase close adhoc": __name__,
    "gitcoord phase open adhoc": __name__,
    "gitcoord run -j 4 -- sh -c 'mkdir -p out && date > out/$GITCOORD_TASK'": __name__,
}
ASKED = "3fa9c1d2"
"""The escalation that the example of resolve names: the session's own stands for it."""
SET_UP = """
gitcoord plan check plan.toml
gitcoord init plan.toml
gitcoord plan apply plan.toml
gitcoord plan show
gitcoord trust --yes
gitcoord hooks install --dry-run
gitcoord hooks install
gitcoord hooks status
gitcoord hooks uninstall
gitcoord setup claude --dry-run
gitcoord setup codex --mcp --dry-run
gitcoord doctor --fix
gitcoord agent add builder-1 builder-2 --pool builders
gitcoord agent list
gitcoord agent show builder-1
gitcoord agent setup builder-1
"""
LOOK = """
gitcoord status
gitcoord tasks --state ready
gitcoord show 25
gitcoord why 25
gitcoord impact 25
gitcoord phase list
gitcoord overlaps
gitcoord commands --json
gitcoord log 25 -n 5
gitcoord events --since 2h --once
gitcoord stats --since 2h
gitcoord watch --once
gitcoord report --output report.html
gitcoord simulate --agents 1,4,16 --task-time 20m
gitcoord verify
gitcoord hook pre-commit
eval "$(gitcoord completion bash)"
"""
ORCHESTRATE = """
gitcoord task add "Document it" --id 80 --path docs/ --phase build
gitcoord cancel 80
gitcoord task edit 25 --estimate 2h --priority 5
gitcoord assign 25 builder-1
gitcoord pause 25 --reason "the interface is about to change"
gitcoord unpause 25
gitcoord checkpoint before-refactoring
gitcoord cancel 25 --reason "done by hand"
echo '{"op": "retry", "task": "25"}' | gitcoord batch
gitcoord cancel 25
gitcoord retry 25
gitcoord reap
"""
WORK = """
gitcoord claim --wait
gitcoord progress "lexer passes its tests" --percent 60
gitcoord beat
gitcoord keepalive -- make test
gitcoord brief --budget 20000
gitcoord note "the parser wants LF line ends" --path src/parser/
gitcoord lock src/parser/ --for 30m --reason "renaming"
gitcoord locks
gitcoord unlock src/parser/
gitcoord widen src/common/dates.py
gitcoord escalate "may I change the public interface?" --task 25
gitcoord task propose "Split the lexer" --id 81 --path src/split/ --phase build
gitcoord release --reason "needs a Mac"
gitcoord claim 25
"""
ANSWER = """
gitcoord inbox
gitcoord resolve 3fa9c1d2 "yes, and say so in the changelog"
"""
LAND = """
gitcoord phase check build
gitcoord phase land build
gitcoord rollback --phase build --dry-run
gitcoord rollback --steps 2
gitcoord rollback list
gitcoord rollback undo
gitcoord upkeep
"""
HAND_IN = 'gitcoord complete --commit "Build the lexer"'


class _Session(NamedTuple):
    """A reader at work, who remembers which lines were run."""

    cli: Cli
    lines: list[str]

    def run(self, text: str, place: Path) -> str:
        """Run lines in a folder; each has to succeed."""
        out = ""
        for line in text.strip().splitlines():
            self.lines.append(line)
            words = shlex.split(line)
            if words[0] == "gitcoord" and "|" not in words:
                out = self.cli(*words[1:], cwd=place)
            else:
                subprocess.run(["bash", "-c", line], cwd=place, check=True, capture_output=True)
        return out


@pytest.fixture
def session(cli: Cli, repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> _Session:
    """A session in which gitcoord and make are programs on the path."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, line in (("gitcoord", f'exec "{sys.executable}" -m gitcoord "$@"'), ("make", ":")):
        (programs / name).write_text(f"#!/bin/sh\n{line}\n")
        (programs / name).chmod(0o755)
    for name, value in environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.chdir(repo)
    (repo / "plan.toml").write_text(PLAN)
    return _Session(cli, [])


def _write(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("x\n")


def _examples() -> set[str]:
    lines = set()
    groups: list[click.Group] = [root]
    while groups:
        group = groups.pop()
        for name in group.list_commands(click.Context(group)):
            command = group.get_command(click.Context(group), name)
            assert command is not None
            told = re.findall(r"^ *Example: (.*)$", command.help or "", re.MULTILINE)
            assert told or isinstance(command, click.Group), f"{name} has no example"
            lines |= set(told)
            if isinstance(command, click.Group):
                groups.append(command)
    return lines


@pytest.mark.skipif(find_spec("mcp") is None, reason="one asks for the extra's server")
def test_every_example_does_what_it_is_shown_for(session: _Session, repo: Path) -> None:
    builder = repo.with_name("repo.worktrees") / "builder-1"
    reviewer = builder.with_name("builder-2")
    session.run(SET_UP, repo)
    session.run(ORCHESTRATE, repo)
    session.run(WORK, builder)
    asked = session.cli.json("inbox")["escalations"][0]["id"]
    session.run(ANSWER.replace(ASKED, asked), repo)
    session.run('gitcoord fail --reason "the schema of step 3 is missing"', builder)
    session.run("gitcoord claim --wait", builder)
    _write(builder / "src/lexer/lexer.py")
    session.run(HAND_IN, builder)
    session.run(LOOK, repo)
    session.run(LAND, repo)
    for number in range(2):
        session.run("gitcoord claim --wait", builder)
        _write(builder / f"src/lexer/polish-{number}.py")
        session.run(HAND_IN, builder)
        session.run("gitcoord review list\ngitcoord review claim --wait", reviewer)
        if number == 0:
            reject = 'gitcoord review reject --reason "the empty file is not handled"'
            session.run(f"gitcoord review release\ngitcoord review claim\n{reject}", reviewer)
    session.run("gitcoord review approve", reviewer)
    session.run("gitcoord phase land polish\ngitcoord agent remove builder-1\ngitcoord tidy", repo)
    session.run("gitcoord uninstall", repo)
    ran = {line.replace(asked, ASKED) for line in session.lines}
    assert _examples() - ran == ELSEWHERE.keys()


def test_the_example_of_run_lands_what_it_makes(session: _Session, repo: Path) -> None:
    plan = tasks("a", "b").replace('"a/"', '"out/a"').replace('"b/"', '"out/b"')
    found(repo, plan).close()
    example = next(line for line in ELSEWHERE if line.startswith("gitcoord run "))
    assert "everything landed: 2 landed" in session.run(example, repo)


def test_the_examples_of_work_without_a_plan_begin_it_and_close_its_stream(
    session: _Session, repo: Path
) -> None:
    session.run("gitcoord init", repo)
    examples = [line for line in ELSEWHERE if "start" in line or "adhoc" in line]
    started, *streams = examples
    assert "claimed fix-the-login-form" in session.run(started, repo)
    closed, opened = [session.run(line, repo) for line in streams]
    assert "stream adhoc is closed" in closed
    assert "stream adhoc is open again" in opened
