"""Work through a plan in memory, by the real rules, on a clock that is only counted. Pure.

Claims, completions, failures and landings are decided, checked and applied
like in any ledger, so that needs, phases, paths, limits and attempts hold.
Checks, gates and reviews take no time here, and never fail.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable
from typing import Any, cast

from gitcoord.core import codec, graph
from gitcoord.core.chance import Chance
from gitcoord.core.errors import GitcoordError
from gitcoord.core.events import Command, Event
from gitcoord.core.hashing import sha256
from gitcoord.core.ids import ZERO_OID, AgentId, Oid, PhaseId, TaskId, Token
from gitcoord.core.leases import Beat, Context
from gitcoord.core.machine import apply, decide
from gitcoord.core.model import PhaseSpec, PlanDocument, TaskRecord, TaskSpec
from gitcoord.core.operations.landings import merge_order, wholeness
from gitcoord.core.refs import branch_ref
from gitcoord.core.shapes import NamedTuple
from gitcoord.core.snapshot import BlobOid, Snapshot
from gitcoord.core.streams import is_stream

__all__ = ["Assumptions", "Memory", "Simulated", "simulate"]

MAX_TRIES = 50
"""How many candidates are tried for an agent before it waits."""
NS_PER_MS = 1_000_000
BASE = ZERO_OID
MACHINE = "simulation"


class Assumptions(NamedTuple):
    """What is assumed of work: how long it takes, and how often it fails.

    ``task_ms`` is for tasks without an estimate. ``spread`` is the standard
    deviation of the logarithm of how much longer a task takes. What an
    attempt costs is in millionths of a US dollar, and None where nobody knows.
    """

    task_ms: int
    spread: float = 0.0
    failure_rate: float = 0.0
    overhead_ms: int = 0
    seed: int = 0
    cost_micros: int | None = None


class Simulated(NamedTuple):
    """What came of it; ``left`` counts the tasks that were not done."""

    events: list[Event]
    makespan_ms: int
    left: int


def simulate(document: PlanDocument, agents: int, assumed: Assumptions) -> Simulated:
    """Let some agents work through a plan, until nothing is left that can be done."""
    world = _World(_bare(document), assumed)
    for number in range(1, agents + 1):
        world.add(AgentId(f"sim-{number}"))
    return world.work()


def _bare(document: PlanDocument) -> PlanDocument:
    """Return a plan without what takes no time here: checks, gates, reviews."""
    tasks: list[TaskSpec] = [{**one, "check": None, "verify_by": None} for one in document["tasks"]]
    phases: list[PhaseSpec] = [{**one, "reviews": 0, "gates": []} for one in document["phases"]]
    plan = document["plan"]
    return {"plan": {**plan, "gates_required": False}, "phases": phases, "tasks": tasks}


class Memory:
    """The records of a state, by path."""

    def __init__(self) -> None:
        self._records: dict[str, Any] = {}
        self._folders: dict[str, set[str]] = {}
        self._blobs: dict[Oid, bytes] = {}

    def keep(self, value: object) -> Oid:
        """Keep what an event names by oid."""
        raw = codec.dump(value)
        oid = Oid(sha256(raw).hexdigest()[:40])
        self._blobs[oid] = raw
        return oid

    def change(self, path: str, record: Any) -> None:
        """Put a record, or take it out."""
        folder, _, name = path.rpartition("/")
        if record is None:
            self._records.pop(path, None)
            self._folders.get(folder, set()).discard(name)
            return
        self._records[path] = record
        while name:
            self._folders.setdefault(folder, set()).add(name)
            folder, _, name = folder.rpartition("/")

    def record(self, path: str) -> Any | None:
        """Return the record at a path."""
        found = self._records.get(path)
        if isinstance(found, BlobOid):
            return codec.load(self._blobs[Oid(found)], 1 << 30, path)
        return found

    def names(self, folder: str) -> list[str]:
        """List the names in a folder."""
        return sorted(self._folders.get(folder, ()))

    def blob(self, oid: Oid) -> bytes:
        """Return what was kept."""
        return self._blobs[oid]

    def file(self, _path: str) -> bytes | None:
        """Return nothing: no log is kept here."""
        return None


class _Alive:
    """The beats of agents that beat all the time: no lease ever ends here."""

    def __init__(self, world: _World) -> None:
        self._world = world

    def get(self, agent: AgentId) -> Beat | None:
        """Return an agent's sign of life, of now."""
        token = self._world.tokens.get(agent)
        if token is None:
            return None
        return Beat(BASE, {token: (MACHINE, self._world.now_ns)})


class _World:
    """A ledger in memory, and the agents that work in it."""

    def __init__(self, document: PlanDocument, assumed: Assumptions) -> None:
        self.now_ns = 0
        self.tokens: dict[AgentId, Token] = {}
        self._assumed = assumed
        self._chance = Chance(assumed.seed)
        self._memory = Memory()
        self._events: list[Event] = []
        self._agenda: list[tuple[int, int, str, str]] = []
        self._idle: dict[AgentId, int] = {}
        self._number = 0
        self._specs = {one["id"]: one for one in document["tasks"]}
        self._missing = {name: len(one["needs"]) for name, one in self._specs.items()}
        self._behind = graph.dependents_of(
            {name: one["needs"] for name, one in self._specs.items()}
        )
        self._unfinished: dict[str, int] = {}
        for one in document["tasks"]:
            self._unfinished[one["phase"]] = self._unfinished.get(one["phase"], 0) + 1
        self._rank = self._ranks(document)
        self._ready: list[tuple[float, TaskId]] = []
        self._run({"op": "init", "ledger": "ledger", "task_prefix": "task"} | _target(document))
        self._run({"op": "plan", "input": self._memory.keep(document)})
        for phase in document["phases"]:
            self._land_if_whole(phase["id"])
        self._offer(self._specs)

    def _ranks(self, document: PlanDocument) -> dict[TaskId, float]:
        """Return in which order the plan's selection takes the tasks."""
        selection = document["plan"]["selection"]
        order = {name: float(number) for number, name in enumerate(self._specs)}
        if selection == "random":
            return {name: self._chance.random() for name in order}
        if selection == "critical-path":
            needs = {name: one["needs"] for name, one in self._specs.items()}
            estimates = {name: one["estimate_ms"] for name, one in self._specs.items()}
            chains = graph.remaining_chain_ms(needs, estimates)
            return {name: -chains[name] + order[name] / len(order) for name in order}
        if selection == "priority":
            return {
                name: -self._specs[name]["priority"] + order[name] / len(order) for name in order
            }
        return order

    def _run(self, command: Command) -> Event:
        snapshot = Snapshot(self._memory)
        event = decide(snapshot, command, self._context())
        for path, record in apply(snapshot, event).items():
            self._memory.change(path, record)
        self._events.append(event)
        return event

    def _context(self) -> Context:
        self._number += 1
        return Context(
            id=f"{self._number:032x}",
            token=Token(sha256(str(self._number).encode()).hexdigest()[:32]),
            time=self.now_ns // 1_000_000_000,
            boot_id=MACHINE,
            now_ns=self.now_ns,
            beats=cast("Any", _Alive(self)),
        )

    def add(self, agent: AgentId) -> None:
        """Add an agent, which asks for a task at once."""
        keys = {"pools": [], "capacity": 1, "paths": None, "worktree": None}
        self._run({"op": "agent-add", "name": agent, **keys})
        self._ask(agent)

    def _ask(self, agent: AgentId) -> None:
        self._idle[agent] = self.now_ns
        self._plan_for(self._assumed.overhead_ms, "ask", agent)

    def _plan_for(self, after_ms: int, what: str, name: str) -> None:
        self._number += 1
        due_ns = self.now_ns + after_ms * NS_PER_MS
        heapq.heappush(self._agenda, (due_ns, self._number, what, name))

    def _offer(self, names: Iterable[TaskId]) -> None:
        """Let tasks be claimed that wait for nothing."""
        snapshot = Snapshot(self._memory)
        started = {one["id"]: snapshot.is_started(one) for one in snapshot.phases()}
        for name in names:
            if not self._missing[name] and started[self._specs[name]["phase"]]:
                heapq.heappush(self._ready, (self._rank[name], name))

    def work(self) -> Simulated:
        """Go on until nothing is planned for later."""
        asking: list[AgentId] = []
        last_ns = 0
        while self._agenda:
            self.now_ns, _, what, name = heapq.heappop(self._agenda)
            if what == "ask":
                asking.append(AgentId(name))
            elif what == "retry":
                self._offer([TaskId(name)])
            else:
                self._end(TaskId(name))
                last_ns = self.now_ns
            if self._agenda and self._agenda[0][0] == self.now_ns:
                continue
            # Agents are alike: where one finds nothing, no other does.
            while asking and self._claim(asking[0]):
                asking.pop(0)
        left = sum(self._unfinished.values())
        return Simulated(self._events, last_ns // NS_PER_MS, left)

    def _claim(self, agent: AgentId) -> bool:
        """Let an agent take the first task that the rules let it have."""
        passed: list[tuple[float, TaskId]] = []
        is_found = False
        while self._ready and len(passed) < MAX_TRIES and not is_found:
            rank, name = heapq.heappop(self._ready)
            try:
                event = self._run(self._claim_command(agent, name))
            except GitcoordError:
                passed.append((rank, name))
                continue
            is_found = True
            self.tokens[agent] = event["token"]
            self._plan_for(self._duration_ms(self._specs[name]), "end", name)
        for one in passed:
            heapq.heappush(self._ready, one)
        return is_found

    def _claim_command(self, agent: AgentId, name: TaskId) -> Command:
        return {
            "op": "claim",
            "agent": agent,
            "task": name,
            "session": MACHINE,
            "base": BASE,
            "built_on": self._built_on(self._specs[name]),
            "asked_ns": self._idle[agent],
        }

    def _built_on(self, spec: TaskSpec) -> dict[TaskId, str]:
        needs = [self._specs[need] for need in spec["needs"] if need in self._specs]
        return {
            need["id"]: _result_of(need["id"])
            for need in needs
            if need["phase"] == spec["phase"] and need["paths"] != []
        }

    def _duration_ms(self, spec: TaskSpec) -> int:
        usual_ms = spec["estimate_ms"] or self._assumed.task_ms
        if not self._assumed.spread:
            return usual_ms
        # By Box and Muller: two even numbers make a normal one.
        first, second = 1 - self._chance.random(), self._chance.random()
        normal = math.sqrt(-2 * math.log(first)) * math.cos(2 * math.pi * second)
        return max(1, round(usual_ms * math.exp(self._assumed.spread * normal)))

    def _end(self, name: TaskId) -> None:
        """End the attempt at a task: it fails, or hands its result in."""
        task = Snapshot(self._memory).require_task(name)
        claim = task["claim"]
        assert claim is not None
        held: Command = {"agent": claim["agent"], "task": name, "token": claim["token"]}
        held["begun_ns"] = claim["monotonic_ns"]
        if self._chance.random() < self._assumed.failure_rate:
            self._fail(held)
        else:
            self._complete(held, task)
        del self.tokens[claim["agent"]]
        self._ask(claim["agent"])

    def _fail(self, held: Command) -> None:
        event = self._run({"op": "fail", "kind": "transient", "reason": "by chance", **held})
        if Snapshot(self._memory).require_task(event["task"])["state"] == "open":
            self._plan_for(event["delay_ms"] + 1, "retry", event["task"])

    def _complete(self, held: Command, task: TaskRecord) -> None:
        spec = task["spec"]
        oid: Oid | None = _result_of(task["id"])
        if spec["paths"] == []:
            oid = None
        result = {"oid": oid, "tree": oid, "base": BASE, "built_on": self._built_on(spec)}
        self._run({"op": "complete", "result": {**result, "commits": 1, "files": 1}, **held})
        self._unfinished[spec["phase"]] -= 1
        ready = []
        for name in self._behind.get(task["id"], ()):
            self._missing[name] -= 1
            if not self._missing[name]:
                ready.append(name)
        self._offer(ready)
        self._land_if_whole(spec["phase"])

    def _land_if_whole(self, phase: PhaseId) -> None:
        """Land a phase of which every task is done, and begin those that wait for it."""
        snapshot = Snapshot(self._memory)
        record = snapshot.phase(phase)
        if self._unfinished.get(phase) or record is None or not snapshot.is_started(record):
            return
        if record["state"] != "open":
            return
        if is_stream(record["spec"]):
            while wholeness(Snapshot(self._memory), phase).tasks:
                self._land(phase)
            self._end_stream(phase)
            return
        self._land(phase)
        self._begin_after(phase)

    def _land(self, phase: PhaseId) -> None:
        """Land a phase, or the next batch of a stream."""
        snapshot = Snapshot(self._memory)
        order = merge_order(wholeness(snapshot, phase).tasks)
        target = {"target": snapshot.target(), "old": BASE, "new": _result_of(phase)}
        move: Command = {"phase": phase, "count": len(order), **target}
        self._run({"op": "land-begin", "results": self._memory.keep(order), **move})
        self._run({"op": "land-done", **move})

    def _end_stream(self, phase: PhaseId) -> None:
        """Close a stream whose tasks have all landed, where others come after it."""
        phases = Snapshot(self._memory).phases()
        if any(phase in one["spec"]["after"] for one in phases):
            self._run({"op": "phase-close", "phase": phase, "reason": ""})
            self._begin_after(phase)

    def _begin_after(self, phase: PhaseId) -> None:
        """Begin the phases that come after one that has landed."""
        later = [one for one in Snapshot(self._memory).phases() if phase in one["spec"]["after"]]
        for one in later:
            self._offer([name for name in self._specs if self._specs[name]["phase"] == one["id"]])
            self._land_if_whole(one["id"])


def _result_of(name: str) -> Oid:
    """Return a commit's oid that stands for a result."""
    return Oid(sha256(name.encode()).hexdigest()[:40])


def _target(document: PlanDocument) -> dict[str, str]:
    return {"target": branch_ref(document["plan"]["target"]), "target_tip": BASE}
