"""Make a ledger grow, and count what lies loose."""

from __future__ import annotations

from pathlib import Path

from gitcoord.features.work import claims, results
from gitcoord.features.workspace import Workspace


def churn(work: Workspace, count: int, agent: str = "x") -> None:
    for _ in range(count):
        claimed = claims.claim(work, agent, checkout=False)
        token = claimed.claim["token"]
        work.ledger.beat(agent, token)
        work.ledger.beat(agent, token)
        results.release(work, agent, claimed.task["id"], token)


def loose(repo: Path) -> int:
    return sum(len(list(folder.iterdir())) for folder in (repo / ".git/objects").glob("??"))
