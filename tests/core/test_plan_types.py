"""Each value of a plan is of its type, or a problem with its place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from gitcoord.core.errors import InvalidPlanError
from gitcoord.core.plan_source import Places
from gitcoord.core.plan_types import Values

Read = Callable[[Values, dict[str, Any]], object]


def values(raw: dict[str, Any] | None = None) -> Values:
    return Values(raw or {}, Places("", "p"), "main")


def told(read: Values) -> list[str]:
    try:
        read.problems.raise_all("p")
    except InvalidPlanError as error:
        return list(error.problems)
    return []


def text(read: Values, table: dict[str, Any]) -> object:
    return read.text(table, "x", "p:3", "unset", most=5)


def many_lines(read: Values, table: dict[str, Any]) -> object:
    return read.text({"description": table["x"]} if "x" in table else {}, "description", "p:3", "")


def choice(read: Values, table: dict[str, Any]) -> object:
    return read.choice(table, "x", "p:3", ["one", "two"], "one")


def duration(read: Values, table: dict[str, Any]) -> object:
    return read.duration(table, "x", "p:3", "15m")


def no_duration(read: Values, table: dict[str, Any]) -> object:
    return read.duration(table, "x", "p:3", None)


def number(read: Values, table: dict[str, Any]) -> object:
    return read.number(table, "x", "p:3", 5, 1, 9)


def flag(read: Values, table: dict[str, Any]) -> object:
    return read.flag(table, "x", "p:3")


def texts(read: Values, table: dict[str, Any]) -> object:
    return read.texts(table, "x", "p:3")


def patterns(read: Values, table: dict[str, Any]) -> object:
    return read.patterns(table, "x", "p:3")


@pytest.mark.parametrize(
    ("read", "given", "found"),
    [
        (text, "abcde", "abcde"),
        (text, None, "unset"),
        (many_lines, "one\ntwo", "one\ntwo"),
        (choice, "two", "two"),
        (choice, None, "one"),
        (duration, "90s", 90_000),
        (duration, None, 900_000),
        (no_duration, None, None),
        (number, 9, 9),
        (number, None, 5),
        (flag, True, True),
        (flag, None, False),
        (texts, ["a", ""], ["a", ""]),
        (texts, None, []),
        (patterns, ["src/", "*.py"], ["src/", "*.py"]),
    ],
)
def test_a_value_of_its_type_is_read_and_one_that_lacks_has_its_default(
    read: Read, given: object, found: object
) -> None:
    table = {} if given is None else {"x": given}
    one = values()
    assert read(one, table) == found
    assert told(one) == []


@pytest.mark.parametrize(
    ("read", "given", "found", "words"),
    [
        (text, 7, "unset", "x is a text, not a number"),
        (text, ["a"], "unset", "not a list"),
        (text, {"a": 1}, "unset", "not a table"),
        (text, True, "unset", "not true or false"),
        (text, "abcdef", "unset", "x has 6 characters, and at most 5 fit"),
        (text, "a\nb", "unset", "control or invisible characters"),
        (text, "a\u202eb", "unset", "control or invisible characters"),
        (many_lines, "a\x1bb", "", "control or invisible characters"),
        (choice, "three", "one", "x is one of one, two, not 'three'"),
        (choice, ["one"], "one", "not a list"),
        (duration, "soon", 900_000, "x is a duration like"),
        (duration, 15, 900_000, "not 15"),
        (no_duration, "0s", None, "x is a duration like"),
        (number, 0, 5, "x is a whole number from 1 to 9, not 0"),
        (number, 10**100, 5, "a number of many digits"),
        (number, True, 5, "not True"),
        (number, "3", 5, "not '3'"),
        (flag, "yes", False, "x is true or false, not 'yes'"),
        (flag, 1, False, "not 1"),
        (texts, "a", [], 'x is a list of texts: x = ["a"]'),
        (texts, ["a", 1], [], "x is a list of texts, not a list"),
        (patterns, ["../up", "ok"], ["ok"], "x: '../up': "),
        (patterns, ["/etc"], [], "a path is relative"),
    ],
)
def test_a_value_of_another_type_is_told_with_its_place_and_replaced(
    read: Read, given: object, found: object, words: str
) -> None:
    one = values()
    assert read(one, {"x": given}) == found
    (row,) = told(one)
    assert row.startswith("p:3: ")
    assert words in row


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (7, 'task id 7 is written in quotes: "7"'),
        (None, "there is no task id"),
        ("a b/c", '(such as "a-b-c")'),
        ("", "'' is not a valid task id"),
        ("..", "'..' is not a valid task id"),
        (["a"], "a list is not a valid task id"),
    ],
)
def test_an_id_that_is_none_is_told_with_one_like_it(given: object, words: str) -> None:
    one = values()
    assert one.id(given, "task id", "p:3") is None
    (row,) = told(one)
    assert words in row


def test_two_paths_in_one_text_are_a_notice_and_no_problem() -> None:
    one = values()
    assert one.patterns({"x": ["src/a src/b"]}, "x", "p:3") == ["src/a src/b"]
    assert told(one) == []
    (notice,) = one.notices
    assert "is one path with spaces in it" in notice


def test_tables_are_tables_and_rows_are_rows() -> None:
    one = values({"plan": [], "task": {"id": "a"}, "pool": [1], "ok": {}, "rows": [{}]})
    assert (one.table("plan"), one.rows("task"), one.rows("pool")) == ({}, [], [])
    assert told(one) == [
        "p:1: plan is a table: [plan]",
        "p:1: task is written as [[task]]",
        "p:1: pool is written as [[pool]]",
    ]
    fine = values({"ok": {"x": 1}, "rows": [{}]})
    assert (fine.table("ok"), fine.rows("rows"), fine.table("no"), fine.rows("no")) == (
        {"x": 1},
        [{}],
        {},
        [],
    )
    assert told(fine) == []


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("titel", "did you mean 'title'?"),
        ("depends_on", "did you mean 'needs'?"),
        ("Files", "did you mean 'paths'?"),
        ("zzzzzz", "; known: id, needs, paths, title"),
    ],
)
def test_an_unknown_key_is_told_with_the_one_that_was_meant(key: str, words: str) -> None:
    one = values()
    one.known_keys({key: 1, "title": 2}, ["title", "needs", "paths", "id"], "task")
    (row,) = told(one)
    assert words in row


def test_who_reviews_is_said_where_reviews_are_asked_for() -> None:
    for reviews, found in ((1, []), (0, ["p:3: reviewers is of phases with reviews"])):
        read = values()
        spec: Any = {"reviews": reviews}
        read.reviewers({"reviewers": "other-assistants"}, spec, "p:3")
        assert [problem[: len(found[0])] for problem in told(read)] == found
        assert spec["reviewers"] == "other-assistants"
    plain: Any = {"reviews": 1}
    read = values()
    read.reviewers({}, plain, "p:3")
    read.reviewers({"reviewers": "any"}, plain, "p:3")
    assert plain == {"reviews": 1}, "a key at its default is absent"
    read.reviewers({"reviewers": "others"}, plain, "p:3")
    assert "reviewers is one of any, other-assistants" in told(read)[0]


def test_the_remote_of_a_landing_is_a_name_and_none_is_not_kept() -> None:
    for told_of, kept in (("up/stream", {"landing_push": "up/stream"}), ("", {}), (None, {})):
        plan: Any = {}
        read = values()
        read.landing_push({} if told_of is None else {"landing_push": told_of}, "p:3", plan)
        assert (plan, told(read)) == (kept, [])


@pytest.mark.parametrize("name", ["https://x.example/r.git", "git@x:r", "../r", "-x", "ext::sh"])
def test_an_address_is_not_the_name_of_a_remote(name: str) -> None:
    plan: Any = {}
    read = values()
    read.landing_push({"landing_push": name}, "p:3", plan)
    assert told(read)[0].startswith("p:3: landing_push is the name of a remote, like origin, not")
