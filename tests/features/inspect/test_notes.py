"""Which notes matter to a task, and how they are shown."""

from __future__ import annotations

from typing import Any

import pytest

from gitcoord.core.times import instant
from gitcoord.features.inspect.notes import note_facts, notes_about
from tests.support.builders import PureLedger

PLAN = """
[[task]]
id = "a"
title = "A"
paths = ["src/a/"]
reads = ["docs/"]
[[task]]
id = "b"
title = "B"
paths = ["src/b/"]
[[task]]
id = "all"
title = "All"
paths = []
"""


@pytest.fixture
def pure() -> PureLedger:
    made = PureLedger()
    made.init()
    made.plan(PLAN)
    made.agent("x")
    return made


def noted(pure: PureLedger, text: str, **about: Any) -> None:
    pure.run({"op": "note", "agent": "x", "message": text, "task": None, "path": None, **about})


def matter(pure: PureLedger, task: str) -> list[str]:
    return sorted(
        note["text"] for note in notes_about(pure.snapshot, pure.snapshot.require_task(task))
    )


def test_a_note_matters_by_its_task_its_path_or_to_all(pure: PureLedger) -> None:
    noted(pure, "of the plan")
    noted(pure, "of a", task="a")
    noted(pure, "in a", path="src/a/x.py")
    noted(pure, "read by a", path="docs/guide.md")
    noted(pure, "in both", path="src/**")
    assert matter(pure, "a") == ["in a", "in both", "of a", "of the plan", "read by a"]
    assert matter(pure, "b") == ["in both", "of the plan"]


def test_a_note_about_a_path_matters_to_a_task_that_may_write_anywhere(pure: PureLedger) -> None:
    noted(pure, "in a", path="src/a/x.py")
    assert matter(pure, "all") == ["in a"]


def test_a_note_is_shown_with_its_time(pure: PureLedger) -> None:
    noted(pure, "hello", task="a")
    (note,) = notes_about(pure.snapshot, pure.snapshot.require_task("a"))
    shown = note_facts(note)
    assert shown == {**note, "at": instant(note["at"])}
    assert (shown["text"], shown["task"], shown["agent"]) == ("hello", "a", "x")
