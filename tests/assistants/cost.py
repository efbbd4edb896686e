"""Print what gitcoord costs an assistant in context: ``make assistants-cost``.

Sizes are bytes of what the program really sent; a token is taken for four
bytes, as no tokenizer of the models is at hand.
"""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from gitcoord.core.instructions import BLOCK
from gitcoord.host.shipped import shipped
from tests.assistants.conftest import PLAN
from tests.assistants.programs import GITCOORD, claude, codex
from tests.assistants.scripted_model import ScriptedModel, say


def _run(cwd: Path, *words: str) -> str:
    return subprocess.run(words, cwd=cwd, check=True, capture_output=True, text=True).stdout


def _first(ask: object, home: Path, place: Path, *more: str) -> int:
    with ScriptedModel([say("seen")] * 4) as model:
        ask(model, home, place, "Look", *more)  # type: ignore[operator]
    return len(model.bodies[0].encode())


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        repo = Path(folder) / "repo"
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
        plain = {
            name: _first(ask, Path(folder) / name, repo)
            for name, ask in (("claude", claude), ("codex", codex))
        }
        plugin = str(shipped("templates") / "claude-plugin")
        whole = _first(claude, Path(folder) / "plugin", repo, "--plugin-dir", plugin)
        _run(repo, str(GITCOORD), "init", "plan.toml")
        rows = [("instruction block of `setup`", len(BLOCK.encode()))]
        rows.append(("Claude's plugin, outside of a claim", whole - plain["claude"]))
        for name, ask in (("claude", claude), ("codex", codex)):
            _run(repo, str(GITCOORD), "agent", "add", name, "--assistant", name)
            place = repo.parent / "repo.worktrees" / name
            _run(place, str(GITCOORD), "claim")
            brief = len(_run(place, str(GITCOORD), "brief").encode())
            rows.append((f"brief of {name}'s task", brief))
            whole = _first(ask, Path(folder) / f"{name}2", place)
            rows.append((f"{name}: first request without gitcoord", plain[name]))
            rows.append((f"{name}: first request with it", whole))
        for what, size in rows:
            print(f"{what:45} {size:8} bytes {size // 4:7} tokens")


if __name__ == "__main__":
    main()
