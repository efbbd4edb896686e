"""Stop a writer at every call of the store, for every operation."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from gitcoord.core.errors import ClaimLostError, GitcoordError
from gitcoord.features.inspect import facts
from gitcoord.features.land import landings, target_moves
from gitcoord.features.maintain import verify
from gitcoord.features.setup import agents, plans
from gitcoord.features.work import claims, results
from gitcoord.features.workspace import Workspace, open_workspace
from gitcoord.git.places import discover
from gitcoord.host.clock import Clock
from gitcoord.store.open import open_store
from gitcoord.store.protocol import Store
from tests.support.builders import tasks
from tests.support.world import do, found, git, record, write


class Death(BaseException):
    """The process ends here."""


class Dying:
    """A store that dies before, or right after, its n-th changing call."""

    CHANGING = (
        "write_blob",
        "write_tree",
        "write_entry",
        "swap",
        "delete_ref",
        "read_ref",
        "is_lost",
    )

    def __init__(self, store: Store, at: int) -> None:
        self._store = store
        self.left = at
        self.begun: list[str] = []

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._store, name)
        if name not in self.CHANGING:
            return value

        def call(*args: Any, **more: Any) -> Any:
            self.begun.append(name)
            self._pass()
            result = value(*args, **more)
            self._pass()
            return result

        return call

    def _pass(self) -> None:
        """Pass one of the points at which it may die."""
        self.left -= 1
        if self.left == 0:
            self.die()

    def die(self) -> None:
        """End here."""
        raise Death


def dying(repo: Path, at: int) -> Workspace:
    place = discover(repo)
    store = open_store(place, is_durable=True)
    return Workspace(place, Dying(store, at), "ledger", Clock(), timeout_s=10)


Operation = Callable[[Workspace, Mapping[str, str]], None]


OPERATIONS: dict[str, tuple[Operation, str]] = {
    "claim": (
        lambda work, _held: claims.claim(work, "y", "b", checkout=False, session="s") and None,
        "claimed",
    ),
    "progress": (
        lambda work, held: results.progress(work, "x", "a", held["token"], "on", 5) and None,
        "claimed",
    ),
    "complete": (
        lambda work, held: results.complete(work, "x", "a", held["token"]) and None,
        "done",
    ),
    "fail": (
        lambda work, held: results.fail(work, "x", "a", held["token"], "no", "permanent") and None,
        "failed",
    ),
    "release": (lambda work, held: results.release(work, "x", "a", held["token"]) and None, "open"),
    "cancel": (
        lambda work, _held: (
            work.ledger.execute({"op": "cancel", "task": "a", "reason": ""}, agent="orchestrator")
            and None
        ),
        "cancelled",
    ),
    "assign": (
        lambda work, _held: (
            work.ledger.execute(
                {"op": "assign", "task": "a", "to": None, "reason": ""}, agent="orchestrator"
            )
            and None
        ),
        "open",
    ),
    "reissue": (
        lambda work, held: (
            work.ledger.execute(
                {"op": "reissue", "agent": "x", "task": "a", "session": "t", "old": held["token"]},
                agent="x",
            )
            and None
        ),
        "claimed",
    ),
    "plan": (
        lambda work, _held: plans.apply_plan(work, tasks("b", "c"), "plan.toml") and None,
        "claimed",
    ),
    "agent-add": (lambda work, _held: agents.add(work, "z", no_worktree=True) and None, "claimed"),
    "beat": (lambda work, held: work.ledger.beat("x", held["token"]) and None, "claimed"),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_writer_that_dies_at_any_call_leaves_nothing_by_halves(
    name: str, repo: Path, tmp_path: Path
) -> None:
    work = found(repo, tasks("a", "b"), "x", "y")
    claimed = claims.claim(work, "x", "a", session="s")
    write(Path(claimed.worktree or ""), "a/file.txt")
    work.close()
    held = {"token": claimed.claim["token"]}
    operation, after = OPERATIONS[name]
    task = "b" if name == "claim" else "a"
    saved = tmp_path / "saved"
    shutil.copytree(repo / ".git", saved, symlinks=True)
    for at in range(1, 400):
        shutil.rmtree(repo / ".git")
        shutil.copytree(saved, repo / ".git", symlinks=True)
        victim = dying(repo, at)
        tip = victim.ledger.store._store.read_ref(victim.ledger.ref)  # type: ignore[attr-defined]
        try:
            operation(victim, held)
        except Death:
            is_dead = True
        else:
            is_dead = False
        heir = open_workspace(repo)
        agent = (
            "y"
            if name == "claim"
            else "orchestrator"
            if name in {"cancel", "assign", "plan", "agent-add"}
            else "x"
        )
        settled = heir.ledger.settle(agent)
        is_applied = heir.ledger.tip() != tip
        assert record(heir, task)["state"] == (
            after
            if is_applied or name in {"progress", "beat", "reissue", "plan", "agent-add"}
            else "open"
            if name == "claim"
            else "claimed"
        )
        for one in settled:
            assert one.is_applied == is_applied
        verify.verify(heir)
        # The next commands work at once, whatever was left behind.
        if name == "claim":
            again = claims.claim(heir, "y", "b", checkout=False, session="s")
            assert again.already == is_applied
            results.release(heir, "y", "b", again.claim["token"])
        else:
            try:
                operation(heir, held)
            except (ClaimLostError, GitcoordError):
                assert is_applied
        facts.status(heir)
        verify.verify(heir)
        heir.close()
        if not is_dead:
            assert at > 5
            return
    raise AssertionError("the operation never ended")


@pytest.mark.long
def test_a_lander_that_dies_at_any_call_leaves_no_half_of_a_landing(
    repo: Path, tmp_path: Path
) -> None:
    work = found(repo, tasks("a", "b"), "x", "y")
    do(work, "x", "a")
    do(work, "y", "b")
    work.close()
    saved = tmp_path / "saved"
    shutil.copytree(repo, saved, symlinks=True)
    seen = set()
    for at in range(1, 400):
        shutil.rmtree(repo)
        shutil.copytree(saved, repo, symlinks=True)
        victim = dying(repo, at)
        try:
            landings.land(victim, "default")
        except Death:
            is_dead = True
        else:
            is_dead = False
        heir = open_workspace(repo)
        snapshot = heir.ledger.snapshot()
        phase = snapshot.phase("default")
        assert phase is not None
        seen.add(phase["state"])
        merged = git("rev-list", "--count", "main", cwd=repo)
        assert merged in {"1", "5"}, "all of the phase, or nothing"
        assert not (phase["state"] == "landed" and merged == "1")
        done = landings.land(heir, "default")
        assert git("rev-parse", "main", cwd=repo) == done.new
        assert git("status", "--porcelain", cwd=repo) == ""
        assert (repo / "a" / "file.txt").exists()
        assert (repo / "b" / "file.txt").exists()
        assert target_moves.lagging(heir) == []
        verify.verify(heir)
        heir.close()
        if not is_dead:
            assert seen == {"open", "landing", "landed"}
            return
    raise AssertionError("the landing never ended")


@pytest.mark.long
def test_a_lander_that_dies_at_any_call_leaves_no_half_of_a_batch(
    repo: Path, tmp_path: Path
) -> None:
    stream = '[[phase]]\nname = "default"\nstream = true\n'
    work = found(repo, tasks("a", "b", "c", head=stream), "x", "y")
    do(work, "x", "a")
    do(work, "y", "b")
    claims.claim(work, "x", "c")
    work.close()
    saved = tmp_path / "saved"
    shutil.copytree(repo, saved, symlinks=True)
    seen = set()
    for at in range(1, 400):
        shutil.rmtree(repo)
        shutil.copytree(saved, repo, symlinks=True)
        victim = dying(repo, at)
        try:
            landings.land(victim, "default")
        except Death:
            is_dead = True
        else:
            is_dead = False
        heir = open_workspace(repo)
        phase = heir.ledger.snapshot().phase("default")
        assert phase is not None
        merged = git("rev-list", "--count", "main", cwd=repo)
        assert merged in {"1", "5"}, "all of the batch, or nothing"
        landed = {task for task in "abc" if "landed" in record(heir, task)}
        assert landed in (set(), {"a", "b"})
        assert not (landed and merged == "1")
        seen.add((phase["state"], len(landed)))
        reason = None
        try:
            landings.land(heir, "default")
        except GitcoordError as error:
            reason = error.facts["reason"]
        assert reason in {None, "nothing-to-do"}, "where the batch has landed none is left"
        for task in "ab":
            assert git("show", f"main:{task}/file.txt", cwd=repo) == "x"
            assert "landed" in record(heir, task)
        assert (record(heir, "c")["state"], heir.ledger.snapshot().phases()[0]["state"]) == (
            "claimed",
            "open",
        )
        assert git("status", "--porcelain", cwd=repo) == ""
        assert target_moves.lagging(heir) == []
        verify.verify(heir)
        heir.close()
        if not is_dead:
            assert seen == {("open", 0), ("landing", 0), ("open", 2)}
            return
    raise AssertionError("the landing never ended")
