"""Which task a claim gets where none is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitcoord.core.errors import (
    RefusedError,
)
from gitcoord.core.events import Command, Event
from gitcoord.core.ids import Oid
from gitcoord.core.leases import Context
from gitcoord.core.machine import decide
from gitcoord.core.snapshot import Snapshot
from gitcoord.features.setup import agents, plans
from gitcoord.features.work import claims, results
from gitcoord.features.workspace import open_workspace
from gitcoord.store.disk_store import DiskStore
from tests.support.builders import tasks
from tests.support.world import found, git, record


def test_selections_choose_as_they_say(repo: Path) -> None:
    rows = [
        ("a", 1, "src/one/a"),
        ("b", 5, "src/two/b"),
        ("c", 3, "src/one/c"),
        ("d", 4, "src/three/d"),
    ]
    text = "".join(
        f'[[task]]\nid="{name}"\ntitle="T"\npriority={priority}\npaths=["{path}"]\n'
        for name, priority, path in rows
    )
    text += '[[task]]\nid="e"\ntitle="T"\npaths=["e"]\nneeds=["d"]\nestimate="9h"\n'
    work = found(repo, text, worktrees=False)
    for selection, expected in (
        ("round-robin", "abcd"),
        ("priority", "bdca"),
        ("critical-path", "dabc"),
    ):
        plans.apply_plan(work, f'[plan]\nselection = "{selection}"\n' + text, "plan.toml")
        got = []
        for number in range(4):
            name = f"{selection}-{number}"
            agents.add(work, name, no_worktree=True)
            claimed = claims.claim(work, name)
            got.append((name, claimed))
        assert "".join(claimed.task["id"] for _, claimed in got) == expected
        for name, claimed in got:
            results.release(work, name, claimed.task["id"], claimed.claim["token"])
    plans.apply_plan(work, '[plan]\nselection = "directory"\n' + text, "plan.toml")
    agents.add(work, "one", no_worktree=True, capacity=2)
    agents.add(work, "two", no_worktree=True)
    assert claims.claim(work, "one", "a").task["id"] == "a"
    assert claims.claim(work, "two").task["id"] in {"b", "d"}, "away from the directories of others"
    assert claims.claim(work, "one").task["id"] == "c", "in a directory that is its own already"


def test_a_candidate_that_cannot_be_had_does_not_hide_the_next(repo: Path) -> None:
    rows = [("a", "s/"), ("b", "s/x/"), ("c", "c/")]
    text = '[plan]\nselection = "round-robin"\n' + "".join(
        f'[[task]]\nid="{name}"\ntitle="T"\npaths=["{path}"]\n' for name, path in rows
    )
    work = found(repo, text, "x", worktrees=False)
    agents.add(work, "y", no_worktree=True)
    assert claims.claim(work, "x", checkout=False).task["id"] == "a"
    assert claims.claim(work, "y", checkout=False).task["id"] == "c"
    assert record(work, "b")["state"] == "open"


def test_a_claim_decides_each_candidate_once_and_reads_each_object_once(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [("a", "s/"), ("b", "s/x/"), ("c", "c/")]
    text = '[plan]\nselection = "round-robin"\n' + "".join(
        f'[[task]]\nid="{name}"\ntitle="T"\npaths=["{path}"]\n' for name, path in rows
    )
    claims.claim(found(repo, text, "x", "y", worktrees=False), "x", "a", checkout=False)
    decided, read = [], []
    raw = DiskStore._raw

    def counted(snapshot: Snapshot, command: Command, context: Context) -> Event:
        decided.append(command["task"])
        return decide(snapshot, command, context)

    def seen(store: DiskStore, oid: Oid, kind: str) -> bytes:
        read.append(oid)
        return raw(store, oid, kind)

    monkeypatch.setattr("gitcoord.ledger.ledger.decide", counted)
    monkeypatch.setattr(DiskStore, "_raw", seen)
    claimed = claims.claim(open_workspace(repo), "y", checkout=False)
    assert decided == ["b", "c"]
    assert len(read) == len(set(read)) > 0
    assert claimed.snapshot.oid == claimed.entry
    assert claimed.snapshot.require_task("c") == claimed.task


def test_a_branch_in_the_way_of_a_work_branch_is_named(repo: Path) -> None:
    work = found(repo, tasks("a", "b"), "x", "y")
    git("branch", "task/b", cwd=repo)
    with pytest.raises(RefusedError, match="a branch task/b is in the way") as caught:
        claims.claim(work, "x", "b")
    assert caught.value.reason == "branch"
    assert "git branch -m task/b" in caught.value.hint
    assert claims.claim(work, "x").task["id"] == "a"
    with pytest.raises(RefusedError, match="task/b"):
        claims.claim(work, "y")
    git("branch", "-m", "task/b", "other", cwd=repo)
    assert claims.claim(work, "y").checkout == "done"
