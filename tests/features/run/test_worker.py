"""The agents of a run take what they are meant to, with the command of its pool."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitcoord.core.errors import NotFoundError, RefusedError, UsageError
from gitcoord.core.ids import TaskId
from gitcoord.features.run.order import Order
from gitcoord.features.setup import trust
from gitcoord.features.work.choices import Scope
from gitcoord.features.workspace import Workspace
from tests.support.builders import tasks
from tests.support.runs import WRITE, run
from tests.support.world import found, record


def _states(work: Workspace, *names: str) -> list[str]:
    return [record(work, name)["state"] for name in names]


def test_a_run_of_one_task_is_done_with_that_task(repo: Path) -> None:
    work = found(repo, tasks("a", "b"))
    done, _ = run(work, repo, WRITE, 2, Order(within=Scope(tasks=frozenset({TaskId("b")}))))
    assert (done.is_landed, done.counts) == (True, {"done": 1})
    assert _states(work, "a", "b") == ["open", "done"]
    with pytest.raises(NotFoundError, match="no task 'c'"):
        run(work, repo, WRITE, 1, Order(within=Scope(tasks=frozenset({TaskId("c")}))))


def test_a_pool_has_a_command_of_its_own_once_it_is_trusted(repo: Path) -> None:
    head = '[[pool]]\nname = "red"\ncommand = "mkdir r; echo red > r/f"\n'
    row = '[[task]]\nid = "r"\ntitle = "Do r"\npaths = ["r/"]\npool = "red"\n'
    work = found(repo, tasks("a", head=head) + row)
    with pytest.raises(RefusedError) as caught:
        run(work, repo, WRITE, 1, Order())
    assert caught.value.reason == "trust"
    trust.trust(work, work.ledger.snapshot())
    with pytest.raises(UsageError, match="nothing works on the tasks of pool default"):
        run(work, repo, "", 1, Order())
    assert run(work, repo, WRITE, 1, Order())[0].is_landed
    assert (repo / "r" / "f").read_text() == "red\n"
    assert (repo / "a" / "file.txt").exists()
