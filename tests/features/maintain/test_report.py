"""What a report gathers of a real ledger."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitcoord.core.errors import NotFoundError
from gitcoord.features.land import landings
from gitcoord.features.maintain.report import FORMATS, report_facts
from gitcoord.features.setup import ledger
from gitcoord.features.work import claims, results
from gitcoord.features.workspace import open_workspace
from tests.support.builders import tasks
from tests.support.world import do, found


def test_a_report_has_the_tasks_with_their_attempts_and_the_landings(repo: Path) -> None:
    two = '[[phase]]\nname = "one"\n[[phase]]\nname = "two"\nafter = ["one"]\n'
    plan = two + tasks("a", "b", b=["a"]).replace('"Do a"', '"Do a"\nphase = "one"').replace(
        '"Do b"', '"Do b"\nphase = "two"'
    )
    work = found(repo, plan, "x")
    held = claims.claim(work, "x", "a")
    results.release(work, "x", "a", held.claim["token"])
    do(work, "x", "a")
    landings.land(work, "one")
    claims.claim(work, "x", "b")
    facts = report_facts(work)
    rows = [(one["id"], one["state"], one["agent"], one["attempts"]) for one in facts["tasks"]]
    assert rows == [("a", "landed", "x", 2), ("b", "claimed", "x", 1)]
    assert [one["end"] for one in facts["attempts"]] == ["released", "completed", None]
    landings_told = [(one["phase"], one["end"], one["count"]) for one in facts["landings"]]
    assert landings_told == [("one", "landed", 1)]
    assert [(one["kind"], one["task"]) for one in facts["now"]["running"]] == [("claim", "b")]
    assert [one["name"] for one in facts["groups"]["phases"]] == ["one", "two"]
    assert facts["git"] == "git log --reverse gitcoord/ledger"
    assert [count for _, count in facts["progress"]] == [1]
    assert facts["chain"] == ["a", "b"]
    for write in FORMATS.values():
        assert "Do b" in write(facts)


def test_a_ledger_without_a_plan_has_no_report(repo: Path) -> None:
    work = open_workspace(repo)
    ledger.init(work)
    with pytest.raises(NotFoundError, match="no plan"):
        report_facts(work)
