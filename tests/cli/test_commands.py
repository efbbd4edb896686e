"""The command line: words, JSON, exit codes, bad input."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.support.cli import Cli, clean
from tests.support.world import environment, git


def test_the_whole_life_of_a_plan_reads_well(cli: Cli, repo: Path, plan: Path) -> None:
    assert cli("init", str(plan)) == (
        "created ledger 'ledger'; phases will land on main\n2 tasks loaded\n"
        "next: gitcoord agent add ID, and gitcoord claim in its worktree\n"
    )
    assert clean(cli("agent", "add", "x")) == "agent x added with worktree REPO.worktrees/x\n"
    place = repo.with_name("repo.worktrees") / "x"
    assert clean(cli("claim", cwd=place)) == (
        "claimed a: Do a\n  paths     a/\n  branch    task/a/1-TOKEN\n  worktree  "
        "REPO.worktrees/x\n"
        "  lease     15m, renewed by progress and beat\n"
        "  needed    by 1 task, which would be blocked if it failed: b\nnext: work, commit, then "
        "gitcoord complete\n"
    )
    assert cli("progress", "half done", "--percent", "50", cwd=place) == "progress on a recorded\n"
    assert cli("beat", cwd=place) == "the lease of a is renewed\n"
    shown = clean(cli("status"))
    assert "claim   a by x, lease 1" in shown
    assert any(line.endswith("50%: half done") for line in shown.splitlines())
    (place / "a").mkdir()
    (place / "a" / "f.txt").write_text("x\n")
    git("add", "-A", cwd=place)
    git("commit", "-q", "-m", "work", cwd=place)
    assert cli("complete", cwd=place) == "a is done: 1 commit(s), 1 file(s)\nnext: gitcoord claim\n"
    assert (
        cli("complete", "a", cwd=place)
        == "a is already done: 1 commit(s), 1 file(s)\nnext: gitcoord claim\n"
    )
    assert cli("tasks") == (
        "TASK  STATE  PHASE    POOL     AGENT  TITLE\na     done   default  default  x      Do a\n"
        "b     ready  default  default  -      Do b\n"
        "with git: git grep -E '^  \"state\":' gitcoord/ledger -- tasks/\n"
    )
    assert cli("impact", "a").splitlines()[0] == "a: 1 task(s) need it, 0 more through them"
    cli("phase", "check", "default", status=18)
    cli("cancel", "b", "--reason", "not needed")
    assert clean(cli("phase", "check", "default")) == (
        "phase default: 1 result(s) to land\n  no gate: nothing is run before it lands\n"
        "  ready: the target would be at OID; gitcoord phase land default lands it\n"
        "  back: gitcoord rollback --phase default --code goes to OID, before the first claim of "
        "phase default: "
        "2 task(s), 0 claim(s), 0 lock(s) and 0 phase(s) change\n"
    )
    assert clean(cli("phase", "land", "default")) == "phase default landed: main is at OID\n"
    assert clean(cli("phase", "list")) == (
        "PHASE    STATE   TASKS                  NEXT\ndefault  landed  1 cancelled, 1 landed  -\n"
        "with git: git grep -E '^  \"state\":' gitcoord/ledger -- phases/\n"
    )
    assert [line.split("  ", 2)[2] for line in cli("log", "-n", "3").splitlines()[:-1]] == [
        "land-done default: refs/heads/main is at "
        + git("rev-parse", "--short=12", "main", cwd=repo),
        "land-begin default: 1 results onto refs/heads/main",
        "cancel b by orchestrator: Do b",
    ]
    assert (
        clean(cli("verify")) == "9 entries verified, up to OID: every one follows from its parent\n"
    )
    cli("claim", cwd=place, status=11)
    assert cli("agent", "remove", "x") == "agent x removed\n"


def test_the_same_in_json(cli: Cli, repo: Path, plan: Path) -> None:
    assert cli.json("init", str(plan))["plan"]["added"] == 2
    assert cli.json("agent", "add", "x", "--no-worktree")["agent"]["id"] == "x"
    claim = cli.json("claim", "--agent", "x", "--no-checkout")
    assert set(claim) >= {
        "op",
        "task",
        "claim",
        "entry",
        "branch",
        "base",
        "worktree",
        "already",
        "checkout",
        "held",
    }
    assert set(claim["task"]) >= {"id", "title", "phase", "pool", "paths", "reads", "needs"}
    assert set(claim["claim"]) >= {"token", "agent", "attempt", "expires_at"}
    assert cli.json("claim", "--agent", "x", "--no-checkout")["already"] is True
    error = cli.json("claim", "b", "--agent", "x", status=14)
    assert (error["code"], error["reason"]) == ("refused", "capacity")
    assert cli.json("progress", "on", "--agent", "x")["entry"]
    assert cli.json("fail", "--reason", "no", "--agent", "x")["retry_after"] == 1.0
    waiting = cli.json("claim", "--agent", "x", status=10)
    assert waiting["code"] == "nothing-ready"
    assert 0 < waiting["retry_after"] <= 1.1
    assert waiting["waiting_for"]
    found = cli.json("show", "a")["task"]
    assert (found["state"], found["claim"], len(found["history"])) == ("waiting", None, 3)
    status = cli.json("status")
    assert set(status) >= {
        "ledger",
        "tip",
        "epoch",
        "counts",
        "phases",
        "agents",
        "claims",
        "escalations",
    }
    assert cli.json("tasks", "--state", "waiting")["tasks"][0]["id"] == "a"
    assert cli.json("reap")["expired"] == []
    assert cli.json("assign", "a", "x")["assigned"] == "x"
    assert cli.json("plan", "show")["waves"][0]["width"] == 1
    assert cli.json("verify")["entries"] == 7


def test_waiting_claims_as_soon_as_a_task_is_ready_and_gives_up_in_time(
    cli: Cli, repo: Path, plan: Path
) -> None:
    cli("init", str(plan))
    for name in ("x", "y"):
        cli("agent", "add", name, "--no-worktree")
    cli("claim", "a", "--agent", "x")
    waiter = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "gitcoord",
            "-C",
            str(repo),
            "--agent",
            "y",
            "--json",
            "claim",
            "--wait",
        ],
        env=environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    cli.json("claim", "--agent", "y", "--wait", "--timeout", "0.3", status=10)
    cli("release", "--agent", "x")
    out, _ = waiter.communicate(timeout=60)
    assert json.loads(out)["task"]["id"] == "a"
