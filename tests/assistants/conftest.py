"""A plan, agents and settings, as a person sets them up by the pages."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gitcoord.features.workspace import Workspace, open_workspace
from gitcoord.host.clock import Clock, Deadline
from tests.assistants.install import program
from tests.assistants.programs import GITCOORD, PATIENCE_S

PLAN = """
[[task]]
id = "alpha"
title = "Write alpha"
paths = ["alpha/"]
[[task]]
id = "beta"
title = "Write beta"
paths = ["beta/"]
[[task]]
id = "gamma"
title = "Write gamma"
paths = ["gamma/"]
[[task]]
id = "delta"
title = "Write delta"
paths = ["delta/"]
[[task]]
id = "epsilon"
title = "Write epsilon"
paths = ["epsilon/"]
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/assistants/" in str(item.path):
            item.add_marker(pytest.mark.assistants)


@pytest.fixture(autouse=True)
def _seen_from_sandboxes(tmp_path: Path) -> None:
    """Fail at once where a sandbox would hide gitcoord, or a repository, under its own ``/dev``."""
    for place in (Path(__file__), tmp_path):
        assert not place.resolve().is_relative_to("/dev"), (
            f"{place}: sandboxes put a /dev of their own over this: clone elsewhere, unset TMPDIR"
        )


@pytest.fixture(autouse=True)
def _installed(request: pytest.FixtureRequest) -> None:
    for name in ("claude", "codex", "copilot", "gemini", "opencode"):
        if name in request.node.path.name and not program(name).exists():
            pytest.skip(f"{name} is not installed here: make assistants-test")


@pytest.fixture
def site(repo: Path) -> Path:
    """A repository with a plan, an identity, and everything set up by commands."""
    (repo / "plan.toml").write_text(PLAN)
    for key, value in (("user.name", "Tester"), ("user.email", "tester@example.invalid")):
        subprocess.run(["git", "config", key, value], cwd=repo, check=True)
    subprocess.run(["git", "add", "."], cwd=repo, check=True)
    subprocess.run(["git", "commit", "-q", "-m", "plan"], cwd=repo, check=True)
    gitcoord(repo, "init", "plan.toml")
    return repo


def gitcoord(cwd: Path, *words: str) -> str:
    done = subprocess.run(
        [str(GITCOORD), *words], cwd=cwd, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def until(holds: Callable[[], bool], screen: Callable[[], str] = str) -> None:
    """Wait until something holds that a program of others brings about.

    ``screen`` tells what that program shows, where it does not come about.
    """
    clock = Clock()
    deadline = Deadline(clock, PATIENCE_S)
    while not holds():
        assert not deadline.expired, screen()
        clock.sleep(0.1)


@pytest.fixture
def work(site: Path) -> Iterator[Workspace]:
    work = open_workspace(site)
    yield work
    work.close()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "assistant"
