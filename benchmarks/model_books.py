"""Keep a ledger by the real rules, on a state in memory, for models of many machines."""

from __future__ import annotations

from functools import lru_cache

from benchmarks.plans import many_tasks
from gitcoord.core.chance import Chance
from gitcoord.core.events import Command, Event
from gitcoord.core.hashing import sha256
from gitcoord.core.ids import ZERO_OID, AgentId, TaskId, Token
from gitcoord.core.leases import Context
from gitcoord.core.machine import apply, check, decide
from gitcoord.core.plan import parse
from gitcoord.core.simulation import Memory
from gitcoord.core.snapshot import Snapshot

__all__ = ["Books", "begun"]


class Books:
    """One ledger's state, by the real rules."""

    def __init__(self, tasks: int, lease_s: float, chance: Chance) -> None:
        self.tip = 0
        self.given: dict[AgentId, Event] = {}
        """The claims of the beginning."""
        self.publishers: list[AgentId] = []
        """Whose each entry is that agents have pushed."""
        self._chance = chance
        self._memory = Memory()
        self._open = [TaskId(f"{number}") for number in range(1, tasks + 1)]
        document, _ = parse(f'[plan]\nlease = "{lease_s:.0f}s"\n{many_tasks(tasks)}')
        target = {"target": "refs/heads/main", "target_tip": ZERO_OID}
        self.run({"op": "init", "ledger": "ledger", "task_prefix": "task", **target}, "server", 0.0)
        self.run({"op": "plan", "input": self._memory.keep(document)}, "server", 0.0)

    def run(self, command: Command, machine: str, now_s: float) -> Event:
        """Decide, check and apply one operation, as of now.

        Raises:
            GitcoordError: A rule forbids it.

        """
        snapshot = Snapshot(self._memory)
        drawn = sha256(f"{self.tip}".encode()).hexdigest()
        context = Context(drawn[:32], Token(drawn[32:]), int(now_s), machine, int(now_s * 1e9))
        event = decide(snapshot, command, context)
        check(snapshot, event)
        for path, record in apply(snapshot, event).items():
            self._memory.change(path, record)
        self.tip += 1
        return event

    def claim(self, agent: AgentId, machine: str, now_s: float) -> Event:
        """Let an agent have an open task, drawn at random."""
        place = int(self._chance.random() * len(self._open))
        self._open[place], self._open[-1] = self._open[-1], self._open[place]
        command = {"op": "claim", "agent": agent, "task": self._open[-1], "session": agent}
        event = self.run({**command, "base": ZERO_OID, "built_on": {}}, machine, now_s)
        self._open.pop()
        return event

    def add(self, name: AgentId, machine: str) -> None:
        """Add an agent, and give it a task."""
        command = {"op": "agent-add", "name": name, "pools": [], "capacity": 1, "paths": None}
        self.run({**command, "worktree": None}, machine, 0.0)
        self.given[name] = self.claim(name, machine, 0.0)

    def holder(self, task: TaskId) -> str | None:
        """Return the agent that holds a task."""
        claim = Snapshot(self._memory).require_task(task)["claim"]
        return claim and claim["agent"]


@lru_cache(maxsize=4)
def begun(crew: tuple[tuple[AgentId, str], ...], tasks: int, lease_s: float, seed: int) -> Books:
    """Make a ledger whose agents all hold a task; each world has a copy of its own."""
    books = Books(tasks, lease_s, Chance(seed))
    for name, machine in crew:
        books.add(name, machine)
    return books
