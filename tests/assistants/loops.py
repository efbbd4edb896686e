"""The loop that every assistant goes through: brief, boundary, end of a turn, done."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from gitcoord.features.workspace import Workspace
from tests.assistants.conftest import gitcoord
from tests.assistants.programs import Answer
from tests.assistants.scripted_model import ScriptedModel, say, shell, write

__all__ = ["whole_task"]


def whole_task(
    ask: Callable[[ScriptedModel, Path, Path, str], Answer],
    site: Path,
    work: Workspace,
    home: Path,
) -> None:
    """Let an assistant write outside, then inside, then stop too early, then hand in."""
    gitcoord(site, "agent", "add", "one")
    place = site.parent / f"{site.name}.worktrees" / "one"
    gitcoord(place, "claim", "alpha")
    (place / "alpha").mkdir()
    script = [
        write(str(place / "beta.txt"), "x\n"),
        write(str(place / "alpha" / "yes.txt"), "x\n"),
        say("I am done."),
        shell('gitcoord complete --commit "Write alpha"'),
        say("Now it is done."),
    ]
    with ScriptedModel(script) as model:
        answer = ask(model, home, place, "Work on your gitcoord task")
    assert answer.status == 0, answer.stderr
    assert "agent one holds task alpha" in model.bodies[0], "session start shows the brief"
    assert "is not part of task alpha" in model.sent, "the model is told of the refused edit"
    assert not (place / "beta.txt").exists()
    assert "task alpha is still claimed by one" in model.sent, "the end of the turn is held"
    assert work.ledger.snapshot().require_task("alpha")["state"] == "done"
