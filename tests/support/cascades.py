"""A chain of tasks, and one of them that fails."""

from __future__ import annotations

from gitcoord.features.work import claims, results
from gitcoord.features.workspace import Workspace
from tests.support.builders import tasks
from tests.support.world import record

CHAIN = tasks(
    "a",
    "b",
    "c",
    b=["a"],
    c=["b"],
    head='[plan]\nmax_attempts = 1\nlease = "1s"\nheartbeat = "300ms"\n',
)


def failed(work: Workspace, agent: str, task: str, log: bytes | None = None) -> None:
    claims.claim(work, agent, task, checkout=False)
    results.fail(work, agent, task, record(work, task)["claim"]["token"], "no", log=log)
