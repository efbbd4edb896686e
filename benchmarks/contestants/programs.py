"""Run programs for the drivers, in repositories of their own."""

from __future__ import annotations

import subprocess
from pathlib import Path

__all__ = ["git", "repository", "run"]


def run(*argv: str, cwd: Path, stdin: str | None = None) -> str:
    """Run a program that has to succeed, and return what it said."""
    done = subprocess.run(argv, cwd=cwd, input=stdin, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(
            f"{argv[0]} ended with {done.returncode}: {(done.stderr or done.stdout).strip()[-250:]}"
        )
    return done.stdout


def git(*args: str, cwd: Path, stdin: str | None = None) -> str:
    return run("git", *args, cwd=cwd, stdin=stdin)


def repository(folder: Path) -> Path:
    """Make a repository with one commit on main."""
    folder.mkdir(parents=True)
    git("init", "-q", "-b", "main", cwd=folder)
    git("commit", "-q", "--allow-empty", "-m", "first", cwd=folder)
    return folder
