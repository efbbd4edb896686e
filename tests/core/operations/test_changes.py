"""What several operations change in common."""

from __future__ import annotations

from typing import Any, cast

import pytest

from gitcoord.core import machine
from gitcoord.core.errors import RefusedError
from gitcoord.core.ids import ORCHESTRATOR
from gitcoord.core.layout import SETTINGS
from gitcoord.core.operations import notes
from gitcoord.core.operations.changes import (
    MAX_SETBACK_BYTES,
    MAX_SETBACKS,
    changed,
    escalate,
    require_version,
    with_setback,
)
from gitcoord.core.sentences import said
from gitcoord.core.snapshot import Changes
from gitcoord.core.version import require_readable
from tests.support.builders import PureLedger
from tests.support.pure import ledger


def needs(changes: Changes) -> object:
    return cast("dict[str, Any]", changes[SETTINGS])["needs"]


def test_the_least_version_that_reads_the_ledger_is_raised_and_never_lowered() -> None:
    snapshot = ledger().snapshot
    changes: Changes = {}
    require_version(snapshot, changes, "0.2")
    assert needs(changes) == "0.2"
    require_version(snapshot, changes, "0.10")
    assert needs(changes) == "0.10"
    require_version(snapshot, changes, "0.9")
    assert needs(changes) == "0.10"


def test_the_other_settings_stay_as_they_are() -> None:
    snapshot = ledger().snapshot
    changes: Changes = {SETTINGS: cast("dict[str, Any]", {**snapshot.settings(), "epoch": 7})}
    require_version(snapshot, changes, "0.2")
    assert changes[SETTINGS] == {**snapshot.settings(), "epoch": 7, "needs": "0.2"}


def test_an_operation_of_a_newer_version_locks_older_ones_out_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pure = ledger()
    row = notes.OPERATIONS["checkpoint"]._replace(since="9.9")
    monkeypatch.setitem(notes.OPERATIONS, "checkpoint", row)
    command = {"op": "checkpoint", "agent": ORCHESTRATOR, "name": "one"}
    event = machine.decide(pure.snapshot, command, pure.context())
    changes = machine.apply(pure.snapshot, event)
    assert needs(changes) == "9.9"
    with pytest.raises(RefusedError) as caught:
        require_readable(changes[SETTINGS], "e" * 40)
    assert (caught.value.reason, caught.value.hint) == (
        "newer-format",
        "install gitcoord 9.9 or newer",
    )
    pure.publish(event)
    again = machine.decide(pure.snapshot, {**command, "name": "two"}, pure.context())
    assert SETTINGS not in machine.apply(pure.snapshot, again)


def test_an_optional_key_at_its_default_is_left_out() -> None:
    task = ledger().snapshot.require_task("a")
    widened = changed(task, widened=["docs/"])
    assert widened["widened"] == ["docs/"]
    assert changed(widened, widened=[]) == task


def test_the_last_setbacks_are_kept_and_what_they_say_is_cut() -> None:
    pure = ledger()
    task = pure.snapshot.require_task("a")
    event = machine.decide(
        pure.snapshot, {"op": "checkpoint", "agent": ORCHESTRATOR, "name": "x"}, pure.context()
    )
    for number in range(MAX_SETBACKS + 2):
        values = {"reason": f"{number} " + "x" * 2 * MAX_SETBACK_BYTES, "by": "", "last": None}
        task = changed(task, setbacks=with_setback(task, event, "expired", "x0", values))
    reasons = [str(one["values"]["reason"]) for one in task["setbacks"]]
    assert [reason[0] for reason in reasons] == ["2", "3", "4", "5", "6"]
    assert all(len(reason.encode()) <= MAX_SETBACK_BYTES for reason in reasons)
    assert set(task["setbacks"][0]["values"]) == {"reason"}


def test_the_texts_of_a_reason_by_a_code_are_cut_too() -> None:
    pure = ledger()
    task = pure.snapshot.require_task("a")
    event = machine.decide(
        pure.snapshot, {"op": "checkpoint", "agent": ORCHESTRATOR, "name": "x"}, pure.context()
    )
    why = said("command-failed", status=1, output="x" * 2 * MAX_SETBACK_BYTES)
    (setback,) = with_setback(task, event, "failed", "x0", {"reason": why})
    kept = setback["values"]["reason"]
    assert (kept["code"], kept["values"]["status"]) == ("command-failed", 1)
    assert len(kept["values"]["output"]) == MAX_SETBACK_BYTES
    assert kept["values"]["output"].endswith(" [cut]")


def test_escalations_of_one_entry_have_names_of_their_own() -> None:
    pure: PureLedger = ledger()
    command = {"op": "checkpoint", "agent": ORCHESTRATOR, "name": "x"}
    event = machine.decide(pure.snapshot, command, pure.context())
    changes: Changes = {}
    for number in range(3):
        escalate(changes, event, "task-failed", None, {"task": f"t{number}"})
    name = event["id"][:8]
    assert sorted(changes) == [
        f"escalations/{name}-1.json",
        f"escalations/{name}-2.json",
        f"escalations/{name}.json",
    ]
