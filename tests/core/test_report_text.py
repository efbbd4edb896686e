"""The report as Markdown and Mermaid: text of others stays text."""

from __future__ import annotations

import re

from gitcoord.core.report_text import markdown, mermaid
from tests.support.reports import HOSTILE, report_of


def test_markdown_has_a_row_for_each_condition_agent_and_task() -> None:
    lines = markdown(report_of(2)).splitlines()
    assert lines[0] == "# Do it: report"
    assert "| efficiency | 70\\.0% | over 60\\.0% | met | Do it |" in lines
    assert "| needs you | Do it | gitcoord show Do it |" in lines
    assert "| t1 | Do it | done | one | x1 | 2 |" in lines


def test_hostile_text_is_no_markup_in_markdown() -> None:
    shown = markdown(report_of(1, HOSTILE))
    assert "<" not in shown
    assert "\u202e" not in shown
    rows = [line for line in shown.splitlines() if line.startswith("| t0 ")]
    # A bar that is text is escaped: the row has its six cells.
    (row,) = rows
    assert len(re.findall(r"(?<!\\)\|", row)) == 7
    assert "](" not in row.replace("\\]\\(", "")
    assert "`" not in row.replace("\\`", "")


def test_mermaid_has_the_tasks_of_each_phase_and_what_needs_what() -> None:
    shown = mermaid(report_of(2))
    assert shown.startswith('flowchart LR\n  subgraph p0["one"]\n')
    assert '    t1["t1#58; Do it #40;done#41;"]' in shown
    assert "  t0 --> t1" in shown


def test_hostile_text_ends_no_label() -> None:
    for line in mermaid(report_of(2, HOSTILE)).splitlines():
        assert line.count('"') in {0, 2}
        assert "<" not in line
        assert "\u202e" not in line
