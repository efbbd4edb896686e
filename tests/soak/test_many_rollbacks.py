"""A thousand rollbacks, and undos of them: whatever was acknowledged is still there."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from gitcoord.core.errors import ClaimLostError, GitcoordError
from gitcoord.core.ids import AgentId, TaskId, Token
from gitcoord.features.land import rollbacks
from gitcoord.features.maintain import verify
from gitcoord.features.work import claims, results
from gitcoord.features.workspace import Workspace, open_workspace
from tests.support.builders import tasks
from tests.support.world import found, git

pytestmark = pytest.mark.soak
ROLLBACKS = 1_000


def test_a_thousand_rollbacks_lose_no_acknowledged_entry(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITCOORD_DURABILITY", "process")
    work = found(repo, tasks(*(f"t{number}" for number in range(8))), "x", "y", worktrees=False)
    base = work.ledger.snapshot().oid
    chance = random.Random(5)
    acked: list[str] = []
    ended: list[tuple[AgentId, TaskId, Token]] = []
    count = 0
    while count < ROLLBACKS:
        for agent in (AgentId("x"), AgentId("y")):
            try:
                held = claims.claim(work, agent, checkout=False)
            except GitcoordError:
                continue
            if not held.already or held.reissued:
                acked.append(held.entry)
            token, task = held.claim["token"], held.task["id"]
            if chance.random() < 0.5:
                acked.append(results.release(work, agent, task, token).entry)
            ended.append((agent, task, token))
        done = (
            rollbacks.undo(work) if count and chance.random() < 0.4 else _back(work, base, chance)
        )
        acked.append(done.entry)
        count += 1
    live = {task["claim"]["token"] for task in work.ledger.snapshot().live() if task["claim"]}
    for agent, task, token in chance.sample(ended, 200):
        if token not in live:
            with pytest.raises(ClaimLostError):
                results.progress(work, agent, task, token, "stale")
    git("reflog", "expire", "--expire=now", "--all", cwd=repo)
    git("gc", "-q", "--prune=now", cwd=repo)
    reachable = set(git("rev-list", "--all", cwd=repo).split())
    assert set(acked) <= reachable
    assert work.ledger.snapshot().settings()["epoch"] == ROLLBACKS
    verify.verify(open_workspace(repo))
    print(f"\n{ROLLBACKS} rollbacks and undos: {len(acked)} acknowledged entries, 0 unreachable")


def _back(work: Workspace, base: str, chance: random.Random) -> rollbacks.RolledBack:
    """Go back one to six entries, and not to before the plan."""
    earlier: list[str] = []
    oid: str | None = work.ledger.snapshot().oid
    while oid is not None and oid != base and len(earlier) < 6:
        oid = next(iter(work.store.read_entry(oid).parents), None)
        earlier.append(str(oid))
    return rollbacks.rollback(work, rollbacks.choose(work, to=chance.choice(earlier)))
