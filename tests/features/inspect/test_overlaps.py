"""Whose work touches whose is told before it clashes."""

from __future__ import annotations

from pathlib import Path

from gitcoord.features.inspect.overlaps import changed_reads, neighbours, overlaps
from gitcoord.features.work import claims
from gitcoord.features.workspace import Workspace
from tests.support.world import do, found, record, write

PLAN = """
[[task]]
id = "form"
title = "Form"
paths = ["src/web/form.py"]
reads = ["src/lib/"]
[[task]]
id = "table"
title = "Table"
paths = ["src/web/table.py"]
[[task]]
id = "lib"
title = "Library"
paths = ["src/lib/", "docs/lib.md"]
[[task]]
id = "manual"
title = "Manual"
paths = ["docs/"]
"""


def near(work: Workspace, task: str) -> list[tuple[str, str]]:
    snapshot = work.ledger.snapshot()
    return [
        (one["kind"], one["other"]) for one in neighbours(snapshot, snapshot.require_task(task))
    ]


def test_a_claim_names_who_works_next_door_by_what_matters_most(repo: Path) -> None:
    work = found(repo, PLAN, "x", "y", "z", worktrees=False)
    claims.claim(work, "x", "form")
    assert near(work, "form") == []
    claims.claim(work, "y", "table")
    claims.claim(work, "z", "lib")
    assert near(work, "form") == [("folder", "table"), ("reads", "lib")]
    assert near(work, "lib") == [("writes", "form")]
    assert near(work, "manual") == [("folder", "lib")]
    seen = overlaps(work)["overlaps"]
    assert [(one["task"], one["other"]) for one in seen] == [("form", "table"), ("form", "lib")]


def test_a_result_that_has_not_landed_touches_later_work(repo: Path) -> None:
    reviewed = '[[phase]]\nname = "default"\nreviews = 1\n'
    work = found(repo, reviewed + PLAN, "x", "y")
    do(work, "x", "manual", name="docs/a.md")
    claims.claim(work, "y", "lib")
    (one,) = overlaps(work)["overlaps"]
    assert (one["kind"], one["task"], one["other"]) == ("result", "lib", "manual")


def test_what_a_task_reads_and_the_target_changed_is_told(repo: Path) -> None:
    work = found(repo, PLAN, "x", worktrees=False)
    claims.claim(work, "x", "form")
    assert overlaps(work)["changed"] == []
    write(repo, "other.txt")
    write(repo, "src/lib/dates.py")
    assert changed_reads(work, work.ledger.snapshot(), record(work, "form")) == ["src/lib/dates.py"]
    (only,) = overlaps(work)["changed"]
    assert (only["task"], only["agent"]) == ("form", "x")
