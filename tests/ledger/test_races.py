"""Processes that race: acknowledged is compared with what is in the history."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from gitcoord.features.inspect import facts
from gitcoord.features.maintain import verify
from gitcoord.features.workspace import open_workspace
from tests.support.builders import tasks
from tests.support.world import environment, found

RACER = """
import json, sys, time
from pathlib import Path
from gitcoord.core.errors import GitcoordError
from gitcoord.features.setup import ledger as setup
from gitcoord.features.work import claims, results
from gitcoord.features.workspace import open_workspace
kind, repo, start, name = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4]
work = open_workspace(repo)
work.ledger.timeout_s = 240
(start / name).touch()
while not (start / "go").exists():
    time.sleep(0.002)
won = []
try:
    if kind == "create":
        won.append(setup.init(work).entry)
    elif kind == "one":
        won.append(claims.claim(work, name, "a", checkout=False).entry)
    else:
        for _ in range(4):
            claimed = claims.claim(work, name, checkout=False, session=name)
            won.append(claimed.entry)
            token = claimed.claim["token"]
            won.append(results.release(work, name, claimed.task["id"], token).entry)
except GitcoordError as error:
    print(json.dumps({"won": won, "code": error.code, "holder": error.facts.get("holder")}))
else:
    print(json.dumps({"won": won, "code": None, "holder": None}))
"""


def race(kind: str, repo: Path, start: Path, count: int) -> list[dict[str, object]]:
    """Start processes at the same moment; return what each was told."""
    start.mkdir()
    script = start / "racer.py"
    script.write_text(RACER)
    racers = [
        subprocess.Popen(
            [sys.executable, str(script), kind, str(repo), str(start), f"x{number}"],
            stdout=subprocess.PIPE,
            text=True,
            env=environment(),
        )
        for number in range(count)
    ]
    while sum(1 for _ in start.glob("x*")) < count:
        assert all(racer.poll() in {None, 0} for racer in racers)
    (start / "go").touch()
    answers = []
    for racer in racers:
        out, _ = racer.communicate(timeout=300)
        assert racer.returncode == 0
        answers.append(json.loads(out))
    return answers


@pytest.mark.long
def test_of_32_that_make_the_ledger_one_does(repo: Path, tmp_path: Path) -> None:
    answers = race("create", repo, tmp_path / "start", 32)
    won = [answer for answer in answers if answer["won"]]
    assert len(won) == 1
    assert {answer["code"] for answer in answers if not answer["won"]} == {"refused"}
    work = open_workspace(repo)
    assert [work.ledger.tip()] == won[0]["won"]
    verify.verify(work)


def test_of_32_that_claim_one_task_one_does_and_the_others_are_told_who(
    repo: Path, tmp_path: Path
) -> None:
    names = [f"x{number}" for number in range(32)]
    work = found(repo, tasks("a", "b"), *names, worktrees=False)
    answers = race("one", repo, tmp_path / "start", 32)
    assert sum(bool(answer["won"]) for answer in answers) == 1
    winner = names[next(index for index, answer in enumerate(answers) if answer["won"])]
    assert {answer["holder"] for answer in answers if not answer["won"]} == {winner}
    assert {answer["code"] for answer in answers if not answer["won"]} == {"conflict"}
    verify.verify(work)


@pytest.mark.long
def test_everything_that_32_racers_were_told_is_in_the_chain_once(
    repo: Path, tmp_path: Path
) -> None:
    names = [f"x{number}" for number in range(32)]
    work = found(repo, tasks(*(f"t{number}" for number in range(40))), *names, worktrees=False)
    answers = race("many", repo, tmp_path / "start", 32)
    told = [entry for answer in answers for entry in answer["won"]]  # type: ignore[attr-defined]
    chain = [entry["entry"] for entry in facts.history(work, work.ledger.tip(), limit=100_000)]
    assert len(told) == 32 * 8
    assert set(told) <= set(chain)
    assert len(chain) == len(set(told)) + 2 + 32
    verify.verify(work)
