"""Claude's subagents become agents: recorded shapes of 2.1.332, real worktrees."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from gitcoord.core.hook_answers import SILENT, HookAnswer
from gitcoord.features.assist import subagents
from gitcoord.features.workspace import Workspace
from tests.support.assistants import SESSION, Lead
from tests.support.builders import tasks
from tests.support.world import found, git


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


def transcript_of(lead: Lead, subagent: str) -> Path:
    return lead.transcript.with_suffix("") / "subagents" / f"agent-{subagent}.jsonl"


def test_a_transcript_that_claude_writes_while_the_first_tool_waits_is_read(
    lead: Lead, work: Workspace
) -> None:
    place = lead.start("f00", prompt_of(lead.ask("gitcoord:a")))
    file = transcript_of(lead, "f00")
    line = file.read_text()
    file.write_text(line[:40])
    writer = threading.Timer(0.3, file.write_text, (line,))
    writer.start()
    assert lead.tool("f00", place, "a/x") == SILENT
    writer.join()
    assert git("branch", "--show-current", cwd=place).startswith("task/a/1-")


def test_a_transcript_that_comes_later_is_read_at_the_next_tool(
    lead: Lead, work: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subagents, "PROMPT_S", 0.1)
    place = lead.start("f00", prompt_of(lead.ask("gitcoord:a")))
    file = transcript_of(lead, "f00")
    aside = file.rename(file.with_suffix(".aside"))
    lead.tool("f00", place, "a/x")
    assert git("branch", "--show-current", cwd=place) == "worktree-agent-f00"
    aside.rename(file)
    assert lead.tool("f00", place, "a/x") == SILENT
    assert git("branch", "--show-current", cwd=place).startswith("task/a/1-")


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
