"""The main job, as `make demo` runs it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.support.shapes import answer_mistakes
from tests.support.world import environment, git


def test_the_demo_survives_its_faults_and_lands_everything(tmp_path: Path) -> None:
    place = tmp_path / "demo"
    done = subprocess.run(
        [sys.executable, "-m", "gitcoord", "demo", "--keep", str(place), "--json"],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    facts = json.loads(done.stdout)
    assert facts["ok"]
    assert answer_mistakes(facts) == []
    assert facts["killed"] == facts["taken_over"]
    assert facts["failed_once"]
    # Whether they are met depends on the machine; that each is known does not.
    assert [one["is_met"] is None for one in facts["conditions"]] == [False] * 4
    rate = next(one for one in facts["conditions"] if one["name"] == "failure_rate")
    assert rate["is_met"]
    assert facts["landed"] == 57
    page = Path(facts["report"]).read_text("utf-8")
    assert page.count('<span class="state landed">') == 57
    assert git("status", "--porcelain", cwd=place) == ""
    assert len(list((place / "docs").iterdir())) == 45
    assert all("0 missing" in path.read_text() for path in (place / "checks").iterdir())
    again = subprocess.run(
        [sys.executable, "-m", "gitcoord", "demo", "--keep", str(place)],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert again.returncode == 2
    assert "is not empty" in again.stderr
