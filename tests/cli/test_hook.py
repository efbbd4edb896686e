"""What a hook runs: it judges quickly, and stops nothing when it cannot."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gitcoord.core.errors import RefusedError
from gitcoord.features.setup import hook_plan
from gitcoord.features.work import claims, results
from gitcoord.git.program import version
from tests.support.formats import needs_ref_files
from tests.support.hooked import (
    attempt,
    claimed,
    message,
    shim_of,
    stage,
    use_this_code,
    with_agent,
)
from tests.support.world import environment, git


@pytest.fixture(autouse=True)
def _ours(monkeypatch: pytest.MonkeyPatch) -> None:
    use_this_code(monkeypatch)


@pytest.mark.parametrize("python", ["/nowhere/python", "/bin/false", ""])
def test_a_gitcoord_that_cannot_run_warns_in_one_line_and_stops_nothing(
    repo: Path, python: str, tmp_path: Path
) -> None:
    _, place = claimed(repo)
    for event in ("pre-commit", "pre-merge-commit", "pre-push"):
        hook = shim_of(repo, event)
        assert sys.executable in hook.read_text()
        hook.write_text(
            hook.read_text().replace(
                f"gitcoord_python={sys.executable}", f"gitcoord_python='{python}'"
            )
        )
    # A path with git and a shell on it, and no gitcoord.
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("git", "sh", "cat"):
        found = next(
            Path(folder) / name
            for folder in os.environ["PATH"].split(":")
            if (Path(folder) / name).exists()
        )
        (tools / name).symlink_to(found)
    stage(place, "README.md")
    done = attempt("commit", "-m", "x", cwd=place, PATH=str(tools))
    assert done.returncode == 0
    assert done.stderr.splitlines() == [
        "gitcoord: warning: pre-commit did not look, for gitcoord cannot run here; next: install "
        "it, "
        "or 'gitcoord hooks uninstall'"
    ]
    done = attempt("push", "-q", str(repo), "HEAD:refs/heads/mine", cwd=place, PATH=str(tools))
    assert done.returncode == 0
    assert done.stderr.count("warning") == 1


@pytest.mark.parametrize("breakage", ["a program that dies", "a hook that is gone"])
def test_what_a_hook_that_fails_open_let_through_is_not_accepted(repo: Path, breakage: str) -> None:
    work, place = claimed(repo)
    hook = shim_of(repo, "pre-commit")
    if breakage == "a hook that is gone" and version() >= hook_plan.CONFIGURABLE:
        git("config", "--remove-section", "hook.gitcoord-pre-commit", cwd=repo)
    elif breakage == "a hook that is gone":
        hook.unlink()
    else:
        hook.write_text(hook.read_text().replace(sys.executable, "/bin/false"))
    stage(place, "README.md")
    assert attempt("commit", "-m", "x", cwd=place).returncode == 0
    task = next(task for task in work.ledger.snapshot().tasks() if task["claim"])
    assert task["claim"] is not None
    with pytest.raises(RefusedError) as caught:
        results.complete(work, task["claim"]["agent"], task["id"], task["claim"]["token"])
    assert caught.value.reason == "boundary"


@needs_ref_files
def test_a_ledger_that_cannot_be_read_warns_and_stops_nothing(repo: Path) -> None:
    _, place = claimed(repo)
    stage(place, "README.md")
    (repo / ".git" / "refs" / "heads" / "gitcoord" / "ledger").write_text("broken\n")
    done = attempt("commit", "--no-status", "-m", "x", cwd=place)
    assert "pre-commit did not look: the ref refs/heads/gitcoord/ledger is broken" in done.stderr
    assert git("rev-list", "--count", "HEAD", cwd=place) == "2"


def test_the_program_is_not_taken_from_the_working_tree(repo: Path) -> None:
    _, place = claimed(repo)
    (place / "gitcoord").mkdir()
    (place / "gitcoord" / "__init__.py").write_text("raise SystemExit(0)\n")
    (place / "json.py").write_text("raise SystemExit(0)\n")
    stage(place, "README.md")
    assert attempt("commit", "-m", "x", cwd=place, PYTHONSAFEPATH="").returncode == 1


def test_the_hooks_can_be_switched_off_for_one_command(repo: Path) -> None:
    _, place = claimed(repo)
    stage(place, "README.md")
    assert attempt("commit", "-m", "x", cwd=place, GITCOORD_HOOKS="off").returncode == 0
    assert message(place) == "x"


@pytest.mark.parametrize(
    "argv", [["hook", "post-commit"], ["hook"], ["--json", "hook", "post-commit"]]
)
def test_a_hook_that_there_is_not_is_a_usage_error(repo: Path, argv: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "gitcoord", *argv],
        cwd=repo,
        capture_output=True,
        text=True,
        check=False,
        env=environment(),
    )
    assert done.returncode == 2
    assert "there is no hook" in done.stderr


def test_hook_looks_where_it_is_told_to(repo: Path, tmp_path: Path) -> None:
    work = with_agent(repo)
    place = Path(claims.claim(work, "x", "a").worktree or "")
    (place / "README.md").write_text("x")
    git("add", "README.md", cwd=place)
    command = [sys.executable, "-m", "gitcoord", "-C", str(place), "hook", "pre-commit"]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, check=False, env=environment()
    )
    assert (done.returncode, "outside the boundary: README.md" in done.stderr) == (14, True)
