"""The commands for several machines, in words and in JSON."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.builders import tasks
from tests.support.cli import Cli, clean
from tests.support.machines import clone, server
from tests.support.shapes import answer_mistakes
from tests.support.world import do, found, git


@pytest.fixture
def bare(tmp_path: Path, repo: Path) -> Path:
    place = server(tmp_path)
    git("remote", "add", "origin", str(place), cwd=repo)
    return place


def test_a_ledger_is_made_on_a_server_and_joined(
    cli: Cli, repo: Path, plan: Path, bare: Path, tmp_path: Path
) -> None:
    assert cli("init", str(plan), "--remote", "origin") == (
        "created ledger 'ledger' on origin; phases will land on its main\n"
        "other clones: gitcoord join\n2 tasks loaded\n"
        "next: gitcoord agent add ID, and gitcoord claim in its worktree\n"
    )
    assert "whoever can read origin can read this ledger" in cli.err
    second = clone(str(bare), tmp_path / "second")
    missing = cli.json("status", status=2, cwd=second)
    assert missing["hint"] == "a remote has one: `gitcoord join` works on it from here"
    assert cli("join", cwd=second) == (
        "this clone works on ledger 'ledger' of origin\n"
        "next: gitcoord agent add ID, and gitcoord claim in its worktree\n"
    )
    again = cli.json("join", cwd=second)
    assert again["already"] is True
    assert answer_mistakes(again) == []
    cli("agent", "add", "x", cwd=second)
    place = tmp_path / "second.worktrees" / "x"
    assert "  held      everywhere\n" in cli("claim", cwd=place)
    assert cli.json("claim", cwd=place)["held"] == "everywhere"
    assert cli.json("status")["claims"][0]["agent"] == "x"
    assert "; the ledger lives on origin\n" in cli("doctor")


def test_a_ledger_is_put_on_a_server(cli: Cli, plan: Path, bare: Path) -> None:
    cli("init", str(plan))
    put = cli.json("init", "--remote", "origin", "--no-branch")
    assert put["remote"] == "origin"
    assert answer_mistakes(put) == []
    refs = git("for-each-ref", "--format=%(refname)", cwd=bare).split()
    assert refs == ["refs/gitcoord/ledger/ledger", "refs/heads/main"]
    again = cli.json("init", "--remote", "origin", status=14)
    assert again["reason"] == "exists"


def test_offline_tells_how_old_what_it_shows_is(
    cli: Cli, repo: Path, plan: Path, bare: Path
) -> None:
    cli("init", str(plan), "--remote", "origin")
    bare.rename(bare.with_name("gone"))
    assert cli.json("status", status=15)["hint"].startswith("try again when it can be")
    assert "a" in cli("tasks", "--offline")
    assert clean(cli.err).startswith("gitcoord: notice: origin was not asked: this is as of ")


def test_a_copy_that_was_merely_fetched_says_so(
    cli: Cli, plan: Path, bare: Path, tmp_path: Path
) -> None:
    cli("init", str(plan), "--remote", "origin")
    second = clone(str(bare), tmp_path / "second")
    git("branch", "gitcoord/ledger", "origin/gitcoord/ledger", cwd=second)
    cli("agent", "add", "x", "--no-worktree", cwd=second)
    assert "this clone works on a copy of its own: `gitcoord join`" in cli.err


def test_a_finished_ledger_is_archived_and_a_new_one_begins(
    cli: Cli, repo: Path, tmp_path: Path
) -> None:
    plan = tmp_path / "plan.toml"
    plan.write_text(tasks("a"))
    work = found(repo, plan.read_text(), "x")
    do(work, "x", "a")
    refused = cli.json("archive", status=14)
    assert refused["reason"] == "not-whole"
    cli("phase", "land", "default")
    cli("verify")
    answer = cli.json("archive")
    assert answer_mistakes(answer) == []
    assert answer["followed"] is False
    assert cli.json("archive", status=2)["code"] == "not-found"
    cli("init", str(plan))
    cli("agent", "add", "x")
    cli("claim", "a", cwd=tmp_path / "repo.worktrees" / "x")
    assert cli.json("verify")["entries"] == 4
    assert git("tag", cwd=repo) == answer["tag"]


def test_what_is_missing_is_named(cli: Cli, repo: Path, plan: Path) -> None:
    assert cli.json("init", str(plan), "--remote", "nowhere", status=2)["code"] == "not-found"
    assert git("for-each-ref", "refs/heads/gitcoord", cwd=repo) == ""
    assert cli.json("join", status=2)["code"] == "not-found"


def test_a_clone_with_the_newest_entries_says_where_its_history_begins(
    cli: Cli, plan: Path, bare: Path, tmp_path: Path
) -> None:
    cli("init", str(plan), "--remote", "origin", "--no-branch")
    for name in ("one", "two", "three"):
        cli("checkpoint", name)
    second = clone(f"file://{bare}", tmp_path / "second")
    joined = cli.json("join", "--depth", "3", cwd=second)
    assert answer_mistakes(joined) == []
    begins = git("rev-parse", "refs/gitcoord/ledger/ledger~2", cwd=bare)
    assert joined["begins"] == begins
    told = f"the history in this clone begins with entry {begins[:12]}: "
    whole = "git fetch --unshallow origin refs/gitcoord/ledger/ledger"
    assert joined["notices"] == [f"{told}`{whole}` brings what was before it"]
    for command in (["log"], ["stats"], ["report"], ["verify"]):
        cli(*command, cwd=second)
        assert told in cli.err
    assert "2 entries verified after" in cli("verify", cwd=second)
    older = git("rev-parse", f"{begins}~1", cwd=bare)
    missed = cli("events", "--once", "--since", older, status=2, cwd=second)
    assert told in missed
    back = cli("rollback", "--steps", "4", status=2, cwd=second)
    assert back == ""
    assert told in cli.err
    assert cli("verify", "--from-checkpoint", cwd=second).startswith("0 entries verified after")
    cli("verify", "--from-checkpoint", "..HEAD", status=2, cwd=second)
    git(*whole.split()[1:], cwd=second)
    assert cli.json("verify", cwd=second)["since"] is None
    assert told not in cli.err


def test_a_history_that_is_here_already_is_not_cut(
    cli: Cli, plan: Path, bare: Path, tmp_path: Path
) -> None:
    cli("init", str(plan), "--remote", "origin")
    second = clone(f"file://{bare}", tmp_path / "second")
    told = cli.json("join", "--depth", "1", cwd=second)
    assert told["begins"] is None
    assert told["notices"] == ["the whole history of the ledger is in this clone"]
    assert cli("verify", "--from-checkpoint", status=2, cwd=second) == ""
    assert "this ledger has no checkpoint" in cli.err
