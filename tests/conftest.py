"""Seal every test: no user's configuration, no editor, no GIT_* variable."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import hypothesis
import pytest

from gitcoord.core.sessions import VARIABLES
from tests.support.formats import SETTINGS, is_for_libgit2, needs_libgit2

hypothesis.settings.register_profile("here", deadline=None, print_blob=True)
hypothesis.settings.load_profile("here")

Run = Callable[..., str]


@pytest.fixture(autouse=True)
def _sealed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        is_kept = name == "GITCOORD_SOAK" or name.startswith("GITCOORD_TEST_")
        if name.startswith(("GIT_", "GITCOORD_", "XDG_")) and not is_kept:
            monkeypatch.delenv(name)
    for name in VARIABLES.values():
        monkeypatch.delenv(name, raising=False)
    home = tmp_path / "home"
    home.mkdir()
    config = home / "gitconfig"
    config.write_text(
        "[user]\n\tname = Tester\n\temail = tester@example.invalid\n"
        f"[init]\n\tdefaultBranch = main\n{SETTINGS}"
    )
    for name, value in {
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / "config"),
        "GIT_CONFIG_GLOBAL": str(config),
        "GIT_CONFIG_NOSYSTEM": "1",
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
    }.items():
        monkeypatch.setenv(name, value)
    for name in ("NO_COLOR", "FORCE_COLOR", "EDITOR", "VISUAL"):
        monkeypatch.delenv(name, raising=False)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what is about libgit2 in formats that it cannot open."""
    for item in items if not is_for_libgit2 else ():
        if "libgit2" in item.name.partition("[")[2]:
            item.add_marker(needs_libgit2)


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    """A repository with one commit on main."""
    top = tmp_path / "repo"
    top.mkdir()
    subprocess.run(["git", "init", "-q", "-b", "main"], cwd=top, check=True)
    (top / "README.md").write_text("hello\n")
    subprocess.run(["git", "add", "."], cwd=top, check=True)
    subprocess.run(["git", "commit", "-q", "-m", "first"], cwd=top, check=True)
    return top


@pytest.fixture
def git(repo: Path) -> Run:
    """Run git in the repository, or in ``cwd``; return what it prints."""

    def run(*args: str, cwd: Path | None = None, check: bool = True) -> str:
        done = subprocess.run(
            ["git", *args], cwd=cwd or repo, check=False, capture_output=True, text=True
        )
        if check:
            assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    return run
