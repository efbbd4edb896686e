"""The graph of tasks: columns in the order of needs, and the longest chain."""

from __future__ import annotations

import re

from gitcoord.core.report_graph import MAX_ROWS, graph
from tests.support.reports import report_of


def test_a_task_stands_to_the_right_of_what_it_needs() -> None:
    drawn = graph(report_of(5), str)
    places = dict(re.findall(r'data-task="(\w+)"><rect class="done" x="(\d+)"', drawn))
    assert [int(places[f"t{number}"]) for number in range(5)] == [
        255 * column for column in range(5)
    ]
    assert drawn.count('class="line chain"') == 2
    assert drawn.count('class="line"') == 2
    assert drawn.count('class="strong"') == 3
    assert drawn.count("on the longest chain") == 3


def test_many_tasks_that_need_the_same_stand_in_several_columns() -> None:
    facts = report_of(MAX_ROWS + 1)
    for one in facts["tasks"]:
        one["needs"] = []
    places = re.findall(r'<rect class="done" x="(\d+)" y="(\d+)"', graph(facts, str))
    assert places[0] == ("0", "20")
    assert places[-1] == ("255", "20")
    assert len(set(places)) == MAX_ROWS + 1
