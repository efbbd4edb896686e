"""What a writer was doing when it was cut off is settled, truly."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitcoord.core.errors import UnknownError
from gitcoord.features.work import claims
from gitcoord.features.workspace import open_workspace
from tests.support.builders import tasks
from tests.support.formats import needs_ref_files
from tests.support.world import found, git


def test_an_outcome_that_cannot_be_read_is_unknown_and_settled_by_the_next_command(
    repo: Path,
) -> None:
    work = found(repo, tasks("a"), "x", worktrees=False)
    swap, read_ref = work.store.swap, work.store.read_ref

    def fails_after(*args: object, **more: object) -> None:
        swap(*args, **more)  # type: ignore[arg-type]
        work.store.read_ref = broken  # type: ignore[method-assign, assignment]
        raise OSError(5, "input/output error")

    def broken(_ref: str) -> str:
        raise OSError(5, "input/output error")

    work.store.swap = fails_after  # type: ignore[method-assign]
    with pytest.raises(UnknownError) as caught:
        claims.claim(work, "x", checkout=False, session="s")
    work.store.swap, work.store.read_ref = swap, read_ref  # type: ignore[method-assign]
    heir = open_workspace(repo)
    (settled,) = heir.ledger.settle("x")
    assert settled.entry_id == caught.value.facts["entry_id"]
    assert settled.is_applied
    assert heir.ledger.settle("x") == []
    assert claims.claim(heir, "x", checkout=False, session="s").already


def test_an_interrupted_swap_is_settled_by_the_same_process(repo: Path) -> None:
    work = found(repo, tasks("a"), "x", worktrees=False)
    swap = work.store.swap

    def interrupted(*args: object, **more: object) -> None:
        swap(*args, **more)  # type: ignore[arg-type]
        raise KeyboardInterrupt

    work.store.swap = interrupted  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        claims.claim(work, "x", checkout=False, session="s")
    work.store.swap = swap  # type: ignore[method-assign]
    (settled,) = work.ledger.settle("x")
    assert (settled.op, settled.task, settled.is_applied) == ("claim", "a", True)
    assert claims.claim(work, "x", checkout=False, session="s").already


def test_not_applied_is_said_only_once_the_tip_was_replaced(repo: Path) -> None:
    work = found(repo, tasks("a"), "x", "y", worktrees=False)

    def interrupted(*_args: object, **_more: object) -> None:
        raise KeyboardInterrupt

    swap = work.store.swap
    work.store.swap = interrupted  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        claims.claim(work, "x", checkout=False, session="s")
    work.store.swap = swap  # type: ignore[method-assign]
    assert work.ledger.settle("x") == []
    claims.claim(work, "y", checkout=False)
    (settled,) = work.ledger.settle("x")
    assert not settled.is_applied


@needs_ref_files
@pytest.mark.parametrize(("content", "stays"), [("", False), ("f" * 40 + "\n", True)])
def test_a_lock_of_a_ref_that_a_killed_swap_only_verified_is_cleared(
    repo: Path, content: str, stays: bool
) -> None:
    work = found(repo, tasks("a"), "x", worktrees=False)
    lock = repo / ".git" / "refs" / "heads" / "main.lock"

    def killed(*_args: object, **_more: object) -> None:
        lock.write_text(content)
        raise KeyboardInterrupt

    swap = work.store.swap
    work.store.swap = killed  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        work.ledger.execute(
            {"op": "checkpoint", "agent": "orchestrator", "name": "c"},
            agent="orchestrator",
            verify={"refs/heads/main": git("rev-parse", "main", cwd=repo)},
        )
    work.store.swap = swap  # type: ignore[method-assign]
    assert work.ledger.settle("orchestrator") == []
    assert lock.exists() == stays
