"""A plan, worked through in memory by the real rules."""

from __future__ import annotations

from gitcoord.core import stats
from gitcoord.core.history import history_of
from gitcoord.core.messages import parse as parse_message
from gitcoord.core.messages import render
from gitcoord.core.model import PlanDocument
from gitcoord.core.plan import parse
from gitcoord.core.simulation import Assumptions, Simulated, simulate
from tests.support.builders import tasks

ORDERED = '[plan]\nselection = "round-robin"\n'
MINUTE_MS = 60_000


def plan(*names: str, head: str = ORDERED, **needs: list[str]) -> PlanDocument:
    return parse(tasks(*names, head=head, **needs))[0]


def claims(done: Simulated) -> list[str]:
    return [event["task"] for event in done.events if event["op"] == "claim"]


def test_agents_work_beside_each_other_as_far_as_needs_let_them() -> None:
    document = plan("a", "b", "c", "d", d=["a"])
    took = {
        agents: simulate(document, agents, Assumptions(MINUTE_MS)).makespan_ms // MINUTE_MS
        for agents in (1, 2, 3, 10)
    }
    assert took == {1: 4, 2: 2, 3: 2, 10: 2}
    done = simulate(document, 2, Assumptions(MINUTE_MS))
    assert claims(done) == ["a", "b", "c", "d"]
    efficiency = stats.conditions(history_of(done.events))[0]
    assert efficiency["value"] == 0.5


def test_every_event_is_one_that_a_ledger_could_hold() -> None:
    done = simulate(plan("a", "b", b=["a"]), 2, Assumptions(MINUTE_MS, 0.5, 0.2, 100))
    assert [parse_message(render(event)) for event in done.events] == done.events
    assert [event["op"] for event in done.events[:4]] == ["init", "plan", "agent-add", "agent-add"]
    assert done.events[-1]["op"] == "land-done"


def test_an_estimate_and_an_overhead_count() -> None:
    text = tasks("a", "b", head=ORDERED).replace('"Do a"', '"Do a"\nestimate = "5m"')
    done = simulate(parse(text)[0], 1, Assumptions(MINUTE_MS, overhead_ms=1000))
    assert done.makespan_ms == 6 * MINUTE_MS + 2000
    overhead = stats.conditions(history_of(done.events))[1]
    assert overhead["value"] == round(2000 / (6 * MINUTE_MS), 4)


def test_phases_begin_when_those_before_them_have_landed() -> None:
    two = ORDERED + '[[phase]]\nname = "one"\n[[phase]]\nname = "two"\nafter = ["one"]\n'
    text = tasks("a", "b", "c", head=two).replace('"Do a"', '"Do a"\nphase = "two"')
    text = text.replace('"Do b"', '"Do b"\nphase = "one"').replace(
        '"Do c"', '"Do c"\nphase = "one"'
    )
    done = simulate(parse(text)[0], 4, Assumptions(MINUTE_MS))
    assert claims(done) == ["b", "c", "a"]
    assert (done.makespan_ms, done.left) == (2 * MINUTE_MS, 0)


def test_tasks_that_write_the_same_paths_and_full_pools_wait() -> None:
    same = tasks("a", "b", head=ORDERED).replace('["b/"]', '["a/"]')
    assert simulate(parse(same)[0], 2, Assumptions(MINUTE_MS)).makespan_ms == 2 * MINUTE_MS
    pool = ORDERED + '[[pool]]\nname = "default"\nlimit = 1\n'
    document = plan("a", "b", "c", head=pool)
    assert simulate(document, 3, Assumptions(MINUTE_MS)).makespan_ms == 3 * MINUTE_MS


def test_attempts_that_fail_are_tried_again_after_their_delay_until_they_are_used_up() -> None:
    document = plan("a", "b", head=ORDERED.replace("\n", "\nmax_attempts = 3\n", 1))
    rough = simulate(document, 1, Assumptions(MINUTE_MS, failure_rate=0.6, seed=4))
    history = history_of(rough.events)
    assert any(one.end == "failed" for one in history.attempts)
    states = {one.task: one.end for one in history.attempts}
    assert rough.left == sum(end != "completed" for end in states.values())
    assert rough == simulate(document, 1, Assumptions(MINUTE_MS, failure_rate=0.6, seed=4))


def test_durations_spread_around_what_a_task_usually_takes() -> None:
    document = plan(*(f"t{number}" for number in range(100)))
    done = simulate(document, 1, Assumptions(MINUTE_MS, 0.5, seed=1))
    took = sorted(one.took_ms or 0 for one in history_of(done.events).attempts)
    assert 0.8 < took[50] / MINUTE_MS < 1.25
    assert took[5] < 0.6 * MINUTE_MS
    assert took[95] > 1.7 * MINUTE_MS


def test_the_plan_s_selection_says_who_comes_first() -> None:
    text = tasks("a", "b", "c", head='[plan]\nselection = "priority"\n')
    text = text.replace('"Do c"', '"Do c"\npriority = 5')
    assert claims(simulate(parse(text)[0], 1, Assumptions(MINUTE_MS))) == ["c", "a", "b"]
    longest = plan("a", "b", "c", head='[plan]\nselection = "critical-path"\n', c=["b"])
    assert claims(simulate(longest, 1, Assumptions(MINUTE_MS))) == ["b", "a", "c"]
    names = [f"t{number}" for number in range(10)]
    drawn = claims(simulate(plan(*names, head=""), 1, Assumptions(MINUTE_MS, seed=3)))
    assert sorted(drawn) == sorted(names)
    assert drawn != names


def test_checks_gates_and_reviews_take_no_time_and_a_task_may_hand_in_nothing() -> None:
    head = (
        ORDERED + "[[phase]]\nname = 'default'\nreviews = 1\n"
        "gates = [{ name = 'g', run = 'false' }]\n"
    )
    text = tasks("a", "b", head=head, b=["a"]).replace('["a/"]', "[]")
    text = text.replace('"Do b"', '"Do b"\ncheck = "false"')
    done = simulate(parse(text)[0], 1, Assumptions(MINUTE_MS))
    assert (done.makespan_ms, done.left) == (2 * MINUTE_MS, 0)
