"""The event line, across rollbacks, and what is asked for."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from gitcoord.core.errors import NotFoundError
from gitcoord.core.sentences import said
from gitcoord.features.inspect import facts
from gitcoord.features.inspect.chain import entries
from gitcoord.features.inspect.events import (
    EVERYTHING,
    Wanted,
    events_after,
    git_command,
    is_wanted,
    lines_after,
)
from gitcoord.features.land import rollbacks
from gitcoord.features.setup import ledger, plans
from gitcoord.features.work import claims, results, starts
from gitcoord.features.workspace import Workspace, open_workspace
from tests.support.builders import tasks
from tests.support.world import found, git

PLAN = '[[phase]]\nname = "one"\n[[phase]]\nname = "two"\n' + tasks("a", "a.b").replace(
    '"Do a"', '"Do a"\nphase = "one"'
).replace('"Do a.b"', '"Do a.b"\nphase = "two"')


def tip(work: Workspace) -> str:
    return work.ledger.snapshot().oid


def try_task(work: Workspace, task: str) -> list[str]:
    """Claim a task and give it back: two entries."""
    held = claims.claim(work, "x", task)
    given = results.release(work, "x", task, held.claim["token"])
    return [held.entry, given.entry]


def back(work: Workspace, entry: str) -> str:
    chosen = rollbacks.choose(work, to=entry)
    return rollbacks.rollback(work, chosen).entry


def after(work: Workspace, cursor: str | None) -> list[str]:
    return [link.oid for link in events_after(work, tip(work), cursor)]


def test_a_line_says_what_its_entry_says(repo: Path) -> None:
    work = found(repo, PLAN, "x", worktrees=False)
    before = tip(work)
    entry, _ = try_task(work, "a")
    line = next(lines_after(work, tip(work), before, EVERYTHING))
    event = git("log", "-1", "--format=%(trailers:key=Gitcoord-Event,valueonly)", entry, cwd=repo)
    assert line["event"] == json.loads(event)
    keys = ("entry", "parent", "op", "agent", "task", "phase")
    assert [line[key] for key in keys] == [entry, before, "claim", "x", "a", "one"]
    assert line["subject"] == git("log", "-1", "--format=%s", entry, cwd=repo)
    assert line["id"] == line["event"]["id"]


def test_a_line_has_a_reason_in_words_whoever_said_it(repo: Path) -> None:
    work = found(repo, PLAN, "x", worktrees=False)
    before = tip(work)
    held = claims.claim(work, "x", "a")
    results.release(work, "x", "a", held.claim["token"], said("interrupted"))
    _, line = lines_after(work, tip(work), before, EVERYTHING)
    assert line["event"]["reason"] == "the run was interrupted"
    assert line["event"]["said"] == said("interrupted")
    assert next(facts.history(work, tip(work)))["text"] == "the run was interrupted"


def test_what_comes_after_an_entry_is_told_oldest_first(repo: Path) -> None:
    work = found(repo, PLAN, "x", worktrees=False)
    start = tip(work)
    told = try_task(work, "a")
    assert after(work, start) == told
    assert after(work, told[0]) == told[1:]
    assert after(work, told[1]) == []
    assert after(work, None)[-2:] == told
    assert len(after(work, None)) == len(list(entries(work, tip(work))))


def test_after_an_entry_that_is_gone_comes_the_first_rollback_after_it(repo: Path) -> None:
    work = found(repo, PLAN, "x", worktrees=False)
    start = tip(work)
    gone = try_task(work, "a")
    first = back(work, start)
    later = try_task(work, "a.b")
    assert [after(work, oid) for oid in gone] == [[first, *later]] * 2
    assert after(work, start) == [first, *later]
    # A rollback of the rollback: each reader meets the first one that concerns it.
    second = back(work, start)
    assert after(work, gone[0]) == [first, second]
    assert after(work, later[0]) == [second]
    assert after(work, first) == [second]
    third = rollbacks.undo(work).entry
    assert after(work, second) == [third]
    assert after(work, gone[1]) == [first, *later, third]


def test_a_rollback_s_line_says_where_it_went_and_what_it_left(repo: Path) -> None:
    work = found(repo, PLAN, "x", worktrees=False)
    start = tip(work)
    gone = try_task(work, "a")
    back(work, start)
    (line,) = lines_after(work, tip(work), gone[0], Wanted(task="a.b"))
    assert (line["op"], line["onto"], line["abandoned"]) == ("rollback", start, gone[1])


def test_an_entry_that_never_was_is_not_found(repo: Path) -> None:
    work = found(repo, PLAN, "x", worktrees=False)
    with pytest.raises(NotFoundError, match="not an entry"):
        after(work, "1" * 40)
    with pytest.raises(NotFoundError, match="not an entry"):
        after(work, git("rev-parse", "main", cwd=repo))


@pytest.mark.parametrize(
    ("wanted", "ops"),
    [
        (Wanted(task="a"), ["claim", "release"]),
        (Wanted(task="a.b"), ["claim"]),
        (Wanted(agent="x"), ["claim", "release"]),
        (Wanted(agent="y"), ["claim"]),
        (Wanted(ops=("claim",)), ["claim", "claim"]),
        (Wanted(ops=("claim", "release")), ["claim", "release", "claim"]),
        (Wanted(task="a.b", ops=("claim", "release"), agent="y"), ["claim"]),
        (Wanted(task="a", ops=("claim",)), ["claim"]),
        (Wanted(phase="two"), ["claim"]),
        (Wanted(path="a/deep/file"), ["claim", "release"]),
        (Wanted(path="elsewhere"), []),
        (Wanted(since=4_000_000_000), []),
        (Wanted(until=1), []),
    ],
)
def test_filters_choose_and_git_alone_lists_the_same(
    repo: Path, wanted: Wanted, ops: list[str]
) -> None:
    work = found(repo, PLAN, "x", "y", worktrees=False)
    try_task(work, "a")
    claims.claim(work, "y", "a.b")
    links = [link for link in entries(work, tip(work)) if is_wanted(work, link, wanted)][::-1]
    assert [link.event["op"] for link in links] == ops
    if wanted.phase or wanted.path:
        return
    assert _listed(repo, git_command(work.ledger.ref, wanted)) == [link.oid for link in links]


@pytest.mark.parametrize("ops", [("claim",), ("batch",), ("claim", "note"), ("task-add",)])
def test_a_batch_is_found_by_the_operations_in_it(repo: Path, ops: tuple[str, ...]) -> None:
    work = open_workspace(repo)
    ledger.init(work)
    plans.apply_adhoc(work)
    started = starts.start(work, 'Say "op":"release"', paths=["src/"])
    links = entries(work, tip(work))
    wanted = Wanted(ops=ops)
    assert [link.oid for link in links if is_wanted(work, link, wanted)] == [started.entry]
    assert _listed(repo, git_command(work.ledger.ref, wanted)) == [started.entry]
    other = Wanted(ops=("release",))
    assert _listed(repo, git_command(work.ledger.ref, other)) == []


def _listed(repo: Path, command: str) -> list[str]:
    """Return the entries that a git command lists, oldest first."""
    asked = command.replace("%h %aI %s", "%H")
    listed = subprocess.run(
        ["sh", "-c", asked], cwd=repo, capture_output=True, text=True, check=True
    )
    return listed.stdout.split()[::-1]


def test_git_lists_what_came_after_an_entry(repo: Path) -> None:
    work = found(repo, PLAN, "x", worktrees=False)
    start = tip(work)
    told = try_task(work, "a")
    assert _listed(repo, git_command(work.ledger.ref, EVERYTHING, start)) == told
