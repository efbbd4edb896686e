"""The rules of reviews, without a store."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from gitcoord.core.errors import (
    ClaimLostError,
    ConflictError,
    GitcoordError,
    NotFoundError,
    RefusedError,
    UsageError,
)
from gitcoord.core.events import Event
from gitcoord.core.leases import Beat, running
from gitcoord.core.machine import check, decide
from gitcoord.core.sentences import reason_of
from tests.support.builders import BOOT, TARGET, PureLedger
from tests.support.pure import refused

SECOND = 10**9
PLAN = """
[plan]
lease = "10s"
heartbeat = "3s"
max_attempts = {attempts}
[[pool]]
name = "default"
[[pool]]
name = "checkers"
[[phase]]
name = "p"
reviews = {reviews}
[[task]]
id = "a"
title = "A"
phase = "p"
paths = ["a/"]
{more}
[[task]]
id = "b"
title = "B"
phase = "p"
paths = ["b/"]
{more}
"""


def ledger(reviews: int = 1, verify_by: str = "", attempts: int = 9) -> PureLedger:
    """Make a ledger in which x wrote and y, z may review; c checks."""
    pure = PureLedger()
    pure.init()
    pure.plan(
        PLAN.format(
            reviews=reviews,
            attempts=attempts,
            more=f'verify_by = "{verify_by}"' if verify_by else "",
        )
    )
    pure.agent("x")
    for name in ("y", "z"):
        pure.agent(name, pools=["default"])
    pure.agent("c", pools=["checkers"])
    return pure


def review(
    pure: PureLedger,
    agent: str,
    task: str = "a",
    beats: dict[str, Beat] | None = None,
    session: str = "s",
) -> Event:
    return pure.run(
        {"op": "review", "agent": agent, "task": task, "session": session},
        pure.context(**(beats or {})),
    )


def judge(pure: PureLedger, claimed: Event, op: str = "approve", reason: str = "because") -> Event:
    keys = {key: claimed[key] for key in ("agent", "task", "token", "reviewed")}
    return pure.run({"op": op, "reason": reason, **keys})


def reviewers(pure: PureLedger, task: str = "a") -> list[tuple[str, str | None]]:
    return [(one["agent"], one["verdict"]) for one in pure.snapshot.require_task(task)["reviews"]]


def test_as_many_approvals_as_the_phase_asks_make_a_task_done() -> None:
    pure = ledger(reviews=2)
    pure.complete(pure.claim("x", "a"))
    first, second = review(pure, "y"), review(pure, "z")
    judge(pure, first)
    assert pure.state("a") == "review"
    judge(pure, second)
    assert pure.state("a") == "done"
    assert reviewers(pure) == [("y", "approved"), ("z", "approved")]


def test_the_plan_counts_as_it_was_when_the_result_came() -> None:
    pure = ledger(reviews=1)
    held = pure.claim("x", "a")
    pure.plan(PLAN.format(reviews=2, attempts=9, more=""))
    pure.complete(held)
    assert pure.snapshot.require_task("a")["approvals"] == 2


def test_nobody_reviews_what_is_his_own_or_not_in_review() -> None:
    pure = ledger()
    with pytest.raises(RefusedError, match="needs it to be review"):
        review(pure, "y")
    pure.complete(pure.claim("x", "a"))
    with pytest.raises(RefusedError, match="x is the author") as refused:
        review(pure, "x")
    assert refused.value.reason == "author"
    with pytest.raises(NotFoundError):
        review(pure, "nobody")


def written_by(session: str, more: str = 'reviewers = "other-assistants"') -> PureLedger:
    """Make a ledger with a result that was written in a session, where another has to review."""
    pure = ledger()
    head = PLAN.replace("reviews = {reviews}", f"reviews = 1\n{more}")
    pure.plan(head.format(attempts=9, more=""))
    claim = {"op": "claim", "agent": "x", "task": "a", "session": session}
    pure.complete(pure.run({**claim, "base": TARGET, "built_on": {}}))
    return pure


@pytest.mark.parametrize(
    ("wrote", "reviews", "is_refused"),
    [
        ("assistant:claude=1", "assistant:claude=2", True),
        ("assistant:claude=1", "assistant:codex=2", False),
        ("assistant:claude=1+codex=1", "assistant:codex=2", True),
        ("run:7:abc:claude", "assistant:claude=2", True),
        ("run:7:abc:claude", "run:7:def:claude", True),
        ("run:7:abc:claude", "named:run:7:def:claude", True),
        ("run:7:abc:claude", "run:7:def:codex", False),
        ("assistant:claude=1", "tty:1", False),
        ("tty:1", "assistant:claude=2", False),
        ("run:7:abc", "run:7:def", False),
    ],
)
def test_where_the_phase_asks_for_another_maker_no_assistant_reviews_its_own(
    wrote: str, reviews: str, is_refused: bool
) -> None:
    pure = written_by(wrote)
    if is_refused:
        with pytest.raises(RefusedError, match="asks another assistant") as refused:
            review(pure, "y", session=reviews)
        assert refused.value.reason == "author"
    else:
        review(pure, "y", session=reviews)
    anybody = written_by(wrote, "")
    review(anybody, "y", session=reviews)


def test_who_made_a_result_is_what_the_session_of_its_claim_tells() -> None:
    pure = written_by("assistant:codex=1")
    made = pure.snapshot.require_task("a")["result"]
    assert made is not None
    assert made["makers"] == ["codex"]
    plain = ledger()
    plain.complete(plain.claim("x", "a"))
    told = plain.snapshot.require_task("a")["result"]
    assert told is not None
    assert "makers" not in told
    held = plain.claim("x", "b")
    facts = {"oid": "5" * 40, "tree": "5" * 40, "base": TARGET, "built_on": {}}
    names = {key: held[key] for key in ("agent", "task", "token")}
    command = {"op": "complete", **names, "result": {**facts, "commits": 1, "files": 1}}
    event = decide(plain.snapshot, command, plain.context())
    event["result"]["makers"] = ["codex"]
    with pytest.raises(UsageError, match="who made a result"):
        check(plain.snapshot, event)


def test_a_place_that_is_taken_names_who_has_it_and_opens_when_the_lease_is_over() -> None:
    pure = ledger()
    pure.complete(pure.claim("x", "a"))
    stale = review(pure, "y")
    with pytest.raises(ConflictError, match="reviewed by y") as refused:
        review(pure, "z")
    assert (refused.value.facts["holder"], refused.value.facts["lease_ms"]) == ("y", 10_000)
    pure.now_ns += 11 * SECOND
    alive = {"y": Beat("f" * 40, {stale["token"]: (BOOT, pure.now_ns)})}
    with pytest.raises(ConflictError):
        review(pure, "z", beats=alive)
    taken = review(pure, "z")
    assert [gone["agent"] for gone in taken["expired"]] == ["y"]
    assert pure.snapshot.require_task("a")["failures"] == 0
    with pytest.raises(ClaimLostError):
        judge(pure, stale)
    judge(pure, taken)
    assert pure.state("a") == "done"


def test_a_review_that_is_over_and_in_nobodys_way_still_counts() -> None:
    pure = ledger(reviews=2)
    pure.complete(pure.claim("x", "a"))
    late = review(pure, "y")
    pure.now_ns += 11 * SECOND
    assert review(pure, "z")["expired"] == []
    judge(pure, late)
    assert reviewers(pure) == [("y", "approved"), ("z", None)]


def test_reaping_ends_reviews_too_without_a_failure() -> None:
    pure = ledger(reviews=2)
    pure.complete(pure.claim("x", "a"))
    review(pure, "y")
    review(pure, "z")
    pure.now_ns += 11 * SECOND
    pure.run({"op": "expire"})
    assert reviewers(pure) == []
    assert (pure.state("a"), pure.snapshot.require_task("a")["failures"]) == ("review", 0)


def test_a_rejection_opens_the_task_with_its_reason_and_ends_every_review() -> None:
    pure = ledger(reviews=2)
    pure.complete(pure.claim("x", "a"))
    first, second = review(pure, "y"), review(pure, "z")
    judge(pure, first)
    with pytest.raises(UsageError, match="needs a reason"):
        judge(pure, second, "reject", "  ")
    judge(pure, second, "reject", "no tests")
    task = pure.snapshot.require_task("a")
    assert (task["state"], task["reviews"], task["result"], task["failures"]) == (
        "open",
        [],
        None,
        1,
    )
    assert [(one["code"], one["agent"], reason_of(one)) for one in task["setbacks"]] == [
        ("rejected", "x", "z rejected the result: no tests")
    ]
    with pytest.raises(ClaimLostError):
        judge(pure, second)


def test_the_last_rejection_fails_the_task_and_asks_the_orchestrator() -> None:
    pure = ledger(attempts=1)
    pure.complete(pure.claim("x", "a"))
    judge(pure, review(pure, "y"), "reject", "no tests")
    assert pure.state("a") == "failed"
    assert [one["code"] for one in pure.snapshot.escalations()] == ["task-failed"]


def test_a_verdict_on_an_earlier_result_is_stale() -> None:
    pure = ledger()
    pure.complete(pure.claim("x", "a"))
    stale = review(pure, "y")
    pure.run({"op": "reopen", "task": "a", "kind": "conflict", "reason": "it conflicts"})
    pure.complete(pure.claim("x", "a"))
    with pytest.raises(ClaimLostError, match="no longer current"):
        judge(pure, stale)
    fresh = review(pure, "y")
    with pytest.raises(ClaimLostError):
        judge(pure, {**fresh, "reviewed": stale["reviewed"]})
    judge(pure, fresh)
    assert pure.state("a") == "done"


def test_what_is_cancelled_or_redone_fences_its_reviewers() -> None:
    pure = ledger()
    done = pure.complete(pure.claim("x", "a"))
    held = review(pure, "y")
    pure.run({"op": "cancel", "task": "a", "reason": ""})
    with pytest.raises(ClaimLostError):
        judge(pure, held)
    assert pure.snapshot.live() == ()
    assert done["result"]["oid"]


def test_one_agent_approves_a_result_once() -> None:
    pure = ledger(reviews=2)
    pure.complete(pure.claim("x", "a"))
    judge(pure, review(pure, "y"))
    with pytest.raises(RefusedError, match="y has approved") as refused:
        review(pure, "y")
    assert refused.value.reason == "reviewed"


def test_claiming_again_gives_a_new_token_that_fences_the_old_one() -> None:
    pure = ledger()
    pure.complete(pure.claim("x", "a"))
    old = review(pure, "y")
    new = review(pure, "y")
    assert new["old"] == old["token"]
    with pytest.raises(ClaimLostError):
        judge(pure, old)
    judge(pure, new)


def test_reviews_are_bounded_by_capacity_and_keep_an_agent_from_being_removed() -> None:
    pure = ledger()
    pure.complete(pure.claim("x", "a"))
    pure.complete(pure.claim("x", "b"))
    held = review(pure, "y", "a")
    with pytest.raises(RefusedError, match="already reviews a") as refused:
        review(pure, "y", "b")
    assert refused.value.reason == "capacity"
    with pytest.raises(RefusedError, match="y holds a"):
        pure.run({"op": "agent-remove", "name": "y", "reason": ""})
    judge(pure, held, "review-release", "")
    assert reviewers(pure) == []
    review(pure, "y", "b")
    pure.now_ns += 11 * SECOND
    assert [gone["task"] for gone in review(pure, "y", "a")["expired"]] == ["b"]


def test_a_verifier_alone_is_enough_where_the_phase_asks_for_none() -> None:
    pure = ledger(reviews=0, verify_by="checkers")
    pure.complete(pure.claim("x", "a"))
    assert pure.state("a") == "review"
    with pytest.raises(RefusedError, match="by an agent of pool checkers") as refused:
        review(pure, "y")
    assert refused.value.reason == "pool"
    judge(pure, review(pure, "c"))
    assert pure.state("a") == "done"


def test_the_last_place_waits_for_a_verifier() -> None:
    pure = ledger(reviews=2, verify_by="checkers")
    pure.complete(pure.claim("x", "a"))
    judge(pure, review(pure, "y"))
    with pytest.raises(RefusedError, match="by an agent of pool checkers"):
        review(pure, "z")
    judge(pure, review(pure, "c"))
    assert pure.state("a") == "done"


def test_a_review_survives_a_rollback_only_if_it_was_held_all_along() -> None:
    pure = ledger(reviews=2)
    pure.complete(pure.claim("x", "a"))
    kept, number = review(pure, "y"), len(pure.past)
    lost = review(pure, "z")
    judge(pure, lost, "review-release", "")
    pure.rollback(number)
    assert reviewers(pure) == [("y", None)]
    with pytest.raises(ClaimLostError):
        judge(pure, lost)
    judge(pure, kept)


class Reviews(RuleBasedStateMachine):
    """Any number of reviewers, verdicts late and early, results that change."""

    def __init__(self) -> None:
        super().__init__()
        self.pure = ledger(reviews=2, verify_by="checkers", attempts=30)
        self.pure.agent("w", capacity=2)
        self.reviews: list[Event] = []

    def ask(self, command: dict[str, Any]) -> Event | None:
        before = dict(self.pure.files)
        try:
            return self.pure.run(command)
        except GitcoordError:
            assert self.pure.files == before
            return None

    @rule(agent=st.sampled_from("xyzcw"), task=st.sampled_from("ab"))
    def hand_in(self, agent: str, task: str) -> None:
        claim = self.ask(
            {
                "op": "claim",
                "agent": agent,
                "task": task,
                "session": "s",
                "base": "1" * 40,
                "built_on": {},
            }
        )
        if claim is not None:
            self.pure.complete(claim)

    @rule(agent=st.sampled_from("xyzcw"), task=st.sampled_from("ab"))
    def begin(self, agent: str, task: str) -> None:
        event = self.ask({"op": "review", "agent": agent, "task": task, "session": "s"})
        if event is not None:
            self.reviews.append(event)

    @rule(
        which=st.integers(0, 30),
        op=st.sampled_from(["approve", "approve", "reject", "review-release"]),
    )
    def end(self, which: int, op: str) -> None:
        if not self.reviews:
            return
        one = self.reviews[which % len(self.reviews)]
        task = self.pure.snapshot.require_task(one["task"])
        is_current = any(found["token"] == one["token"] for found in running(task))
        keys = {key: one[key] for key in ("agent", "task", "token", "reviewed")}
        assert (self.ask({"op": op, "reason": "because", **keys}) is not None) == is_current

    @rule(op=st.sampled_from(["reopen", "cancel", "retry"]), task=st.sampled_from("ab"))
    def orchestrate(self, op: str, task: str) -> None:
        self.ask({"op": op, "task": task, "kind": "conflict", "reason": "because"})

    @rule(seconds=st.integers(1, 20))
    def wait(self, seconds: int) -> None:
        self.pure.now_ns += seconds * SECOND

    @rule()
    def reap(self) -> None:
        self.ask({"op": "expire"})

    @invariant()
    def every_review_is_of_this_result_and_by_another(self) -> None:
        for task in self.pure.snapshot.tasks():
            for one in task["reviews"]:
                assert task["result"] is not None
                assert one["result"] == task["result"]["oid"]
                assert one["agent"] != task["result"]["agent"]
            assert len({one["agent"] for one in task["reviews"]}) == len(task["reviews"])

    @invariant()
    def the_places_are_kept(self) -> None:
        for task in self.pure.snapshot.tasks():
            assert len(task["reviews"]) <= 2
            assert sum(not one["is_verifier"] for one in task["reviews"]) <= 1

    @invariant()
    def done_is_approved_twice_and_once_by_a_verifier(self) -> None:
        for task in self.pure.snapshot.tasks():
            if task["state"] == "done":
                assert [one["verdict"] for one in task["reviews"]] == ["approved", "approved"]
                assert any(one["is_verifier"] for one in task["reviews"])
            else:
                assert sum(one["verdict"] == "approved" for one in task["reviews"]) < 2

    @invariant()
    def nobody_reviews_more_than_fits(self) -> None:
        held = [one["agent"] for task in self.pure.snapshot.live() for one in running(task)]
        assert all(held.count(agent) <= (2 if agent == "w" else 1) for agent in held)


TestReviews = Reviews.TestCase
TestReviews.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def test_reviews_decide_between_done_and_open() -> None:
    pure = PureLedger()
    pure.init()
    pure.plan(
        '[[phase]]\nname="p"\nreviews=1\n[[task]]\nid="a"\ntitle="A"\nphase="p"\npaths=["a/"]\n'
    )
    pure.agent("x0")
    pure.agent("x1")
    done = pure.complete(pure.claim("x0", "a"))
    assert pure.state("a") == "review"
    refused(pure, RefusedError, op="review", agent="x0", task="a", session="s")
    review = pure.run({"op": "review", "agent": "x1", "task": "a", "session": "s"})
    verdict = {
        "agent": "x1",
        "task": "a",
        "token": review["token"],
        "reviewed": done["result"]["oid"],
        "reason": "no tests",
    }
    pure.run({"op": "reject", **verdict})
    assert pure.state("a") == "open"
    refused(pure, ClaimLostError, op="approve", **verdict)
    done = pure.complete(pure.claim("x0", "a"))
    review = pure.run({"op": "review", "agent": "x1", "task": "a", "session": "s"})
    pure.run(
        {
            "op": "approve",
            "agent": "x1",
            "task": "a",
            "token": review["token"],
            "reviewed": done["result"]["oid"],
            "reason": "",
        }
    )
    assert pure.state("a") == "done"
