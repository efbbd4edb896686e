"""A row holds together: what its line asks for is what its event keeps."""

from __future__ import annotations

import pytest

from gitcoord.core.errors import UsageError
from gitcoord.core.machine import operations
from gitcoord.core.operation import COMMON, check_interval, copied, elapsed_ms, keys
from tests.support.builders import PureLedger

ASKED_OTHERWISE = {"no_result"}
"""Keys of lines that say how a key of the event is found."""


def test_keys_are_written_as_one_text() -> None:
    assert keys(" a  b ") == {"a", "b"}
    assert keys("") == frozenset()


def test_no_row_names_a_key_twice() -> None:
    for op, row in operations().items():
        assert not row.fields & row.optional.keys(), op
        assert not COMMON & (row.fields | row.optional.keys()), op


def test_the_line_of_a_batch_asks_for_keys_of_the_event() -> None:
    for op, row in operations().items():
        asked = {form.to for form in row.line.values()}
        assert asked <= row.keys | ASKED_OTHERWISE, op


def test_what_a_line_can_ask_for_can_be_part_of_a_batch_under_a_word_of_its_own() -> None:
    rows = [row for row in operations().values() if row.command]
    assert len(rows) > 15
    assert all(row.batchable for row in rows)
    assert len({row.command for row in rows}) == len(rows)
    assert all(row.command for row in operations().values() if row.line or row.is_for_agents)


def test_a_key_that_a_line_may_leave_out_has_a_default() -> None:
    for op, row in operations().items():
        required = {form.to for form in row.line.values() if form.is_required}
        optional = {form.to for form in row.line.values()} - required - ASKED_OTHERWISE
        # The task of a holder is that of its claim, and what it hands in is found in git.
        found_otherwise = {"task", "result", "kind"}
        assert optional - found_otherwise <= row.optional.keys(), op


def test_what_is_copied_comes_from_the_command() -> None:
    pure = PureLedger()
    decide = copied("task", "reason")
    command = {"op": "cancel", "task": "a", "reason": "r", "more": 1}
    assert decide(pure.snapshot, command, pure.context()) == {"task": "a", "reason": "r"}


def test_an_interval_is_counted_on_one_clock_and_never_negative() -> None:
    context = PureLedger().context()
    assert elapsed_ms(None, context) is None
    assert elapsed_ms(context.now_ns - 5_000_000, context) == 5
    assert elapsed_ms(context.now_ns + 5_000_000, context) == 0


@pytest.mark.parametrize("value", [-1, True, 1.5, "7"])
def test_an_interval_that_is_no_number_of_milliseconds_is_refused(value: object) -> None:
    with pytest.raises(UsageError, match="spent_ms is a number of milliseconds"):
        check_interval({"spent_ms": value}, "spent_ms")  # type: ignore[typeddict-item]
