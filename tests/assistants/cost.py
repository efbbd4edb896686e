"""Print what gitcoord costs an assistant: ``make assistants-cost``.

First in context: sizes are bytes of what the program really sent; a token is
taken for four bytes, as no tokenizer of the models is at hand. Then in time:
processor time of hooks as they are installed, and of the MCP server's first
answers, each beside that of ``python -c 'import click'``.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from gitcoord.core.instructions import BLOCK
from gitcoord.host.shipped import shipped
from tests.assistants.conftest import PLAN
from tests.assistants.install import program
from tests.assistants.programs import GITCOORD, claude, codex, copilot, gemini, opencode
from tests.assistants.scripted_model import ScriptedModel, say

HOSTS: dict[str, Callable[..., object]] = {
    "claude": claude,
    "codex": codex,
    "copilot": copilot,
    "gemini": gemini,
    "opencode": opencode,
}
RUNS = 5


def _run(cwd: Path, *words: str) -> str:
    return subprocess.run(words, cwd=cwd, check=True, capture_output=True, text=True).stdout


def _first(ask: Callable[..., object], home: Path, place: Path, *more: str) -> int:
    """Return the size of the first request that offers tools; a title is asked for without."""
    with ScriptedModel([say("seen")] * 4) as model:
        ask(model, home, place, "Look", *more)
    return next(len(body.encode()) for body in model.bodies if json.loads(body).get("tools"))


def _repository(folder: Path) -> Path:
    repo = folder / "repo"
    repo.mkdir()
    (repo / "plan.toml").write_text(PLAN)
    for words in (
        ["init", "-q", "-b", "main"],
        ["config", "user.name", "T"],
        ["config", "user.email", "t@e"],
        ["add", "."],
        ["commit", "-q", "-m", "plan"],
    ):
        _run(repo, "git", *words)
    return repo


def in_context(folder: Path, repo: Path) -> None:
    """Print what is sent to the model with gitcoord and without."""
    hosts = {name: ask for name, ask in HOSTS.items() if program(name).exists()}
    plain = {name: _first(ask, folder / name, repo) for name, ask in hosts.items()}
    plugin = str(shipped("templates") / "claude-plugin")
    whole = _first(claude, folder / "plugin", repo, "--plugin-dir", plugin)
    _run(repo, str(GITCOORD), "init", "plan.toml")
    rows = [("instruction block of `setup`", len(BLOCK.encode()))]
    rows.append(("Claude's plugin, outside of a claim", whole - plain["claude"]))
    for name, ask in hosts.items():
        # The homes of Copilot and Gemini have the hooks; twice, they would tell the brief twice.
        prepared = [] if name in {"copilot", "gemini"} else ["--assistant", name]
        _run(repo, str(GITCOORD), "agent", "add", name, *prepared)
        place = repo.parent / "repo.worktrees" / name
        _run(place, str(GITCOORD), "claim")
        brief = len(_run(place, str(GITCOORD), "brief").encode())
        rows.append((f"brief of {name}'s task", brief))
        whole = _first(ask, folder / f"{name}2", place)
        rows.append((f"{name}: first request without gitcoord", plain[name]))
        rows.append((f"{name}: first request with it", whole))
    for what, size in rows:
        print(f"{what:45} {size:8} bytes {size // 4:7} tokens")


def _cpu_ms(words: Sequence[str], cwd: Path, told: str = "") -> float:
    """Return the least processor time of a command, its children's with it."""
    found = []
    for _ in range(RUNS):
        before = _children_ms()
        subprocess.run(words, cwd=cwd, input=told, capture_output=True, text=True, check=True)
        found.append(_children_ms() - before)
    return min(found)


def _children_ms() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return 1000 * (used.ru_utime + used.ru_stime)


def _server_ms(place: Path) -> tuple[float, float]:
    """Return the processor time until the server's first answer, and until its list of tools."""
    client = {"protocolVersion": "2025-06-18", "capabilities": {}}
    client |= {"clientInfo": {"name": "cost", "version": "1"}}
    asked: list[dict[str, Any]] = [
        {"id": 1, "method": "initialize", "params": client},
        {"method": "notifications/initialized"},
        {"id": 2, "method": "tools/list", "params": {}},
    ]
    server = subprocess.Popen(
        [str(GITCOORD), "mcp"], cwd=place, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert server.stdin is not None
    assert server.stdout is not None
    used = []
    for one in asked:
        server.stdin.write(json.dumps({"jsonrpc": "2.0", **one}) + "\n")
        server.stdin.flush()
        if "id" in one:
            server.stdout.readline()
            fields = Path(f"/proc/{server.pid}/stat").read_text().rpartition(")")[2].split()
            ticks = int(fields[11]) + int(fields[12])
            used.append(1000 * ticks / os.sysconf("SC_CLK_TCK"))
    server.stdin.close()
    server.wait()
    return used[0], used[1]


def in_time(repo: Path) -> None:
    """Print what hooks and the server take, as an assistant starts them."""
    place = repo.parent / "repo.worktrees" / "claude"
    settings = json.loads((repo / ".claude" / "settings.local.json").read_text())
    command = settings["hooks"]["PreToolUse"][0]["hooks"][0]["command"]
    edit = {"hook_event_name": "PreToolUse", "session_id": "s", "tool_name": "Write"}
    told = json.dumps({**edit, "cwd": str(place), "tool_input": {"file_path": "alpha/x"}})
    rows = [("python -c 'import click'", _cpu_ms([sys.executable, "-c", "import click"], repo))]
    rows.append(("a hook outside of a claim", _cpu_ms(["sh", "-c", command], repo, told)))
    rows.append(("a hook before an edit", _cpu_ms(["sh", "-c", command], place, told)))
    answers = [_server_ms(place) for _ in range(RUNS)]
    rows.append(("MCP server, first answer", min(first for first, _ in answers)))
    rows.append(("MCP server, list of tools", min(tools for _, tools in answers)))
    for what, used in rows:
        print(f"{what:45} {used:8.0f} ms {used / rows[0][1]:10.1f} times the first")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        repo = _repository(Path(folder))
        in_context(Path(folder), repo)
        in_time(repo)


if __name__ == "__main__":
    main()
