"""Find the results because of which a gate fails, and give them back.

The merge order is searched by prefixes: the first prefix that fails names
its last result, by elimination. Without it and what was built on it the
rest is tested again, until it passes: so two culprits are two names, and
of two results that fail only together the later one is named.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from gitcoord.core.errors import RefusedError
from gitcoord.core.events import Command
from gitcoord.core.ids import ORCHESTRATOR, Oid, PhaseId, TaskId
from gitcoord.core.leases import Context
from gitcoord.core.sentences import said
from gitcoord.core.shapes import NamedTuple
from gitcoord.core.snapshot import Snapshot
from gitcoord.core.texts import log_tail
from gitcoord.features.land.candidates import refuse_replaced
from gitcoord.features.work.checks import GateFailure, attempt, tail_of
from gitcoord.features.workspace import Workspace
from gitcoord.git.merges import tree_of

__all__ = ["Culprit", "find_culprits", "refusal", "reopen", "tester"]

REASON_CHARS = 350
Results = list[list[str]]
Merge = Callable[[Results], list[Oid] | None]
"""Merge results; give the target's tip and the tip after each of them."""
Test = Callable[[Oid], GateFailure | None]


class Culprit(NamedTuple):
    """A result with which a gate fails, and how."""

    task: TaskId
    oid: Oid
    failure: GateFailure


def tester(work: Workspace, phase: PhaseId, failure: GateFailure, failed: Oid) -> Test:
    """Return a test of any commit by the gate that failed, each tree once."""
    known: dict[Oid, GateFailure | None] = {tree_of(work.git, failed): failure}

    def test(commit: Oid) -> GateFailure | None:
        tree = tree_of(work.git, commit)
        if tree not in known:
            verdict = attempt(work, phase, failure.gate, commit)
            if verdict.is_passed:
                known[tree] = None
            else:
                known[tree] = GateFailure(failure.gate, verdict, log_tail(verdict.output))
        return known[tree]

    return test


def find_culprits(
    results: Results, tips: list[Oid], dependents: dict[str, set[TaskId]], merge: Merge, test: Test
) -> list[Culprit]:
    """Return the results to give back; none where the target itself fails.

    ``dependents`` says which tasks were built on a task's result.
    """
    found: list[Culprit] = []
    while results:
        failure = test(tips[-1])
        if failure is None:
            break
        at, failure = _first_failing(tips, failure, test)
        if at == 0:
            break
        task, oid = results[at - 1]
        found.append(Culprit(TaskId(task), Oid(oid), failure))
        gone = {task} | dependents.get(task, set())
        results = [one for one in results if one[0] not in gone]
        merged = merge(results)
        if merged is None:
            break
        tips = merged
    return found


def _first_failing(tips: list[Oid], failure: GateFailure, test: Test) -> tuple[int, GateFailure]:
    """Search for a prefix that fails while the one before it passes.

    The shortest is not a prefix but the target: 0 says that it fails itself.
    It is tested only where it is in question. That it has no tests yet says
    nothing against it, unless that is why the result fails too.
    """
    low, high = 0, len(tips) - 1
    while high - low > 1:
        middle = (low + high) // 2
        there = test(tips[middle])
        if there is None:
            low = middle
        else:
            high, failure = middle, there
    if low == 0:
        base = test(tips[0])
        if base is not None and (_ran_nothing(failure) or not _ran_nothing(base)):
            return 0, base
    return high, failure


def _ran_nothing(failure: GateFailure) -> bool:
    return failure.verdict.is_without_tests


def refusal(phase: PhaseId, failure: GateFailure, culprits: list[Culprit]) -> RefusedError:
    """Return the refusal of a landing whose culprits were reopened."""
    names = [culprit.task for culprit in culprits]
    if culprits:
        failure = culprits[0].failure
    said = tail_of(failure.log)
    gate = failure.gate["name"]
    if names:
        outcome = f"given back: {', '.join(names)}; nothing moved"
        hint = f"`gitcoord show {names[0]} --log` has the output; claim and fix it, then land again"
    else:
        outcome = (
            "it fails on the target alone too, or by no single result: nothing moved, nothing was "
            "given back"
        )
        hint = f"fix the target or the gate; `gitcoord phase check {phase}` shows what it runs"
    return RefusedError(
        f"gate {gate} of phase {phase} failed: {failure.verdict.reason}; {outcome}"
        + (f"\n{said}" if said else ""),
        reason="gate",
        gate=gate,
        tasks=cast("Any", names),
        why=failure.verdict.reason,
        log=said,
        hint=hint,
    )


def reopen(work: Workspace, culprit: Culprit) -> None:
    """Reopen the task of a culprit, with the gate's log.

    Raises:
        RefusedError: ``results-changed``: its result was replaced by another.

    """
    log, gate = culprit.failure.log, culprit.failure.gate["name"]
    blob = work.store.write_blob(log)
    output, verdict = tail_of(log, REASON_CHARS), culprit.failure.verdict.said
    why = said("gate-fails", gate=gate, verdict=verdict, output=output)

    def command(snapshot: Snapshot, _context: Context) -> Command:
        # Between the test and here the task may have been done again.
        refuse_replaced(snapshot, [(culprit.task, culprit.oid)])
        return {"op": "reopen", "task": culprit.task, "kind": "gate", "said": why, "log": blob}

    work.ledger.execute(command, agent=ORCHESTRATOR, inputs=[log])
