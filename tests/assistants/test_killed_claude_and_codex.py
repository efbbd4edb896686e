"""Claude and Codex are killed in the middle of an edit: nothing is half, but what they wrote."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gitcoord.features.workspace import Workspace
from tests.assistants.conftest import gitcoord, until
from tests.assistants.programs import Answer, claude, codex, start_claude, start_codex
from tests.assistants.scripted_model import ScriptedModel, say, shell
from tests.support.world import git

WAYS: dict[str, tuple[Callable[..., Any], Callable[..., Answer], tuple[str, ...]]] = {
    "claude": (start_claude, claude, ("--allowedTools", "Bash")),
    "codex": (start_codex, codex, ()),
}


def settings(site: Path, home: Path) -> dict[str, bytes]:
    """Return every file that tells an assistant what it may do: the user's, and the worktrees'."""
    of_repository = [site, *(site.parent / f"{site.name}.worktrees").iterdir()]
    folders = [place / name for place in of_repository for name in (".claude", ".codex")]
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    own = [home / ".claude" / "settings.json", home / ".codex" / "config.toml"]
    return {str(path): path.read_bytes() for path in (*files, *own) if path.exists()}


def own_settings(site: Path, home: Path) -> None:
    """Give the user settings of their own, which no kill may harm."""
    texts = {
        home / ".claude" / "settings.json": '{\n  "permissions": {"allow": ["WebSearch"]}\n}\n',
        home / ".codex" / "config.toml": f'[projects."{site}"]\ntrust_level = "trusted"\n',
    }
    for path, text in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.mark.parametrize("name", WAYS)
def test_a_file_that_a_killed_assistant_left_half_is_judged_as_it_is(
    name: str, site: Path, work: Workspace, home: Path
) -> None:
    start, run, words = WAYS[name]
    gitcoord(site, "agent", "add", "one", "--assistant", name)
    place = site.parent / f"{site.name}.worktrees" / "one"
    own_settings(site, home)
    before = settings(site, home)
    over = site.parent / "over"
    file = place / "alpha" / "yes.txt"
    half = (
        "mkdir -p alpha; printf 'first half, ' > alpha/yes.txt; "
        f"for _ in $(seq 600); do [ ! -e {over} ] || exit; sleep 0.1; done"
    )
    with ScriptedModel([shell("gitcoord claim alpha"), shell(half)]) as model:
        child: subprocess.Popen[str] = start(model, home, place, "Work", *words)
        until(file.exists)
        os.killpg(child.pid, signal.SIGKILL)
        child.communicate()
        over.touch()
    assert settings(site, home) == before
    gitcoord(site, "setup", name, "--check")
    held = work.ledger.snapshot().require_task("alpha")["claim"]
    assert held is not None
    script = [
        shell("gitcoord claim --json"),
        shell("gitcoord complete --json"),
        shell("printf 'second half' >> alpha/yes.txt"),
        shell('gitcoord complete --commit "Write alpha"'),
        say("over"),
    ]
    with ScriptedModel(script) as model:
        answer = run(model, home, place, "Go on", *words)
    assert answer.status == 0, answer.stderr
    said = model.sent.replace("\\", "")
    assert '"reissued": true' in said, "the killed assistant's claim is its own"
    assert '"reason": "uncommitted"' in said, "what was left half is no result"
    assert settings(site, home) == before
    done = work.ledger.snapshot().require_task("alpha")
    assert (done["state"], done["attempt"]) == ("done", held["attempt"])
    result = done["result"] and done["result"]["oid"]
    assert git("show", f"{result}:alpha/yes.txt", cwd=site) == "first half, second half"
    gitcoord(site, "verify")
