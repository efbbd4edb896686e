"""Claude and Codex finish one plan together, and it lands."""

from __future__ import annotations

import subprocess
import threading
from pathlib import Path

from gitcoord.features.workspace import Workspace
from tests.assistants.conftest import gitcoord
from tests.assistants.programs import Answer, claude, codex
from tests.assistants.scripted_model import ScriptedModel, Turn, say, shell


def loop(rounds: int) -> list[Turn]:
    """Claim whatever is next, write it and hand it in, some times over."""
    work = (
        "set -e; gitcoord claim --json > /dev/null; t=$(gitcoord brief --format json | "
        'sed -n \'s/.*"task": {"id": "\\([a-z]*\\)".*/\\1/p\'); mkdir -p $t; echo by $0 > $t/file; '
        'gitcoord complete --commit "Write $t"'
    )
    return [*[shell(work)] * rounds, say("over")]


def test_both_work_on_one_plan_and_it_lands(site: Path, work: Workspace, tmp_path: Path) -> None:
    for name, assistant in (("red", "claude"), ("blue", "codex")):
        gitcoord(site, "agent", "add", name, "--assistant", assistant)
    trees = site.parent / f"{site.name}.worktrees"
    answers: dict[str, Answer] = {}

    def red() -> None:
        with ScriptedModel(loop(3)) as model:
            answers["red"] = claude(
                model, tmp_path / "red", trees / "red", "Work", "--allowedTools", "Bash"
            )

    def blue() -> None:
        with ScriptedModel(loop(2)) as model:
            answers["blue"] = codex(model, tmp_path / "blue", trees / "blue", "Work")

    workers = [threading.Thread(target=one) for one in (red, blue)]
    for one in workers:
        one.start()
    for one in workers:
        one.join()
    assert {name: one.status for name, one in answers.items()} == {"red": 0, "blue": 0}
    tasks = list(work.ledger.snapshot().tasks())
    by = [task["result"]["agent"] for task in tasks if task["result"]]
    assert sorted(by) == ["blue", "blue", "red", "red", "red"]
    gitcoord(site, "phase", "land", "default")
    listed = subprocess.run(
        ["git", "ls-files"], cwd=site, check=True, capture_output=True, text=True
    ).stdout
    assert {f"{task['id']}/file" for task in tasks} <= set(listed.split())
    gitcoord(site, "verify")
