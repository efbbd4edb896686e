"""Statistics, against ledgers that were computed by hand."""

from __future__ import annotations

from typing import Any

from gitcoord.core import stats
from gitcoord.core.history import History, history_of
from gitcoord.core.operations.gates import definition_of
from tests.support.pure import land
from tests.support.timed import Timed, one_failure

NOTHING_TOLD = {
    "told": 0,
    "input_tokens": None,
    "cached_tokens": None,
    "output_tokens": None,
    "cost_micros": None,
}


def judged(history: History) -> dict[str, tuple[float | None, bool | None]]:
    return {one["name"]: (one["value"], one["is_met"]) for one in stats.conditions(history)}


def hows(history: History) -> dict[str, str]:
    return {one["name"]: one["how"] for one in stats.conditions(history)}


def test_the_four_conditions_of_a_small_ledger_are_those_computed_by_hand() -> None:
    # Results that stand took 30, 40 and 30 s, from second 10 to second 100.
    # Waiting 22 s for work of 120 s; c needed 38 s to recover, and a task takes 30 s.
    history = history_of(one_failure().events)
    assert judged(history) == {
        "efficiency": (0.1, False),
        "overhead": (0.1833, True),
        "failure_rate": (0.3333, False),
        "recovery": (1.2667, True),
    }
    assert hows(history) == {
        "efficiency": "sequential 100000 ms, the attempts of 3 standing results, 3 by their own "
        "clock; parallel 90000 ms, one clock",
        "overhead": "waited 22000 ms for work of 120000 ms, in 4 of 4 ended attempts",
        "failure_rate": "1 of 3 tasks were set back",
        "recovery": "1 of 1 setbacks were recovered from, in 38000 ms by the times of entries; a "
        "standing result took 30000 ms",
    }


def test_counts_and_times_of_a_small_ledger_are_those_computed_by_hand() -> None:
    pure = one_failure()
    history = history_of(pure.events)
    counted = {name: count for name, count in stats.counts(history).items() if count}
    assert counted == {
        "entries": len(pure.events),
        "tasks": 3,
        "attempts": 4,
        "standing": 3,
        "retries": 1,
        "failed": 1,
    }
    assert stats.times(history) == {
        "sequential_ms": 100_000,
        "parallel_ms": 90_000,
        "task_ms": 30_000,
        "work_ms": 120_000,
        "wasted_ms": 20_000,
        "waiting_ms": 22_000,
        "review_ms": 0,
        "gate_ms": 0,
        "check_ms": 0,
    }


def test_agents_are_told_apart() -> None:
    rows = stats.grouped(history_of(one_failure().events), lambda one: one.agent)
    assert rows == [
        {
            "name": "x0",
            "tasks": 2,
            "attempts": 2,
            "standing": 1,
            "setbacks": 1,
            "work_ms": 50_000,
            "wasted_ms": 20_000,
            "waiting_ms": 2000,
            "usage": NOTHING_TOLD,
        },
        {
            "name": "x1",
            "tasks": 2,
            "attempts": 2,
            "standing": 2,
            "setbacks": 0,
            "work_ms": 70_000,
            "wasted_ms": 0,
            "waiting_ms": 20_000,
            "usage": NOTHING_TOLD,
        },
    ]


def told(**counts: int) -> Any:
    return {"assistant": "claude", "source": "reported", **counts}


def test_what_assistants_told_of_tokens_and_cost_is_added_up_as_far_as_it_is_told() -> None:
    history = history_of(one_failure().events)
    first, second, third, fourth = history.attempts
    first.usages = [told(input_tokens=900, output_tokens=50, cost_micros=12_000)]
    # Another session went on with it.
    first.usages.append(told(input_tokens=100))
    # A failed attempt cost something, too; one told no cost, and one told nothing.
    third.usages = [told(input_tokens=400, cached_tokens=300, cost_micros=5_000)]
    fourth.usages = [told(output_tokens=7)]
    assert second.usages == []
    assert stats.usage(history) == {
        "told": 3,
        "input_tokens": 1400,
        "cached_tokens": 300,
        "output_tokens": 57,
        "cost_micros": 17_000,
    }
    by_agent = {one["name"]: one["usage"] for one in stats.grouped(history, lambda one: one.agent)}
    assert by_agent["x0"]["cost_micros"] == 17_000
    assert by_agent["x1"] == {**NOTHING_TOLD, "told": 1, "output_tokens": 7}


def test_nothing_is_known_of_a_ledger_in_which_nothing_was_done() -> None:
    history = history_of(Timed().events)
    assert set(judged(history).values()) == {(None, None)}
    assert all(how.startswith("not known") for how in hows(history).values())
    unknown = {name for name, ms in stats.times(history).items() if ms is None}
    assert unknown == {"parallel_ms", "task_ms"}
    assert stats.grouped(history, lambda one: one.agent) == []


def test_intervals_of_two_clocks_are_not_subtracted() -> None:
    pure = Timed()
    first = pure.take(10, "x0", "a", asked=9)
    pure.boot = "boot-b"
    second = pure.take(20, "x1", "b")
    pure.hand_in(40, first)
    pure.hand_in(50, second, begun=20)
    history = history_of(pure.events)
    # By the times of entries: 30 s and 30 s of work, from second 10 to second 50.
    assert judged(history)["efficiency"] == (0.3333, False)
    assert "1 by their own clock" in hows(history)["efficiency"]
    assert hows(history)["efficiency"].endswith("times of entries, 2 clock(s)")
    assert stats.times(history)["waiting_ms"] == 1000
    # Nobody knows both how long an attempt was waited for and how long it took.
    assert judged(history)["overhead"] == (None, None)
    assert "in 0 of 2 ended attempts" in hows(history)["overhead"]


def test_efficiency_is_negative_where_one_agent_would_have_been_faster() -> None:
    pure = Timed("a", "b")
    first = pure.take(10, "x0", "a")
    pure.end(12, "fail", pure.take(11, "x1", "b"), begun=11)
    pure.hand_in(20, first, begun=10)
    pure.hand_in(110, pure.take(100, "x1", "b"), begun=100)
    # 10 s and 10 s of work that stands, from second 10 to second 110.
    assert judged(history_of(pure.events))["efficiency"] == (-4.0, False)


def test_all_four_conditions_can_be_met() -> None:
    pure = Timed("a", "b", "c", "d", agents=4)
    held: list[Any] = [
        pure.take(10 + number, f"x{number}", task, asked=9 + number)
        for number, task in enumerate("abcd")
    ]
    for number, claim in enumerate(held):
        pure.hand_in(110 + number, claim, begun=10 + number)
    found = judged(history_of(pure.events))
    # 400 s of work in 103 s.
    assert found["efficiency"] == (0.7425, True)
    assert found["overhead"] == (0.01, True)
    assert found["failure_rate"] == (0.0, True)
    # Nothing had to recover.
    assert found["recovery"] == (None, None)


def test_landings_and_runs_of_gates_are_counted() -> None:
    gates = "[[phase]]\nname = 'default'\ngates = [{ name = 'g', run = 'true' }]\n"
    pure = Timed("a", head=gates)
    pure.hand_in(20, pure.take(10, "x0", "a"), begun=10)
    run: dict[str, Any] = {"op": "gate", "phase": "default", "gate": "g", "definition": "0" * 64}
    run |= {"tree": "2" * 40, "commit": "2" * 40, "reason": "", "log": None}
    phase = pure.snapshot.phase("default")
    assert phase is not None
    run["definition"] = definition_of(phase["spec"]["gates"][0])
    pure.at(30)
    pure.run({**run, "verdict": "failed", "millis": 1500, "reason": "exit 1"})
    pure.at(31)
    pure.run({**run, "verdict": "passed", "millis": 500})
    begin = {**land(pure), "tree": "2" * 40}
    pure.run(begin)
    pure.run({**begin, "op": "land-done"})
    history = history_of(pure.events)
    found = stats.counts(history)
    assert (found["failed_gates"], found["landings"]) == (1, 1)
    assert stats.times(history)["gate_ms"] == 2000


def test_what_nobody_knows_is_not_counted_as_nothing() -> None:
    pure = Timed()
    pure.hand_in(25, pure.take(10, "x0", "a"))
    assert stats.times(history_of(pure.events))["waiting_ms"] is None
