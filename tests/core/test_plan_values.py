"""What a plan abbreviates is written out, within bounds."""

from __future__ import annotations

from typing import Any

import pytest

from gitcoord.core.errors import InvalidPlanError
from gitcoord.core.plan_source import Places
from gitcoord.core.plan_values import (
    MAX_FILLED_CHARS,
    MAX_PROBLEMS,
    Problems,
    expand_ids,
    fill,
    shown,
    use_template,
)


@pytest.fixture
def problems() -> Problems:
    return Problems(Places("", "p"))


def told(problems: Problems) -> list[str]:
    try:
        problems.raise_all("p")
    except InvalidPlanError as error:
        return list(error.problems)
    return []


def at(key: str) -> str:
    return f"{key}:7"


# ranges


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("1-3", ["1", "2", "3"]),
        ("007-010", ["007", "008", "009", "010"]),
        ("9-11", ["9", "10", "11"]),
        ("a1-a3", ["a1", "a2", "a3"]),
        ("a-1-a-2", ["a-1", "a-2"]),
        ("5-5", ["5"]),
        ("one", ["one"]),
        ("a-b", ["a-b"]),
    ],
)
def test_a_range_is_written_out_with_its_zeros(
    problems: Problems, text: str, ids: list[str]
) -> None:
    assert expand_ids(text, "p:1", problems) == ids
    assert told(problems) == []


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("9-1", "is empty, or longer than 10"),
        ("1-11", "is empty, or longer than 10"),
        ("../x", "is not a range of ids"),
        ("", "is not a range of ids"),
        (7, "is not a range of ids"),
        (["1-3"], "a list is not a range of ids"),
        ("1-" + "9" * 500, "is not a range of ids"),
    ],
)
def test_what_is_not_a_range_is_told_and_gives_nothing(
    problems: Problems, value: object, words: str
) -> None:
    assert expand_ids(value, "p:1", problems, most=10) == []
    (row,) = told(problems)
    assert words in row
    assert len(row) < 200


# templates


def test_a_task_lies_over_its_template(problems: Problems) -> None:
    templates = {"lib": {"title": "T", "priority": 1}}
    table = {"use": "lib", "priority": 5}
    assert use_template(table, templates, at, problems) == {
        "use": "lib",
        "title": "T",
        "priority": 5,
    }
    assert use_template({"title": "x"}, templates, at, problems) == {"title": "x"}
    assert told(problems) == []


@pytest.mark.parametrize(
    ("table", "row"),
    [
        ({"use": "lip"}, "use:7: there is no template 'lip': did you mean 'lib'?"),
        ({"use": 7}, "use:7: there is no template 7"),
        ({"with": {"a": "b"}}, "with:7: with goes with use: it fills in a template"),
    ],
)
def test_a_template_that_is_not_there_is_told(
    problems: Problems, table: dict[str, Any], row: str
) -> None:
    assert use_template(table, {"lib": {}}, at, problems) == table
    assert told(problems) == [row]


def test_placeholders_are_filled_in_and_doubled_braces_stay(problems: Problems) -> None:
    table = {
        "use": "t",
        "title": "Write {name} as {id} in {{braces}}",
        "paths": ["src/{name}/", 7],
        "priority": 3,
        "with": {"name": "lexer"},
    }
    assert fill(table, "a1", at, problems) == {
        "title": "Write lexer as a1 in {braces}",
        "paths": ["src/lexer/", 7],
        "priority": 3,
    }
    assert told(problems) == []


def test_a_filled_in_text_is_not_filled_in_again(problems: Problems) -> None:
    table = {"use": "t", "title": "{name}", "with": {"name": "{id}"}}
    assert fill(table, "a", at, problems)["title"] == "{id}"


def test_braces_of_a_task_without_a_template_are_left_alone(problems: Problems) -> None:
    assert fill({"title": "{name} {{x}}"}, "a", at, problems) == {"title": "{name} {{x}}"}


def test_unknown_placeholders_and_odd_values_are_told(problems: Problems) -> None:
    fill({"use": "t", "title": "{nam\x1be}", "with": {"name": "x"}}, "a", at, problems)
    fill({"use": "t", "with": {"name": ["x"]}}, "a", at, problems)
    rows = told(problems)
    assert len(rows) == 2
    assert any("unknown placeholder" in row and "known: id, name" in row for row in rows)
    assert any("with is a table of short texts" in row for row in rows)
    assert not any("\x1b" in row for row in rows)


def test_a_bomb_of_placeholders_does_not_grow(problems: Problems) -> None:
    table = {"use": "t", "title": "{x}" * 1000, "with": {"x": "y" * 200}}
    filled = fill(table, "a", at, problems)
    assert len(str(filled)) < MAX_FILLED_CHARS
    assert any("too long" in row for row in told(problems))


# problems


def test_problems_come_in_the_order_of_lines_and_once(problems: Problems) -> None:
    for line in (12, 3, 7, 3):
        problems.add(f"p:{line}", "wrong")
    with pytest.raises(InvalidPlanError, match="p has 3 problems") as caught:
        problems.raise_all("p")
    assert list(caught.value.problems) == ["p:3: wrong", "p:7: wrong", "p:12: wrong"]


def test_a_plan_of_nothing_but_problems_lists_so_many(problems: Problems) -> None:
    for line in range(1, MAX_PROBLEMS + 10):
        problems.add(f"p:{line}", "wrong")
    assert problems.is_full
    assert len(told(problems)) == MAX_PROBLEMS
    assert problems.near("lip", ["lib"]) == [], "nothing more is looked for"


def test_a_wrong_value_is_shown_short_and_harmless() -> None:
    assert shown("x" * 500) == repr("x" * 80)
    assert "\x1b" not in shown("\x1b[2J")
    assert (shown([1] * 99), shown({}), shown(10**100)) == (
        "a list",
        "a table",
        "a number of many digits",
    )
    assert (shown(True), shown(1.5), shown(7)) == ("True", "1.5", "7")
