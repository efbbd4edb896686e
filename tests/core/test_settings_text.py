"""Settings are edited as text: what is not ours keeps every byte."""

from __future__ import annotations

import json
import operator
from functools import partial
from typing import Any

import hypothesis
import hypothesis.strategies as st
import pytest

from gitcoord.core.settings_text import (
    SettingsError,
    add,
    has,
    has_member,
    parse_settings,
    put,
    remove,
    take,
    value_of,
)

GROUP = {"matcher": "Edit", "hooks": [{"type": "command", "command": "ours"}]}
ITEMS: list[tuple[tuple[str, ...], Any]] = [
    (("hooks", "PreToolUse"), GROUP),
    (("hooks", "Stop"), {"hooks": []}),
    (("permissions", "allow"), "Bash(gitcoord claim)"),
    (("permissions", "allow"), "Bash(gitcoord claim *)"),
]
MEMBER = (("mcpServers", "gitcoord"), {"command": "gitcoord", "args": ["mcp"]})
SHAPES = [
    "{}",
    "{\n}",
    "{ }\n",
    "{ /* nothing */ }",
    '{"a":1}',
    "\ufeff{}",
    '{\r\n    "a": [1]\r\n}\r\n',
    '{\n  "a": 1, // why\n  "hooks": {\n    "PreToolUse": [\n      {"x": 1}\n    ]\n  }\n}\n',
    '{\n\t"hooks": {}\n}\n',
    '{"hooks":{"PreToolUse":[]}}\n',
    '{"permissions": {"allow": ["Bash(ls)"], "deny": []}}',
    '{\n  "mcpServers": {\n    "mine": {"command": "x"}\n  }\n}\n',
    '{"mcpServers": {}}',
    '{"permissions": {\n  "allow": [ /* mine */ "Bash(ls)" ]\n}}',
]


def with_ours(text: str) -> tuple[str, list[tuple[str, ...]]]:
    text, made = put(text, *MEMBER)
    for place, item in ITEMS:
        text, new = add(text, place, item)
        made += new
    return text, made


def without_ours(text: str, made: list[tuple[str, ...]]) -> str:
    for place, item in reversed(ITEMS):
        text = remove(text, place, partial(operator.eq, item), made).text
    return take(text, MEMBER[0], partial(operator.eq, MEMBER[1]), made).text


@pytest.mark.parametrize("text", SHAPES)
def test_what_was_added_goes_again_byte_for_byte(text: str) -> None:
    added, made = with_ours(text)
    assert added != text
    assert without_ours(added, made) == text


@pytest.mark.parametrize("text", SHAPES)
def test_twice_is_once_and_nothing_of_others_is_lost(text: str) -> None:
    added, _ = with_ours(text)
    assert with_ours(added) == (added, [])
    before, after = value_of(parse_settings(text)), value_of(parse_settings(added))
    for key in before:
        if key not in {"hooks", "permissions", "mcpServers"}:
            assert after[key] == before[key]
    for place, item in ITEMS:
        assert has(added, place, item)
    for comment in ("// why", "/* nothing */", "/* mine */"):
        assert (comment in text) == (comment in added)


def test_other_changes_stay_when_ours_are_taken_out() -> None:
    added, made = with_ours('{\n  "a": 1\n}\n')
    value = value_of(parse_settings(added))
    value["hooks"]["PreToolUse"].append({"mine": True})
    value["b"] = 2
    rest = value_of(parse_settings(without_ours(json.dumps(value, indent=3), made)))
    assert rest == {"a": 1, "b": 2, "hooks": {"PreToolUse": [{"mine": True}]}}


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        ('{\n  "a": 1,\n  "a": 2\n}', 3, "duplicate key 'a'"),
        ("", 1, "valid JSON"),
        ("[]", 1, "JSON object"),
        ('{"a" 1}', 1, "':' is missing"),
        ('{\n"a": 1\n"b": 2}', 3, "',' is missing"),
        ('{"a": nul}', 1, "valid JSON"),
        ('{"a": "\\q"}', 1, "string"),
        ("{} {}", 1, "more after"),
        ('{"a": ' + "[" * 100, 1, "nested too deeply"),
        ("{a: 1}", 1, "key in quotes"),
        ('{"a": 1,}', 1, "key in quotes"),
        ('{"a": "x', 1, "string"),
        ("{", 1, "key in quotes"),
    ],
)
def test_what_is_not_settings_is_named_with_its_line(text: str, line: int, told: str) -> None:
    with pytest.raises(SettingsError, match=told) as error:
        parse_settings(text)
    assert error.value.line == line


@pytest.mark.parametrize(
    "text", ['{"hooks": 3}', '{"hooks": {"PreToolUse": "x"}}', '{"hooks": []}']
)
def test_something_else_on_the_way_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="is not an"):
        add(text, ("hooks", "PreToolUse"), GROUP)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=8,
)


@hypothesis.given(
    st.dictionaries(st.text(max_size=4), JSON, max_size=4),
    st.sampled_from([None, 1, 2, 4, "\t"]),
    st.booleans(),
)
def test_any_settings_read_as_json_does_and_come_back_exactly(
    value: dict[str, Any], indent: Any, is_ascii: bool
) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=is_ascii)
    try:
        text.encode()
    except UnicodeEncodeError:
        return
    assert value_of(parse_settings(text)) == value
    if isinstance(value.get("hooks", {}), dict) and isinstance(value.get("permissions", {}), dict):
        added, made = with_ours(text)
        assert without_ours(added, made) == text


def test_a_member_that_is_there_is_kept_or_named() -> None:
    text, _ = put("{}", *MEMBER)
    assert has_member(text, *MEMBER)
    assert put(text, *MEMBER) == (text, [])
    with pytest.raises(SettingsError, match="is there already"):
        put(text, MEMBER[0], {"command": "other"})


def test_a_member_of_somebody_else_is_not_taken() -> None:
    text = '{"mcpServers": {"gitcoord": {"command": "other"}}}'
    assert take(text, MEMBER[0], partial(operator.eq, MEMBER[1])) == (text, False)
    assert take("{}", MEMBER[0], partial(operator.eq, MEMBER[1])) == ("{}", False)
