"""What doctor and --check say of what coding assistants were given."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from gitcoord.features.workspace import Workspace
from tests.support.builders import tasks
from tests.support.cli import Cli
from tests.support.world import found


@pytest.fixture
def work(repo: Path) -> Iterator[Workspace]:
    work = found(repo, tasks("a", "b"), "one", "two")
    yield work
    work.close()


@pytest.fixture
def cli(work: Workspace, repo: Path, capsys: pytest.CaptureFixture[str]) -> Cli:
    return Cli(repo, capsys)


def codex_that_says(folder: Path, trust: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a program on the path that answers as Codex's app server was seen to."""
    program = folder / "bin" / "codex"
    program.parent.mkdir()
    program.write_text(
        "#!/usr/bin/env python3\n"
        "import json, sys\n"
        "for line in sys.stdin:\n"
        "    asked = json.loads(line)\n"
        "    if asked.get('id') == 1:\n"
        "        print(json.dumps({'id': 1, 'result': {'userAgent': 'x/0.169.0'}}), flush=True)\n"
        "    if asked.get('id') == 2:\n"
        "        cwd = asked['params']['cwds'][0]\n"
        "        groups = json.load(open(cwd + '/.codex/hooks.json'))['hooks']\n"
        "        hooks = [{'eventName': event, 'command': one['command'], 'sourcePath': cwd,\n"
        f"                  'trustStatus': '{trust}'}}\n"
        "                 for event, rows in groups.items()\n"
        "                 for row in rows for one in row['hooks']]\n"
        "        data = [{'cwd': cwd, 'hooks': hooks}]\n"
        "        print(json.dumps({'id': 2, 'result': {'data': data}}), flush=True)\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")


def assistants_rows(cli: Cli, status: int) -> list[tuple[str, str]]:
    found = json.loads(cli("doctor", "--json", status=status))
    return [
        (one["state"], one["text"]) for one in found["findings"] if one["check"] == "assistants"
    ]


def test_doctor_says_nothing_of_an_assistant_that_is_not_set_up(cli: Cli) -> None:
    assert assistants_rows(cli, 0) == []


def test_doctor_names_worktrees_without_a_profile_and_hooks_without_trust(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli("setup", "codex")
    codex_that_says(tmp_path, "untrusted", monkeypatch)
    cli("agent", "add", "three")
    rows = assistants_rows(cli, 18)
    assert any(state == "problem" and "no profile: three" in text for state, text in rows)
    assert any(
        state == "problem" and "does not trust these hooks yet" in text for state, text in rows
    )


def test_doctor_finds_trusted_hooks_and_says_what_a_profile_cannot_deny(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli("setup", "codex")
    cli("setup", "claude")
    codex_that_says(tmp_path, "trusted", monkeypatch)
    rows = assistants_rows(cli, 0)
    assert any("Codex trusts all 6 hooks" in text for _, text in rows)
    assert any("cannot deny: any ref can be moved" in text for _, text in rows)
    assert any("Claude's hooks and permissions are in place" in text for _, text in rows)


def test_doctor_names_agents_that_no_hook_can_judge(cli: Cli) -> None:
    cli("agent", "add", "loose", "--no-worktree")
    assert assistants_rows(cli, 0) == []
    cli("setup", "claude")
    (told,) = [text for _, text in assistants_rows(cli, 0) if "no worktree of their own" in text]
    assert "their own: loose;" in told


@pytest.mark.parametrize("assistant", ["claude", "codex"])
def test_check_names_agents_that_no_hook_can_judge(cli: Cli, assistant: str) -> None:
    cli("setup", assistant)
    cli("setup", assistant, "--check")
    assert "no worktree of their own" not in cli.err
    cli("agent", "add", "loose", "--no-worktree")
    cli("setup", assistant, "--check")
    assert "their own: loose;" in cli.err
