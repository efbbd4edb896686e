"""The commands that check phases and land them."""

from __future__ import annotations

from pathlib import Path

from tests.support.builders import tasks
from tests.support.cli import Cli, clean
from tests.support.world import write


def test_gates_and_checks_read_well(cli: Cli, repo: Path, tmp_path: Path) -> None:
    path = tmp_path / "gated.toml"
    gate = 'gates = [{name = "tests", run = "test -f a/ok"}]'
    path.write_text(
        f'[[phase]]\nname = "default"\n{gate}\n' + tasks("a") + 'check = "test -f a/file.txt"\n'
    )
    cli("init", str(path))
    assert cli.err.splitlines() == [
        "gitcoord: notice: the plan would run on this machine: gate: test -f a/ok",
        "gitcoord: notice: the plan would run on this machine: check: test -f a/file.txt",
        "gitcoord: notice: `gitcoord trust` lists the plan's commands and allows exactly those",
    ]
    cli("agent", "add", "x")
    place = repo.with_name("repo.worktrees") / "x"
    cli("claim", cwd=place)
    write(place, "a/ok")
    error = cli.json("complete", cwd=place, status=14)
    assert (error["reason"], error["commands"]) == ("trust", ["check: test -f a/file.txt"])
    cli("trust", "--yes")
    error = cli.json("complete", cwd=place, status=14)
    assert (error["reason"], error["why"]) == ("check", "it ended with status 1")
    write(place, "a/file.txt")
    assert (
        cli("complete", cwd=place)
        == "a is done: 2 commit(s), 2 file(s), check passed\nnext: gitcoord claim\n"
    )
    assert "  gate tests: test -f a/ok (to be run)\n" in cli("phase", "check", "default")
    assert cli.json("phase", "land", "default", "--dry-run")["gates"][0]["trusted"] is True
    assert (
        clean(cli("phase", "land", "default"))
        == "phase default landed: main is at OID; gates passed: tests\n"
    )
    assert cli.err == ""


def test_a_failed_gate_says_what_it_gave_back(cli: Cli, repo: Path, tmp_path: Path) -> None:
    path = tmp_path / "gated.toml"
    path.write_text(
        '[[phase]]\nname="default"\ngates=[{name="g",run="! grep -r bad */"}]\n' + tasks("a", "b")
    )
    cli("init", str(path), "--trust")
    assert cli.err == ""
    for name, text in (("a", "bad\n"), ("b", "good\n")):
        cli("agent", "add", f"x{name}")
        place = repo.with_name("repo.worktrees") / f"x{name}"
        cli("claim", name, cwd=place)
        write(place, f"{name}/file.txt", text)
        cli("complete", cwd=place)
    error = cli.json("phase", "land", "default", status=18)
    assert (error["code"], error["reason"], error["tasks"], error["gate"]) == (
        "incomplete",
        "gate",
        ["a"],
        "g",
    )
    assert error["log"] == "a/file.txt:bad"
    assert "a/file.txt:bad" in cli("show", "a", "--log")
    cli("phase", "land", "default", status=14)
    assert clean(cli("phase", "land", "default", "--without", "a")).splitlines()[1:] == [
        "left out and cancelled: a"
    ]
    assert cli.json("show", "a")["task"]["state"] == "cancelled"
