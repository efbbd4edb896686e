"""The command setup: real files in a repository and a home of their own."""

from __future__ import annotations

import json
import os
import shutil
import stat
import tomllib
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from gitcoord.core.hook_commands import CLAUDE_ALLOW
from gitcoord.features.workspace import Workspace
from tests.support.builders import tasks
from tests.support.cli import Cli
from tests.support.world import found, git


@pytest.fixture
def work(repo: Path) -> Iterator[Workspace]:
    work = found(repo, tasks("a", "b"), "one", "two")
    yield work
    work.close()


@pytest.fixture
def cli(work: Workspace, repo: Path, capsys: pytest.CaptureFixture[str]) -> Cli:
    return Cli(repo, capsys)


def snapshot_of(*folders: Path) -> dict[str, bytes]:
    return {
        str(path): path.read_bytes()
        for folder in folders
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "/.git/" not in str(path) and path.name != "exclude"
    }


def settings(repo: Path) -> Any:
    return json.loads((repo / ".claude/settings.local.json").read_text())


@pytest.mark.parametrize("what", ["claude", "codex", "agents-md"])
@pytest.mark.parametrize("scope", [[], ["--project"], ["--user"]], ids=["local", "project", "user"])
def test_everything_goes_again_byte_for_byte(
    cli: Cli, repo: Path, work: Workspace, what: str, scope: list[str]
) -> None:
    places = [
        repo,
        Path(os.environ["HOME"]),
        *(work.worktree_of(name) or repo for name in ("one", "two")),
    ]
    exclude = repo / ".git/info/exclude"
    before, excluded = snapshot_of(*places), exclude.read_bytes() if exclude.exists() else b""
    cli("setup", what, "--check", *scope, status=18)
    assert snapshot_of(*places) == before
    cli("setup", what, *scope)
    after = snapshot_of(*places)
    assert after != before
    assert "write" not in cli("setup", what, *scope)
    assert snapshot_of(*places) == after
    cli("setup", what, "--check", *scope)
    cli("setup", what, "--remove", *scope)
    assert snapshot_of(*places) == before
    assert (exclude.read_bytes() if exclude.exists() else b"") == excluded


def test_by_default_git_sees_nothing(cli: Cli, repo: Path, work: Workspace) -> None:
    cli("setup", "claude")
    cli("setup", "codex")
    assert git("status", "--porcelain", cwd=repo) == ""
    for name in ("one", "two"):
        assert git("status", "--porcelain", cwd=work.worktree_of(name) or repo) == ""


def test_what_is_the_users_stays_with_its_order_and_comments(cli: Cli, repo: Path) -> None:
    file = repo / ".claude/settings.local.json"
    file.parent.mkdir()
    mine = (
        '{\n    // my model\n    "model": "opus",\n'
        '    "permissions": {"allow": ["Bash(ls)"]},\n    "hooks": {"Stop": []}\n}\n'
    )
    file.write_text(mine)
    file.chmod(0o640)
    cli("setup", "claude")
    text = file.read_text()
    assert "// my model" in text
    assert text.index('"model"') < text.index('"Bash(ls)"')
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    cli("setup", "claude", "--remove")
    assert file.read_text() == mine


def test_claude_gets_hooks_permissions_and_instructions(cli: Cli, repo: Path) -> None:
    cli("setup", "claude")
    found = settings(repo)
    assert set(CLAUDE_ALLOW) <= set(found["permissions"]["allow"])
    assert {"SessionStart", "PreToolUse", "Stop", "WorktreeCreate"} <= set(found["hooks"])
    assert "gitcoord:TASK" in (repo / ".claude/rules/gitcoord-agents.md").read_text()
    assert not (repo / "CLAUDE.local.md").exists()


def test_a_hook_of_an_older_release_is_replaced(cli: Cli, repo: Path) -> None:
    cli("setup", "claude")
    file = repo / ".claude/settings.local.json"
    file.write_text(file.read_text().replace("|| exit 2", "|| exit 3"))
    cli("setup", "claude", "--check", status=18)
    cli("setup", "claude")
    assert "|| exit 3" not in file.read_text()
    assert len(settings(repo)["hooks"]["PreToolUse"]) == 2


def test_a_shared_file_names_no_place_of_this_machine(cli: Cli, repo: Path) -> None:
    cli("setup", "claude", "--project")
    text = (repo / ".claude/settings.json").read_text()
    assert str(repo) not in text
    assert '; do [ ! -e \\"$m\\" ] || { gitcoord hook claude' in text


def test_for_every_repository_making_worktrees_is_left_to_claude(cli: Cli) -> None:
    cli("setup", "claude", "--user")
    found = json.loads((Path(os.environ["HOME"]) / ".claude/settings.json").read_text())
    assert "WorktreeCreate" not in found["hooks"]


def test_each_agents_worktree_gets_a_profile_of_its_own(
    cli: Cli, repo: Path, work: Workspace
) -> None:
    told = cli("setup", "codex")
    for name, other in (("one", "two"), ("two", "one")):
        place = work.worktree_of(name)
        assert place is not None
        found = tomllib.loads((place / ".codex/config.toml").read_text())
        rules = found["permissions"]["gitcoord"]["filesystem"]
        own, others = f"{repo}/.git/worktrees/{name}", f"{repo}/.git/worktrees/{other}"
        assert found["default_permissions"] == "gitcoord"
        assert found["allow_login_shell"] is False
        assert rules[own] == "write"
        assert rules[f"{own}/commondir"] == "read"
        assert not any(path.startswith(others) for path in rules)
        assert f"{repo}/.git" not in rules
    assert "a profile cannot deny" in cli.err
    assert "/hooks" in cli.err
    assert "trusted_hash" not in told
    assert not (Path(os.environ["HOME"]) / ".codex").exists()


def test_a_profile_stands_beside_what_the_user_has(cli: Cli, work: Workspace) -> None:
    file = (work.worktree_of("one") or Path()) / ".codex/config.toml"
    file.parent.mkdir()
    mine = 'model = "gpt-5.5"\n\n[tools]\nweb = true'
    file.write_text(mine)
    cli("setup", "codex")
    found = tomllib.loads(file.read_text())
    assert (found["model"], found["tools"]["web"], found["default_permissions"]) == (
        "gpt-5.5",
        True,
        "gitcoord",
    )
    cli("setup", "codex", "--remove")
    assert file.read_text().rstrip("\n") == mine
    file.write_text('default_permissions = "mine"\n')
    assert cli.json("setup", "codex", status=14)["reason"] == "exists"
    assert file.read_text() == 'default_permissions = "mine"\n'


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ('{"a": 1,\n "a": 2}', "line 2: duplicate key"),
        ("{", "line 1"),
        ("not json", "line 1"),
        (b"\xff\xfe", "not UTF-8"),
        ('{"hooks": 3}', "hooks is not an object"),
        ("x" * (4 * 1024 * 1024 + 1), "larger than 4 MB"),
    ],
    ids=["twice", "cut", "text", "binary", "shape", "huge"],
)
def test_settings_that_are_broken_stay_as_they_are(
    cli: Cli, repo: Path, content: str | bytes, told: str
) -> None:
    file = repo / ".claude/settings.local.json"
    file.parent.mkdir()
    raw = content if isinstance(content, bytes) else content.encode()
    file.write_bytes(raw)
    error = cli.json("setup", "claude", status=2)
    assert told in error["message"]
    assert error["hint"]
    assert file.read_bytes() == raw
    assert not (repo / ".claude/rules").exists()


def test_links_folders_and_read_only_files_are_left_alone(
    cli: Cli, repo: Path, tmp_path: Path
) -> None:
    (repo / ".claude").mkdir()
    file = repo / ".claude/settings.local.json"
    target = tmp_path / "dotfiles.json"
    target.write_text("{}")
    file.symlink_to(target)
    assert "is a link to" in cli.json("setup", "claude", status=2)["message"]
    assert target.read_text() == "{}"
    file.unlink()
    file.mkdir()
    assert "is not a file" in cli.json("setup", "claude", status=2)["message"]
    file.rmdir()
    file.write_text("{}")
    file.chmod(0o400)
    assert cli.json("setup", "claude", status=15)["code"] == "unavailable"
    assert file.read_text() == "{}"
    assert [path.name for path in file.parent.iterdir() if "new" in path.name] == []


def test_showing_and_trying_write_nothing(cli: Cli, repo: Path) -> None:
    before = snapshot_of(repo)
    assert '"WorktreeCreate"' in cli("setup", "claude", "--print")
    assert "nothing was done" in cli("setup", "codex", "--dry-run")
    assert snapshot_of(repo) == before
    assert cli.json("setup", "claude", "--user", "--project", status=2)["code"] == "usage"


def test_an_agent_may_not_set_up(work: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    agent = Cli(work.worktree_of("one") or Path(), capsys)
    assert agent.json("setup", "claude", status=14)["reason"] == "role"


@pytest.mark.parametrize("assistant", ["claude", "codex"])
def test_what_a_person_confirms_is_told_with_the_first_agent_alone(
    cli: Cli, assistant: str
) -> None:
    cli("agent", "add", "first", "--assistant", assistant)
    assert cli.err.count("whether you trust the folder") == 1
    cli("agent", "add", "second", "--assistant", assistant)
    assert "whether you trust the folder" not in cli.err
    assert "cannot deny" not in cli.err


@pytest.mark.skipif(find_spec("mcp") is None, reason="the extra is not installed")
def test_the_question_about_a_server_is_told_where_there_is_one(cli: Cli) -> None:
    cli("setup", "claude", "--dry-run")
    assert "MCP server gitcoord" not in cli.err
    cli("setup", "claude", "--mcp", "--dry-run")
    assert "MCP server gitcoord" in cli.err


@pytest.mark.parametrize("assistant", ["claude", "codex"])
def test_an_agent_is_added_ready_to_start(cli: Cli, work: Workspace, assistant: str) -> None:
    told = cli("agent", "add", "new", "--assistant", assistant)
    place = work.worktree_of("new")
    assert f'next: cd {place} && {assistant} "Work on your gitcoord task"' in told
    cli("setup", assistant, "--check")
    assert (
        cli.json("agent", "add", "x", "--assistant", assistant, "--no-worktree", status=2)["code"]
        == "usage"
    )


@pytest.mark.parametrize(
    ("script", "told"),
    [
        (None, "claude is not on the path here"),
        ("echo '2.1.197 (Claude Code)'", "claude 2.1.197 is older than 2.1.332"),
        ("echo nonsense", "--version was not understood"),
        ("exit 1", "--version was not understood"),
        ("echo '2.1.400 (Claude Code)'", ""),
    ],
    ids=["missing", "old", "nonsense", "failing", "new"],
)
def test_an_assistant_that_is_missing_or_too_old_is_told_and_set_up_all_the_same(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str | None, told: str
) -> None:
    folder = tmp_path / "programs"
    folder.mkdir()
    for name in ("git", "sh"):
        (folder / name).symlink_to(shutil.which(name) or "")
    if script is not None:
        (folder / "claude").write_text(f"#!/bin/sh\n{script}\n")
        (folder / "claude").chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))
    cli("setup", "claude")
    assert told in cli.err
    assert bool(told) == ("claude" in cli.err.replace("Claude", ""))
    monkeypatch.setenv("PATH", os.defpath)
    cli("setup", "claude", "--check")
