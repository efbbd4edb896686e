"""What is drawn of a ledger: lanes, columns, steps."""

from __future__ import annotations

import re

from gitcoord.core.report_drawing import CLASSES, graph, progress, timeline
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
    assert "land-done" in drawn


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


def test_a_task_stands_to_the_right_of_what_it_needs() -> None:
    drawn = graph(report_of(5), str)
    places = dict(re.findall(r'data-task="(\w+)"><rect class="done" x="(\d+)"', drawn))
    assert [int(places[f"t{number}"]) for number in range(5)] == [0, 170, 340, 510, 680]
    assert drawn.count('class="line chain"') == 2
    assert drawn.count('class="line"') == 2


def test_results_are_counted_in_steps() -> None:
    drawn = progress(report_of(2))
    assert "2 results" in drawn
    (points,) = re.findall(r'points="([^"]+)"', drawn)
    heights = [float(point.split(",")[1]) for point in points.split()]
    assert heights == sorted(heights, reverse=True)
    assert len(set(heights)) == 3


def test_every_state_and_end_has_a_colour() -> None:
    states = {"ready", "waiting", "blocked", "claimed", "review", "done", "landed", "failed"}
    ends = {"completed", "released", "expired", "cancelled", "assigned", "abandoned", "undone"}
    assert states | ends | {"running", "approved", "rejected", "mark"} <= CLASSES.keys()
