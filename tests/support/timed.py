"""A ledger without a store whose times a test sets, and the work that is done in it."""

from __future__ import annotations

from typing import Any

from gitcoord.core.events import Event
from gitcoord.core.leases import Context
from tests.support.builders import TARGET, PureLedger, oid_of, tasks


class Timed(PureLedger):
    """A ledger that is told at which second each thing happens."""

    def __init__(self, *names: str, agents: int = 2, head: str = "") -> None:
        super().__init__()
        self.boot = ""
        self.init()
        self.plan(tasks(*(names or ("a", "b", "c")), head=head))
        for number in range(agents):
            self.agent(f"x{number}")

    def context(self, **beats: Any) -> Context:
        found = super().context(**beats)
        if self.boot:
            return found._replace(boot_id=self.boot)
        return found

    def at(self, second: int) -> None:
        """Let it be a second; everything has a later one than what was before."""
        assert second > self.count
        self.count = second - 1
        self.now_ns = second * 10**9

    def take(self, second: int, agent: str, task: str, asked: int | None = None) -> Event:
        """Claim a task, which was first asked for at a second."""
        self.at(second)
        keys: dict[str, Any] = {"session": "s", "base": TARGET, "built_on": {}}
        if asked is not None:
            keys["asked_ns"] = asked * 10**9
        return self.run({"op": "claim", "agent": agent, "task": task, **keys})

    def hand_in(self, second: int, claim: Event, begun: int | None = None) -> Event:
        """Complete a claim, which began at a second by this clock."""
        oid = oid_of(f"result{second}")
        facts = {"oid": oid, "tree": oid, "base": TARGET, "built_on": {}, "commits": 1, "files": 1}
        return self.end(second, "complete", claim, begun, result=facts)

    def end(
        self, second: int, op: str, claim: Event, begun: int | None = None, **keys: Any
    ) -> Event:
        """End a claim or a review in some way."""
        self.at(second)
        command: dict[str, Any] = {
            "op": op,
            "agent": claim["agent"],
            "task": claim["task"],
            "reason": "no",
        }
        command |= {"token": claim["token"], "kind": "transient", **keys}
        if begun is not None:
            command["begun_ns"] = begun * 10**9
        return self.run(command)


def one_failure() -> Timed:
    """Three tasks by two agents, of which one needs a second attempt.

    a: x0, 10 to 40. b: x1, 12 to 52. c: x0, 42 to 62, failed; x1, 70 to 100.
    They waited 1, 2, 1 and 18 seconds for them.
    """
    pure = Timed()
    a = pure.take(10, "x0", "a", asked=9)
    b = pure.take(12, "x1", "b", asked=10)
    pure.hand_in(40, a, begun=10)
    c = pure.take(42, "x0", "c", asked=41)
    pure.hand_in(52, b, begun=12)
    pure.end(62, "fail", c, begun=42)
    c = pure.take(70, "x1", "c", asked=52)
    pure.hand_in(100, c, begun=70)
    return pure
