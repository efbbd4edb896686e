"""What is drawn of a ledger: lanes, columns, steps."""

from __future__ import annotations

import re

from gitcoord.core.report_drawing import CLASSES, load, progress, timeline
from tests.support.reports import report_of


def bars(drawn: str, kind: str) -> list[tuple[float, float]]:
    found = re.findall(rf'<rect class="{kind}"[^>]* x="([\d.]+)"[^>]* width="([\d.]+)"', drawn)
    return [(float(x), float(width)) for x, width in found]


def test_attempts_stand_in_their_order_and_as_long_as_they_took() -> None:
    drawn = timeline(report_of(4), str)
    done = bars(drawn, "completed")
    assert [x for x, _ in done] == sorted(x for x, _ in done)
    assert len({round(width) for _, width in done}) == 1
    assert len(bars(drawn, "failed")) == 4


def test_a_result_that_was_taken_back_is_not_drawn_as_one_that_stands() -> None:
    facts = report_of(1)
    facts["attempts"][1]["undone"] = "rejected"
    drawn = timeline(facts, str)
    assert bars(drawn, "completed") == []
    assert "then rejected" in drawn


def test_what_still_runs_goes_on_to_the_end() -> None:
    facts = report_of(1)
    facts["attempts"] = [{**facts["attempts"][0], "until": None, "end": None}]
    ((x, width),) = bars(timeline(facts, str), "running")
    assert round(x + width + 1) == 1060


def test_results_are_counted_in_steps_beside_what_landed() -> None:
    facts = report_of(2)
    facts["landings"][0]["count"] = 1
    drawn = progress(facts)
    assert "2 tasks" in drawn
    stood, landed = lines(drawn)
    assert stood == sorted(stood, reverse=True)
    assert [len(set(stood)), len(set(landed))] == [3, 2]
    assert min(landed) > min(stood)


def lines(drawn: str) -> list[list[float]]:
    """Return the heights of each line."""
    found = re.findall(r'points="([^"]+)"', drawn)
    return [[float(point.split(",")[1]) for point in points.split()] for points in found]


def test_no_more_agents_are_at_work_than_there_are() -> None:
    facts = report_of(8)
    # A claim's time is cut to the second: its end seems to lie after the next claim.
    for number, one in enumerate(facts["attempts"]):
        begun = 1_700_000_000 + 2 * (number % 2)
        one |= {"since": begun, "until": begun + 3, "took_ms": 2_900, "wait_ms": 0}
    facts |= {"begun": 1_700_000_000, "ended": 1_700_000_005}
    assert len(facts["attempts"]) == 16
    assert ">8 agents</text>" in load(facts)


def test_agents_at_work_and_waiting_are_counted_on_the_average() -> None:
    facts = report_of(3)
    # A second of each of the hundred parts, in which four of six attempts are at work.
    facts |= {"begun": 1_700_000_000, "ended": 1_700_000_100}
    for number, one in enumerate(facts["attempts"]):
        one |= {"agent": f"x{number}", "took_ms": None, "wait_ms": 0}
        one |= {"since": 1_700_000_020, "until": 1_700_000_060}
        if number < 2:
            one["took_ms"] = 10_000
    facts["attempts"][0]["wait_ms"] = 500
    at_work, waiting = lines(load(facts))
    assert "6 agents" in load(facts)
    # From 150, where nobody is, to 30, where all six are.
    assert sorted(set(at_work)) == [30, 70, 150]
    assert sorted(set(waiting)) == [140, 150]


def test_claims_that_one_agent_has_at_once_stand_below_each_other() -> None:
    facts = report_of(1)
    first = facts["attempts"][0]
    facts["attempts"] = [first, {**first, "task": "t1"}, {**first, "since": first["until"]}]
    rows = re.findall(r'<rect class="failed" data-task[^>]* y="(\d+)"', timeline(facts, str))
    assert len(set(rows)) == 2
    assert rows.count(rows[0]) == 2


def test_waits_limits_gates_landings_and_rollbacks_are_drawn() -> None:
    facts = report_of(2)
    facts["attempts"][1]["limit_ms"] = 30_000
    drawn = timeline(facts, str)
    for told in (
        "x0 waited 5 s for t0",
        "x0 kept t0 back: usage limit",
        "gate Do it of one: passed after 4 s",
        "check of t0: passed after 4 s",
        "landing of one, 2 results: landed",
        "rollback",
        "review of t0 by x0",
    ):
        assert f"<title>{told}" in drawn


def test_every_state_and_end_has_a_colour() -> None:
    states = {"ready", "waiting", "blocked", "claimed", "review", "done", "landed", "failed"}
    ends = {"completed", "released", "expired", "cancelled", "assigned", "abandoned", "undone"}
    assert states | ends | {"running", "approved", "rejected", "wait", "limit"} <= CLASSES.keys()
