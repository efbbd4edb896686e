"""What a claimer should know beside its task."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gitcoord.features.work import claims, escalations, notes, results
from gitcoord.features.work.claim_facts import claim_answer, lines_of, logs_of
from gitcoord.features.workspace import Workspace
from tests.support.builders import tasks
from tests.support.world import found, record, write


def answered(work: Workspace, claimed: claims.Claimed) -> dict[str, Any]:
    return {**claim_answer(work, claimed), "ledger": "ledger"}


def given_back(work: Workspace, *, has_work: bool) -> str:
    """Let x try task a and give it back; return its branch."""
    claimed = claims.claim(work, "x", "a")
    if has_work:
        write(Path(claimed.worktree or ""), "a/half.txt")
    results.release(work, "x", "a", claimed.claim["token"])
    return claimed.claim["branch"]


def test_a_first_claim_of_a_lonely_task_has_nothing_to_tell(repo: Path) -> None:
    work = found(repo, tasks("a"), "x", worktrees=False)
    facts = answered(work, claims.claim(work, "x", "a", checkout=False))
    assert (facts["notes"], facts["answers"], facts["earlier"], facts["logs"]) == ([], [], None, [])
    assert lines_of(facts) == []


def test_commits_of_an_earlier_attempt_are_offered(repo: Path) -> None:
    work = found(repo, tasks("a"), "x")
    branch = given_back(work, has_work=True)
    facts = answered(work, claims.claim(work, "x", "a"))
    assert facts["earlier"] == {
        "branch": branch,
        "tip": work.store.read_ref(f"refs/heads/{branch}"),
        "is_resumed": False,
    }
    (line,) = lines_of(facts)
    assert line.startswith(f"  earlier   {branch} holds an earlier attempt's commits")


def test_an_attempt_that_was_resumed_is_said_to_be(repo: Path) -> None:
    work = found(repo, tasks("a"), "x")
    branch = given_back(work, has_work=True)
    facts = answered(work, claims.claim(work, "x", "a", resume=True))
    assert facts["earlier"]["is_resumed"]
    assert lines_of(facts) == [f"  resumed   from {branch}"]


def test_a_branch_without_work_is_not_worth_a_word(repo: Path) -> None:
    work = found(repo, tasks("a"), "x")
    given_back(work, has_work=False)
    assert answered(work, claims.claim(work, "x", "a"))["earlier"] is None


def test_notes_answers_and_those_who_wait_are_told(repo: Path) -> None:
    work = found(repo, tasks("a", "b", b=["a"]), "x", worktrees=False)
    notes.note(work, "x", "mind the gap", task="a")
    escalations.escalate(work, "x", "which way?\nleft or right?", "a")
    (asked,) = work.ledger.snapshot().escalations()
    escalations.resolve(work, asked["id"], "left")
    facts = answered(work, claims.claim(work, "x", "a", checkout=False))
    assert [one["text"] for one in facts["notes"]] == ["mind the gap"]
    assert [(one["id"], one["answer"]) for one in facts["answers"]] == [(asked["id"], "left")]
    assert facts["would_block"]["count"] == 1
    lines = lines_of(facts)
    assert lines[:2] == ["  note      mind the gap (x)", "  answered  which way?: left"]
    assert lines[2].startswith("  needed    by 1 task")


def test_logs_are_those_of_the_tasks_own_attempts(repo: Path) -> None:
    work = found(repo, tasks("a", "a-1"), "x", worktrees=False)
    for name in ("a", "a-1", "a"):
        held = claims.claim(work, "x", name, checkout=False)
        results.fail(work, "x", name, held.claim["token"], "no", log=b"why\n", kind="permanent")
        work.ledger.execute({"op": "retry", "task": name, "reason": ""}, agent="orchestrator")
    snapshot = work.ledger.snapshot()
    assert logs_of(snapshot, record(work, "a")) == ["logs/a-1.txt", "logs/a-2.txt"]
    assert logs_of(snapshot, record(work, "a-1")) == ["logs/a-1-1.txt"]
    facts = answered(work, claims.claim(work, "x", "a", checkout=False))
    assert lines_of(facts)[-1] == "  log       git show gitcoord/ledger:logs/a-2.txt"
