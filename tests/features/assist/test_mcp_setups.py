"""Where the MCP server is entered, and what of others is left alone."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from gitcoord.features.workspace import Workspace
from tests.support.builders import tasks
from tests.support.cli import Cli
from tests.support.world import found, git


@pytest.fixture
def work(repo: Path) -> Iterator[Workspace]:
    work = found(repo, tasks("a"), "one")
    yield work
    work.close()


@pytest.fixture
def cli(work: Workspace, repo: Path, capsys: pytest.CaptureFixture[str]) -> Cli:
    pytest.importorskip("mcp_types", reason="the extra is not installed")
    return Cli(repo, capsys)


def servers(place: Path) -> list[str]:
    return list(json.loads((place / ".mcp.json").read_text())["mcpServers"])


def test_claude_finds_it_in_every_agents_worktree_and_git_sees_nothing(
    cli: Cli, repo: Path, work: Workspace
) -> None:
    one = work.worktree_of("one") or repo
    cli("setup", "claude", "--mcp")
    for place in (repo, one):
        assert servers(place) == ["gitcoord"]
        assert git("status", "--porcelain", cwd=place) == ""
    allowed = json.loads((repo / ".claude/settings.local.json").read_text())["permissions"]["allow"]
    assert "mcp__gitcoord" in allowed
    cli("setup", "claude", "--remove")
    assert not (repo / ".mcp.json").exists()
    assert not (one / ".mcp.json").exists()


def test_once_entered_it_stays_and_a_new_worktree_gets_it(
    cli: Cli, repo: Path, work: Workspace
) -> None:
    cli("setup", "claude", "--mcp")
    cli("setup", "codex", "--mcp")
    cli("setup", "claude", "--check")
    cli("agent", "add", "two", "--assistant", "claude")
    cli("agent", "add", "three", "--assistant", "codex")
    assert servers(work.worktree_of("two") or repo) == ["gitcoord"]
    file = (work.worktree_of("three") or repo) / ".codex/config.toml"
    config = tomllib.loads(file.read_text())
    assert config["mcp_servers"]["gitcoord"]["args"] == ["mcp"]
    assert config["default_permissions"] == "gitcoord"


def test_without_the_option_no_server_is_entered(cli: Cli, repo: Path) -> None:
    cli("setup", "claude")
    cli("setup", "codex")
    assert not (repo / ".mcp.json").exists()
    assert not (repo / ".codex/config.toml").exists()
    (repo / ".mcp.json").write_text("{}")
    assert git("status", "--porcelain", cwd=repo) == "?? .mcp.json", "yours to commit"


def test_codexs_own_configuration_goes_back_byte_for_byte(
    cli: Cli, repo: Path, work: Workspace
) -> None:
    file = repo / ".codex/config.toml"
    file.parent.mkdir()
    file.write_text('# mine\nmodel = "m"\n')
    cli("setup", "codex", "--mcp")
    assert tomllib.loads(file.read_text())["mcp_servers"]["gitcoord"]["args"] == ["mcp"]
    cli("setup", "codex", "--remove")
    assert file.read_text() == '# mine\nmodel = "m"\n'
    assert not ((work.worktree_of("one") or repo) / ".codex/config.toml").exists()


def test_the_servers_of_others_are_left_alone_and_the_way_is_told(cli: Cli, repo: Path) -> None:
    file = repo / ".mcp.json"
    file.write_text('{"mcpServers": {"mine": {"command": "x"}}}')
    error = cli.json("setup", "claude", "--mcp", status=14)
    assert error["reason"] == "exists"
    assert "claude mcp add gitcoord -- " in error["hint"]
    assert not (repo / ".claude").exists()
    cli("setup", "claude")
    cli("setup", "claude", "--remove")
    assert servers(repo) == ["mine"]


def test_a_server_of_that_name_in_codexs_configuration_is_named(cli: Cli, repo: Path) -> None:
    file = repo / ".codex/config.toml"
    file.parent.mkdir()
    file.write_text('[mcp_servers.gitcoord]\ncommand = "x"\n')
    error = cli.json("setup", "codex", "--mcp", status=14)
    assert str(file) in error["message"]
    assert file.read_text() == '[mcp_servers.gitcoord]\ncommand = "x"\n'


def test_a_users_servers_are_claudes_to_write(cli: Cli) -> None:
    error = cli.json("setup", "claude", "--mcp", "--user", status=14)
    assert "claude mcp add --scope user gitcoord -- " in error["hint"]


OTHERS = {
    "gemini": (".gemini/settings.json", "mcpServers"),
    "copilot": (".github/mcp.json", "mcpServers"),
    "opencode": ("opencode.json", "mcp"),
}
"""The file and the key by which each host looks for servers."""


@pytest.mark.parametrize("name", OTHERS)
def test_it_is_entered_beside_the_users_servers_and_goes_byte_for_byte(
    cli: Cli, repo: Path, work: Workspace, name: str
) -> None:
    file, key = OTHERS[name]
    one = work.worktree_of("one") or repo
    own = repo / file
    own.parent.mkdir(exist_ok=True)
    before = f'{{\n  // mine\n  "{key}": {{\n    "mine": {{"command": "x"}}\n  }}\n}}\n'
    own.write_text(before)
    cli("setup", name, "--mcp")
    assert "// mine" in own.read_text()
    entered = json.loads((one / file).read_text())[key]
    assert list(entered) == ["gitcoord"]
    assert git("status", "--porcelain", cwd=one) == ""
    cli("setup", name, "--check")
    cli("setup", name)
    cli("agent", "add", "two", "--assistant", name)
    two = work.worktree_of("two") or repo
    assert json.loads((two / file).read_text())[key] == entered, "once entered it stays"
    (one / file).write_text("{}\n")
    cli("setup", name, "--check", status=18)
    cli("setup", name, "--remove")
    assert own.read_text() == before
    assert not (two / file).exists()


@pytest.mark.parametrize("name", OTHERS)
def test_a_server_of_that_name_that_is_not_ours_is_named(cli: Cli, repo: Path, name: str) -> None:
    file, key = OTHERS[name]
    own = repo / file
    own.parent.mkdir(exist_ok=True)
    text = f'{{"{key}": {{\n"gitcoord": {{"command": "x", "args": []}}}}}}'
    own.write_text(text)
    error = cli.json("setup", name, "--mcp", status=2)
    assert f"{own}, line 2: {key}.gitcoord is there already" in error["message"]
    assert own.read_text() == text
    cli("setup", name, "--remove")
    assert json.loads(own.read_text()) == json.loads(text), "nor is it taken away"


@pytest.mark.parametrize("name", OTHERS)
def test_tracked_settings_are_not_changed_for_one_machine(cli: Cli, repo: Path, name: str) -> None:
    own = repo / OTHERS[name][0]
    own.parent.mkdir(exist_ok=True)
    own.write_text("{}\n")
    git("add", OTHERS[name][0], cwd=repo)
    assert cli.json("setup", name, "--mcp", status=14)["reason"] == "tracked"
    assert own.read_text() == "{}\n"
    cli("setup", name, "--mcp", "--project")
    assert "gitcoord" in own.read_text()
    cli("setup", name, "--remove")
    assert own.read_text() == "{}\n", "it is taken out, tracked or not"


@pytest.mark.parametrize("name", OTHERS)
def test_the_users_own_settings_take_it_for_all_repositories(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    folder, file = {
        "gemini": (".gemini", "settings.json"),
        "copilot": (".copilot", "mcp-config.json"),
        "opencode": (".config/opencode", "opencode.json"),
    }[name]
    cli("setup", name, "--mcp", "--user")
    settings = json.loads((tmp_path / "home" / folder / file).read_text())
    assert "gitcoord" in settings[OTHERS[name][1]]


def test_instructions_alone_take_no_server(cli: Cli) -> None:
    cli("setup", "agents-md", "--mcp", status=2)
