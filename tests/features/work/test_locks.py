"""Paths locked by hand, and given back by those who may."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitcoord.core.errors import (
    ClaimLostError,
    ConflictError,
    GitcoordError,
    NotFoundError,
    UsageError,
)
from gitcoord.core.ids import ORCHESTRATOR
from gitcoord.features.work import claims, locks
from gitcoord.features.workspace import Workspace
from tests.support.builders import tasks
from tests.support.world import found


@pytest.fixture
def work(repo: Path) -> Workspace:
    return found(repo, tasks("a", "b"), "x", "y", worktrees=False)


def locked(work: Workspace) -> dict[str, list[str]]:
    return {one["agent"]: one["paths"] for one in work.ledger.snapshot().locks()}


def test_a_lock_is_the_record_that_its_entry_made(work: Workspace) -> None:
    done = locks.lock(work, "x", ["lib/"], shared=True, for_ms=60_000, reason="reading")
    made = locks.record_of(done)
    assert (made["agent"], made["paths"], made["shared"], made["reason"], made["task"]) == (
        "x",
        ["lib/"],
        True,
        "reading",
        None,
    )


def test_a_lock_belongs_to_the_claim_that_is_held(work: Workspace) -> None:
    claims.claim(work, "x", "a", checkout=False)
    assert locks.record_of(locks.lock(work, "x", ["lib/"]))["task"] == "a"


def test_a_folder_that_is_there_is_locked_as_a_folder(work: Workspace, repo: Path) -> None:
    (repo / "src" / "deep").mkdir(parents=True)
    asked = ["./src", "src/", "src/deep", "README.md", "new", "*.md"]
    assert locks.tidy(work, asked) == ["src/", "src/deep/", "README.md", "new", "*.md"]


def test_what_another_holds_is_not_locked_and_nothing_changes(work: Workspace) -> None:
    claims.claim(work, "y", "a", checkout=False)
    tip = work.ledger.tip()
    with pytest.raises(ConflictError) as caught:
        locks.lock(work, "x", ["free/", "a/deep/x"])
    assert caught.value.facts["holder"] == "y"
    assert work.ledger.tip() == tip


@pytest.mark.parametrize(
    ("agent", "patterns", "error"),
    [
        ("x", [], UsageError),
        ("x", ["/etc/passwd"], UsageError),
        ("x", ["../up"], UsageError),
        ("nobody", ["a/"], NotFoundError),
    ],
)
def test_a_request_that_makes_no_sense_is_refused(
    work: Workspace, agent: str, patterns: list[str], error: type[GitcoordError]
) -> None:
    tip = work.ledger.tip()
    with pytest.raises(error):
        locks.lock(work, agent, patterns)
    assert work.ledger.tip() == tip


def test_paths_are_given_back_one_by_one_or_all(work: Workspace) -> None:
    locks.lock(work, "x", ["one/", "two/", "three/"])
    locks.unlock(work, "x", ["two/"])
    assert locked(work) == {"x": ["one/", "three/"]}
    with pytest.raises(NotFoundError):
        locks.unlock(work, "x", ["two/"])
    for patterns, everything in (([], False), (["one/"], True)):
        with pytest.raises(UsageError, match="name paths, or --all, and not both"):
            locks.unlock(work, "x", patterns, everything=everything)
    locks.unlock(work, "x", [], everything=True)
    assert locked(work) == {}


def test_the_orchestrator_gives_back_what_an_agent_left_locked(work: Workspace) -> None:
    locks.lock(work, "x", ["lib/"])
    with pytest.raises(NotFoundError):
        locks.unlock(work, ORCHESTRATOR, ["lib/"], of="y")
    with pytest.raises(NotFoundError):
        locks.unlock(work, ORCHESTRATOR, ["lib/"], of="nobody")
    locks.unlock(work, ORCHESTRATOR, [], everything=True, of="x")
    assert locked(work) == {}


def test_a_lock_of_a_claim_goes_back_with_its_token_alone(work: Workspace) -> None:
    held = claims.claim(work, "x", "a", checkout=False, session="s")
    locks.lock(work, "x", ["lib/"])
    work.tokens("x").remove(held.claim["token"])
    with pytest.raises(ClaimLostError):
        locks.unlock(work, "x", ["lib/"])
    assert locked(work) == {"x": ["lib/"]}
