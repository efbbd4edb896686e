"""Every view names the git command that tells the same: each is run, and tells it."""

from __future__ import annotations

import json
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest

from gitcoord.features.work import claims, escalations, locks, results
from tests.support.builders import REVIEWED, tasks
from tests.support.cli import Cli
from tests.support.world import do, found


@pytest.fixture
def at_work(repo: Path) -> Path:
    """Two tasks are held, one is done, one is ready, and a path is locked."""
    work = found(repo, tasks("a", "b", "c.1", "d"), "x", "y", "z")
    do(work, "z", "d")
    results.progress(work, "x", "a", _token(claims.claim(work, "x", "a")), "half of it")
    claims.claim(work, "y", "b")
    locks.lock(work, "z", ["lib/"], reason="moving files")
    work.close()
    return repo


def _token(claimed: claims.Claimed) -> Any:
    return claimed.claim["token"]


def view(cli: Cli, *words: str) -> tuple[dict[str, Any], str]:
    """Run a view; return its answer, and what the command that its text names prints."""
    last = cli(*words).splitlines()[-1]
    answer = json.loads(cli(*words, "--json"))
    command = answer["git"]
    assert last == f"with git: {command}"
    done = subprocess.run(
        shlex.split(command), cwd=cli.repo, capture_output=True, text=True, check=True
    )
    return answer, done.stdout


def held_by_git(printed: str) -> dict[str, str]:
    """Return the agent of each task among the records that are held."""
    rows = [line.split(":", 2) for line in printed.splitlines() if '"agent"' in line]
    return {
        Path(path).stem: json.loads("{" + text.rstrip(",") + "}")["agent"] for _, path, text in rows
    }


@pytest.mark.parametrize("words", [("status",), ("watch", "--once")])
def test_who_holds_what_and_said_what(at_work: Path, cli: Cli, words: tuple[str, ...]) -> None:
    answer, printed = view(cli, *words)
    told = {one["task"]: one["agent"] for one in answer["running"]}
    assert told == {"a": "x", "b": "y"}
    assert held_by_git(printed) == told
    assert "half of it" in printed


def test_locks_and_claims(at_work: Path, cli: Cli) -> None:
    answer, printed = view(cli, "locks")
    (lock,) = answer["locks"]
    told = {one["task"]: one["agent"] for one in answer["claims"]}
    assert held_by_git(printed) == {**told, lock["id"]: lock["agent"]}


def test_one_task(at_work: Path, cli: Cli) -> None:
    answer, printed = view(cli, "show", "c.1")
    record = json.loads(printed)
    assert record["spec"]["title"] == answer["task"]["title"] == "Do c.1"


def test_the_states_of_all_tasks(at_work: Path, cli: Cli) -> None:
    _, printed = view(cli, "tasks")
    rows = [line.split(":", 2) for line in printed.splitlines()]
    states = {Path(path).stem: text.strip(' ,"').rpartition('"')[2] for _, path, text in rows}
    assert states == {"a": "claimed", "b": "claimed", "c.1": "open", "d": "done"}


@pytest.mark.parametrize(
    "words",
    [
        ("--state", "claimed"),
        ("--state", "ready"),
        ("--agent", "z"),
        ("--phase", "default", "--state", "done"),
        ("--pool", "default", "--agent", "x"),
    ],
)
def test_the_tasks_that_are_asked_for(at_work: Path, cli: Cli, words: tuple[str, ...]) -> None:
    answer, printed = view(cli, "tasks", *words)
    told = [one["id"] for one in answer["tasks"]]
    assert told
    assert sorted(Path(line).stem for line in printed.splitlines()) == sorted(told)


@pytest.mark.parametrize(
    "words", [(), ("a",), ("--agent", "y"), ("--op", "claim"), ("d", "--op", "complete")]
)
def test_the_history(at_work: Path, cli: Cli, words: tuple[str, ...]) -> None:
    answer, printed = view(cli, "log", *words)
    told = [one["entry"] for one in answer["entries"]]
    assert told
    lines = printed.splitlines()
    assert len(lines) == len(told)
    assert all(oid.startswith(line.split()[0]) for oid, line in zip(told, lines, strict=True))


def states_by_git(printed: str) -> dict[str, str]:
    """Return the state of each record among the lines that name one."""
    rows = [line.split(":", 2) for line in printed.splitlines() if '"state"' in line]
    return {
        Path(path).stem: json.loads("{" + text.rstrip(",") + "}")["state"] for _, path, text in rows
    }


def test_what_a_task_waits_for(repo: Path, cli: Cli) -> None:
    phases = '[[phase]]\nname = "one"\n[[phase]]\nname = "two"\nafter = ["one"]\n'
    plan = phases + tasks("a", "b", "c", b=["a"]).replace('"Do c"', '"Do c"\nphase = "two"')
    for name in "ab":
        plan = plan.replace(f'"Do {name}"', f'"Do {name}"\nphase = "one"')
    found(repo, plan, "x", worktrees=False).close()
    cli("pause", "a", "--reason", "not yet")
    answer, printed = view(cli, "why", "c")
    assert [one["kind"] for one in answer["steps"]] == ["phase", "landing", "paused", "need"]
    assert states_by_git(printed) == {"a": "open", "b": "open", "c": "open", "one": "open"}
    assert 'a.json:  "paused"' in printed


def test_what_hundreds_of_tasks_wait_for_is_named_by_its_folder(repo: Path, cli: Cli) -> None:
    names = [f"t{number}" for number in range(30)]
    found(repo, tasks(*names, "last", last=names)).close()
    answer, printed = view(cli, "why", "last")
    assert answer["git"].endswith(" -- tasks/ phases/")
    assert set(states_by_git(printed)) == {*names, "last", "default"}


def test_who_needs_a_task(repo: Path, cli: Cli) -> None:
    found(repo, tasks("c.1", "cx1", "b", "d", b=["c.1"], d=["c.1", "b"])).close()
    answer, printed = view(cli, "impact", "c.1")
    assert sorted(answer["direct"]) == ["b", "d"]
    assert sorted(Path(line).stem for line in printed.splitlines()) == ["b", "d"]


def test_agents_and_what_they_hold(at_work: Path, cli: Cli) -> None:
    answer, printed = view(cli, "agent", "list")
    named = [line for line in printed.splitlines() if "agents/" in line]
    assert [Path(line.split(":")[1]).stem for line in named] == ["x", "y", "z"]
    told = {task: one["id"] for one in answer["agents"] for task in one["claims"]}
    assert held_by_git(printed) == told == {"a": "x", "b": "y"}


def test_one_agent(at_work: Path, cli: Cli) -> None:
    answer, printed = view(cli, "agent", "show", "y")
    assert json.loads(printed)["capacity"] == answer["agent"]["capacity"]


def test_phases(at_work: Path, cli: Cli) -> None:
    answer, printed = view(cli, "phase", "list")
    assert states_by_git(printed) == {one["id"]: one["state"] for one in answer["phases"]}


def test_the_plan(at_work: Path, cli: Cli) -> None:
    answer, printed = view(cli, "plan", "show")
    assert json.loads(printed) == answer["plan"]


def test_what_waits_for_an_answer(repo: Path, cli: Cli) -> None:
    work = found(repo, tasks("a"), "x")
    old = escalations.escalate(work, "x", "which one?", "a").event["id"][:8]
    new = escalations.escalate(work, "x", "and how?", None).event["id"][:8]
    cli("resolve", old, "the first")
    answer, printed = view(cli, "inbox")
    assert [one["id"] for one in answer["escalations"]] == [new]
    assert states_by_git(printed) == {new: "open"}
    assert "and how?" in printed
    answer, printed = view(cli, "inbox", "--all")
    assert len(answer["escalations"]) == 2
    assert states_by_git(printed) == {old: "resolved", new: "open"}


def test_what_waits_for_a_review(repo: Path, cli: Cli) -> None:
    work = found(repo, REVIEWED + tasks("a", "b"), "x")
    do(work, "x", "a")
    answer, printed = view(cli, "review", "list")
    assert [one["task"] for one in answer["reviews"]] == ["a"]
    assert [Path(line).stem for line in printed.splitlines()] == ["a"]


def test_rollbacks_and_those_that_were_abandoned(repo: Path, cli: Cli) -> None:
    work = found(repo, tasks("a", "b"), "x", worktrees=False)
    cli("checkpoint", "begin")
    claims.claim(work, "x", "a")
    cli("rollback", "--to", "begin")
    cli("rollback", "undo")
    answer, printed = view(cli, "rollback", "list")
    told = sorted(one["entry"] for one in answer["rollbacks"])
    assert len(told) == 2
    lines = sorted(printed.splitlines())
    assert all(oid.startswith(line.split()[0]) for oid, line in zip(told, lines, strict=True))


def test_statistics_and_report_name_the_entries_that_they_are_computed_from(
    at_work: Path, cli: Cli
) -> None:
    answer, printed = view(cli, "stats")
    entries = [line.split()[1] for line in printed.splitlines() if line.startswith("commit ")]
    assert entries[-1] == answer["tip"]
    history = json.loads(cli("log", "-n", "1000", "--json"))["entries"]
    assert entries[::-1] == [one["entry"] for one in history]
    report = json.loads(cli("report", "--format", "json"))
    assert report["git"] == answer["git"]
    for kind in ("html", "md"):
        assert answer["git"] in cli("report", "--format", kind)
