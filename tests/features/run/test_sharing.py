"""Open tasks are shared out by a pattern, in one entry, and to those who may take them."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitcoord.core.errors import RefusedError
from gitcoord.features.run.sharing import share_out
from tests.support.builders import tasks
from tests.support.cli import Cli
from tests.support.world import found, record


def test_tasks_are_shared_out_as_one_entry_and_what_is_somebodys_stays(
    repo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    work = found(repo, tasks("a", "b", "c"), "ada", "bob")
    cli = Cli(repo, capsys)
    cli("assign", "a", "bob")
    before = work.ledger.snapshot().oid
    answer = cli.json("assign", "--by", "round-robin")
    parent = work.store.read_entry(work.ledger.snapshot().oid).parents[0]
    assert parent == before
    assert answer["shares"] == [
        {"agent": "ada", "tasks": ["b"]},
        {"agent": "bob", "tasks": ["c"]},
    ]
    assert [record(work, name)["assigned"] for name in "abc"] == ["bob", "ada", "bob"]
    with pytest.raises(RefusedError, match="no open task is left"):
        share_out(work, "pool")
    cli("assign", "a", status=2)
    cli("assign", "a", "bob", "--by", "pool", status=2)
    cli("assign", "--by", "chance", status=2)


def test_without_agents_nothing_is_shared_out(repo: Path) -> None:
    work = found(repo, tasks("a"))
    with pytest.raises(RefusedError, match="no agent"):
        share_out(work, "directory")
