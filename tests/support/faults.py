"""Let one fault strike a command, and see what the next commands make of it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from gitcoord.features.maintain import verify
from gitcoord.features.workspace import open_workspace
from tests.support import strace
from tests.support.fault_rows import ROWS, Row
from tests.support.fault_states import drawn_names, ops_of, state_of
from tests.support.forks import Forks
from tests.support.strace import COMMAND, Call, Fault
from tests.support.world import git

__all__ = [
    "Bench",
    "Report",
    "Survey",
    "all_faults",
    "bench_of",
    "one_of_each",
    "spread",
    "try_fault",
]

ERRNOS = ("EIO", "ENOSPC")
LONG = 60


class Survey(NamedTuple):
    """An undisturbed run: its calls, the state that it leads to, its entries."""

    calls: list[Call]
    state: dict[str, Any]
    ops: dict[str, int]


class Report(NamedTuple):
    """What became of one fault; ``problem`` is empty where all was well."""

    fault: Fault
    struck: bool
    ended: str
    problem: str


class Bench:
    """A place where one row's command is run again and again."""

    def __init__(self, top: Path, row: str) -> None:
        self.row: Row = ROWS[row]
        self.live, self.saved = top / "live", top / "saved"
        self.programs, self.folder = top / "programs", top / "faults"
        self.repo = self.live / "repo"
        self.forks = Forks()
        strace.make_programs(self.programs)
        self.row.setup(self.live)
        names = {"top": str(self.live), **drawn_names(self.repo)}
        words = (word.format(**names) for word in self.row.argv)
        self.argv = ("-C", str(self.repo), "--json", *words)
        shutil.copytree(self.live, self.saved, symlinks=True)
        self.before = {name: count for name, (count, _) in ops_of(self.repo).items()}

    def restore(self) -> None:
        """Put the prepared repository at the place for which it was made."""
        shutil.rmtree(self.live)
        shutil.copytree(self.saved, self.live, symlinks=True)

    def survey(self) -> Survey:
        """Run the command undisturbed, and list its changing calls."""
        self.restore()
        done, calls = strace.trace(self.forks, self.argv, self.programs, self.folder, self.live)
        assert done.status == 0, (done.stdout, done.stderr)
        state = state_of(self.repo)
        for name, value in self.row.after.items():
            assert state[name] == value, (name, state)
        return Survey(calls, state, {name: count for name, (count, _) in ops_of(self.repo).items()})


_BENCHES: dict[tuple[Path, str], Bench] = {}


def bench_of(top: Path, row: str) -> Bench:
    """Give this process's bench for a row."""
    key = (top, row)
    if key not in _BENCHES:
        for earlier in _BENCHES.values():
            earlier.forks.close()
        _BENCHES.clear()
        _BENCHES[key] = Bench(top / f"{row}-{os.getpid()}", row)
    return _BENCHES[key]


def _kinds(call: Call) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Give the kills and the errors that can strike at a call."""
    kills = ("KILL",) if call.process == COMMAND else ("KILL", "KILL-ALL")
    errnos = (*ERRNOS, "EMFILE") if call.name in {"openat", "open"} else ERRNOS
    return kills, errnos


def all_faults(calls: Iterable[Call]) -> list[Fault]:
    """List every fault that can strike at the calls."""
    faults = []
    for call in calls:
        kills, errnos = _kinds(call)
        faults += [Fault(call, kind) for kind in (*kills, *errnos)]
    return faults


def one_of_each(calls: Iterable[Call]) -> list[Fault]:
    """List a kill and an error for every call; which kill and which error goes round."""
    faults = []
    for number, call in enumerate(calls):
        for kinds in _kinds(call):
            faults.append(Fault(call, kinds[number % len(kinds)]))
    return faults


def spread(faults: list[Fault], budget: int) -> list[Fault]:
    """Choose some faults, the same ones each time.

    The first and the last, one of each name of call with a kill and one
    with an error, and the rest evenly over the command.
    """
    if len(faults) <= budget:
        return faults
    chosen = {0, len(faults) - 1}
    met: set[tuple[str, bool]] = set()
    for number, fault in enumerate(faults):
        key = (fault.call.name, fault.kind.startswith("KILL"))
        if key not in met:
            met.add(key)
            chosen.add(number)
    left = max(0, budget - len(chosen))
    # A step that is prime to the number of kinds meets each of them.
    chosen |= (
        {int(number * (len(faults) - 1) / left) + number % 5 for number in range(1, left)}
        if left
        else set()
    )
    return [faults[number] for number in sorted(chosen) if number < len(faults)]


def again(bench: Bench) -> tuple[int, dict[str, Any]]:
    """Run the command once more, undisturbed."""
    done = strace.run_again(bench.forks, bench.argv, bench.folder)
    return done.status, json.loads(done.stdout) if done.stdout else {}


def try_fault(top: Path, row: str, fault: Fault, survey: Survey) -> Report:
    """Let one fault strike; report the first promise that was broken."""
    bench = bench_of(top, row)
    bench.restore()
    done = strace.run_with_fault(bench.forks, bench.argv, bench.programs, bench.folder, fault)
    try:
        answer = json.loads(done.stdout) if done.stdout else {}
    except ValueError:
        answer = {}
    ended = f"{done.status} {(answer.get('error') or {}).get('code', '')}".strip()
    problem = (
        (_judge_first(bench, done.status, answer) or _judge_next(bench, survey))
        if done.struck
        else ""
    )
    if problem:
        problem += (
            f"\n    first answer: {done.status} {done.stdout.strip()[:700]} "
            f"{done.stderr.strip()[-700:]}"
        )
    return Report(fault, done.struck, ended, problem)


def _judge_first(bench: Bench, status: int, answer: dict[str, Any]) -> str:
    """Say whether the command that the fault struck told the truth."""
    ops = ops_of(bench.repo)
    oids = set().union(*(oids for _, oids in ops.values())) if ops else set()
    if status == 0 and answer.get("entry") and answer["entry"] not in oids:
        return "false success: the entry is not in the chain"
    if status == 1:
        return "a fault of the system is told as a bug"
    if status in {2, 14, 15} and {name: count for name, (count, _) in ops.items()} != bench.before:
        left = {
            name: count for name, (count, _) in ops.items() if count != bench.before.get(name, 0)
        }
        if not set(left) <= bench.row.repeats | bench.row.partial:
            return f"said that nothing changed, and there are {left}"
    return ""


def _judge_next(bench: Bench, survey: Survey) -> str:
    """Say whether the next commands work, and end where the command should."""
    earlier = ops_of(bench.repo)
    status, answer = again(bench)
    error = answer.get("error") or {}
    is_done = bool(earlier.keys() - bench.before.keys()) or any(
        earlier[name][0] > count for name, count in bench.before.items()
    )
    if status != 0 and not (is_done and {error.get("code"), error.get("reason")} & bench.row.again):
        return f"the same command again: {status} {answer}"
    state = state_of(bench.repo)
    wrong = {
        name: (state.get(name), value)
        for name, value in survey.state.items()
        if state.get(name) != value and name not in bench.row.drifts
    }
    if wrong:
        return f"ended in another state (is, should be): {wrong}; the second answer: {answer}"
    counts = {name: count for name, (count, _) in ops_of(bench.repo).items()}
    for name in (counts.keys() | survey.ops.keys()) - bench.row.repeats:
        if counts.get(name, 0) != survey.ops.get(name, 0):
            return f"{name} was applied {counts.get(name, 0)} times, not {survey.ops.get(name, 0)}"
    work = open_workspace(bench.repo)
    try:
        verify.verify(work)
    finally:
        work.close()
    try:
        git("fsck", "--no-dangling", "--no-progress", cwd=bench.repo)
    except subprocess.CalledProcessError as error:
        return f"git finds fault with the repository: {error} {error.__notes__}"
    return ""
