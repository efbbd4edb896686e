"""Processes that widen towards each other: each path has one winner, and nobody waits."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from gitcoord.core import paths
from gitcoord.features.maintain import verify
from gitcoord.features.work import claims
from tests.support.builders import tasks
from tests.support.world import environment, found, record

FREE = '[plan]\nwidening = "free"\n'
ROUNDS = 8
RACER = """
import json, sys, time
from pathlib import Path
from gitcoord.core.errors import GitcoordError
from gitcoord.features.work import widenings
from gitcoord.features.workspace import open_workspace
repo, start, agent, task, token, wanted = sys.argv[1:]
start, work, told = Path(start), open_workspace(Path(repo)), []
for number, paths in enumerate(json.loads(wanted)):
    (start / f"{number}-{agent}").touch()
    while len(list(start.glob(f"{number}-*"))) < 2:
        time.sleep(0.002)
    try:
        widenings.widen(work, agent, task, token, paths)
    except GitcoordError as error:
        told.append([error.code, error.facts.get("holder")])
    else:
        told.append(None)
print(json.dumps(told))
"""


def raced(repo: Path, start: Path, wishes: dict[str, list[list[str]]], plan: str) -> list[object]:
    """Let two agents widen round by round, each round at the same moment; return what they heard.

    Who of them waited for the other would still be there after a minute.
    """
    work = found(repo, plan, *wishes, worktrees=False)
    start.mkdir()
    script = start / "racer.py"
    script.write_text(RACER)
    racers = []
    for agent, task in zip(wishes, "ab", strict=True):
        token = claims.claim(work, agent, task, checkout=False).claim["token"]
        arguments = [str(repo), str(start), agent, task, token, json.dumps(wishes[agent])]
        racers.append(
            subprocess.Popen(
                [sys.executable, str(script), *arguments],
                stdout=subprocess.PIPE,
                text=True,
                env=environment(),
            )
        )
    answers = [json.loads(racer.communicate(timeout=60)[0]) for racer in racers]
    verify.verify(work)
    first, second = (record(work, task).get("widened", []) for task in "ab")
    assert paths.overlaps(first, second) is None
    return list(zip(*answers, strict=True))


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [
        (["lib{}/"], ["lib{}/"]),
        (["lib{}/", "doc{}/"], ["doc{}/", "lib{}/"]),
        (["lib{}/*/x.py"], ["lib{}/one/"]),
    ],
    ids=["the same", "in another order", "a part"],
)
def test_of_two_processes_that_widen_to_the_same_one_is_refused(
    repo: Path, tmp_path: Path, mine: list[str], theirs: list[str]
) -> None:
    wishes = {
        agent: [[one.format(number) for one in wanted] for number in range(ROUNDS)]
        for agent, wanted in (("x", mine), ("y", theirs))
    }
    rounds = raced(repo, tmp_path / "start", wishes, FREE + tasks("a", "b"))
    assert len(rounds) == ROUNDS
    for told in rounds:
        assert told in [(None, ["conflict", "x"]), (["conflict", "y"], None)], told


def test_who_wants_what_the_other_claimed_is_refused_on_both_sides(
    repo: Path, tmp_path: Path
) -> None:
    wishes = {"x": [["b/"]] * 3, "y": [["a/f"]] * 3}
    rounds = raced(repo, tmp_path / "start", wishes, FREE + tasks("a", "b"))
    assert rounds == [(["conflict", "y"], ["conflict", "x"])] * 3
