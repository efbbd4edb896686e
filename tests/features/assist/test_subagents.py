"""Claude's subagents become agents: recorded shapes of 2.1.332, real worktrees."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gitcoord.core.hook_answers import SILENT, HookAnswer
from gitcoord.core.hook_calls import read_call
from gitcoord.features.assist import hook
from gitcoord.features.workspace import Workspace
from tests.support.builders import tasks
from tests.support.world import found, git

SESSION = "5e55"


class Lead:
    """Claude in the main checkout, with the files that it writes for subagents."""

    def __init__(self, repo: Path, home: Path) -> None:
        self.repo, self.transcript = repo, home / f"{SESSION}.jsonl"

    def __call__(self, event: str, cwd: Path | None = None, **more: Any) -> HookAnswer:
        place = cwd or self.repo
        shape = {
            "session_id": SESSION,
            "transcript_path": str(self.transcript),
            "cwd": str(place),
            "hook_event_name": event,
            **more,
        }
        return hook.answer(read_call(json.dumps(shape).encode()), "claude", str(place))

    def ask(self, prompt: str, number: int = 1, **more: Any) -> HookAnswer:
        given = {
            "description": "d",
            "prompt": prompt,
            "subagent_type": "general-purpose",
            "isolation": "worktree",
            **more,
        }
        return self(
            "PreToolUse", tool_name="Agent", tool_input=given, tool_use_id=f"toolu_{number:06d}"
        )

    def start(self, subagent: str, prompt: str) -> Path:
        """Do what Claude does for a subagent: make its worktree, write its transcript."""
        place = Path(self("WorktreeCreate", name=f"agent-{subagent}").path)
        file = self.transcript.with_suffix("") / "subagents" / f"agent-{subagent}.jsonl"
        file.parent.mkdir(parents=True, exist_ok=True)
        first = {
            "isSidechain": True,
            "agentId": subagent,
            "type": "user",
            "message": {"role": "user", "content": prompt},
        }
        file.write_text(json.dumps(first) + "\n")
        return place

    def tool(self, subagent: str, place: Path, path: str) -> HookAnswer:
        return self(
            "PreToolUse",
            place,
            agent_id=subagent,
            tool_name="Write",
            tool_input={"file_path": path, "content": "x"},
        )


@pytest.fixture
def work(repo: Path) -> Iterator[Workspace]:
    work = found(repo, tasks("a", "b", "c", "d", "e"))
    yield work
    work.close()


@pytest.fixture
def lead(repo: Path, work: Workspace, tmp_path: Path) -> Lead:
    return Lead(repo, tmp_path)


def holder(work: Workspace, task: str) -> str | None:
    held = work.ledger.snapshot().require_task(task)["claim"]
    return held["agent"] if held else None


def prompt_of(said: HookAnswer) -> str:
    assert said.updated_input is not None
    return str(said.updated_input["prompt"])


def test_a_subagent_becomes_an_agent_with_the_task_that_its_prompt_names(
    lead: Lead, work: Workspace
) -> None:
    prompt = prompt_of(lead.ask("Please do gitcoord:a, thanks."))
    agent = holder(work, "a")
    assert agent is not None
    assert prompt.startswith("Please do gitcoord:a, thanks.")
    assert f"# gitcoord: agent {agent} holds task a" in prompt
    place = lead.start("f00", prompt)
    assert lead.tool("f00", place, "a/x") == SILENT
    assert git("branch", "--show-current", cwd=place).startswith("task/a/1-")
    assert "task a" in lead.tool("f00", place, "b/x").denial
    assert work.worktree_of(agent) == place
    # It is the subagent's own: what ends its claim is its to say.
    done = lead(
        "PreToolUse",
        place,
        agent_id="f00",
        tool_name="Bash",
        tool_input={"command": "gitcoord complete"},
    )
    assert done == SILENT
    assert (
        "task a is still claimed"
        in lead("SubagentStop", place, agent_id="f00", last_assistant_message="1").block
    )


def test_five_at_once_never_cross_tasks(lead: Lead, work: Workspace) -> None:
    names = "abcde"
    prompts = {
        name: prompt_of(lead.ask(f"gitcoord:{name}", number)) for number, name in enumerate(names)
    }
    # Worktrees come in another order than the prompts, and tools in yet another.
    places = {name: lead.start(f"id{name}", prompts[name]) for name in reversed(names)}
    for name in "caebd":
        assert lead.tool(f"id{name}", places[name], f"{name}/x") == SILENT
        assert git("branch", "--show-current", cwd=places[name]).startswith(f"task/{name}/")
    for name in names:
        for other in names:
            assert bool(lead.tool(f"id{name}", places[name], f"{other}/x").denial) == (
                other != name
            )
    assert len({holder(work, name) for name in names}) == 5


def test_one_call_that_is_told_twice_is_one_agent(lead: Lead, work: Workspace) -> None:
    first, again = lead.ask("gitcoord:a", 7), lead.ask("gitcoord:a", 7)
    assert prompt_of(first) == prompt_of(again)
    assert len(work.ledger.snapshot().agents()) == 1


@pytest.mark.parametrize("prompt", ["Look around.", "gitcoord is a tool", "email gitcoord: hello"])
def test_a_prompt_that_names_no_task_gives_a_plain_subagent(
    lead: Lead, work: Workspace, prompt: str
) -> None:
    assert lead.ask(prompt).updated_input is None
    place = lead.start("f00", prompt)
    assert lead.tool("f00", place, "anything") == SILENT
    assert git("branch", "--show-current", cwd=place) == "worktree-agent-f00"
    assert not (work.place.common_dir / "worktrees/agent-f00/gitcoord/unbound").exists()
    assert work.ledger.snapshot().agents() == []


def test_a_task_that_cannot_be_claimed_gives_a_plain_subagent_and_says_why(
    lead: Lead, work: Workspace
) -> None:
    lead.ask("gitcoord:a", 1)
    said = lead.ask("gitcoord:a", 2)
    assert said.updated_input is None
    assert "task a was not claimed" in said.context
    assert "without a claim" in lead.ask("gitcoord:nothing", 3).context
    assert len(work.ledger.snapshot().agents()) == 1


def test_a_worktree_that_is_named_after_a_task_has_its_claim(lead: Lead, work: Workspace) -> None:
    place = Path(lead("WorktreeCreate", name="b").path)
    assert holder(work, "b") == "w-b"
    assert git("branch", "--show-current", cwd=place).startswith("task/b/1-")
    assert (
        "# gitcoord: agent w-b holds task b"
        in lead("SessionStart", place, source="startup").context
    )
    assert Path(lead("WorktreeCreate", name="b").path) == place


def test_a_name_that_is_no_task_is_a_worktree_as_claude_makes_it(
    lead: Lead, repo: Path, work: Workspace
) -> None:
    place = Path(lead("WorktreeCreate", name="feature-1").path)
    assert place == repo / ".claude/worktrees/feature-1"
    assert git("branch", "--show-current", cwd=place) == "worktree-feature-1"
    assert work.ledger.snapshot().agents() == []
    assert Path(lead("WorktreeCreate", name="feature-1").path) == place
    lead("WorktreeRemove", worktree_path=str(place))
    assert not place.exists()


def test_a_plain_worktree_with_work_in_it_is_never_removed(lead: Lead) -> None:
    place = Path(lead("WorktreeCreate", name="keep").path)
    (place / "new.txt").write_text("mine\n")
    lead("WorktreeRemove", worktree_path=str(place))
    assert (place / "new.txt").exists()
    git("add", "new.txt", cwd=place)
    git("commit", "-q", "-m", "mine", cwd=place)
    lead("WorktreeRemove", worktree_path=str(place))
    assert (place / "new.txt").exists()


def test_what_a_plain_worktree_takes_from_settings(lead: Lead, repo: Path) -> None:
    (repo / ".gitignore").write_text(".env*\nbig/\n.claude/\n")
    (repo / ".worktreeinclude").write_text(".env\n")
    git("add", ".", cwd=repo)
    git("commit", "-q", "-m", "more", cwd=repo)
    for name in (".env", ".env.other"):
        (repo / name).write_text("secret\n")
    (repo / "big").mkdir()
    (repo / ".claude").mkdir(exist_ok=True)
    settings = {"worktree": {"baseRef": "head", "symlinkDirectories": ["big", "../outside"]}}
    (repo / ".claude/settings.json").write_text(json.dumps(settings))
    git("update-ref", "refs/remotes/origin/main", "HEAD~1", cwd=repo)
    git("symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/main", cwd=repo)
    head = Path(lead("WorktreeCreate", name="from-head").path)
    assert git("rev-parse", "HEAD", cwd=head) == git("rev-parse", "HEAD", cwd=repo)
    assert (head / ".env").read_text() == "secret\n"
    assert not (head / ".env.other").exists()
    assert (head / "big").is_symlink()
    (repo / ".claude/settings.json").write_text("{}")
    fresh = Path(lead("WorktreeCreate", name="fresh").path)
    assert git("rev-parse", "HEAD", cwd=fresh) == git("rev-parse", "HEAD~1", cwd=repo)


@pytest.mark.parametrize("name", ["../up", "a/b", ".hidden", "-x", ""])
def test_a_name_that_leads_elsewhere_makes_nothing(lead: Lead, repo: Path, name: str) -> None:
    with pytest.raises(Exception, match="cannot name a worktree"):
        lead("WorktreeCreate", name=name)
    assert len(git("worktree", "list", cwd=repo).splitlines()) == 1


def test_a_repository_without_a_ledger_makes_plain_worktrees(repo: Path, tmp_path: Path) -> None:
    lead = Lead(repo, tmp_path)
    assert Path(lead("WorktreeCreate", name="x").path).is_dir()
    assert lead.ask("gitcoord:a").updated_input is None


def test_finished_subagents_go_with_their_leads_session(lead: Lead, work: Workspace) -> None:
    prompt = prompt_of(lead.ask("gitcoord:a", 1))
    agent = holder(work, "a") or ""
    place = lead.start("f00", prompt)
    lead.tool("f00", place, "a/x")
    lead.ask("gitcoord:b", 2)
    from gitcoord.features.assist.subagents import remove_finished
    from gitcoord.features.work import results

    held = work.ledger.snapshot().require_task("a")["claim"]
    assert held is not None
    results.release(work, agent, "a", held["token"])
    remove_finished(work, "assistant:claude=another")
    assert work.ledger.snapshot().agent(agent) is not None
    remove_finished(work, f"assistant:claude={SESSION}")
    assert work.ledger.snapshot().agent(agent) is None
    assert not place.exists()
    assert holder(work, "b") is not None
