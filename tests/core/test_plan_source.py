"""The line on which each part of a plan stands, and texts that would hang the parser."""

from __future__ import annotations

import pytest

from gitcoord.core.errors import InvalidPlanError
from gitcoord.core.plan_source import MAX_KEY_PARTS, MAX_LINE_CHARS, Places, refuse_bombs

PLAN = '''\
[plan]
name = "p"  # [[task]]

[[task]]
id = "a"
description = """
[[task]]
id = "fake"
"""
paths = [
  "a/",  # ]
  "id = [",
]
"needs" = []
with.name = 'one'

  [[ task ]]  # the second
id = "b"
text = \'\'\'
id = "c"\'\'\'
estimate = "1h"

[defaults . task]
priority = 1
'''


@pytest.mark.parametrize(
    ("table", "index", "key", "line"),
    [
        ("plan", 0, None, 1),
        ("plan", 0, "name", 2),
        ("task", 0, None, 4),
        ("task", 0, "id", 5),
        ("task", 0, "description", 6),
        ("task", 0, "paths", 10),
        ("task", 0, "needs", 14),
        ("task", 0, "with", 15),
        ("task", 1, None, 17),
        ("task", 1, "id", 18),
        ("task", 1, "text", 19),
        ("task", 1, "estimate", 21),
        ("defaults.task", 0, "priority", 24),
        # What is not found has the line of its table, or else the first.
        ("task", 0, "none", 4),
        ("task", 2, "id", 1),
        ("none", 0, "x", 1),
    ],
)
def test_each_part_is_found_on_its_line(table: str, index: int, key: str | None, line: int) -> None:
    assert Places(PLAN, "plan.toml").at(table, index, key) == f"plan.toml:{line}"


def test_a_key_that_stands_twice_is_told_by_its_first_line() -> None:
    assert Places("[a]\nx = 1\nx = 2\n", "p").at("a", 0, "x") == "p:2"


@pytest.mark.parametrize(
    "line",
    [
        "a" + ".a" * MAX_KEY_PARTS + " = 1",
        "[" + "a . " * MAX_KEY_PARTS + "a]",
        "x = { " + "a." * MAX_KEY_PARTS + "a = 1 }",
        "x = 'a' , " + "a.'b.b'." * MAX_KEY_PARTS,
        "#" * (MAX_LINE_CHARS + 1),
    ],
)
def test_what_would_keep_the_parser_busy_is_refused_with_its_line(line: str) -> None:
    with pytest.raises(InvalidPlanError) as caught:
        refuse_bombs(f"[plan]\n{line}\n", "plan.toml")
    assert [row.split(": ")[0] for row in caught.value.problems] == ["plan.toml:2"]


@pytest.mark.parametrize(
    "line",
    [
        'text = "' + "a." * 100 + '"',
        "text = '" + "a." * 100 + "' # " + "b." * 100,
        "# " + "a." * 100,
        "a" + ".a" * (MAX_KEY_PARTS - 1) + " = 1",
        "x = [" + "1.5, " * 100 + "]",
    ],
)
def test_dots_of_texts_numbers_and_comments_are_harmless(line: str) -> None:
    refuse_bombs(f"[plan]\n{line}\n", "plan.toml")


def test_no_more_than_fifty_lines_are_listed() -> None:
    with pytest.raises(InvalidPlanError) as caught:
        refuse_bombs(("#" * (MAX_LINE_CHARS + 1) + "\n") * 60, "plan.toml")
    assert len(caught.value.problems) == 50
