"""Who holds which paths, and who waits for whom."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitcoord.features.inspect.locks import listing, lock_facts, waits
from gitcoord.features.work import claims, locks
from gitcoord.features.workspace import Workspace
from tests.support.world import found, record

PLAN = "".join(
    f'[[task]]\nid = "{name}"\ntitle = "Do {name}"\npaths = {paths}\n'
    for name, paths in [("a", ["a/", "lib/"]), ("b", ["b/"]), ("c", ["lib/x.py"]), ("d", ["d/"])]
)


@pytest.fixture
def work(repo: Path) -> Workspace:
    return found(repo, PLAN, "x", "y", worktrees=False)


def test_a_claim_and_a_lock_are_listed_with_what_waits_for_them(work: Workspace) -> None:
    claims.claim(work, "x", "a", checkout=False)
    lock = locks.record_of(locks.lock(work, "y", ["d/z"], reason="moving"))
    found = listing(work)
    assert [(one["task"], one["agent"], one["paths"]) for one in found["claims"]] == [
        ("a", "x", ["a/", "lib/"])
    ]
    assert 0 < found["claims"][0]["lease_left_ms"] <= 900_000
    assert [(one["id"], one["agent"], one["reason"]) for one in found["locks"]] == [
        (lock["id"], "y", "moving")
    ]
    assert found["waiting"] == [
        {
            "task": "c",
            "title": "Do c",
            "for": [{"agent": "x", "task": "a", "lock": None, "paths": ["lib/x.py", "lib/"]}],
        },
        {
            "task": "d",
            "title": "Do d",
            "for": [{"agent": "y", "task": None, "lock": lock["id"], "paths": ["d/", "d/z"]}],
        },
    ]
    assert found["tip"] == work.ledger.tip()


def test_the_list_of_one_agent_is_what_it_holds_and_who_waits_for_it(work: Workspace) -> None:
    claims.claim(work, "x", "a", checkout=False)
    locks.lock(work, "y", ["d/z"])
    of_x, of_y = listing(work, agent="x"), listing(work, agent="y")
    assert ([one["agent"] for one in of_x["claims"]], of_x["locks"]) == (["x"], [])
    assert (of_y["claims"], [one["agent"] for one in of_y["locks"]]) == ([], ["y"])
    assert [one["task"] for one in of_x["waiting"]] == ["c"]
    assert [one["task"] for one in of_y["waiting"]] == ["d"]


def test_shared_locks_and_tasks_that_are_not_open_wait_for_nobody(work: Workspace) -> None:
    locks.lock(work, "y", ["elsewhere/"])
    locks.lock(work, "x", ["d/"])
    work.ledger.execute({"op": "cancel", "task": "d", "reason": ""}, agent="orchestrator")
    assert waits(work, work.ledger.snapshot()) == []


def test_a_timed_lock_says_how_much_is_left(work: Workspace) -> None:
    timed = locks.record_of(locks.lock(work, "x", ["one/"], for_ms=60_000))
    lasting = locks.record_of(locks.lock(work, "x", ["two/"]))
    context = work.ledger.context()
    later = context._replace(now_ns=context.now_ns + 61 * 10**9)
    now = lock_facts(timed, context)
    assert 0 < now["left_ms"] <= 60_000
    assert not now["is_over"]
    assert now["expires_at"] is not None
    assert lock_facts(timed, later)["is_over"]
    shown = lock_facts(lasting, later)
    assert (shown["left_ms"], shown["expires_at"], shown["is_over"]) == (None, None, False)


def test_asking_changes_nothing(work: Workspace) -> None:
    claims.claim(work, "x", "a", checkout=False)
    before = (work.ledger.tip(), record(work, "a"))
    listing(work)
    assert (work.ledger.tip(), record(work, "a")) == before
