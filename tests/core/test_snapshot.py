"""The state as of one entry, and the same with changes laid over it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitcoord.core import codec
from gitcoord.core.errors import CorruptError, NotFoundError
from gitcoord.core.ids import PhaseId, TaskId
from gitcoord.core.layout import live_path, task_path
from gitcoord.core.snapshot import BlobOid, Changes, Snapshot, put_task
from tests.support.builders import DictReader, PureLedger, oid_of, tasks

PATHS = ["settings.json", "notes/a.json", "notes/b.json", "tasks/1/2/a.json", "tasks/1/3/b.json"]
VALUES = st.fixed_dictionaries({"n": st.integers(0, 9)})


def encoded(records: dict[str, Any]) -> dict[str, bytes]:
    return {path: codec.dump(record) for path, record in records.items()}


def files(snapshot: Snapshot, folder: str) -> list[str]:
    """List the records below a folder."""
    found = []
    for name in snapshot.names(folder):
        path = f"{folder}/{name}"
        found += [path] if path.endswith(".json") else files(snapshot, path)
    return found


@given(
    st.dictionaries(st.sampled_from(PATHS), VALUES),
    st.dictionaries(st.sampled_from(PATHS), st.none() | VALUES),
)
def test_changes_laid_over_a_state_read_as_if_they_were_written(
    below: dict[str, Any], changes: Changes
) -> None:
    laid = Snapshot(DictReader(encoded(below), {})).overlaid(changes)
    merged = {path: value for path, value in (below | changes).items() if value is not None}
    written = Snapshot(DictReader(encoded(merged), {}))
    for path in PATHS:
        assert laid.record(path) == written.record(path)
    assert files(laid, "notes") == files(written, "notes")
    # A folder that its last file left may still be named: nothing is in it.
    assert files(laid, "tasks") == files(written, "tasks")


def test_a_blob_stands_for_its_record() -> None:
    raw = codec.dump({"n": 1})
    oid = BlobOid(oid_of("blob"))
    laid = Snapshot(DictReader({}, {oid: raw})).overlaid({"plan.json": oid})
    assert laid.record("plan.json") == {"n": 1}
    assert laid.file("plan.json") == raw
    assert laid.names("none") == []


@pytest.fixture
def pure() -> PureLedger:
    made = PureLedger()
    made.init()
    made.plan(tasks("a", "B", "c"))
    made.agent("x")
    return made


def test_tasks_are_found_by_their_ids_and_by_their_twins(pure: PureLedger) -> None:
    snapshot = pure.snapshot
    assert sorted(task["id"] for task in snapshot.tasks()) == ["B", "a", "c"]
    assert snapshot.require_task("a")["id"] == "a"
    assert (snapshot.twin("b"), snapshot.twin("B"), snapshot.twin("A")) == ("B", None, "a")
    for name in ("none", "../settings", "a\x1b[2J", ""):
        with pytest.raises(NotFoundError) as caught:
            snapshot.require_task(name)
        assert "\x1b" not in caught.value.message


def test_only_what_a_lease_holds_is_live(pure: PureLedger) -> None:
    assert pure.snapshot.live() == ()
    claim = pure.claim("x", "a")
    assert [task["id"] for task in pure.snapshot.live()] == ["a"]
    assert pure.snapshot.live()[0] == pure.snapshot.require_task("a")
    pure.complete(claim)
    assert pure.snapshot.live() == ()


def test_what_is_live_after_changes_is_what_would_be_read_there(pure: PureLedger) -> None:
    pure.claim("x", "B")
    claimed = pure.snapshot.require_task(TaskId("B"))
    changes: Changes = {live_path(TaskId("B")): None}
    for name in ("c", "a"):
        put_task(changes, {**pure.snapshot.require_task(TaskId(name)), "claim": claimed["claim"]})
    first = pure.snapshot.overlaid(changes)
    assert [task["id"] for task in first.live()] == ["a", "c"]
    second = first.overlaid({live_path(TaskId("a")): None, live_path(TaskId("B")): claimed})
    assert [task["id"] for task in second.live()] == ["B", "c"]
    assert [task["id"] for task in pure.snapshot.live()] == ["B"]


def test_a_claimed_task_comes_with_its_claim_and_one_in_review_is_none(pure: PureLedger) -> None:
    assert pure.snapshot.claims() == []
    claim = pure.claim("x", "a")
    [(task, held)] = pure.snapshot.claims()
    assert (task["id"], held["agent"], held["token"]) == ("a", "x", claim["token"])
    pure.complete(claim)
    assert pure.snapshot.claims() == []


def test_a_held_task_is_read_from_the_folder_of_the_live(pure: PureLedger) -> None:
    claim = pure.claim("x", "a")
    without = pure.snapshot.overlaid({task_path(TaskId("a")): None})
    held = without.held_task(TaskId("a"))["claim"]
    assert held is not None
    assert held["token"] == claim["token"]
    assert without.held_task(TaskId("c")) == pure.snapshot.require_task("c"), "nobody holds it"
    for name in ("none", "../settings"):
        with pytest.raises(NotFoundError):
            without.held_task(TaskId(name))


def test_the_tasks_of_a_phase_are_found(pure: PureLedger) -> None:
    phase = pure.snapshot.require_task("a")["spec"]["phase"]
    assert sorted(task["id"] for task in pure.snapshot.tasks_of(phase)) == ["B", "a", "c"]
    assert pure.snapshot.tasks_of(PhaseId("another")) == []


def test_a_task_is_put_at_both_of_its_places(pure: PureLedger) -> None:
    pure.claim("x", "a")
    held, free = pure.snapshot.require_task("a"), pure.snapshot.require_task(TaskId("c"))
    changes: Changes = {}
    put_task(changes, held)
    put_task(changes, free)
    assert changes == {
        task_path("a"): held,
        "live/a.json": held,
        task_path("c"): free,
        "live/c.json": None,
    }


def test_a_record_that_is_listed_and_missing_is_corrupt(pure: PureLedger) -> None:
    with pytest.raises(CorruptError, match=r"settings\.json is missing"):
        Snapshot(DictReader({}, {})).settings()
    assert Snapshot(DictReader({}, {})).plan() is None
    assert Snapshot(DictReader({}, {})).agents() == []


def test_the_target_is_the_plans_and_before_it_the_ledgers() -> None:
    pure = PureLedger()
    pure.init()
    assert pure.snapshot.target() == "refs/heads/main"
    pure.plan('[plan]\ntarget = "next"\n' + tasks("a"))
    assert pure.snapshot.target() == "refs/heads/next"
