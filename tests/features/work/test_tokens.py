"""Which lease a holder's command is about, by the tokens kept here."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from gitcoord.core.errors import ClaimLostError, ConflictError, NotFoundError, RefusedError
from gitcoord.core.messages import parse
from gitcoord.features.land import rollbacks
from gitcoord.features.work import claims, results, reviews
from gitcoord.features.work.tokens import (
    CLAIMS,
    REVIEWS,
    begun_ns,
    current_claim,
    current_lease,
    forget_stale_tokens,
    refuse_living_session,
)
from gitcoord.features.workspace import Workspace, open_workspace
from gitcoord.host.processes import identity
from tests.support.builders import REVIEWED, tasks
from tests.support.world import do, found, record


def held(work: Workspace, task: str | None = None, session: str = "s") -> str:
    return claims.claim(work, "x", task, checkout=False, session=session).claim["token"]


def current(work: Workspace, task: str | None = None) -> tuple[str, str]:
    return current_claim(work, work.ledger.snapshot(), "x", task)


def two_claims(repo: Path) -> tuple[Workspace, str, str]:
    """Let x, whose capacity is two, hold both tasks."""
    work = found(repo, tasks("a", "b"), worktrees=False)
    from gitcoord.features.setup import agents

    agents.add(work, "x", no_worktree=True, capacity=2)
    return work, held(work, "a"), held(work, "b")


def test_the_only_claim_needs_no_name(repo: Path) -> None:
    work = found(repo, tasks("a"), "x", worktrees=False)
    with pytest.raises(NotFoundError, match="x has no claim on a task here"):
        current(work)
    token = held(work)
    assert current(work) == current(work, "a") == ("a", token)
    with pytest.raises(NotFoundError, match="there is no task 'b'"):
        current(work, "b")


def test_of_several_claims_the_task_is_named(repo: Path) -> None:
    work, one, two = two_claims(repo)
    with pytest.raises(RefusedError, match="x holds a, b: name the task") as caught:
        current(work)
    assert caught.value.reason == "several-claims"
    assert (current(work, "a"), current(work, "b")) == (("a", one), ("b", two))
    results.release(work, "x", "a", one)
    assert current(work) == ("b", two)


def test_the_environment_names_the_claim(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work, one, two = two_claims(repo)
    monkeypatch.setenv("GITCOORD_CLAIM", two)
    assert current(work) == current(work, "b") == ("b", two)
    with pytest.raises(NotFoundError, match="GITCOORD_CLAIM names no claim of this task"):
        current(work, "a")
    monkeypatch.setenv("GITCOORD_CLAIM", "0" * 32)
    with pytest.raises(NotFoundError):
        current(work)
    monkeypatch.setenv("GITCOORD_CLAIM", "")
    assert current(work, "a") == ("a", one)


def test_a_stale_token_is_returned_for_the_ledger_to_fence(repo: Path) -> None:
    work = found(repo, tasks("a"), "x", "y", worktrees=False)
    token = held(work)
    work.ledger.execute({"op": "cancel", "task": "a", "reason": ""}, agent="orchestrator")
    assert current(work) == ("a", token)
    with pytest.raises(ClaimLostError):
        results.release(work, "x", *current(work))


def test_stale_tokens_are_forgotten_and_living_ones_and_those_under_way_are_not(
    repo: Path,
) -> None:
    work, one, two = two_claims(repo)
    tokens = work.tokens("x")
    tokens.write("1" * 32, {"task": "a", "agent": "x", "session": "s", "entry_id": "going"})
    tokens.write("2" * 32, {"task": "a", "agent": "x", "session": "s", "entry_id": "gone"})
    pending = work.ledger.files.pending / "x" / "going.json"
    pending.parent.mkdir(parents=True, exist_ok=True)
    pending.write_text("{}")
    forget_stale_tokens(work, "x", work.ledger.snapshot())
    assert tokens.names() == {one, two, "1" * 32}


def test_the_token_of_a_claim_made_after_the_snapshot_was_read_is_not_forgotten(
    repo: Path,
) -> None:
    work, one, two = two_claims(repo)
    results.release(work, "x", "b", two)
    before = work.ledger.snapshot()
    elsewhere = open_workspace(repo)
    later = held(elsewhere, "b")
    elsewhere.close()
    forget_stale_tokens(work, "x", before)
    assert work.tokens("x").names() == {one, later}


def test_a_rollback_brings_no_claim_back_that_we_ended(repo: Path) -> None:
    work = found(repo, tasks("a", "b"), "x", worktrees=False)
    token = held(work, "a")
    claimed = work.ledger.tip()
    results.release(work, "x", "a", token)
    rollbacks.rollback(work, rollbacks.choose(work, to=claimed))
    # A rollback ends the claims of the state that it goes back to.
    again = claims.claim(work, "x", checkout=False, session="s")
    assert not again.already
    assert again.claim["token"] != token
    assert work.tokens("x").names() == {again.claim["token"]}


def test_claims_and_reviews_are_kept_apart(repo: Path) -> None:
    work = found(repo, REVIEWED + tasks("a", "b"), "x", "y", worktrees=True)
    do(work, "y", "a")
    review = reviews.claim(work, "x").review["token"]
    snapshot = work.ledger.snapshot()
    with pytest.raises(NotFoundError):
        current_lease(work, snapshot, "x", None)
    with pytest.raises(NotFoundError, match="no review of task b"):
        current_lease(work, snapshot, "x", "b", (REVIEWS,))
    for kinds in ((REVIEWS,), (CLAIMS, REVIEWS)):
        assert current_lease(work, snapshot, "x", None, kinds) == ("a", review, REVIEWS)


def test_a_session_of_the_same_agent_is_refused_while_it_lives(repo: Path) -> None:
    work = found(repo, tasks("a"), "x", worktrees=False)
    process = subprocess.Popen(["sleep", "60"])
    try:
        held(work, session=identity(process.pid))
        claim = record(work, "a")["claim"]
        refuse_living_session(work, "a", claim, identity(process.pid))
        with pytest.raises(ConflictError, match="another session of x holds task a") as caught:
            refuse_living_session(work, "a", claim, "named:other")
        assert caught.value.facts["holder"] == "x"
    finally:
        process.kill()
        process.wait()
    refuse_living_session(work, "a", claim, "named:other")


def test_an_attempt_ends_with_how_long_it_took_by_the_clock_that_it_began_by(repo: Path) -> None:
    work = found(repo, tasks("a", "b"), "x", worktrees=False)
    asked_ns = work.clock.monotonic_ns()
    first = held(work, "a")
    began_ns = begun_ns(work, "x", first)
    assert began_ns is not None
    assert asked_ns < began_ns < work.clock.monotonic_ns()
    # A new token goes on with the attempt.
    second = held(work, "a", session="other")
    assert second != first
    assert begun_ns(work, "x", second) == began_ns
    ended = results.release(work, "x", "a", second).event
    assert ended["spent_ms"] is not None


def test_a_lease_that_began_by_another_clock_has_an_age_that_nobody_knows(repo: Path) -> None:
    work = found(repo, tasks("a", "b"), "x", worktrees=False)
    token = held(work, "a")
    kept = work.tokens("x").read(token)
    work.tokens("x").write(token, {**kept, "boot_id": "another boot"})
    assert begun_ns(work, "x", token) is None
    assert results.release(work, "x", "a", token).event["spent_ms"] is None
    assert begun_ns(work, "x", "../../" + token) is None


def test_a_review_ends_with_how_long_it_took(repo: Path) -> None:
    work = found(repo, REVIEWED + tasks("a"), "x", "y")
    do(work, "x", "a")
    reviews.claim(work, "y")
    done = reviews.judge(work, "y", "a", "approve", "")
    assert isinstance(parse(work.store.read_entry(done.entry).message)["spent_ms"], int)
