"""How often the end of a turn was held is kept beside the claim, and told."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from gitcoord.features.assist.turn_counts import ended_turns
from gitcoord.features.inspect import facts
from gitcoord.features.work import claims
from gitcoord.features.workspace import Workspace
from tests.support.assistants import PLAN, Assistant
from tests.support.world import found


@pytest.fixture
def work(repo: Path) -> Iterator[Workspace]:
    work = found(repo, PLAN, "one", "two")
    yield work
    work.close()


@pytest.fixture
def one(work: Workspace) -> Assistant:
    claims.claim(work, "one", "a")
    return Assistant(work, "one")


def test_status_tells_of_a_turn_that_ended(one: Assistant, work: Workspace) -> None:
    for text in "123":
        one.stop(text)
    assert facts.status(work)["claims"][0]["task"] == "a"
    assert ended_turns(work, work.ledger.snapshot())
    assert os.environ.get("CLAUDE_CODE_SESSION_ATTENDED") is None
