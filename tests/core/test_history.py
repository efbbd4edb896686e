"""Attempts, reviews and setbacks, read from events."""

from __future__ import annotations

from gitcoord.core.history import history_of
from gitcoord.core.operations.landings import merge_order, wholeness
from tests.support.builders import REVIEWED
from tests.support.pure import land
from tests.support.timed import Timed, one_failure


def test_an_attempt_lasts_from_its_claim_to_what_ends_it() -> None:
    history = history_of(one_failure().events)
    told = [(one.task, one.agent, one.end, one.took_ms, one.wait_ms) for one in history.attempts]
    assert told == [
        ("a", "x0", "completed", 30_000, 1000),
        ("b", "x1", "completed", 40_000, 2000),
        ("c", "x0", "failed", 20_000, 1000),
        ("c", "x1", "completed", 30_000, 18_000),
    ]
    assert [one.stands for one in history.attempts] == [True, True, False, True]
    (setback,) = history.setbacks
    assert (setback.kind, setback.agent, setback.of) == ("failed", "x0", history.attempts[2])
    assert setback.until is not None
    assert setback.until - setback.at == 38


def test_without_an_interval_the_times_of_the_entries_tell_how_long_it_took() -> None:
    pure = Timed()
    pure.hand_in(25, pure.take(10, "x0", "a"))
    running = pure.take(30, "x0", "b")
    first, second = history_of(pure.events).attempts
    assert (first.spent_ms, first.took_ms) == (None, 15_000)
    assert (second.token, second.end, second.took_ms) == (running["token"], None, None)


def test_a_silent_attempt_lasted_until_its_last_sign_of_life() -> None:
    pure = Timed()
    claim = pure.take(10, "x0", "a")
    pure.at(30)
    pure.run(
        {
            "op": "progress",
            "agent": "x0",
            "task": "a",
            "token": claim["token"],
            "message": "half",
        }
    )
    pure.take(2000, "x1", "a")
    silent, taken = history_of(pure.events).attempts
    assert (silent.end, silent.spent_ms, silent.until) == ("expired", 20_000, taken.since)
    assert (taken.is_takeover, taken.end) == (True, None)
    pure.at(4000)
    pure.run({"op": "expire"})
    history = history_of(pure.events)
    assert history.attempts[1].end == "expired"
    assert [one.kind for one in history.setbacks] == ["expired", "expired"]


def test_what_another_boot_s_clock_says_of_a_silent_attempt_is_not_subtracted() -> None:
    pure = Timed()
    pure.take(10, "x0", "a")
    pure.boot = "boot-b"
    key = f"boot-a:{10 * 10**9}"
    pure.at(1000)
    seen = pure.context()._replace(observed={key: 20 * 10**9}, now_ns=1000 * 10**9)
    pure.run(
        {
            "op": "claim",
            "agent": "x1",
            "task": "a",
            "session": "s",
            "base": "1" * 40,
            "built_on": {},
        },
        seen,
    )
    assert history_of(pure.events).attempts[0].spent_ms is None


def test_a_rejected_result_does_not_stand_and_its_author_is_set_back() -> None:
    pure = Timed("a", head=REVIEWED)
    pure.hand_in(20, pure.take(10, "x0", "a"), begun=10)
    pure.at(30)
    asked = {"op": "review", "agent": "x1", "task": "a", "session": "s"}
    review = pure.run(asked)
    result = review["reviewed"]
    again = {**asked, "session": "t", "old": review["token"]}
    pure.at(35)
    review = pure.run(again)
    pure.end(42, "reject", review, begun=30, reviewed=result)
    history = history_of(pure.events)
    (reviewing,) = history.reviews
    assert (reviewing.verdict, reviewing.spent_ms, reviewing.agent) == ("rejected", 12_000, "x1")
    assert (history.attempts[0].stands, history.attempts[0].undone) == (False, "rejected")
    assert [(one.kind, one.agent) for one in history.setbacks] == [("rejected", "x0")]


def test_a_cancelled_task_has_no_standing_result() -> None:
    pure = Timed()
    pure.hand_in(20, pure.take(10, "x0", "a"), begun=10)
    pure.take(22, "x1", "b")
    for second, task in ((30, "a"), (31, "b")):
        pure.at(second)
        pure.run({"op": "cancel", "task": task, "reason": ""})
    first, second_one = history_of(pure.events).attempts
    assert (first.end, first.undone) == ("completed", "cancelled")
    assert (second_one.end, second_one.undone) == ("cancelled", "")


def test_a_rollback_ends_the_claims_that_do_not_survive_it() -> None:
    pure = Timed()
    kept = pure.take(10, "x0", "a")
    ended = pure.take(12, "x1", "b")
    chosen = len(pure.events)
    pure.end(20, "release", ended)
    pure.at(30)
    pure.rollback(chosen)
    # The chain after it has the chosen entry's past, and the rollback.
    chain = [*pure.events[:chosen], pure.events[-1]]
    first, second = history_of(chain).attempts
    assert (first.token, first.end) == (kept["token"], None)
    assert (second.end, second.until) == ("abandoned", pure.events[-1]["time"])


def test_a_landing_that_leaves_a_task_out_ends_its_attempt() -> None:
    pure = Timed("a", "b")
    pure.hand_in(20, pure.take(10, "x0", "a"), begun=10)
    pure.take(21, "x1", "b")
    order = merge_order(wholeness(pure.snapshot, "default", ["b"]).tasks)
    begin = {**land(pure), "without": ["b"], "results": pure.keep(order), "count": len(order)}
    pure.at(30)
    pure.run(begin)
    assert history_of(pure.events).attempts[1].end is None
    pure.at(32)
    pure.run({**begin, "op": "land-done"})
    first, second = history_of(pure.events).attempts
    assert (first.stands, second.end) == (True, "cancelled")


def test_what_began_after_an_entry_can_be_told_apart() -> None:
    pure = one_failure()
    history = history_of(pure.events)
    number = history.attempts[1].number
    later = history.after(number)
    assert [one.task for one in later.attempts] == ["c", "c"]
    assert [one.task for one in later.setbacks] == ["c"]
    assert later.operations[0][2] == "complete"
