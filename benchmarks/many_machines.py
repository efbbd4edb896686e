"""Let a thousand agents on a hundred machines share one server, in a model.

What is real: every entry is decided, checked and applied by the rules that a
ledger has, on a state in memory. What is modelled: the network, by round
trips; the server, by the processor time that a fetch and a push take there
and its number of cores; clones, which talk with the server one command at a
time, as gitcoord's do. ``MEASURED`` is what both take over ssh;
``--measure`` takes it anew, on loopback, and uses that.

A push counts if the ledger's ref is still where its clone fetched it. One
that does not is refused, and its clone fetches and tries again, for 30
seconds. Not modelled: bandwidth, the server's disk, connections that it turns
away, takeovers, landings.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from functools import partial
from math import inf
from typing import Any, NamedTuple

from benchmarks.counted_time import Seats, Step, Time
from benchmarks.link_costs import Costs, measured
from benchmarks.model_books import Books, begun
from gitcoord.core.chance import Chance
from gitcoord.core.events import Event
from gitcoord.core.giving_way import RECENT, Ahead, ahead_of, have_come, wait_s
from gitcoord.core.ids import ZERO_OID, AgentId
from gitcoord.core.shared_turns import MAX_OTHERS
from gitcoord.host.clock import FIRST_BACKOFF_S, MAX_BACKOFF_S
from gitcoord.ledger.giving_way import MET_NS, PUSHING

__all__ = ["KEPT_OPEN", "MEASURED", "Counts", "Work", "work_through"]

DEADLINE_S = 30.0
FRESH_S = 1.0
"""For how long what a clone fetched is taken for new."""
SHARES = (20, 10, 5, 2, 1)
"""Of which parts of all agents there is a row."""
AGAIN_S = 5.0
"""After how long an agent asks again whose command was not done in time."""


MEASURED = Costs(9.5, 0.57, 0.045, 8.1, 0.52, 0.059)
"""What both take where each command has an ssh connection of its own."""
KEPT_OPEN = Costs(5.0, 0.04, 0.013, 2.9, 0.05, 0.018)
"""The same with one connection that stays open (ssh's ``ControlMaster``)."""


class Work(NamedTuple):
    """Who works, how, and over which network; times in seconds."""

    agents: int = 1000
    machines: int = 100
    ledgers: int = 1
    task_s: float = 1800.0
    progress_s: float = 300.0
    lease_s: float = 900.0
    beat_s: float = 60.0
    round_trip_s: float = 0.02
    cores: int = 8
    shares_turns: bool = False
    gives_way: bool = True
    costs: Costs = MEASURED
    kept_open: Costs = KEPT_OPEN
    minutes: float = 10.0
    seed: int = 0


@dataclass
class Asked:
    """One command that an agent waits for."""

    agent: AgentId
    decide: Callable[[], None]
    is_done: bool = False


class Clone:
    """What the processes of one machine share of one ledger: the wire, the turn, what is known."""

    def __init__(self, machine: str, books: Books) -> None:
        self.machine = machine
        self.books = books
        self.wire = Seats(1)
        self.turn = Seats(1)
        self.asked: list[Asked] = []
        self.known = self.known_publishers = 0
        self.known_since_s = self.heard_s = -FRESH_S
        self.met_s = -MET_NS / 1e9
        self.talk_s = 0.0
        self.quickest_s = inf
        """How long the newest fetch took, and the quickest."""
        self.mates: set[AgentId] = set()

    def note(self, talk_s: float) -> None:
        """Keep how long a fetch took."""
        self.talk_s, self.quickest_s = talk_s, min(talk_s, self.quickest_s)

    def ahead_of(self, agent: AgentId) -> Ahead | None:
        """Return who comes before an agent, by what is known here."""
        known = self.books.publishers[
            max(0, self.known_publishers - RECENT) : self.known_publishers
        ]
        return ahead_of(agent, self.mates, known[::-1])


@dataclass
class Counts:
    """What happened."""

    entries: int = 0
    pushes: int = 0
    refused: int = 0
    beats: int = 0
    wanted: int = 0
    late: int = 0
    server_s: float = 0.0
    claims_s: list[float] = field(default_factory=list)
    silences_s: list[float] = field(default_factory=list)


class World:
    """Agents that work, in clones, on ledgers of one server."""

    def __init__(self, work: Work) -> None:
        self.work = work
        self.time = Time()
        self.counts = Counts()
        self.chance = Chance(work.seed)
        self.server = Seats(work.cores)
        self.agents: list[Agent] = []
        self.books: list[Books] = []
        rounds = int(work.minutes * 60 / work.task_s * 2) + 2
        for ledger in range(work.ledgers):
            crew = tuple(
                (AgentId(f"x{number}"), f"machine-{number % work.machines}")
                for number in range(work.agents)
                if number // work.machines % work.ledgers == ledger
            )
            # A plan is never empty, though a ledger may have no agent here.
            books = deepcopy(begun(crew, len(crew) * rounds + 1, work.lease_s, work.seed))
            self.books.append(books)
            self._begin(crew, books)

    def _begin(self, crew: Sequence[tuple[AgentId, str]], books: Books) -> None:
        """Let agents go on somewhere in the middle of their tasks."""
        clones = {machine: Clone(machine, books) for _, machine in crew}
        for name, machine in crew:
            agent = Agent(self, name, clones[machine])
            self.agents.append(agent)
            self.time.begin(agent.working(self.chance.random() * self.work.task_s))
            self.time.begin(agent.beating(), self.chance.random() * self.work.beat_s)

    def _served(self, seconds: float) -> Step[None]:
        """Take a core of the server for so long."""
        yield self.server
        yield seconds
        self.counts.server_s += seconds
        self.time.leave(self.server)

    def fetch(self, clone: Clone, since_s: float) -> Step[None]:
        """Know what the server holds, unless another process of the clone asked meanwhile."""
        costs, trip_s = self.work.costs, self.work.round_trip_s
        yield clone.wire
        if clone.known_since_s < since_s:
            began_s = self.time.now_s
            # Refs are read at the last but one round trip.
            yield costs.fetch_s / 2 + max(0.0, costs.fetch_rounds - 1.5) * trip_s
            yield from self._served(costs.fetch_server_s)
            known, publishers = clone.books.tip, len(clone.books.publishers)
            yield costs.fetch_s / 2 + 1.5 * trip_s
            clone.known, clone.known_since_s, clone.heard_s = known, began_s, self.time.now_s
            clone.known_publishers = publishers
            clone.note(self.time.now_s - began_s)
        self.time.leave(clone.wire)

    def look(self, clone: Clone) -> Step[None]:
        """Fetch, unless the server was heard just now."""
        if clone.heard_s < self.time.now_s - FRESH_S:
            yield from self.fetch(clone, self.time.now_s)

    def push(self, clone: Clone, act: Callable[[], bool]) -> Step[bool]:
        """Push; what the server does with it is done at one moment."""
        costs, trip_s = self.work.costs, self.work.round_trip_s
        yield clone.wire
        yield costs.push_s / 2 + max(0.0, costs.push_rounds - 0.5) * trip_s
        yield from self._served(costs.push_server_s)
        is_taken = act()
        yield costs.push_s / 2 + 0.5 * trip_s
        self.time.leave(clone.wire)
        return is_taken

    def give_way(self, clone: Clone, agent: AgentId, losses: int, end_s: float) -> Step[None]:
        """Wait for those ahead, as ``ledger.giving_way`` does."""
        if losses:
            clone.met_s = self.time.now_s
        if not self.work.gives_way or clone.met_s + MET_NS / 1e9 <= self.time.now_s:
            return
        is_met = False
        while end_s - self.time.now_s > DEADLINE_S * PUSHING:
            known, ahead = clone.known_publishers, clone.ahead_of(agent)
            seconds = wait_s(
                ahead,
                losses=losses,
                is_met=is_met,
                round_s=2 * clone.talk_s,
                quickest_s=2 * clone.quickest_s,
                chance=self.chance.random(),
            )
            if seconds <= 0:
                return
            yield seconds
            yield from self.fetch(clone, self.time.now_s)
            if ahead is None:
                return
            newest = clone.books.publishers[known : clone.known_publishers]
            if not newest:
                clone.met_s = -MET_NS / 1e9
            if not have_come(ahead, newest):
                return
            clone.met_s = self.time.now_s
            is_met = True

    def write(self, clone: Clone, agent: AgentId, decided: Callable[[], None]) -> Step[bool]:
        """Publish one command; return whether it was done in time."""
        began_s = self.time.now_s
        self.counts.wanted += 1
        yield from self.fetch(clone, began_s)
        mine = Asked(agent, decided)
        clone.mates.add(agent)
        clone.asked.append(mine)
        yield clone.turn
        attempt = 0
        while not mine.is_done and self.time.now_s < began_s + DEADLINE_S:
            yield from self.give_way(clone, agent, attempt, began_s + DEADLINE_S)
            yield from self.look(clone)
            batch = [mine]
            if self.work.shares_turns:
                batch += [one for one in clone.asked if one is not mine][:MAX_OTHERS]
            is_taken = yield from self.push(clone, partial(self._swap, clone, batch))
            if not is_taken:
                self.counts.refused += 1
                yield from self.fetch(clone, self.time.now_s)
                longest_s = min(MAX_BACKOFF_S, FIRST_BACKOFF_S * 2 ** min(attempt, 16))
                yield self.chance.random() * longest_s
                attempt += 1
        if not mine.is_done:
            self.counts.late += 1
            clone.asked.remove(mine)
        self.time.leave(clone.turn)
        return mine.is_done

    def _swap(self, clone: Clone, batch: Sequence[Asked]) -> bool:
        """Take a push where nobody was first; each entry in it is decided by the rules.

        What was decided on a state that is not the newest is refused unread, so
        that it is decided here only.
        """
        self.counts.pushes += 1
        if clone.books.tip != clone.known:
            return False
        for asked in batch:
            asked.decide()
            asked.is_done = True
            clone.asked.remove(asked)
            clone.books.publishers.append(asked.agent)
            self.counts.entries += 1
        clone.known, clone.known_publishers = clone.books.tip, len(clone.books.publishers)
        clone.known_since_s = clone.heard_s = self.time.now_s
        return True

    def beat(self, clone: Clone) -> Step[None]:
        """Push a sign of life, and look at the ledger before and afterwards."""
        yield from self.look(clone)
        yield from self.push(clone, lambda: True)
        self.counts.beats += 1
        yield from self.fetch(clone, self.time.now_s)


class Agent:
    """One agent: it works on a task, reports, beats, hands in, and claims the next."""

    def __init__(self, world: World, name: AgentId, clone: Clone) -> None:
        self.name = name
        self.clone = clone
        self.held: Event | None = clone.books.given[name]
        self._world = world
        self._heard_s = 0.0

    @property
    def _now_s(self) -> float:
        return self._world.time.now_s

    def claim(self) -> None:
        """Be given a task by the rules."""
        self.held = self.clone.books.claim(self.name, self.clone.machine, self._now_s)
        self._heard_s = self._now_s

    def _publish(self, op: str, **keys: Any) -> None:
        """Publish something about the task that we hold."""
        assert self.held is not None
        of_claim = {"agent": self.name, "task": self.held["task"], "token": self.held["token"]}
        self.clone.books.run({"op": op, **of_claim, **keys}, self.clone.machine, self._now_s)
        self.hear()

    def hear(self) -> None:
        """Note for how long nothing was heard of us up to now."""
        self._world.counts.silences_s.append(self._now_s - self._heard_s)
        self._heard_s = self._now_s

    def _report(self) -> None:
        self._publish("progress", message="getting on")

    def _complete(self) -> None:
        result = {"oid": ZERO_OID, "tree": ZERO_OID, "base": ZERO_OID, "built_on": {}}
        self._publish("complete", result={**result, "commits": 1, "files": 1})
        self.held = None

    def working(self, left_s: float) -> Step[None]:
        """Work on one task after the other."""
        world = self._world
        # The first report comes at any time, as if there had been others before.
        until_report_s = world.chance.random() * world.work.progress_s
        while True:
            while left_s > until_report_s:
                left_s -= until_report_s
                yield until_report_s
                yield from world.write(self.clone, self.name, self._report)
                until_report_s = world.work.progress_s
            yield left_s
            while not (yield from world.write(self.clone, self.name, self._complete)):
                yield AGAIN_S
            began_s = self._now_s
            while not (yield from world.write(self.clone, self.name, self.claim)):
                yield AGAIN_S
            world.counts.claims_s.append(self._now_s - began_s)
            left_s = world.work.task_s * (0.5 + world.chance.random())

    def beating(self) -> Step[None]:
        """Beat for as long as a task is held."""
        while True:
            began_s = self._now_s
            if self.held is not None:
                yield from self._world.beat(self.clone)
                self.hear()
            yield max(0.0, began_s + self._world.work.beat_s - self._now_s)


def work_through(work: Work) -> World:
    """Let the agents work for so many minutes of counted time."""
    world = World(work)
    world.time.run(work.minutes * 60)
    for agent in world.agents:
        if agent.held is not None:
            agent.hear()
    return world


HEAD = (
    "| what | entries a second: wanted, published | pushes refused | a claim takes: p50, p99 | "
    "not done in 30 s | longest silence, of a lease of | server's cores in use |"
)


def row(what: str, work: Work, counts: Counts) -> str:
    """Return what came of it as a row of the table."""
    seconds = work.minutes * 60
    claims = sorted(counts.claims_s)
    took = "none"
    if claims:
        took = f"{claims[len(claims) // 2]:.1f} s, {claims[int(len(claims) * 0.99)]:.1f} s"
    silence_s = max(counts.silences_s, default=0.0)
    cells = [
        what,
        f"{counts.wanted / seconds:.1f}, {counts.entries / seconds:.1f}",
        f"{counts.refused / max(1, counts.pushes):.0%}",
        took,
        f"{counts.late}",
        f"{silence_s / 60:.1f} min, {work.lease_s / 60:.0f} min",
        f"{counts.server_s / seconds:.1f} of {work.cores}",
    ]
    return f"| {' | '.join(cells)} |"


def growth(work: Work) -> list[tuple[str, Work]]:
    """Return fewer agents on fewer machines, up to all."""
    found = []
    for share in SHARES:
        fewer = work._replace(
            agents=max(1, work.agents // share), machines=max(1, work.machines // share)
        )
        found.append((f"{fewer.agents} agents on {fewer.machines} machines", fewer))
    return found


def remedies(work: Work) -> list[tuple[str, Work]]:
    """Return what can be done about it, each by itself and together."""
    rare = work._replace(progress_s=900.0, lease_s=2700.0)
    together = rare._replace(beat_s=900.0, shares_turns=True, costs=work.kept_open)
    return [
        ("progress every 15 minutes, lease of 45", rare),
        ("and a beat every 15 minutes", rare._replace(beat_s=900.0)),
        ("one push for all that wait in a clone", work._replace(shares_turns=True)),
        ("ssh connections that stay open", work._replace(costs=work.kept_open)),
        ("ten ledgers", work._replace(ledgers=10)),
        ("all but the ten ledgers", together),
        ("all of them", together._replace(ledgers=10)),
    ]


def main() -> None:
    """Print a row for each way to work."""
    parser = argparse.ArgumentParser(description="A model of many machines on one server.")
    parser.add_argument("--agents", type=int, default=Work().agents)
    parser.add_argument("--machines", type=int, default=Work().machines)
    parser.add_argument("--minutes", type=float, default=Work().minutes, help="of counted time")
    parser.add_argument("--round-trip", type=float, default=20.0, help="milliseconds")
    parser.add_argument("--cores", type=int, default=Work().cores, help="of the server")
    parser.add_argument("--measure", action="store_true", help="take the costs here, over ssh")
    chosen = parser.parse_args()
    work = Work(
        agents=chosen.agents,
        machines=chosen.machines,
        minutes=chosen.minutes,
        round_trip_s=chosen.round_trip / 1000,
        cores=chosen.cores,
    )
    if chosen.measure:
        anew, kept_open = measured()
        print(f"measured: {anew}\nkept open: {kept_open}\n", flush=True)
        work = work._replace(costs=anew, kept_open=kept_open)
    print(f"{HEAD}\n{'|---' * 7}|", flush=True)
    for what, one in [*growth(work), *remedies(work)]:
        print(row(what, one, work_through(one).counts), flush=True)


if __name__ == "__main__":
    main()
