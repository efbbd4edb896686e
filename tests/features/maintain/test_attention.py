"""What waits for a person is found, each with the command that helps."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitcoord.core.errors import RefusedError
from gitcoord.features.land import landings
from gitcoord.features.maintain.attention import needs_you
from gitcoord.features.setup import agents, plans, trust
from gitcoord.features.work import claims, escalations, results
from gitcoord.features.workspace import Workspace
from tests.support.builders import tasks
from tests.support.world import do, found, git

GATE = '[[phase]]\nname = "default"\ngates = [{ name = "tests", run = "%s" }]\n'


def _needs(work: Workspace) -> list[tuple[str, str]]:
    work.index.update(work.store, work.ledger.snapshot().oid)
    return [(one["kind"], one["command"]) for one in needs_you(work, work.ledger.snapshot())]


def test_nothing_waits_where_all_is_well(repo: Path) -> None:
    assert _needs(found(repo, tasks("a"), "x")) == []


def test_a_failed_task_waits_for_its_retry_also_when_its_escalation_was_resolved(
    repo: Path,
) -> None:
    work = found(repo, tasks("a", "b", b=["a"]), "x")
    held = claims.claim(work, "x", "a")
    results.fail(work, "x", "a", held.claim["token"], "no compiler here", "permanent")
    assert _needs(work) == [("failed", "gitcoord retry a")]
    name = escalations.inbox(work)[0]["id"]
    escalations.resolve(work, str(name), "seen")
    assert _needs(work) == [("failed", "gitcoord retry a")]
    item = needs_you(work, work.ledger.snapshot())[0]
    assert item["task"] == "a"
    assert "no compiler here" in item["text"]


def test_a_failed_gate_waits_until_it_passes_or_is_redefined(repo: Path) -> None:
    work = found(repo, GATE % "false" + tasks("a"), "x")
    trust.trust(work, work.ledger.snapshot())
    do(work, "x")
    with pytest.raises(RefusedError):
        landings.land(work, "default")
    assert ("gate", "gitcoord phase check default") in _needs(work)
    plans.apply_plan(work, GATE % "true" + tasks("a"), "p.toml")
    assert _needs(work) == [("trust", "gitcoord trust")]
    trust.trust(work, work.ledger.snapshot())
    assert _needs(work) == []


def test_a_setup_that_failed_waits_for_another_try(repo: Path) -> None:
    ready = repo.parent / "ready"
    work = found(repo, f'[worktree]\nsetup = "echo no; test -e {ready}"\n' + tasks("a"))
    trust.trust(work, work.ledger.snapshot())
    agents.add(work, "x")
    assert _needs(work) == [("setup", "gitcoord agent setup x")]
    log = needs_you(work, work.ledger.snapshot())[0]["text"].rpartition(" ")[2]
    assert "no" in Path(log).read_text()
    ready.touch()
    agents.add(work, "x")
    assert _needs(work) == []


def test_a_renamed_target_and_a_ledger_that_is_checked_out_are_seen(repo: Path) -> None:
    work = found(repo, tasks("a"))
    git("branch", "-m", "main", "trunk", cwd=repo)
    assert [kind for kind, _ in _needs(work)] == ["target"]
    git("branch", "-m", "trunk", "main", cwd=repo)
    place = repo.parent / "elsewhere"
    git("worktree", "add", "-q", str(place), "gitcoord/ledger", cwd=repo)
    assert _needs(work) == [("checkout", f"git -C {place} switch main")]


def test_a_widening_that_is_asked_for_names_the_command_that_grants_it(repo: Path) -> None:
    from gitcoord.features.work import widenings

    work = found(repo, tasks("a"), "x", worktrees=False)
    held = claims.claim(work, "x", "a")
    with pytest.raises(RefusedError) as caught:
        widenings.widen(work, "x", "a", held.claim["token"], ["lib/"])
    asked = caught.value.facts["escalation"]
    assert _needs(work) == [("escalation", f"gitcoord resolve {asked} ANSWER --grant")]
