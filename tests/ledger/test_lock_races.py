"""Processes that race for the same paths, by locks and by claims."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from gitcoord.features.inspect.locks import listing
from gitcoord.features.maintain import verify
from tests.support.world import environment, found

PLAN = (
    '[[task]]\nid = "a"\ntitle = "A"\npaths = ["src/a/"]\n[[task]]\nid = "b"\ntitle = "B"\npaths = '
    '["src/b/"]\n'
)
RACER = """
import json, sys, time
from pathlib import Path
from gitcoord.core.errors import GitcoordError
from gitcoord.features.work import claims, locks
from gitcoord.features.workspace import open_workspace
repo, start, name, asked = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], sys.argv[4]
work = open_workspace(repo)
(start / name).touch()
while not (start / "go").exists():
    time.sleep(0.002)
try:
    if asked == "claim":
        claims.claim(work, name, "a", checkout=False)
    else:
        locks.lock(work, name, ["src/*/x.py"], shared=asked == "shared")
except GitcoordError as error:
    said = {"name": name, "asked": asked, "code": error.code}
    print(json.dumps({**said, "holder": error.facts.get("holder")}))
else:
    print(json.dumps({"name": name, "asked": asked, "code": None, "holder": None}))
"""


def race(repo: Path, start: Path, asked: list[str]) -> list[dict[str, str | None]]:
    start.mkdir()
    script = start / "racer.py"
    script.write_text(RACER)
    racers = [
        subprocess.Popen(
            [sys.executable, str(script), str(repo), str(start), f"x{number}", what],
            stdout=subprocess.PIPE,
            text=True,
            env=environment(),
        )
        for number, what in enumerate(asked)
    ]
    while sum(1 for _ in start.glob("x*")) < len(asked):
        assert all(racer.poll() in {None, 0} for racer in racers)
    (start / "go").touch()
    answers = [json.loads(racer.communicate(timeout=120)[0]) for racer in racers]
    assert all(racer.returncode == 0 for racer in racers)
    return answers


@pytest.mark.long
@pytest.mark.parametrize("kinds", [["exclusive"], ["exclusive", "shared", "claim"]])
def test_of_those_that_ask_for_the_same_paths_one_has_them_or_sharers_do(
    repo: Path, tmp_path: Path, kinds: list[str]
) -> None:
    asked = (kinds * 12)[:12]
    work = found(repo, PLAN, *(f"x{number}" for number in range(len(asked))), worktrees=False)
    answers = race(repo, tmp_path / "start", asked)
    winners = {answer["name"]: answer["asked"] for answer in answers if answer["code"] is None}
    assert winners
    assert len(winners) == 1 or set(winners.values()) == {"shared"}
    losers = [answer for answer in answers if answer["code"] is not None]
    assert {answer["code"] for answer in losers} <= {"conflict"}
    assert {answer["holder"] for answer in losers} <= winners.keys()
    listed = listing(work)
    assert {one["agent"] for one in [*listed["locks"], *listed["claims"]]} == winners.keys()
    verify.verify(work)
