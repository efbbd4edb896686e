"""Kill and fail every writing command at every call that changes the repository.

One row of the table for each command, one run for each call and fault.
``GITCOORD_SOAK=long`` runs every one, ``GITCOORD_FAULTS=each`` a kill and an
error at every call; otherwise it is an even spread of them. Each fault waits
more than it works: ``GITCOORD_FAULT_PROCESSES`` says how many are tried at once.
"""

from __future__ import annotations

import multiprocessing
import os
from collections import Counter
from functools import partial
from pathlib import Path

import pytest

from tests.support import strace
from tests.support.fault_rows import ROWS
from tests.support.faults import (
    Report,
    Survey,
    all_faults,
    bench_of,
    one_of_each,
    spread,
    try_fault,
)
from tests.support.strace import COMMAND, Fault

pytestmark = [
    pytest.mark.soak,
    pytest.mark.skipif(strace.STRACE is None, reason="there is no strace"),
]
IS_LONG = os.environ.get("GITCOORD_SOAK") == "long"
ASKED = os.environ.get("GITCOORD_FAULTS", "10")
PROCESSES = int(os.environ.get("GITCOORD_FAULT_PROCESSES", "2"))
TOLD_EVERY = 50
TRIES = 3


def trial(fault: Fault, *, top: Path, row: str, survey: Survey) -> Report:
    """Try a fault, and again where the run had no such call: what waits asks git now and then."""
    for _ in range(TRIES):
        report = try_fault(top, row, fault, survey)
        if report.struck:
            break
    return report


@pytest.mark.parametrize("row", ROWS)
def test_a_command_that_is_killed_or_fails_at_any_call_is_made_good_by_the_next(
    row: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITCOORD_SESSION", "faults")
    survey = bench_of(tmp_path, row).survey()
    faults = all_faults(survey.calls)
    if IS_LONG:
        chosen = faults
    elif ASKED == "each":
        chosen = one_of_each(survey.calls)
    else:
        chosen = spread(faults, int(ASKED))
    _try(row, tmp_path, survey, faults, chosen)


@pytest.mark.parametrize("row", ["phase-land-gated"])
def test_a_landing_that_is_killed_at_any_call_is_made_good_by_the_next(
    row: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At every second call of ours, and at every sixth of the programs that it runs."""
    monkeypatch.setenv("GITCOORD_SESSION", "faults")
    survey = bench_of(tmp_path, row).survey()
    kills = [fault for fault in all_faults(survey.calls) if fault.kind.startswith("KILL")]
    ours = [fault for fault in kills if fault.call.process == COMMAND]
    others = [fault for fault in kills if fault.call.process != COMMAND]
    _try(row, tmp_path, survey, kills, kills if IS_LONG else ours[::2] + others[::6])


def _try(row: str, top: Path, survey: Survey, faults: list[Fault], chosen: list[Fault]) -> None:
    one = partial(trial, top=top, row=row, survey=survey)
    reports: list[Report] = []
    with multiprocessing.get_context("spawn").Pool(PROCESSES) as pool:
        for report in pool.imap_unordered(one, chosen, chunksize=4):
            reports.append(report)
            _tell(row, reports, len(chosen))
    struck = [report for report in reports if report.struck]
    for report in reports:
        if not report.struck:
            print(f"\n{row}: no run made the call of {report.fault.kind} {report.fault.call}")
    endings = Counter(report.ended for report in struck)
    problems = [_told(report) for report in reports if report.problem]
    print(
        f"\n{row}: {len(survey.calls)} calls, {len(faults)} faults, {len(chosen)} tried, "
        f"{len(struck)} struck, "
        f"{len(problems)} violations; ended {dict(endings)}"
    )
    assert not problems, "\n".join(problems)
    assert len(struck) > len(chosen) * 0.8, "the calls are the same from run to run"


def _tell(row: str, reports: list[Report], total: int) -> None:
    """Say what the newest report found, and every so often how far the row is."""
    if reports[-1].problem:
        print(f"\n{row}: {_told(reports[-1])}", flush=True)
    if len(reports) % TOLD_EVERY == 0:
        violations = sum(bool(report.problem) for report in reports)
        print(f"\n{row}: {len(reports)} of {total}, {violations} violations", flush=True)


def _told(report: Report) -> str:
    return f"{report.fault.kind} {report.fault.call}: {report.problem}"
