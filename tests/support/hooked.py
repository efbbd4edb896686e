"""A repository with hooks: commits that are tried, and what lies there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gitcoord.features.setup import hook_plan, hooks
from gitcoord.features.work import claims
from gitcoord.features.workspace import Workspace
from gitcoord.git.program import version
from tests.support.builders import tasks
from tests.support.world import ENV_PATH, environment, found, git

needs_hook_files = pytest.mark.skipif(
    version() >= hook_plan.CONFIGURABLE,
    reason="it is about hooks that are files: this git is told of ours in its configuration",
)


def attempt(*args: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["git", *args],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **env},
    )


def claimed(repo: Path, *, guard: bool = False) -> tuple[Workspace, Path]:
    """Install the hooks, and let x claim task a in its worktree."""
    work = found(repo, tasks("a", "b"), "x")
    hooks.install(work, guard=guard)
    return work, Path(claims.claim(work, "x", "a").worktree or "")


def shim_of(repo: Path, event: str) -> Path:
    """Return the file of ours that git runs for an event.

    A git that takes hooks from its configuration is told of a file of ours there.
    """
    folder = repo / ".git"
    if version() >= hook_plan.CONFIGURABLE:
        folder /= "gitcoord"
    return folder / "hooks" / event


def stage(place: Path, *names: str, text: str = "new\n") -> None:
    for name in names:
        (place / name).parent.mkdir(exist_ok=True)
        (place / name).write_text(text)
        git("add", name, cwd=place)


def message(place: Path) -> str:
    return git("log", "-1", "--format=%B", cwd=place)


def frozen(repo: Path) -> dict[str, tuple[int, bytes]]:
    """Take every hook, the configuration and the tree: modes, bytes, links."""
    places = [
        repo / ".git" / "config",
        *(repo / ".git" / "hooks").rglob("*"),
        repo / ".git" / "hooks",
        *(path for path in repo.rglob("*") if ".git" not in path.parts),
    ]
    return {
        str(path): (
            path.lstat().st_mode,
            str(path.readlink()).encode()
            if path.is_symlink()
            else path.read_bytes()
            if path.is_file()
            else b"",
        )
        for path in places
        if path.exists() or path.is_symlink()
    }


def with_agent(repo: Path) -> Workspace:
    return found(repo, tasks("a", "b"), "x")


def answer_of(repo: Path, *argv: str) -> tuple[int, dict[str, object]]:
    done = subprocess.run(
        [sys.executable, "-m", "gitcoord", "-C", str(repo), *argv, "--json"],
        capture_output=True,
        text=True,
        check=False,
        env=environment(),
    )
    answer: dict[str, object] = json.loads(done.stdout)
    return done.returncode, answer


def use_this_code(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let hooks run the code under test, and nothing start by itself beside them."""
    monkeypatch.setenv("PYTHONPATH", ENV_PATH)
    monkeypatch.setenv("GITCOORD_UPKEEP", "off")
