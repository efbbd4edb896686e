from __future__ import annotations

import pytest

from gitcoord.core.errors import CorruptError, RefusedError
from gitcoord.core.machine import operations
from gitcoord.core.model import FORMAT
from gitcoord.core.version import VERSION, later, require_readable


def test_what_needs_nothing_newer_is_read() -> None:
    require_readable({"format": FORMAT}, "e" * 40)
    require_readable({"format": FORMAT, "needs": VERSION}, "e" * 40)
    require_readable({"format": FORMAT, "needs": "0.0.9"}, "e" * 40)


@pytest.mark.parametrize("needs", ["99.0", "0.1.0.1", "a stone", 7, None])
def test_a_ledger_that_needs_more_names_the_version_to_install(needs: object) -> None:
    with pytest.raises(RefusedError, match=f"the ledger needs gitcoord {needs} or newer") as caught:
        require_readable({"format": FORMAT, "needs": needs}, "e" * 40)
    assert caught.value.reason == "newer-format"
    assert caught.value.hint == f"install gitcoord {needs} or newer"


@pytest.mark.parametrize(
    ("found", "reason"), [(FORMAT + 1, "newer-format"), (FORMAT - 1, "older-format")]
)
def test_another_format_is_refused_and_not_called_corrupt(found: int, reason: str) -> None:
    with pytest.raises(RefusedError) as caught:
        require_readable({"format": found}, "e" * 40)
    assert caught.value.reason == reason


@pytest.mark.parametrize("settings", [None, [], {}, {"format": "2"}, {"format": True}])
def test_what_is_not_the_settings_of_a_ledger_is_corrupt(settings: object) -> None:
    with pytest.raises(CorruptError, match="is not an entry of a gitcoord ledger"):
        require_readable(settings, "e" * 40)


@pytest.mark.parametrize(
    ("one", "other", "found"),
    [("0.9", "0.10", "0.10"), ("1.0", "0.9.9", "1.0"), ("1", "1.0", "1"), ("1", "x", "x")],
)
def test_versions_are_compared_by_their_numbers(one: str, other: str, found: str) -> None:
    assert later(one, other) == found


def test_no_operation_needs_more_than_this_version() -> None:
    assert all(later(VERSION, row.since or "0") == VERSION for row in operations().values())
