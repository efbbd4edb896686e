"""Claude, Codex and Copilot finish one plan in one run, whatever comes between, and it lands."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path
from typing import Any

from gitcoord.features.workspace import open_workspace
from tests.assistants.conftest import gitcoord
from tests.assistants.programs import GITCOORD, all_of_them
from tests.assistants.scripted_model import ScriptedModel, Turn, limited, say, shell

NAMES = ("alpha", "beta", "gamma", "delta", "epsilon", "zeta")
TASK = """
[[task]]
id = "{name}"
title = "Write {name}"
paths = ["{name}/"]
"""
PLAN = """
[plan]
limit_wait = "1s"
[[phase]]
name = "default"
reviews = 1
""" + "".join(TASK.format(name=name) for name in NAMES)


WHO = {
    "alpha": "run-2",
    "beta": "run-1",
    "gamma": "run-1",
    "delta": "run-2",
    "epsilon": "run-3",
}
"""Claude reaches its limit and crashes, Codex is not believed; Copilot has a task of its own."""


def hands_in(name: str) -> list[Turn]:
    return [
        shell(f"mkdir -p {name} && echo by $0 > {name}/file"),
        shell(f'gitcoord complete --commit "Write {name}"'),
        say("over"),
    ]


def approves(name: str) -> list[Turn]:
    return [shell(f"gitcoord review approve {name} --message fine"), say("over")]


def lanes() -> dict[str, list[Turn]]:
    """Return what the model says on each task, to whoever reviews it or works on it."""
    found = {f"Review the result below.*task {name}[ :]": approves(name) * 2 for name in NAMES}
    rejects = [shell("gitcoord review reject delta --reason 'say who wrote it'"), say("over")]
    found["Review the result below.*task delta[ :]"] = [*rejects, *approves("delta")]
    found |= {f"holds task {name}": hands_in(name) * 2 for name in NAMES}
    # It forgets to hand in, and is not believed.
    forgets = [say("It is done."), say("Really."), say("Yes.")]
    found["holds task alpha"] = [*forgets, *hands_in("alpha")]
    # It reaches its usage limit after half of the work.
    half = shell("mkdir -p beta && echo half > beta/half")
    found["holds task beta"] = [half, limited(int(time.time()) + 5), *hands_in("beta")]
    # Its process is killed by what it runs.
    found["holds task gamma"] = [shell("kill -9 $PPID"), *hands_in("gamma") * 2]
    # It writes outside of its boundary by its shell, and is told so when it hands in.
    outside, takes_back = shell("echo x > elsewhere.txt"), shell("rm -f elsewhere.txt")
    found["holds task zeta"] = [outside, *hands_in("zeta")[:2], takes_back, *hands_in("zeta")]
    return found


def test_one_run_finishes_the_plan_and_it_lands(repo: Path, home: Path) -> None:
    (repo / "plan.toml").write_text(PLAN)
    for key, value in (("user.name", "Tester"), ("user.email", "tester@example.invalid")):
        subprocess.run(["git", "config", key, value], cwd=repo, check=True)
    subprocess.run(["git", "add", "."], cwd=repo, check=True)
    subprocess.run(["git", "commit", "-q", "-m", "plan"], cwd=repo, check=True)
    gitcoord(repo, "init", "plan.toml")
    for agent in sorted(set(WHO.values())):
        gitcoord(repo, "agent", "add", agent)
    for task, agent in WHO.items():
        gitcoord(repo, "assign", task, agent)
    before = files(repo)
    words = [word for name in ("claude", "codex", "copilot") for word in ("--assistant", name)]
    with ScriptedModel([say("?")], lanes()) as model:
        done = subprocess.run(
            [str(GITCOORD), "run", "-j", "3", *words, "--review-assistant", "claude"],
            cwd=repo,
            env=all_of_them(model, home),
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )
    told = done.stdout + done.stderr
    assert done.returncode == 0, told
    assert "everything landed" in done.stdout
    work = open_workspace(repo)
    tasks: dict[str, Any] = {task["id"]: task for task in work.ledger.snapshot().tasks()}
    work.close()
    by = {task["result"]["agent"] for task in tasks.values()}
    assert by == {"run-1", "run-2", "run-3"}, "each did some of it"
    codes = {name: [one["code"] for one in tasks[name]["setbacks"]] for name in NAMES}
    assert codes["alpha"] == ["failed"]
    assert codes["gamma"] == ["failed"]
    assert codes["delta"] == ["rejected"]
    assert tasks["beta"]["failures"] == 0, "a limit is no failure"
    assert "usage limit" in told or "at its limit" in told
    resumed = [body for body in model.bodies if "A usage limit ended this session" in body]
    assert any("beta/half" in body for body in resumed), "its session goes on where it was"
    assert "not part of task zeta" in model.sent or "elsewhere.txt" in model.sent
    used = [event["usage"] for event in events(repo) if event["op"] == "usage"]
    assert {one["assistant"] for one in used} == {"claude", "codex"}
    assert all(one["cost_micros"] > 0 for one in used if one["assistant"] == "claude")
    ours = {f"{name}/file" for name in NAMES}
    assert files(repo) == {*before, *ours, "beta/half"}
    gitcoord(repo, "verify")


MAKERS = {"alpha": "claude", "beta": "codex"}
RULE = """
[[phase]]
name = "default"
reviews = 1
reviewers = "other-assistants"
""" + "".join(TASK.format(name=name) for name in MAKERS)


def test_where_the_plan_says_so_each_is_judged_by_the_other_alone(repo: Path, home: Path) -> None:
    (repo / "plan.toml").write_text(RULE)
    for key, value in (("user.name", "Tester"), ("user.email", "tester@example.invalid")):
        subprocess.run(["git", "config", key, value], cwd=repo, check=True)
    subprocess.run(["git", "add", "."], cwd=repo, check=True)
    subprocess.run(["git", "commit", "-q", "-m", "plan"], cwd=repo, check=True)
    gitcoord(repo, "init", "plan.toml")
    gitcoord(repo, "agent", "add", "run-1", "run-2")
    gitcoord(repo, "assign", "alpha", "run-1")
    gitcoord(repo, "assign", "beta", "run-2")
    words = [
        word
        for name in MAKERS.values()
        for word in ("--assistant", name, "--review-assistant", name)
    ]
    said = {f"Review the result below.*task {name}[ :]": approves(name) for name in MAKERS}
    said |= {f"holds task {name}": hands_in(name) for name in MAKERS}
    with ScriptedModel([say("?")], said) as model:
        done = subprocess.run(
            [str(GITCOORD), "run", "-j", "2", *words],
            cwd=repo,
            env=all_of_them(model, home),
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "everything landed" in done.stdout
    work = open_workspace(repo)
    results = {name: work.ledger.snapshot().require_task(name)["result"] for name in MAKERS}
    work.close()
    assert {name: one and one["makers"] for name, one in results.items()} == {
        name: [maker] for name, maker in MAKERS.items()
    }
    judged = {one["task"]: one["agent"] for one in events(repo) if one["op"] == "approve"}
    assert judged == {"alpha": "run-review-2", "beta": "run-review-1"}, "the second is Codex"


def files(repo: Path) -> set[str]:
    """Return every file of the main checkout: neither settings nor hooks come in."""
    found = (path for path in repo.rglob("*") if path.is_file())
    return {str(path.relative_to(repo)) for path in found if ".git/" not in str(path)}


def events(repo: Path) -> list[dict[str, Any]]:
    command = ["git", "log", "--format=%B", "gitcoord/ledger"]
    log = subprocess.run(command, cwd=repo, check=True, capture_output=True, text=True).stdout
    mark = "Gitcoord-Event: "
    return [json.loads(line.removeprefix(mark)) for line in log.splitlines() if mark in line]
