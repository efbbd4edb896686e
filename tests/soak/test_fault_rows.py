"""Every command that writes is killed at every call, or it is said why not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.cli import Cli
from tests.support.fault_rows import ROWS

WITHOUT_A_ROW = {
    "setup": "it writes no entry and moves no ref: tests/cli/test_assistants.py",
    "agent setup": "it writes no entry and moves no ref: tests/features/test_prepared.py",
    "gate try": "it writes no entry and moves no ref: tests/features/land/test_gate_trials.py",
    "trust": "it writes one file of the user's, in one step: tests/features/setup/test_trust.py",
    "demo": "it makes a repository of its own, and kills an agent there itself",
    "hand-in": "it is complete by another name",
    "hook": "what it renews it renews as beat does",
    "mcp": "its tools are the commands",
    "archive": "its last step is one push or one ref transaction, and who is killed before or "
    "after it runs it again: tests/features/maintain/test_archive.py",
    "uninstall": "each of its steps is a command that has a row, or one ref transaction, and who "
    "is killed runs it again: tests/features/run/test_uninstall.py",
    "join": "it fetches, and writes this clone's settings alone: tests/cli/test_machines.py",
}
"""The commands that write and have no row, and why."""
READING = frozenset(
    {
        "agent list",
        "agent show",
        "brief",
        "commands",
        "completion",
        "events",
        "hooks status",
        "impact",
        "inbox",
        "locks",
        "log",
        "overlaps",
        "phase check",
        "phase list",
        "plan check",
        "plan show",
        "report",
        "review list",
        "rollback list",
        "show",
        "simulate",
        "stats",
        "status",
        "tasks",
        "verify",
        "watch",
        "why",
    }
)
"""The commands that change nothing."""


def commands_with_a_row() -> set[str]:
    """Return the names of the commands that the rows run."""
    return {" ".join(words) for row in ROWS.values() for words in _prefixes(row.argv)}


def _prefixes(argv: tuple[str, ...]) -> list[tuple[str, ...]]:
    """Return what may be a command's name: its first word, and its first two."""
    words = argv[2:] if argv[0] == "--agent" else argv
    return [words[:1], words[:2]]


@pytest.fixture
def cli(repo: Path, capsys: pytest.CaptureFixture[str]) -> Cli:
    return Cli(repo, capsys)


def test_a_command_that_writes_has_a_row_or_a_reason(cli: Cli) -> None:
    names = {one["name"] for one in json.loads(cli("commands", "--json"))["commands"]}
    accounted = commands_with_a_row() | READING | WITHOUT_A_ROW.keys()
    assert names - accounted == set(), "give it a row in tests/support/fault_rows.py"
    assert (READING | WITHOUT_A_ROW.keys()) - names == set(), "there is no such command"
    assert READING & commands_with_a_row() == set(), "it writes"
