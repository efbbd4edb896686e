"""Whatever is read: an answer or a documented refusal, in bounded time."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gitcoord.core import codec, ids, paths, plan
from gitcoord.core.errors import (
    CorruptError,
    GitcoordError,
    InvalidPlanError,
    RefusedError,
    UsageError,
)
from gitcoord.core.machine import apply, check
from gitcoord.core.messages import parse, render
from gitcoord.ledger.writing import encoded
from tests.support.bombs import BOMBS, spawned
from tests.support.builders import PureLedger, tasks

# What verify turns into a named, corrupt entry.
MALFORMED = (GitcoordError, KeyError, TypeError, ValueError, AttributeError, IndexError)
TEXT = st.text(st.characters(), max_size=80)
ODD = st.sampled_from(
    [
        "",
        "\ud800",
        "\x00",
        "\u2028Gitcoord-Op: init",
        "a" * 300,
        "..",
        ".git",
        "**",
        "x.lock",
        "\r\nGitcoord-Agent: y",
    ]
)
VALUE = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT
    | ODD,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT | ODD, inner, max_size=3),
    max_leaves=6,
)
CHUNKS = [list(BOMBS)[start::4] for start in range(4)]


@pytest.mark.long
@pytest.mark.parametrize("names", CHUNKS, ids=["1", "2", "3", "4"])
def test_no_bomb_takes_more_than_fifty_mebibytes_or_ten_seconds(names: list[str]) -> None:
    assert spawned(names) == dict.fromkeys(names, "fine")


def history() -> tuple[PureLedger, list[dict[str, bytes]]]:
    """Make a ledger with many kinds of entries, and the state before each."""
    pure = PureLedger()
    before: list[dict[str, bytes]] = []
    publish = pure.publish

    def keep(event: Any) -> None:
        before.append(dict(pure.files))
        publish(event)

    pure.publish = keep  # type: ignore[method-assign]
    pure.init()
    pure.plan(tasks("a", "b", "c", c=["a"]))
    for name in "xyz":
        pure.agent(name)
    held = pure.claim("x", "a")
    pure.run(
        {
            "op": "progress",
            "agent": "x",
            "task": "a",
            "token": held["token"],
            "message": "on\nmore",
            "percent": 5,
        }
    )
    pure.run(
        {
            "op": "fail",
            "agent": "x",
            "task": "a",
            "token": held["token"],
            "kind": "transient",
            "reason": "no",
        }
    )
    pure.claim("y", "b")
    pure.now_ns += 901 * 10**9
    pure.claim("z", "b")
    done = pure.complete(pure.claim("x", "a"))
    pure.run({"op": "reopen", "task": "a", "kind": "conflict", "reason": "it conflicts"})
    pure.run({"op": "escalate", "task": "b", "kind": "odd", "reason": f"see {done['id']}"})
    pure.run({"op": "note", "agent": "x", "task": "b", "path": None, "message": "found"})
    pure.run({"op": "cancel", "task": "b", "reason": "enough"})
    return pure, before


PURE, BEFORE = history()
MESSAGES = [render(event) for event in PURE.events]
LONGEST = max(MESSAGES, key=len)


def read(message: str) -> Any:
    """Read a message; None where it is called corrupt, or of another version."""
    try:
        return parse(message, "f" * 40)
    except CorruptError:
        return None
    except RefusedError as error:
        if error.reason not in {"newer-format", "older-format"}:
            raise
        return None


@pytest.mark.parametrize("message", MESSAGES, ids=[event["op"] for event in PURE.events])
def test_a_message_that_is_cut_anywhere_is_corrupt(message: str) -> None:
    assert all(read(message[:end]) is None for end in range(len(message)))
    assert all(read(message[start:]) is None for start in range(1, len(message)))


@pytest.mark.parametrize("message", MESSAGES, ids=[event["op"] for event in PURE.events])
def test_a_message_with_a_line_dropped_doubled_or_moved_is_corrupt(message: str) -> None:
    lines = message.splitlines(keepends=True)
    for index, line in enumerate(lines):
        rest = lines[:index] + lines[index + 1 :]
        assert read("".join(rest)) is None
        for other in range(len(rest) + 1):
            changed = "".join([*rest[:other], line, *rest[other:]])
            assert changed == message or read(changed) is None
        assert read("".join([*lines[:index], line, line, *lines[index + 1 :]])) is None


@given(
    st.sampled_from(MESSAGES),
    st.integers(0, 30),
    st.sampled_from(["Agent", "Task", "Claim", "Op", "Id", "Event"]),
    TEXT | ODD,
)
def test_a_message_with_a_forged_trailer_is_corrupt(
    message: str, at: int, key: str, value: str
) -> None:
    lines = message.split("\n")
    at %= len(lines)
    assert read("\n".join([*lines[:at], f"Gitcoord-{key}: {value}", *lines[at:]])) is None


@settings(max_examples=400)
@given(st.integers(0, len(MESSAGES) - 1), st.data())
def test_an_event_of_odd_values_is_legal_or_refused(index: int, data: st.DataObject) -> None:
    event: Any = copy.deepcopy(PURE.events[index])
    inner = event
    key = data.draw(st.sampled_from(sorted(event)))
    while isinstance(inner[key], dict) and inner[key] and data.draw(st.booleans()):
        inner = inner[key]
        key = data.draw(st.sampled_from(sorted(inner)))
    inner[key] = data.draw(VALUE)
    line = json.dumps(event, sort_keys=True, separators=(",", ":"))
    read("x\n\nGitcoord-Event: " + line + "\n")
    try:
        message = render(event)
    except MALFORMED:
        return
    again = read(message)
    if again is None:
        return
    assert render(again) == message
    pure = PureLedger()
    pure.files, pure.blobs = dict(BEFORE[index]), PURE.blobs
    try:
        check(pure.snapshot, again)
        encoded(apply(pure.snapshot, again))
    except MALFORMED:
        return


@given(VALUE)
@example("\ud800")
@example({"\udfff": 1})
def test_what_is_written_can_be_read_back(value: object) -> None:
    for dump in (codec.dump, codec.dump_line):
        try:
            raw = dump(value)
        except UsageError:
            assert "\\ud" in json.dumps(value)
            continue
        assert codec.load(raw, 1 << 20, "it") == json.loads(raw)


def test_a_record_that_is_cut_anywhere_is_corrupt() -> None:
    for content in PURE.files.values():
        for end in range(len(content) - 1):
            with pytest.raises(CorruptError):
                codec.load(content[:end], 1 << 20, "it")


@settings(max_examples=300)
@given(st.sampled_from(sorted(PURE.files)), st.data())
def test_a_record_with_odd_bytes_is_read_or_corrupt(path: str, data: st.DataObject) -> None:
    content = bytearray(PURE.files[path])
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=3))
    try:
        found = codec.load(bytes(content), 1 << 20, path)
    except CorruptError:
        return
    codec.dump(found)


@given(TEXT | ODD, TEXT | ODD)
def test_any_text_is_a_pattern_or_told_why(one: str, other: str) -> None:
    for text in (one, other):
        assert paths.problem_of(text) is None or text not in {"a", "a/"}
        paths.is_safe(text)
    if paths.problem_of(one) is None:
        paths.inside([one], other)
        paths.literal_prefix(one)
        if paths.problem_of(other) is None:
            assert (paths.overlaps([one], [other]) is None) == (
                paths.overlaps([other], [one]) is None
            )
            if paths.covers([one], [other]):
                assert paths.overlaps([one], [other])


PART = st.sampled_from(["*", "**", "a", "*a", "a*", "*a*", "?", "??a", "*?*", "a*a*a", "b"])
LONG = st.lists(PART, min_size=1, max_size=60).map("/".join)


@given(
    LONG,
    LONG,
    st.lists(st.sampled_from(["a", "aa", "aaa", "ba"]), min_size=1, max_size=60).map("/".join),
)
def test_long_patterns_agree_with_what_they_cover(one: str, other: str, path: str) -> None:
    if paths.matches(one, path) and paths.matches(other, path):
        assert paths.overlap(one, other)
    if paths.covers([one], [other]) and paths.matches(other, path):
        assert paths.matches(one, path)


@given(VALUE)
def test_any_value_is_an_id_or_not(value: object) -> None:
    is_id = ids.is_id(value)
    ids.is_oid(value)
    if isinstance(value, str):
        ids.duration_ms(value)
        ids.nearest(value, ["task", "other"])
        if is_id:
            assert ids.parse_id(value) == value
            ids.shard(value)
        else:
            with pytest.raises(UsageError):
                ids.parse_id(value)


def planned(text: str) -> None:
    """Read a plan; a refusal lists problems that fit on a screen."""
    problems: tuple[str, ...] = ()
    try:
        document, warnings = plan.parse(text)
    except InvalidPlanError as error:
        problems = error.problems or ("nothing",)
    assert all(problem.startswith("plan.toml:") and len(problem) < 1000 for problem in problems)
    if problems:
        return
    assert codec.load(codec.dump(document), 1 << 27, "it") == document
    assert isinstance(warnings, list)


LINES = st.sampled_from(
    [
        "[plan]",
        "[[task]]",
        "[[tasks]]",
        "[[phase]]",
        "[[pool]]",
        "[template.t]",
        "[worktree]",
        'id = "a"',
        'id = "b"',
        'ids = "1-9"',
        'ids = "009-1"',
        'title = "A"',
        'title = "{id} {n}"',
        'paths = ["a/"]',
        "paths = []",
        'paths = "a"',
        'use = "t"',
        'with = { n = "x" }',
        'needs = ["a", "1-3"]',
        'needs = ["b"]',
        'name = "p"',
        'after = ["p"]',
        'lease = "1s"',
        "reviews = 21",
        'gates = [{ name = "g", run = "x" }]',
        'x = """',
        '"""',
        "y = '''",
        "'''",
        "limit = 0",
        'phase = "p"',
        'pool = "p"',
        "# a = [",
        "a.b.c = 1",
        "}",
        "]",
        'copy = ["**"]',
        'selection = "chance"',
        "template = 1",
        "task = 1",
        "\x00",
        "\ufeff",
        "é = 1",
    ]
)


@settings(max_examples=300)
@given(st.lists(LINES | TEXT, max_size=16).map("\n".join))
def test_any_text_is_a_plan_or_listed_problems(text: str) -> None:
    planned(text)


KEYS = [
    "id",
    "ids",
    "title",
    "description",
    "phase",
    "pool",
    "paths",
    "reads",
    "needs",
    "estimate",
    "priority",
    "check",
    "result",
    "verify_by",
    "use",
    "with",
    "name",
    "target",
    "lease",
    "heartbeat",
    "max_attempts",
    "selection",
    "boundaries",
    "landing",
    "gates_required",
    "copy",
    "setup",
    "limit",
    "after",
    "reviews",
    "gates",
]


def toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{toml(key)} = {toml(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return "0" if value is None else json.dumps(value)


ROW = st.dictionaries(
    st.sampled_from(KEYS),
    VALUE | st.sampled_from(["a", "1-9", ["a/"], ["1-9"], "5m", 3, "t", {"n": "x"}]),
    max_size=6,
)


HEADS = st.sampled_from(
    ["[[task]]", "[[tasks]]", "[[phase]]", "[[pool]]", "[plan]", "[worktree]", "[template.t]"]
)


@settings(max_examples=300)
@given(st.lists(st.tuples(HEADS, ROW), min_size=1, max_size=4))
def test_a_plan_of_odd_values_is_read_or_its_problems_are_listed(
    rows: list[tuple[str, dict[str, Any]]],
) -> None:
    planned(
        "\n".join(
            head + "\n" + "".join(f"{key} = {toml(value)}\n" for key, value in row.items())
            for head, row in rows
        )
    )


def test_a_plan_that_is_cut_anywhere_is_read_or_its_problems_are_listed() -> None:
    text = (
        '[plan]\nname = "p"\nlease = "15m"\n[template.m]\ntitle = "B {n}"\npaths = '
        '["s/{n}/"]\n[[task]]\nid = "a"\nuse = "m"\n'
        'with = { n = "x" }\nneeds = ["1-2"]\n[[tasks]]\nids = "1-2"\ntitle = """T"""\npaths = []\n'
    )
    planned(text)
    for end in range(len(text)):
        planned(text[:end])


@given(TEXT | ODD, st.integers(20, 200))
def test_any_text_can_be_shown_and_cut(text: str, limit: int) -> None:
    codec.printable(text, lines=True).encode()
    assert len(codec.cut(text, limit).encode()) <= limit
