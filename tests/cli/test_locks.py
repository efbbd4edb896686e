"""Locks on the command line, through real worktrees."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import gitcoord
from gitcoord.features.maintain import verify
from gitcoord.features.work import claims, results
from tests.support.builders import tasks
from tests.support.cli import Cli
from tests.support.world import found, git, write

PLAN = (
    '[[task]]\nid = "a"\ntitle = "A"\npaths = ["a/", "lib/"]\n[[task]]\nid = "b"\ntitle = '
    '"B"\npaths = ["b/"]\n'
)


@pytest.fixture
def cli(repo: Path, capsys: pytest.CaptureFixture[str]) -> Cli:
    found(repo, PLAN, "x", "y", worktrees=False).close()
    return Cli(repo, capsys)


def test_a_lock_keeps_the_task_of_another_waiting_until_it_is_given_back(cli: Cli) -> None:
    made = cli.json("lock", "lib/x.py", "--agent", "x", "--reason", "renaming")
    assert made["lock"]["paths"] == ["lib/x.py"]
    assert made["lock"]["expires_at"] is None
    refused = cli.json("claim", "a", "--agent", "y", status=12)
    assert (refused["code"], refused["holder"], refused["lock"]) == (
        "conflict",
        "x",
        made["lock"]["id"],
    )
    assert refused["message"] == "lib/ of task a is in use: x has a lock on lib/x.py: renaming"
    cli.json("claim", "b", "--agent", "y")
    assert cli.json("unlock", "lib/x.py", "--agent", "x")["paths"] == ["lib/x.py"]
    assert cli.json("locks")["locks"] == []


def test_locks_say_who_holds_what_and_who_waits_for_whom(cli: Cli) -> None:
    cli("lock", "lib/x.py", "--agent", "x", "--shared", "--for", "30m", "--reason", "reading it")
    cli("claim", "b", "--agent", "y", "--no-checkout")
    told, _, command = cli("locks").rpartition("with git: ")
    assert command.startswith("git grep ")
    assert [
        re.sub(r"  +", "  ", line)
        for line in re.sub(r"another [0-9hms ]*[hms]", "another TIME", told).splitlines()
    ] == [
        "PATHS  AGENT  HOW  UNTIL  WHY",
        "lib/x.py  x  shared  for another TIME  reading it",
        "b/  y  exclusive  while it holds task b  -",
        "task a waits for x (its lock: lib/x.py)",
    ]
    answer = cli.json("locks")
    assert answer["waiting"][0]["for"] == [
        {
            "agent": "x",
            "task": None,
            "lock": answer["locks"][0]["id"],
            "paths": ["lib/", "lib/x.py"],
        }
    ]
    assert cli.json("locks", "--agent", "y")["locks"] == []
    status = cli("status")
    assert re.search(
        r"^lock    lib/x.py by x \(shared\), for another [0-9hms ]+: reading it$",
        status,
        re.MULTILINE,
    )
    assert "waits   task a waits for x (its lock: lib/x.py)" in status
    assert cli.json("show", "a")["task"]["waiting_for"] == [
        {
            "kind": "paths",
            "names": ["x"],
            "text": "task a has no room: x has a shared lock on lib/x.py: reading it",
            "command": None,
        }
    ]
    assert {task["id"]: task["state"] for task in cli.json("tasks")["tasks"]} == {
        "a": "waiting",
        "b": "claimed",
    }


def test_nothing_ready_names_the_holder_and_the_paths(cli: Cli) -> None:
    cli("claim", "b", "--agent", "x", "--no-checkout")
    cli("lock", "a/", "--agent", "x")
    refused = cli.json("claim", "--agent", "y", status=10)
    assert sorted((one["kind"], one["text"]) for one in refused["waiting_for"]) == [
        ("claim", "task b is held by x"),
        ("paths", "task a has no room: x has a lock on a/"),
    ]


def test_a_lock_is_taken_with_the_claim_and_ends_with_it(cli: Cli) -> None:
    cli("claim", "b", "--agent", "x", "--no-checkout")
    assert cli.json("lock", "lib/", "--agent", "x")["lock"]["task"] == "b"
    refused = cli.json("lock", "lib/", "--agent", "y", status=12)
    assert refused["holder"] == "x"
    cli("release", "--agent", "x")
    cli("lock", "lib/", "--agent", "y")


def test_one_may_lock_ones_own_paths_again_and_give_all_back(cli: Cli) -> None:
    cli("lock", "p/", "q/", "--agent", "x")
    assert cli("lock", "p/", "--agent", "x", "--for", "1h").startswith(
        "locked p/\n  exclusive, by x\n  for another "
    )
    assert len(cli.json("locks")["locks"]) == 2
    assert sorted(cli.json("unlock", "--all", "--agent", "x")["paths"]) == ["p/", "q/"]
    assert cli.json("unlock", "--all", "--agent", "x", status=2)["code"] == "not-found"
    assert cli("locks").startswith("nothing is locked\nwith git: ")


def test_the_orchestrator_can_give_back_what_an_agent_left_locked(cli: Cli) -> None:
    cli("lock", "p/", "--agent", "x")
    assert cli.json("unlock", "p/", "--agent", "y", status=2)["code"] == "not-found"
    assert cli.json("unlock", "p/", "--of", "x")["agent"] == "x"
    cli("lock", "p/", "--agent", "x")
    cli("agent", "remove", "x")
    assert cli.json("locks")["locks"] == []


def test_a_folder_is_locked_as_a_folder(cli: Cli) -> None:
    (cli.repo / "docs").mkdir()
    assert cli.json("lock", "./docs", "--agent", "x")["lock"]["paths"] == ["docs/"]
    cli("unlock", "docs", "--agent", "x")


@pytest.mark.parametrize(
    ("args", "code"),
    [
        (["lock", "p/", "--for", "soon"], "usage"),
        (["lock", "/p"], "usage"),
        (["lock", ".git/hooks"], "usage"),
        (["lock"], "usage"),
        (["unlock"], "usage"),
        (["unlock", "p/", "--all"], "usage"),
        (["lock", "p/", "--task", "a"], "not-found"),
    ],
)
def test_a_request_that_makes_no_sense_is_told_why(cli: Cli, args: list[str], code: str) -> None:
    assert cli.json(*args, "--agent", "x", status=2)["code"] == code


def test_a_claim_tells_every_layer_of_its_boundary(cli: Cli, tmp_path: Path) -> None:
    plan = tmp_path / "plan.toml"
    plan.write_text(
        '[[phase]]\nname = "p"\npaths = ["src/"]\n[[task]]\nid = "c"\ntitle = "C"\nphase = '
        '"p"\npaths = ["src/c/"]\n'
    )
    cli("plan", "apply", str(plan))
    assert cli.json("claim", "c", "--agent", "x", "--no-checkout")["boundary"] == {
        "task c": ["src/c/"],
        "phase p": ["src/"],
    }
    assert "  only in   src/ (phase p)" in cli("claim", "c", "--agent", "x", "--no-checkout")


def test_a_batch_claims_locks_and_gives_back_in_one_entry(cli: Cli, tmp_path: Path) -> None:
    lines = tmp_path / "lines"
    lines.write_text(
        json.dumps({"op": "claim", "task": "b"})
        + "\n"
        + json.dumps({"op": "lock", "path": ["p/", "q/"], "for": "1h"})
        + "\n"
        + json.dumps({"op": "unlock", "path": "q/"})
        + "\n"
    )
    cli("batch", str(lines), "--agent", "x")
    (lock,) = cli.json("locks")["locks"]
    assert (lock["paths"], lock["task"]) == (["p/"], "b")
    lines.write_text(json.dumps({"op": "release"}) + "\n")
    cli("batch", str(lines), "--agent", "x")
    assert cli.json("locks")["locks"] == []
    cli("verify")


def test_going_back_keeps_the_locks_that_are_still_held_and_no_other(cli: Cli) -> None:
    cli("lock", "p/", "q/", "--agent", "x")
    cli("claim", "b", "--agent", "x", "--no-checkout")
    tip = cli.json("lock", "r/", "--agent", "x")["entry"]
    cli("release", "--agent", "x")
    cli("lock", "z/", "--agent", "y")
    cli("rollback", "--to", tip)
    assert [one["paths"] for one in cli.json("locks")["locks"]] == [["p/", "q/"]]
    cli("verify")


def test_python_callers_lock_and_unlock(cli: Cli) -> None:
    with gitcoord.open(cli.repo) as coord:
        coord.lock("x", "p/", "q/", for_ms=60_000, shared=True)
        coord.unlock("x", "p/")
        coord.unlock("x")
    assert cli.json("locks")["locks"] == []


def test_a_session_that_lost_its_claim_locks_nothing(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = cli.json("claim", "b", "--agent", "x", "--no-checkout")["claim"]["token"]
    cli("assign", "b", "y")
    monkeypatch.setenv("GITCOORD_CLAIM", token)
    assert cli.json("lock", "p/", "--agent", "x", status=13)["code"] == "claim-lost"


def test_an_agent_with_several_claims_names_the_task(cli: Cli) -> None:
    cli("agent", "add", "z", "--no-worktree", "--capacity", "2")
    for task in "ab":
        cli("claim", task, "--agent", "z", "--no-checkout")
    assert cli.json("lock", "p/", "--agent", "z", status=14)["reason"] == "several-claims"
    assert cli.json("lock", "p/", "--agent", "z", "--task", "a")["lock"]["task"] == "a"


def test_a_lock_ends_when_the_work_is_handed_in_and_the_history_verifies(
    repo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    work = found(repo, tasks("a", "b"), "x")
    claimed = claims.claim(work, "x", "a")
    place = str(claimed.worktree)
    cli = Cli(Path(place), capsys)
    assert cli.json("lock", "shared.txt")["lock"]["task"] == "a"
    write(Path(place), "a/file.txt")
    results.complete(work, "x", "a", claimed.claim["token"])
    assert cli.json("locks")["locks"] == []
    verify.verify(work)
    assert (
        git("log", "-1", "--skip=1", "--format=%s", "gitcoord/ledger", cwd=repo)
        == "lock shared.txt by x, with its claim on a"
    )
