"""The shell command that assistants run: silent outside of a claim, closed within one."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gitcoord.cli.main import COMMANDS
from gitcoord.core.hook_commands import (
    AGENT_COMMANDS,
    CLAUDE_ALLOW,
    CLAUDE_ASK,
    claude_hooks,
    codex_hooks,
    is_our_hook,
)
from gitcoord.features.work import claims, escalations
from gitcoord.features.workspace import Workspace
from tests.support.builders import tasks
from tests.support.world import environment, found

PROGRAM = str(Path(sys.executable).with_name("gitcoord"))
MISSING = "/nowhere at all/gitcoord"


@pytest.fixture
def work(repo: Path) -> Iterator[Workspace]:
    work = found(repo, tasks("a", "b"), "one", "two")
    yield work
    work.close()


@pytest.fixture
def place(work: Workspace) -> Path:
    return Path(claims.claim(work, "one", "a").worktree or "")


def command(event: str, program: str = PROGRAM, by: str = "claude") -> str:
    groups = dict(reversed(claude_hooks(program, is_for_one_project=True)))
    if by == "codex":
        groups = dict(codex_hooks(program))
    return str(groups[event]["hooks"][0]["command"])


def fire(
    text: str, cwd: Path, shape: Any, *, shell: str = "/bin/sh"
) -> subprocess.CompletedProcess[str]:
    content = (
        shape
        if isinstance(shape, str)
        else json.dumps({"session_id": "s", "cwd": str(cwd), **shape})
    )
    return subprocess.run(
        [shell, "-c", text],
        cwd=cwd,
        input=content,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )


def edit(path: str) -> dict[str, Any]:
    return {
        "hook_event_name": "PreToolUse",
        "tool_name": "Write",
        "tool_input": {"file_path": path},
    }


@pytest.mark.parametrize(
    "event", ["SessionStart", "SessionEnd", "PreToolUse", "PostToolUse", "Stop", "SubagentStop"]
)
def test_where_no_claim_is_held_nothing_runs(work: Workspace, tmp_path: Path, event: str) -> None:
    # A program that is missing would be told of, if it were started.
    assert work.place.worktree is not None
    plain = tmp_path / "no repository"
    plain.mkdir()
    for cwd in (work.place.worktree, plain):
        done = fire(command(event, MISSING), cwd, edit("x"))
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_an_agents_worktree_without_a_claim_runs_nothing_at_a_tool_call(work: Workspace) -> None:
    idle = work.worktree_of("two")
    assert idle is not None
    for event in ("PreToolUse", "PostToolUse", "Stop", "SubagentStop"):
        done = fire(command(event, MISSING), idle, edit("x"))
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("by", ["claude", "codex"])
def test_an_edit_outside_is_denied_in_json_with_status_0(place: Path, by: str) -> None:
    done = fire(command("PreToolUse", by=by), place, edit("b/x"))
    assert done.returncode == 0
    told = json.loads(done.stdout)["hookSpecificOutput"]
    assert told["permissionDecision"] == "deny"
    assert "task a" in told["permissionDecisionReason"]
    assert fire(command("PreToolUse", by=by), place, edit("a/x")).stdout == ""


def test_a_folder_below_and_a_relative_link_are_the_same_worktree(
    place: Path, work: Workspace
) -> None:
    (place / "a/deep").mkdir(parents=True)
    assert '"deny"' in fire(command("PreToolUse"), place / "a/deep", edit("../../b/x")).stdout
    target = (place / ".git").read_text().removeprefix("gitdir: ").strip()
    relative = Path("../" * (len(place.parts) - 1)) / target.lstrip("/")
    (place / ".git").write_text(f"gitdir: {relative}\n")
    assert '"deny"' in fire(command("PreToolUse"), place, edit("b/x")).stdout


def test_a_session_begins_with_the_answers_that_came_meanwhile(
    place: Path, work: Workspace
) -> None:
    escalations.escalate(work, "one", "which way?", "a")
    escalations.resolve(work, escalations.inbox(work)[0]["id"], "to the left")
    start = {"hook_event_name": "SessionStart", "source": "startup"}
    told = json.loads(fire(command("SessionStart"), place, start).stdout)
    context = told["hookSpecificOutput"]["additionalContext"]
    assert "to the left" in context.splitlines()[0]
    assert "# gitcoord: agent one holds task a" in context
    again = json.loads(fire(command("SessionStart"), place, start).stdout)
    assert again["hookSpecificOutput"]["additionalContext"].startswith("# gitcoord: agent one")


@pytest.mark.parametrize(
    ("event", "status"), [("PreToolUse", 2), ("PostToolUse", 0), ("Stop", 0), ("SessionStart", 0)]
)
def test_a_program_that_is_missing_closes_edits_and_nothing_else(
    place: Path, event: str, status: int
) -> None:
    assert fire(command(event, MISSING), place, edit("a/x")).returncode == status


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", '{"hook_event_name": "PreToolUse", "tool_na', "\x00", '{"hook_event_name": 7}'],
    ids=["empty", "cut", "list", "cut-later", "binary", "no-event"],
)
def test_input_that_cannot_be_read_closes_an_edit_with_one_line(place: Path, content: str) -> None:
    done = fire(command("PreToolUse"), place, content)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("gitcoord: ")
    assert done.stderr.count("\n") == 1
    assert fire(command("Stop"), place, content).returncode == 0


def test_fifty_megabytes_close_an_edit_with_one_line(place: Path) -> None:
    huge = json.dumps({**edit("a/x"), "pad": "y" * 50_000_000})
    done = fire(command("PreToolUse"), place, huge)
    assert done.returncode == 2
    assert "more than" in done.stderr
    assert len(done.stderr) < 300


def test_an_unknown_event_or_tool_is_let_through_in_silence(place: Path) -> None:
    done = fire(command("PreToolUse"), place, {"hook_event_name": "SomethingNew"})
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    new = {"hook_event_name": "PreToolUse", "tool_name": "Levitate", "tool_input": {"height": 3}}
    assert fire(command("PreToolUse"), place, new).stdout == ""


def test_a_ledger_that_cannot_be_read_closes_an_edit(place: Path, work: Workspace) -> None:
    (work.place.common_dir / "refs/heads/gitcoord/ledger").write_text("0" * 39 + "1\n")
    done = fire(command("PreToolUse"), place, edit("a/x"))
    assert done.returncode == 2
    assert "was not judged" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("shell", ["dash", "bash", "busybox"])
def test_other_shells_run_it_alike(place: Path, shell: str) -> None:
    if shutil.which(shell) is None or shell == "busybox":
        pytest.skip(f"no {shell} here")
    assert '"deny"' in fire(command("PreToolUse"), place, edit("b/x"), shell=shell).stdout


def test_the_text_is_the_same_as_ever() -> None:
    # Whoever trusted a hook would be asked again: this changes with a reason, or never.
    assert command("PreToolUse", "/v/gitcoord") == (
        'sh -c \'d=$PWD; until [ -e "$d/.git" ] || [ -z "$d" ]; do d=${d%/*}; done; g=$d/.git; '
        '[ -d "$g" ] || { [ -f "$g" ] || exit 0; read -r _ g < "$g"; }; '
        "case $g in /*) ;; *) g=$d/$g ;; esac; "
        'for m in "$g"/gitcoord/claims/*/*.json "$g"/gitcoord/reviews/*/*.json '
        '"$g"/gitcoord/unbound; do [ ! -e "$m" ] || '
        '{ /v/gitcoord hook claude "$d" || exit 2; exit 0; }; done\''
    )


def test_our_hooks_are_known_from_others() -> None:
    for _, group in [
        *claude_hooks("/v w/gitcoord", is_for_one_project=True),
        *codex_hooks("gitcoord"),
    ]:
        assert is_our_hook(group)
    assert not is_our_hook({"hooks": [{"type": "command", "command": "mine.sh"}]})
    assert not is_our_hook({"hooks": []})
    assert not is_our_hook("x")


# permissions


def allowed(line: str, rules: tuple[str, ...]) -> bool:
    """Match as Claude does: the whole command, ``*`` for any text."""
    import fnmatch

    return any(
        fnmatch.fnmatchcase(line, rule.removeprefix("Bash(").removesuffix(")")) for rule in rules
    )


def test_agents_commands_are_allowed_by_name_and_no_other() -> None:
    inner = ("task add", "task edit", "phase land")
    for name in (*COMMANDS, *inner, "task propose"):
        for line in (f"gitcoord {name}", f"gitcoord {name} x --json"):
            assert allowed(line, CLAUDE_ALLOW) == (name in AGENT_COMMANDS), line
    assert {name.partition(" ")[0] for name in AGENT_COMMANDS} <= set(COMMANDS)
    assert not {"run", "keepalive", "trust", "batch", "rollback", "setup", "hook"} & set(
        AGENT_COMMANDS
    )


@pytest.mark.parametrize(
    "option", ["-C /x", "-C=/x", "--as-orchestrator", "--ledger other", "--agent two"]
)
def test_an_option_before_the_command_is_never_allowed(option: str) -> None:
    for name in AGENT_COMMANDS:
        assert not allowed(f"gitcoord {option} {name}", CLAUDE_ALLOW)


@pytest.mark.parametrize("option", ["-C /x", "-C=/x", "--as-orchestrator"])
def test_an_option_that_leaves_the_agents_place_is_asked_about(option: str) -> None:
    for name in AGENT_COMMANDS:
        assert allowed(f"gitcoord {name} {option}", CLAUDE_ASK)
        assert not allowed(f"gitcoord {name} --json", CLAUDE_ASK)
