"""The command line, run in this process on a repository."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.builders import PLAN_HEAD, tasks
from tests.support.cli import Cli


@pytest.fixture
def cli(repo: Path, capsys: pytest.CaptureFixture[str]) -> Cli:
    return Cli(repo, capsys)


@pytest.fixture
def plan(repo: Path, tmp_path: Path) -> Path:
    path = tmp_path / "plan.toml"
    path.write_text(PLAN_HEAD + tasks("a", "b", b=["a"]))
    return path
