"""Failures with their logs, cascades, escalations, notes and contention."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from gitcoord.core.errors import (
    ConflictError,
    NotFoundError,
    NothingReadyError,
    PlanFinishedError,
    RefusedError,
    UsageError,
)
from gitcoord.core.ids import ORCHESTRATOR
from gitcoord.core.model import MAX_LOG_BYTES, MAX_NOTES
from gitcoord.features.inspect import facts
from gitcoord.features.maintain import verify
from gitcoord.features.setup import agents
from gitcoord.features.work import claims, contention, escalations, notes, results
from gitcoord.features.workspace import Workspace
from tests.support.builders import tasks
from tests.support.world import environment, found, git, record, write

CHAIN = tasks(
    "a",
    "b",
    "c",
    b=["a"],
    c=["b"],
    head='[plan]\nmax_attempts = 1\nlease = "1s"\nheartbeat = "300ms"\n',
)


def run(cwd: Path, *args: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gitcoord", *args],
        cwd=cwd,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        input=stdin,
    )


def failed(work: Workspace, agent: str, task: str, log: bytes | None = None) -> None:
    claims.claim(work, agent, task, checkout=False)
    results.fail(work, agent, task, record(work, task)["claim"]["token"], "no", log=log)


def test_the_end_of_a_log_is_kept_and_says_what_was_cut(repo: Path) -> None:
    work = found(repo, CHAIN, "x", worktrees=False)
    failed(work, "x", "a", b"begin\n" + b"x" * 200_000 + b"\x1b[31m\nthe end\n")
    name, text = facts.log_of(work, "a")
    assert name == "logs/a-1.txt"
    assert text.startswith("[200020 bytes in all; this is the end]\n")
    assert text.endswith("\nthe end\n")
    assert len(text.encode()) <= MAX_LOG_BYTES
    assert "\x1b" not in text
    assert git("show", "gitcoord/ledger:logs/a-1.txt", cwd=repo) == text.strip()
    with pytest.raises(NotFoundError):
        facts.log_of(work, "b")
    verify.verify(work)


def test_a_failure_names_who_is_blocked_everywhere(repo: Path) -> None:
    work = found(repo, CHAIN, "x", worktrees=False)
    claimed = json.loads(run(repo, "claim", "a", "--agent", "x", "--json").stdout)
    assert claimed["would_block"] == {"task": "a", "direct": 1, "count": 2, "tasks": ["b", "c"]}
    answered = json.loads(run(repo, "fail", "--reason", "no", "--agent", "x", "--json").stdout)
    assert answered["blocked"]["tasks"] == ["b", "c"]
    status = facts.status(work)
    assert [(one["task"], one["state"], one["tasks"]) for one in status["blocked"]] == [
        ("a", "failed", ["b", "c"])
    ]
    assert [one["kind"] for one in status["escalations"]] == ["task-failed"]
    assert facts.show(work, "b")["task"]["blocked_by"] == ["a"]
    with pytest.raises(PlanFinishedError) as caught:
        claims.claim(work, "x", checkout=False)
    assert caught.value.facts["blocked"][0]["task"] == "a"  # type: ignore[index,call-overload]
    shown = run(repo, "status").stdout
    assert "blocked a failed: 2 tasks blocked by it: b, c" in shown


def test_retrying_or_cancelling_closes_the_escalation_of_the_failure(repo: Path) -> None:
    work = found(repo, tasks("a", "b", head="[plan]\nmax_attempts = 1\n"), "x", worktrees=False)
    for task, op in (("a", "retry"), ("b", "retry")):
        failed(work, "x", task)
        work.ledger.execute({"op": op, "task": task, "reason": "mended"}, agent=ORCHESTRATOR)
    assert {one["answer"] for one in work.ledger.snapshot().escalations()} == {"retried: mended"}
    verify.verify(work)


def test_an_answer_is_shown_once_by_the_agents_next_command(repo: Path) -> None:
    work = found(repo, tasks("a"), "x", "y", worktrees=False)
    claims.claim(work, "x", checkout=False)
    done = run(repo, "escalate", "which way?", "--task", "a", "--agent", "x", "--json")
    name = json.loads(done.stdout)["escalation"]
    assert name in run(repo, "inbox").stdout
    assert run(repo, "resolve", "nothing", "x").returncode == 2
    assert run(repo, "resolve", name, "the left one").returncode == 0
    again = run(repo, "resolve", name, "the right one", "--json")
    assert again.returncode == 14
    assert json.loads(again.stdout)["error"]["reason"] == "resolved"
    assert run(repo, "inbox").stdout.startswith("nothing waits")
    assert "the left one" in run(repo, "inbox", "--all").stdout
    assert "the left one" not in run(repo, "claim", "--agent", "y").stderr
    assert "the left one" in run(repo, "beat", "--agent", "x").stderr
    assert "the left one" not in run(repo, "beat", "--agent", "x").stderr
    verify.verify(work)


def test_notes_are_shown_to_those_they_matter_to(repo: Path) -> None:
    work = found(repo, tasks("a", "b"), "x", worktrees=False)
    notes.note(work, "x", "for everyone")
    notes.note(work, "x", "about a", task="a")
    notes.note(work, ORCHESTRATOR, "about b's files", path="b/deep/")
    said = json.loads(run(repo, "claim", "b", "--agent", "x", "--json").stdout)["notes"]
    assert {one["text"] for one in said} == {"for everyone", "about b's files"}
    shown = json.loads(run(repo, "note", "--task", "a", "--json").stdout)["notes"]
    assert {one["text"] for one in shown} == {"for everyone", "about a"}
    mine = next(one["id"] for one in shown if one["task"] == "a")
    dropped = run(repo, "note", "--drop", mine, "--agent", "x")
    assert dropped.returncode == 0
    assert "about a" not in run(repo, "note").stdout
    verify.verify(work)


def test_notes_are_bounded_and_belong_to_their_author(repo: Path) -> None:
    work = found(repo, tasks("a"), "x", "y", worktrees=False)
    with pytest.raises(UsageError):
        notes.note(work, "x", "n" * 1025)
    with pytest.raises(UsageError):
        notes.note(work, "x", "both", task="a", path="a/")
    with pytest.raises(NotFoundError):
        notes.note(work, "x", "where", task="zz")
    with pytest.raises(NotFoundError):
        notes.note(work, "nobody", "who")
    mine = notes.note(work, "x", "mine").event["id"][:8]
    with pytest.raises(RefusedError):
        notes.drop_note(work, "y", mine)
    assert MAX_NOTES == 200


def test_ten_lost_claims_in_a_row_are_escalated_once_and_a_won_one_forgets(repo: Path) -> None:
    work = found(repo, tasks("a", "b"), "x", "y", worktrees=False)
    claims.claim(work, "x", "a", checkout=False)
    for number in range(contention.LOSSES * 3):
        with pytest.raises(ConflictError):
            claims.claim(work, "y", "a", checkout=False)
        opened = [
            one for one in work.ledger.snapshot().escalations() if one["kind"] == "contention"
        ]
        assert len(opened) == (number >= contention.LOSSES - 1)
    assert "y lost 10 claims" in opened[0]["text"]
    assert "held by x" in opened[0]["text"]
    with pytest.raises(ConflictError):
        claims.claim(work, "y", "a", checkout=False)
    claims.claim(work, "y", "b", checkout=False)
    assert not (work.agent_folder("y") / "losses.json").exists()


def test_a_claim_that_starves_for_a_lease_is_escalated(repo: Path) -> None:
    head = '[plan]\nlease = "1s"\nheartbeat = "300ms"\n[[pool]]\nname = "default"\nlimit = 1\n'
    work = found(repo, tasks("a", "b", head=head), "x", "y", worktrees=False)
    claims.claim(work, "x", "a", checkout=False)
    token = record(work, "a")["claim"]["token"]
    for _ in range(8):
        work.ledger.beat("x", token)
        with pytest.raises(NothingReadyError) as caught:
            claims.claim(work, "y", checkout=False)
        assert caught.value.facts["no_room"] is True
        work.clock.sleep(0.2)
    assert [one["kind"] for one in work.ledger.snapshot().escalations()] == ["contention"]


def test_a_dead_agents_branch_is_offered_and_never_used_unasked(repo: Path) -> None:
    head = '[plan]\nlease = "1s"\nheartbeat = "300ms"\n'
    work = found(repo, tasks("a", head=head), "x", "y")
    claimed = claims.claim(work, "x", "a")
    half = write(Path(claimed.worktree or ""), "a/half.txt")
    work.clock.sleep(1.1)
    place = work.worktree_of("y")
    assert place is not None
    taken = json.loads(run(place, "claim", "--json").stdout)
    assert taken["earlier"] == {"branch": claimed.claim["branch"], "tip": half, "is_resumed": False}
    assert not (place / "a/half.txt").exists()
    assert run(place, "release").returncode == 0
    resumed = json.loads(run(place, "claim", "a", "--resume", "--json").stdout)
    assert resumed["earlier"] is None or resumed["earlier"]["is_resumed"]
    assert git("rev-parse", claimed.claim["branch"], cwd=repo) == half


def test_an_agent_that_is_gone_cannot_escalate(repo: Path) -> None:
    work = found(repo, tasks("a"), "x", worktrees=False)
    agents.remove(work, "x")
    with pytest.raises(NotFoundError):
        escalations.escalate(work, "x", "hello?")
