"""`show --log --follow` prints what an attempt printed, with secrets taken out."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.support.builders import tasks
from tests.support.cli import Cli
from tests.support.world import found

ONCE = "[plan]\nmax_attempts = 1\n"


@pytest.fixture
def cli(repo: Path, capsys: pytest.CaptureFixture[str]) -> Cli:
    return Cli(repo, capsys)


def patterns(text: str) -> None:
    place = Path(os.environ["XDG_CONFIG_HOME"]) / "gitcoord" / "redact.toml"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text)


def test_a_secret_is_neither_in_the_log_nor_in_the_ledger(cli: Cli, repo: Path) -> None:
    work = found(repo, ONCE + tasks("a"))
    patterns("patterns = ['key-[0-9]+']\n")
    cli("run", "-j", "1", "--", "sh", "-c", "echo use key-12345; echo key-6 >&2; exit 1", status=18)
    assert cli("show", "a", "--log", "--follow") == "use [redacted]\n[redacted]\n"
    (line,) = cli("show", "a", "--log", "--follow", "--json").splitlines()
    assert json.loads(line)["text"] == "use [redacted]\n[redacted]"
    snapshot = work.ledger.snapshot()
    kept = [snapshot.file(f"logs/{name}") or b"" for name in snapshot.names("logs")]
    assert kept
    assert not any(b"12345" in one for one in kept)
    assert "12345" not in json.dumps(snapshot.task("a"))


def test_nothing_is_run_where_the_users_patterns_cannot_be_read(cli: Cli, repo: Path) -> None:
    found(repo, ONCE + tasks("a"))
    patterns("patterns = ['(']\n")
    cli("run", "-j", "1", "--", "sh", "-c", f"touch {repo}/ran", status=2)
    assert "not a regular expression" in cli.err
    assert not (repo / "ran").exists()


def test_follow_goes_with_log(cli: Cli, repo: Path) -> None:
    found(repo, tasks("a"))
    cli("show", "a", "--follow", status=2)
