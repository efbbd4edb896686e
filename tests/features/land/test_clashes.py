"""Open branches are tried against each other and the target, in memory."""

from __future__ import annotations

from pathlib import Path

from gitcoord.features.land.clashes import clashes
from gitcoord.features.work import claims
from tests.support.world import do, found, git, write

PLAN = """
[plan]
boundaries = "open"
[[task]]
id = "a"
title = "A"
[[task]]
id = "b"
title = "B"
[[task]]
id = "c"
title = "C"
"""


def test_who_will_clash_with_whom_is_named_with_the_file_and_nothing_moves(repo: Path) -> None:
    write(repo, "shared.txt", "one\n")
    work = found(repo, PLAN, "x", "y", "z")
    places = {}
    for agent, task in (("x", "a"), ("y", "b"), ("z", "c")):
        places[task] = Path(claims.claim(work, agent, task).worktree or "")
    write(places["a"], "shared.txt", "two\n")
    write(places["b"], "shared.txt", "three\n")
    write(places["c"], "own.txt")
    before = git("for-each-ref", cwd=repo)
    found_now = clashes(work, "default")
    assert found_now["clashes"] == [{"task": "b", "other": "a", "files": ["shared.txt"]}]
    assert (found_now["tried"], found_now["is_cut"]) == (["a", "b", "c"], False)
    assert git("for-each-ref", cwd=repo) == before
    write(repo, "own.txt", "another\n")
    assert {"task": "c", "other": None, "files": ["own.txt"]} in clashes(work, "default")["clashes"]


def test_what_has_no_commit_or_landed_is_not_tried(repo: Path) -> None:
    plan = '[[phase]]\nname = "default"\nstream = true\n' + PLAN
    work = found(repo, plan, "x", "y")
    do(work, "x", "a", name="a.txt")
    from gitcoord.features.land import landings

    landings.land(work, "default")
    claims.claim(work, "y", "b")
    assert clashes(work, "default") == {"clashes": [], "tried": [], "is_cut": False}
