"""The hook that can be added by hand, through real git."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from gitcoord.features import landing
from gitcoord.shipped import shipped
from tests.support.builders import tasks
from tests.support.world import do, found, git


def test_the_hook_keeps_others_from_moving_the_ledger_and_lets_gitcoord_work(repo: Path) -> None:
    work = found(repo, tasks("a", "b"), "x")
    hook = repo / ".git" / "hooks" / "reference-transaction"
    hook.parent.mkdir(exist_ok=True)
    shutil.copy(shipped("hooks") / "reference-transaction", hook)
    tip = git("rev-parse", "gitcoord/ledger", cwd=repo)
    for args in (["branch", "-f", "gitcoord/ledger", "main"], ["update-ref", "-d", "refs/heads/gitcoord/ledger"],
                 ["update-ref", "refs/gitcoord/ledger/results/a/x", "HEAD"]):  # fmt: skip
        done = subprocess.run(["git", *args], cwd=repo, capture_output=True, text=True, check=False)
        assert done.returncode != 0
        assert "moves by gitcoord alone" in done.stderr
    assert git("rev-parse", "gitcoord/ledger", cwd=repo) == tip
    git("commit", "-q", "--allow-empty", "-m", "others work as before", cwd=repo)
    git("pack-refs", "--all", cwd=repo)
    do(work, "x", "a")
    do(work, "x", "b")
    assert landing.land(work, "default").results == 2
    assert len(hook.read_text().splitlines()) <= 20
    assert work.ledger.snapshot().settings()["pending"] is None
