"""A pass is for exactly one tree and one definition, whatever comes between."""

from __future__ import annotations

import random
from typing import Any, cast

import pytest

from gitcoord.core.errors import ClaimLostError, GitcoordError, RefusedError, UsageError
from gitcoord.core.events import Event
from gitcoord.core.model import GateSpec
from gitcoord.core.operations.gates import check_of, definition_of
from gitcoord.core.operations.landings import left_out, merge_order, wholeness
from tests.support.builders import TARGET, PureLedger, oid_of, tasks

COMMANDS = ("make test", "make lint", "make slow")


def plan(*gates: str, names: tuple[str, ...] = ("a", "b"), retry: int = 0) -> str:
    rows = ", ".join(
        f'{{ name = "g{at}", run = "{command}", retry = {retry} }}'
        for at, command in enumerate(gates)
    )
    return f'[[phase]]\nname = "default"\ngates = [{rows}]\n' + tasks(*names)


def ledger(text: str, *done: str, capacity: int = 1) -> PureLedger:
    pure = PureLedger()
    pure.init()
    pure.plan(text)
    pure.agent("x", capacity=capacity)
    for name in done:
        pure.complete(pure.claim("x", name))
    return pure


def gate(
    pure: PureLedger,
    name: str,
    tree: str,
    verdict: str = "passed",
    definition: str = "",
    **more: Any,
) -> Event:
    phase = pure.snapshot.phase("default")
    assert phase is not None
    spec = next((one for one in phase["spec"]["gates"] if one["name"] == name), None)
    return pure.run(
        {
            "op": "gate",
            "phase": "default",
            "gate": name,
            "definition": definition or (definition_of(spec) if spec else "0" * 64),
            "tree": tree,
            "commit": tree,
            "verdict": verdict,
            "reason": "" if verdict == "passed" else "it ended with status 1",
            "millis": 5,
            "log": None,
            **more,
        }
    )


def begin(pure: PureLedger, tree: str | None, **more: Any) -> dict[str, Any]:
    order = merge_order(wholeness(pure.snapshot, "default", more.get("without", [])).tasks)
    return {
        "op": "land-begin",
        "phase": "default",
        "target": "refs/heads/main",
        "old": TARGET,
        "new": "2" * 40,
        "tree": tree,
        "results": pure.keep(order),
        "count": len(order),
        **more,
    }


def refused(pure: PureLedger, command: dict[str, Any]) -> str:
    before = dict(pure.files)
    with pytest.raises(RefusedError) as caught:
        pure.run(command)
    assert pure.files == before
    return caught.value.reason


TREE, OTHER = oid_of("tree"), oid_of("other")


def test_a_phase_lands_only_with_a_pass_of_each_gate_for_its_very_tree() -> None:
    pure = ledger(plan("make test", "make lint"), "a", "b")
    assert refused(pure, begin(pure, TREE)) == "gate-missing"
    gate(pure, "g0", TREE)
    assert refused(pure, begin(pure, TREE)) == "gate-missing"
    gate(pure, "g1", OTHER)
    assert refused(pure, begin(pure, TREE)) == "gate-missing"
    gate(pure, "g1", TREE, "failed")
    assert refused(pure, begin(pure, TREE)) == "gate-missing"
    gate(pure, "g1", TREE)
    event = pure.run(begin(pure, TREE))
    assert [(one["gate"], one["tree"]) for one in event["gates"]] == [("g0", TREE), ("g1", TREE)]


def test_a_gate_that_was_redefined_after_it_passed_has_not_passed() -> None:
    pure = ledger(plan("make test"), "a", "b")
    gate(pure, "g0", TREE)
    pure.plan(plan("make lint"))
    assert refused(pure, begin(pure, TREE)) == "gate-changed"
    pure.plan(plan("make test", retry=1))
    assert refused(pure, begin(pure, TREE)) == "gate-changed"
    pure.plan(plan("make test"))
    pure.run(begin(pure, TREE))


def test_a_run_of_a_gate_that_the_ledger_does_not_define_is_refused() -> None:
    pure = ledger(plan("make test"), "a", "b")
    for name, definition in (("g0", "0" * 64), ("other", "")):
        with pytest.raises(RefusedError) as caught:
            gate(pure, name, TREE, definition=definition)
        assert caught.value.reason == "gate-changed"
    wrong: list[dict[str, Any]] = [
        {"verdict": "perhaps"},
        {"reason": "why"},
        {"verdict": "failed", "reason": " "},
        {"commit": "HEAD"},
        {"tree": ""},
        {"millis": -1},
        {"log": "log"},
    ]
    for more in wrong:
        with pytest.raises(UsageError):
            gate(pure, "g0", **{"tree": TREE, **more})


def test_nobody_can_name_passes_that_the_ledger_does_not_have() -> None:
    pure = ledger(plan("make test"), "a", "b")
    gate(pure, "g0", TREE)
    event = pure.run(begin(pure, TREE))
    pure.run(
        {
            "op": "land-abort",
            "phase": "default",
            "target": "refs/heads/main",
            "old": TARGET,
            "new": "2" * 40,
            "reason": "no",
        }
    )
    for forged in (
        {**event, "gates": []},
        {**event, "tree": OTHER},
        {**event, "tree": None},
        {**event, "gates": [{**event["gates"][0], "commit": OTHER}]},
    ):
        with pytest.raises((RefusedError, UsageError)):
            pure.publish(forged)  # type: ignore[arg-type]


def test_a_phase_without_gates_lands_unless_gates_are_required() -> None:
    pure = ledger(tasks("a"), "a")
    pure.run(begin(pure, None))
    pure = ledger("[plan]\ngates_required = true\n" + tasks("a"), "a")
    assert refused(pure, begin(pure, TREE)) == "gates-required"


def test_a_task_with_a_check_is_completed_only_with_a_pass_on_its_very_result() -> None:
    pure = ledger(tasks("a") + 'check = "make test"\n')
    claim = pure.claim("x", "a")
    result = {
        "oid": oid_of("r"),
        "tree": TREE,
        "base": TARGET,
        "built_on": {},
        "commits": 1,
        "files": 1,
    }
    complete = {
        "op": "complete",
        "agent": "x",
        "task": "a",
        "token": claim["token"],
        "result": result,
    }
    spec = check_of(pure.snapshot.require_task("a")["spec"])
    assert spec is not None
    run = {
        "op": "check",
        "agent": "x",
        "task": "a",
        "token": claim["token"],
        "definition": definition_of(spec),
        "tree": TREE,
        "commit": oid_of("r"),
        "verdict": "passed",
        "reason": "",
        "millis": 1,
        "log": None,
    }
    assert refused(pure, complete) == "check"
    pure.run({**run, "tree": OTHER})
    assert refused(pure, complete) == "check"
    pure.run({**run, "verdict": "failed", "reason": "no"})
    assert refused(pure, complete) == "check"
    assert refused(pure, {**run, "definition": "0" * 64}) == "gate-changed"
    with pytest.raises(ClaimLostError):
        pure.run({**run, "token": "f" * 32})
    pure.run(run)
    pure.run(complete)
    assert pure.state("a") == "done"


def test_without_a_commit_the_check_has_to_pass_on_the_base() -> None:
    pure = ledger(tasks("a") + 'check = "make test"\nresult = "optional"\n')
    claim = pure.claim("x", "a")
    result: dict[str, Any] = {
        "oid": None,
        "tree": None,
        "base": TARGET,
        "built_on": {},
        "commits": 0,
        "files": 0,
    }
    complete = {
        "op": "complete",
        "agent": "x",
        "task": "a",
        "token": claim["token"],
        "result": result,
    }
    spec = check_of(pure.snapshot.require_task("a")["spec"])
    assert spec is not None
    run = {
        "op": "check",
        "agent": "x",
        "task": "a",
        "token": claim["token"],
        "definition": definition_of(spec),
        "tree": TREE,
        "commit": OTHER,
        "verdict": "passed",
        "reason": "",
        "millis": 1,
        "log": None,
    }
    pure.run(run)
    assert refused(pure, complete) == "check"
    pure.run({**run, "commit": TARGET})
    pure.run(complete)


def test_what_is_left_out_is_cancelled_only_when_the_rest_has_landed() -> None:
    pure = PureLedger()
    pure.init()
    pure.plan(tasks("a", "b", "c", "d", c=["b"]))
    pure.agent("x", capacity=4)
    pure.complete(pure.claim("x", "a"))
    b = pure.complete(pure.claim("x", "b"))
    pure.complete(
        pure.claim("x", "c", {"b": b["result"]["oid"] or ""}), {"b": b["result"]["oid"] or ""}
    )
    claim = pure.claim("x", "d")
    assert left_out(pure.snapshot, "default", ["b"]) == ["b", "c"]
    assert refused(pure, begin(pure, None, without=["b", "d"])) == "results-changed"
    ends = {"phase": "default", "target": "refs/heads/main", "old": TARGET, "new": "2" * 40}
    pure.run(begin(pure, None, without=["b", "c", "d"]))
    pure.run({"op": "land-abort", **ends, "reason": "moved"})
    assert [pure.state(name) for name in "abcd"] == ["done", "done", "done", "claimed"]
    pure.run(begin(pure, None, without=["b", "c", "d"]))
    pure.run({"op": "land-done", **ends})
    assert [pure.state(name) for name in "abcd"] == ["done", "cancelled", "cancelled", "cancelled"]
    assert pure.snapshot.require_task("d")["setbacks"][-1]["code"] == "left-out"
    with pytest.raises(ClaimLostError):
        pure.run(
            {"op": "progress", "agent": "x", "task": "d", "token": claim["token"], "message": "on"}
        )


def test_a_failed_task_can_be_left_out_and_no_task_of_another_phase() -> None:
    pure = ledger(
        '[[phase]]\nname = "default"\n[[phase]]\nname = "q"\n'
        + tasks("a", "b")
        + tasks("z")
        + 'phase = "q"\n',
        "a",
    )
    claim = pure.claim("x", "b")
    pure.run(
        {
            "op": "fail",
            "agent": "x",
            "task": "b",
            "token": claim["token"],
            "kind": "permanent",
            "reason": "no",
        }
    )
    with pytest.raises(UsageError):
        pure.run(begin(pure, None, without=["b", "z"]))
    pure.run(begin(pure, None, without=["b"]))


class Walk:
    """One random course of events, and what a sceptic remembers of it."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.pure = ledger(plan(*self.gates()), "a", "b", capacity=2)
        self.trees = [oid_of(f"tree{number}") for number in range(2)]
        self.last: dict[str, tuple[str, dict[str, Any], str]] = {}
        self.begun = self.refused = 0

    def gates(self) -> list[str]:
        return self.chance.sample(COMMANDS, self.chance.randint(1, 2))

    def specs(self) -> dict[str, dict[str, Any]]:
        """Give the gates as the ledger defines them now."""
        phase = self.pure.snapshot.phase("default")
        return {gate["name"]: dict(gate) for gate in phase["spec"]["gates"]} if phase else {}

    def ask(self, command: dict[str, Any]) -> Event | None:
        try:
            return self.pure.run(command)
        except GitcoordError:
            return None

    def step(self) -> None:
        self.chance.choice(
            [
                self.redefine,
                self.run_gate,
                self.run_gate,
                self.run_gate,
                self.begin,
                self.begin,
                self.redo,
            ]
        )()

    def redefine(self) -> None:
        self.pure.plan(plan(*self.gates(), retry=self.chance.randint(0, 1)))

    def run_gate(self) -> None:
        """End a gate that began at some time: its definition may be an old one."""
        name = self.chance.choice(["g0", "g1"])
        spec = {
            "name": name,
            "run": self.chance.choice(COMMANDS),
            "timeout_ms": 600_000,
            "retry": self.chance.randint(0, 1),
        }
        current = self.specs().get(name)
        if current is not None and self.chance.random() < 0.7:
            spec = current
        tree, verdict = (
            self.chance.choice(self.trees),
            self.chance.choice(["passed", "passed", "failed"]),
        )
        try:
            gate(self.pure, name, tree, verdict, definition_of(cast("GateSpec", spec)))
        except RefusedError:
            return
        self.last[name] = (tree, spec, verdict)

    def redo(self) -> None:
        if self.ask({"op": "reopen", "task": "b", "kind": "gate", "reason": "it fails"}) is None:
            self.ask({"op": "retry", "task": "b", "reason": ""})
        claim = self.ask(
            {
                "op": "claim",
                "agent": "x",
                "task": "b",
                "session": "s",
                "base": TARGET,
                "built_on": {},
            }
        )
        if claim is not None and self.chance.random() < 0.8:
            self.pure.complete(claim)

    def begin(self) -> None:
        """Land a target that may have moved: another tree than was tested."""
        tree = self.chance.choice(self.trees)
        wanted = self.specs()
        event = self.ask(begin(self.pure, tree))
        if event is None:
            self.refused += 1
            return
        self.begun += 1
        for name, spec in wanted.items():
            assert self.last[name] == (tree, spec, "passed")
        assert [one["definition"] for one in event["gates"]] == [
            definition_of(cast("GateSpec", spec)) for spec in wanted.values()
        ]
        assert (
            self.ask(
                {
                    "op": "land-abort",
                    "phase": "default",
                    "target": "refs/heads/main",
                    "old": TARGET,
                    "new": "2" * 40,
                    "reason": "moved",
                }
            )
            is not None
        )


@pytest.mark.long
def test_ten_thousand_interleavings_accept_no_stale_pass() -> None:
    begun = refusals = steps = 0
    for seed in range(400):
        walk = Walk(seed)
        for _ in range(25):
            walk.step()
            steps += 1
        begun += walk.begun
        refusals += walk.refused
    assert steps == 10_000
    assert begun > 100
    assert refusals > 1000
