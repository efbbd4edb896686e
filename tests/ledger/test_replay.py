"""One entry is checked by itself: its message, its state, its tree."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gitcoord.core.errors import CorruptError
from gitcoord.features.work import claims
from gitcoord.features.workspace import Workspace
from gitcoord.ledger.replay import illegal, replay_entry
from gitcoord.store.protocol import EntryObject
from gitcoord.store.reader import RecordCache
from tests.support.builders import tasks
from tests.support.world import found


@pytest.fixture
def work(repo: Path) -> Workspace:
    made = found(repo, tasks("a", "b"), "x", worktrees=False)
    claims.claim(made, "x", "a", checkout=False)
    return made


@pytest.fixture
def newest(work: Workspace) -> EntryObject:
    """The entry of a claim."""
    return work.store.read_entry(work.ledger.snapshot().oid)


def mistake_of(work: Workspace, entry: EntryObject) -> str:
    with pytest.raises(CorruptError) as caught:
        replay_entry(work.ledger, entry, RecordCache())
    assert caught.value.facts["entry"] == entry.oid
    return caught.value.message


def test_every_entry_that_was_written_follows_from_its_parent(work: Workspace) -> None:
    oid: str | None = work.ledger.tip()
    cache, count = RecordCache(), 0
    while oid is not None:
        entry = work.store.read_entry(oid)
        replay_entry(work.ledger, entry, cache)
        oid = entry.parents[0] if entry.parents else None
        count += 1
    assert count == 4


def test_a_tree_that_its_event_does_not_make_is_named_by_its_first_path(
    work: Workspace, newest: EntryObject
) -> None:
    parent = work.store.read_entry(newest.parents[0])
    told = mistake_of(work, newest._replace(tree=parent.tree))
    assert "live/a.json" in told
    assert "is not what its event makes of it" in told


def test_an_operation_that_was_not_allowed_there_is_named_with_its_reason(
    work: Workspace, newest: EntryObject
) -> None:
    told = mistake_of(work, newest._replace(parents=(newest.oid,)))
    assert "claim was not allowed" in told


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"author": "y"}, "its author is y, and its event says x"),
        ({"author_email": "x@elsewhere"}, "its author is x"),
        ({"time": 1}, "its time is not its event's"),
        ({"parents": ()}, "a ledger begins with init"),
    ],
)
def test_what_the_commit_says_beside_its_event_has_to_fit(
    work: Workspace, newest: EntryObject, change: dict[str, Any], what: str
) -> None:
    assert what in mistake_of(work, newest._replace(**change))


def test_a_tree_that_is_not_there_is_an_illegal_entry(work: Workspace, newest: EntryObject) -> None:
    assert "cannot be read" in mistake_of(work, newest._replace(tree="0" * 39 + "1"))


def test_nothing_is_written_to_check_an_entry(work: Workspace, newest: EntryObject) -> None:
    objects = work.place.common_dir / "objects"
    before = sorted(objects.rglob("*"))
    replay_entry(work.ledger, newest, RecordCache())
    mistake_of(work, newest._replace(tree=work.store.read_entry(newest.parents[0]).tree))
    assert sorted(objects.rglob("*")) == before


def test_an_illegal_entry_names_itself_and_what_to_compare() -> None:
    error = illegal("a" * 40, "its tree is empty")
    assert error.message == f"entry {'a' * 12} is illegal: its tree is empty"
    assert "another clone" in error.hint
