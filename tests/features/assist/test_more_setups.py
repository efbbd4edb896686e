"""What Gemini, Copilot and OpenCode need is entered in each worktree, and leaves no trace."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from gitcoord.core.errors import RefusedError
from gitcoord.features.assist.file_changes import apply_changes
from gitcoord.features.assist.more_setups import plan_copilot, plan_gemini, plan_opencode
from gitcoord.features.assist.setups import Planned, own_program, remember
from gitcoord.features.work import claims
from gitcoord.features.workspace import Workspace
from gitcoord.host.shipped import shipped
from tests.support.builders import tasks
from tests.support.world import found, git

PLUGIN = shipped("templates") / "opencode" / "gitcoord.js"


@pytest.fixture
def work(repo: Path) -> Iterator[Workspace]:
    work = found(repo, tasks("a"), "one")
    yield work
    work.close()


def apply(work: Workspace, planned: Planned) -> None:
    apply_changes(planned.changes)
    remember(work, planned)


def worktree(work: Workspace) -> Path:
    place = work.worktree_of("one")
    assert place is not None
    return place


def test_gemini_keeps_what_is_the_users_and_is_taken_out_byte_for_byte(
    work: Workspace, repo: Path
) -> None:
    own = repo / ".gemini" / "settings.json"
    own.parent.mkdir()
    before = '{\n  // mine\n  "hooks": {"BeforeTool": []}\n}\n'
    own.write_text(before)
    apply(work, plan_gemini(work, "local", is_removal=False))
    assert "// mine" in own.read_text()
    place = worktree(work) / ".gemini" / "settings.json"
    hooks = json.loads(place.read_text())["hooks"]
    assert set(hooks) == {"SessionStart", "SessionEnd", "BeforeTool", "AfterTool", "AfterAgent"}
    again = plan_gemini(work, "local", is_removal=False)
    assert not any(change.is_needed for change in again.changes), "twice is once"
    apply(work, plan_gemini(work, "local", is_removal=True))
    assert own.read_text() == before
    assert not place.exists()


def test_copilots_file_is_ours_alone(work: Workspace, repo: Path) -> None:
    apply(work, plan_copilot(work, "local", is_removal=False))
    place = worktree(work) / ".github" / "hooks" / "gitcoord.json"
    assert set(json.loads(place.read_text())["hooks"]) >= {"sessionStart", "preToolUse"}
    again = plan_copilot(work, "local", is_removal=False)
    assert not any(change.is_needed for change in again.changes)
    apply(work, plan_copilot(work, "local", is_removal=True))
    assert not place.exists()
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text('{"hooks": {}}\n')
    with pytest.raises(RefusedError, match="somebody else") as raised:
        plan_copilot(work, "local", is_removal=False)
    assert raised.value.reason == "exists"
    apply(work, plan_copilot(work, "local", is_removal=True))
    assert place.read_text() == '{"hooks": {}}\n'


def test_opencodes_settings_name_the_plugin_beside_what_is_the_users(
    work: Workspace, repo: Path
) -> None:
    own = repo / "opencode.json"
    before = '{\n  // mine\n  "plugin": ["mine"]\n}\n'
    own.write_text(before)
    apply(work, plan_opencode(work, "local", is_removal=False))
    (entry,) = json.loads((worktree(work) / "opencode.json").read_text())["plugin"]
    assert entry == [PLUGIN.as_uri(), {"program": own_program("local")}]
    again = plan_opencode(work, "local", is_removal=False)
    assert not any(change.is_needed for change in again.changes), "twice is once"
    apply(work, plan_opencode(work, "local", is_removal=True))
    assert own.read_text() == before
    assert not (worktree(work) / "opencode.json").exists()


def test_opencodes_tracked_settings_are_not_changed_for_one_machine(
    work: Workspace, repo: Path
) -> None:
    own = repo / "opencode.json"
    own.write_text('{"model": "m"}\n')
    git("add", "opencode.json", cwd=repo)
    with pytest.raises(RefusedError, match="is tracked") as raised:
        plan_opencode(work, "local", is_removal=False)
    assert raised.value.reason == "tracked"
    apply(work, plan_opencode(work, "project", is_removal=False))
    plugin = repo / ".opencode" / "plugin" / "gitcoord.js"
    assert plugin.read_bytes() == PLUGIN.read_bytes(), "it names nothing of this machine"
    assert own.read_text() == '{"model": "m"}\n'
    apply(work, plan_opencode(work, "project", is_removal=True))
    assert not plugin.exists()


@pytest.mark.parametrize("name", ["gemini", "copilot"])
def test_the_user_s_own_folder(
    work: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    plan = {"gemini": plan_gemini, "copilot": plan_copilot}[name]
    (change,) = plan(work, "user", is_removal=False).changes
    assert change.path.is_relative_to(tmp_path / f".{name}")


def test_what_was_written_refuses_an_edit_outside(work: Workspace) -> None:
    apply(work, plan_gemini(work, "local", is_removal=False))
    claims.claim(work, "one", "a")
    place = worktree(work)
    hooks = json.loads((place / ".gemini" / "settings.json").read_text())["hooks"]
    call = {"hook_event_name": "BeforeTool", "session_id": "g", "cwd": str(place)}
    call |= {"tool_name": "write_file"}
    given = {**call, "tool_input": {"file_path": str(place / "b.txt"), "content": "x"}}
    command = hooks["BeforeTool"][0]["hooks"][0]["command"]
    done = subprocess.run(
        command,
        check=False,
        shell=True,
        cwd=place,
        input=json.dumps(given).encode(),
        capture_output=True,
    )
    assert json.loads(done.stdout)["decision"] == "deny"
