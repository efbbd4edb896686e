"""Agents: added under names of their own, and removed when they hold nothing."""

from __future__ import annotations

import pytest

from gitcoord.core.errors import (
    NotFoundError,
    RefusedError,
)
from tests.support.pure import ledger, refused


def test_an_agent_that_was_not_added_is_told_the_command() -> None:
    pure = ledger()
    error = refused(
        pure, NotFoundError, op="claim", agent="nobody", task="a", session="s", base="", built_on={}
    )
    assert error.hint == "`gitcoord agent add nobody` adds it"


def test_an_agent_that_holds_a_task_cannot_be_removed() -> None:
    pure = ledger()
    pure.claim("x0", "a")
    assert (
        refused(pure, RefusedError, op="agent-remove", name="x0", reason="").facts["reason"]
        == "holds-claims"
    )
    pure.run({"op": "agent-remove", "name": "x1", "reason": ""})


@pytest.mark.parametrize("name", ["orchestrator", "X0", "x0"])
def test_reserved_and_twin_agent_names_are_refused(name: str) -> None:
    pure = ledger()
    command = {
        "op": "agent-add",
        "name": name,
        "pools": [],
        "capacity": 1,
        "paths": None,
        "worktree": None,
    }
    refused(pure, RefusedError, **command)
