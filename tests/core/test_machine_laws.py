"""The laws of the machine, under any sequence of commands."""

from __future__ import annotations

import itertools
import json
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from gitcoord.core import paths
from gitcoord.core.boundary import paths_of
from gitcoord.core.errors import ClaimLostError, GitcoordError
from gitcoord.core.events import Event
from gitcoord.core.leases import Beat, leases_of
from gitcoord.core.machine import fold
from gitcoord.core.operations.landings import merge_order, wholeness
from tests.support.builders import BOOT, TARGET, PureLedger

PLAN = """
[plan]
lease = "10s"
heartbeat = "3s"
max_attempts = 4
widening = "free"
[[pool]]
name = "default"
limit = 3
[[phase]]
name = "p"
[[phase]]
name = "q"
after = ["p"]
reviews = 1
[[task]]
id = "a"
title = "A"
phase = "p"
paths = ["a/"]
[[task]]
id = "b"
title = "B"
phase = "p"
paths = ["b/"]
needs = ["a"]
[[task]]
id = "c"
title = "C"
phase = "p"
paths = ["a/c/"]
verify_by = "default"
[[task]]
id = "d"
title = "D"
phase = "p"
paths = []
[[task]]
id = "e"
title = "E"
phase = "q"
paths = ["e/"]
needs = ["b"]
"""
TASKS = st.sampled_from("abcde")
LOCKED = st.sampled_from(["a/", "a/c/x", "b/*", "*/x", "z/"])
AGENTS = st.sampled_from(["x", "y"])


class Laws(RuleBasedStateMachine):
    """``PureLedger.publish`` asserts the replay law for every entry."""

    def __init__(self) -> None:
        super().__init__()
        self.pure = PureLedger()
        self.pure.init()
        self.pure.plan(PLAN)
        self.pure.agent("x", capacity=2)
        self.pure.agent("y")
        self.claims: list[Event] = []
        self.stale: set[str] = set()
        self.beats: dict[str, Beat] = {}

    def ask(self, command: dict[str, Any]) -> Event | None:
        """Run a command; a refusal must leave everything as it was."""
        before = dict(self.pure.files)
        holders = self.tokens()
        try:
            event = self.pure.run(command, self.pure.context(**self.beats))
        except GitcoordError as error:
            assert self.pure.files == before
            if isinstance(error, ClaimLostError):
                assert command.get("token") not in holders
            return None
        assert command.get("token", "") not in self.stale
        self.stale |= holders - self.tokens()
        return event

    def tokens(self) -> set[str]:
        return {lease["token"] for task in self.pure.snapshot.live() for lease in leases_of(task)}

    def results(self, task: str) -> dict[str, str]:
        """Give the results of the phase that honest work would contain."""
        snapshot = self.pure.snapshot
        phase = snapshot.require_task(task)["spec"]["phase"]
        return {
            one["id"]: str(one["result"]["oid"])
            for one in snapshot.tasks()
            if one["result"]
            and one["state"] == "done"
            and one["spec"]["phase"] == phase
            and one["result"]["oid"]
            and one["id"] != task
        }

    @rule(agent=AGENTS, task=TASKS)
    def claim(self, agent: str, task: str) -> None:
        command = {
            "op": "claim",
            "agent": agent,
            "task": task,
            "session": "s",
            "base": TARGET,
            "built_on": self.results(task),
        }
        event = self.ask(command)
        if event is not None:
            self.claims.append(event)

    @rule(which=st.integers(0, 30), percent=st.none() | st.integers(0, 100))
    def progress(self, which: int, percent: int | None) -> None:
        if self.claims:
            claim = self.claims[which % len(self.claims)]
            self.ask(
                {
                    "op": "progress",
                    "agent": claim["agent"],
                    "task": claim["task"],
                    "token": claim["token"],
                    "message": "on",
                    "percent": percent,
                }
            )

    @rule(which=st.integers(0, 30))
    def complete(self, which: int) -> None:
        if not self.claims:
            return
        claim = self.claims[which % len(self.claims)]
        oid = None if claim["task"] == "d" else f"{self.pure.count:040x}"
        result = {
            "oid": oid,
            "tree": oid,
            "base": TARGET,
            "built_on": self.results(claim["task"]),
            "commits": 1,
            "files": 1,
        }
        self.ask(
            {
                "op": "complete",
                "agent": claim["agent"],
                "task": claim["task"],
                "token": claim["token"],
                "result": result,
            }
        )

    @rule(
        which=st.integers(0, 30),
        op=st.sampled_from(["fail", "release"]),
        kind=st.sampled_from(["transient", "permanent"]),
    )
    def give_back(self, which: int, op: str, kind: str) -> None:
        if self.claims:
            claim = self.claims[which % len(self.claims)]
            self.ask(
                {
                    "op": op,
                    "agent": claim["agent"],
                    "task": claim["task"],
                    "token": claim["token"],
                    "kind": kind,
                    "reason": "because",
                }
            )

    @rule(which=st.integers(0, 30))
    def beat(self, which: int) -> None:
        if self.claims:
            claim = self.claims[which % len(self.claims)]
            self.beats[claim["agent"]] = Beat("f" * 40, {claim["token"]: (BOOT, self.pure.now_ns)})

    @rule(seconds=st.integers(1, 20))
    def wait(self, seconds: int) -> None:
        self.pure.now_ns += seconds * 10**9

    @rule(which=st.integers(0, 30), path=LOCKED)
    def widen(self, which: int, path: str) -> None:
        if self.claims:
            claim = self.claims[which % len(self.claims)]
            held = {key: claim[key] for key in ("agent", "task", "token")}
            self.ask({"op": "widen", "paths": [path], **held})

    @rule()
    def reap(self) -> None:
        self.ask({"op": "expire"})

    @rule(op=st.sampled_from(["retry", "cancel", "assign"]), task=TASKS, to=st.none() | AGENTS)
    def orchestrate(self, op: str, task: str, to: str | None) -> None:
        self.ask({"op": op, "task": task, "reason": "", "to": to})

    @rule(task=TASKS)
    def reopen(self, task: str) -> None:
        self.ask({"op": "reopen", "task": task, "kind": "conflict", "reason": "it conflicts"})

    @rule(
        agent=AGENTS, task=TASKS, verdict=st.sampled_from(["approve", "reject", "review-release"])
    )
    def review(self, agent: str, task: str, verdict: str) -> None:
        review = self.ask({"op": "review", "agent": agent, "task": task, "session": "s"})
        if review is not None:
            self.ask(
                {
                    "op": verdict,
                    "agent": agent,
                    "task": task,
                    "token": review["token"],
                    "reviewed": review["reviewed"],
                    "reason": "because",
                }
            )

    @rule(
        agent=AGENTS,
        path=LOCKED,
        shared=st.booleans(),
        for_ms=st.none() | st.integers(1, 9000),
        which=st.none() | st.integers(0, 30),
    )
    def lock(
        self, agent: str, path: str, shared: bool, for_ms: int | None, which: int | None
    ) -> None:
        claim = self.claims[which % len(self.claims)] if which is not None and self.claims else None
        held = (
            {"task": claim["task"], "token": claim["token"], "agent": claim["agent"]}
            if claim
            else {"task": "", "token": "", "agent": agent}
        )
        self.ask(
            {
                "op": "lock",
                "paths": [path],
                "shared": shared,
                "reason": "",
                "for_ms": for_ms,
                **held,
            }
        )

    @rule(agent=AGENTS, path=LOCKED, is_forced=st.booleans())
    def unlock(self, agent: str, path: str, is_forced: bool) -> None:
        who = {} if is_forced else {"agent": agent}
        tokens = sorted(self.tokens())
        self.ask(
            {"op": "unlock", "name": agent, "paths": [path], "tokens": tokens, "reason": "", **who}
        )

    @rule(which=st.integers(0, 30))
    def reissue(self, which: int) -> None:
        if self.claims:
            claim = self.claims[which % len(self.claims)]
            event = self.ask(
                {
                    "op": "reissue",
                    "agent": claim["agent"],
                    "task": claim["task"],
                    "session": "t",
                    "old": claim["token"],
                }
            )
            if event is not None:
                self.claims.append(event)

    @rule(phase=st.sampled_from(["p", "q"]), is_done=st.booleans())
    def land(self, phase: str, is_done: bool) -> None:
        order = merge_order(wholeness(self.pure.snapshot, phase).tasks)
        ends = {"phase": phase, "target": "refs/heads/main", "old": TARGET, "new": "2" * 40}
        begin = {"op": "land-begin", **ends, "results": self.pure.keep(order), "count": len(order)}
        if self.ask(begin) is not None:
            assert (
                self.ask(
                    {"op": "land-done" if is_done else "land-abort", **ends, "reason": "moved"}
                    if not is_done
                    else {"op": "land-done", **ends}
                )
                is not None
            )

    @rule(back=st.integers(1, 12))
    def rollback(self, back: int) -> None:
        """Afterwards the state is the chosen one's, but for what did not survive."""
        number = len(self.pure.past) - back
        if number < 4 or b'"pending": null' not in self.pure.past[number]["settings.json"]:
            return
        chosen, before = dict(self.pure.past[number]), self.tokens()
        held = set(self.pure.files)
        agents = {path: raw for path, raw in self.pure.files.items() if path.startswith("agents/")}
        self.pure.rollback(number)
        after = self.pure.files
        assert self.tokens() <= before
        self.stale |= before - self.tokens()
        assert {path: raw for path, raw in after.items() if path.startswith("agents/")} == agents
        for path in chosen.keys() | after.keys():
            if path.startswith(("agents/", "live/")) or path == "settings.json":
                continue
            if path.startswith("locks/"):
                # It is back as it was if it was held all along, and its claim too.
                token = json.loads(chosen[path])["token"]
                is_held = path in held and token in {None, *self.tokens()}
                assert after.get(path) == (chosen[path] if is_held else None)
                continue
            if chosen.get(path) != after.get(path):
                was, now = json.loads(chosen[path]), json.loads(after[path])
                assert was["state"] == "claimed" or was["reviews"] != now["reviews"]
                assert {**was, "state": "", "claim": 0, "reviews": 0} == {
                    **now,
                    "state": "",
                    "claim": 0,
                    "reviews": 0,
                }

    @rule(task=TASKS, other=TASKS)
    def batch(self, task: str, other: str) -> None:
        commands = [
            {"op": "cancel", "task": task, "reason": ""},
            {"op": "retry", "task": other, "reason": ""},
        ]
        try:
            steps = [lambda _snapshot, _context, command=command: command for command in commands]
            events = fold(self.pure.snapshot, steps, self.pure.context())
        except GitcoordError:
            return
        assert self.ask(
            {
                "op": "batch",
                "events": [{**one, "time": 1_700_000_001 + self.pure.count} for one in events],
            }
        )

    @invariant()
    def no_token_lives_twice(self) -> None:
        assert not self.tokens() & self.stale

    @invariant()
    def states_and_claims_agree(self) -> None:
        snapshot = self.pure.snapshot
        live = {task["id"] for task in snapshot.live()}
        for task in snapshot.tasks():
            assert (task["claim"] is not None) == (task["state"] == "claimed")
            assert (task["id"] in live) == bool(leases_of(task))
            assert task["result"] is None or task["state"] in {
                "review",
                "done",
                "cancelled",
                "open",
                "claimed",
                "failed",
            }

    @invariant()
    def limits_hold(self) -> None:
        claims = [task["claim"] for task in self.pure.snapshot.live() if task["claim"]]
        assert len(claims) <= 3
        assert sum(claim["agent"] == "y" for claim in claims) <= 1
        live = {task["id"] for task in self.pure.snapshot.live() if task["claim"]}
        assert not {"a", "c"} <= live

    @invariant()
    def nobody_holds_what_another_holds(self) -> None:
        holds = [
            (task["claim"]["agent"], paths_of(task) or [], False)
            for task in self.pure.snapshot.live()
            if task["claim"]
        ]
        holds += [
            (lock["agent"], lock["paths"], lock["shared"]) for lock in self.pure.snapshot.locks()
        ]
        for (one, patterns, shared), (other, others, beside) in itertools.combinations(holds, 2):
            assert one == other or (shared and beside) or not paths.overlaps(patterns, others)

    @invariant()
    def a_lock_never_outlives_its_claim(self) -> None:
        live = {task["id"]: task["claim"] for task in self.pure.snapshot.live()}
        for lock in self.pure.snapshot.locks():
            assert (lock["task"] is None) == (lock["token"] is None)
            if lock["task"] is not None:
                claim = live[lock["task"]]
                assert claim is not None
                assert (claim["token"], claim["agent"]) == (lock["token"], lock["agent"])

    @invariant()
    def a_landed_phase_is_whole(self) -> None:
        snapshot = self.pure.snapshot
        for phase in snapshot.phases():
            if phase["state"] == "landed":
                assert not wholeness(snapshot, phase["id"]).missing


TestLaws = Laws.TestCase
TestLaws.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
