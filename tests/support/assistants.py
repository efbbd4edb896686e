"""An assistant at work in an agent's worktree, as its hooks tell of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from gitcoord.core.hook_answers import HookAnswer
from gitcoord.core.hook_calls import read_call
from gitcoord.features.assist import hook
from gitcoord.features.workspace import Workspace

__all__ = ["PLAN", "SESSION", "Assistant", "Lead", "token"]

SESSION = "5e55"

PLAN = """
[plan]
lease = "15m"
heartbeat = "5m"
[[task]]
id = "a"
title = "Do a"
paths = ["a/", "docs/a.md"]
[[task]]
id = "b"
title = "Do b"
paths = ["b/"]
"""


class Assistant:
    """An assistant in an agent's worktree, as its hooks tell of it."""

    def __init__(self, work: Workspace, agent: str) -> None:
        place = work.worktree_of(agent)
        assert place is not None
        self.work, self.agent, self.place = work, agent, place

    def __call__(self, event: str, *, by: str = "claude", **more: Any) -> HookAnswer:
        shape = {"hook_event_name": event, "session_id": "s1", "cwd": str(self.place), **more}
        return hook.answer(read_call(json.dumps(shape).encode()), by, str(self.place))

    def edit(self, path: str, **more: Any) -> HookAnswer:
        return self(
            "PreToolUse",
            tool_name="Write",
            tool_use_id="t1",
            tool_input={"file_path": path, "content": "x"},
            **more,
        )

    def stop(self, text: str = "done", **more: Any) -> HookAnswer:
        return self("Stop", last_assistant_message=text, stop_hook_active=False, **more)


def token(work: Workspace, task: str = "a") -> str:
    held = work.ledger.snapshot().require_task(task)["claim"]
    assert held is not None
    return held["token"]


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
