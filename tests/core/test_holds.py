"""Which paths are held, and who stands in whose way."""

from __future__ import annotations

from typing import Any

import pytest

from gitcoord.core.errors import ConflictError
from gitcoord.core.holds import Hold, describe, holds_of, obstacles, refuse
from tests.support.builders import PureLedger, tasks


def lock(*, shared: bool = False, reason: str = "") -> Any:
    return {"id": "1" * 12, "shared": shared, "reason": reason}


CLAIM = Hold("x", ["src/"], "a", None)
LOCK = Hold("x", ["src/"], None, lock())
SHARED = Hold("x", ["src/"], None, lock(shared=True))


@pytest.mark.parametrize(
    ("hold", "agent", "for_claim", "is_shared", "is_hindered"),
    [
        (CLAIM, "y", True, False, True),
        (CLAIM, "y", False, True, True),
        # An agent's claims keep apart from each other; its locks lie on its own claim.
        (CLAIM, "x", True, False, True),
        (CLAIM, "x", False, False, False),
        (LOCK, "y", True, False, True),
        (LOCK, "y", False, True, True),
        (LOCK, "x", True, False, False),
        (LOCK, "x", False, False, False),
        (SHARED, "y", False, True, False),
        (SHARED, "y", False, False, True),
        (SHARED, "y", True, False, True),
    ],
)
def test_who_stands_in_whose_way(
    hold: Hold, agent: str, for_claim: bool, is_shared: bool, is_hindered: bool
) -> None:
    found = obstacles([hold], ["src/a/"], agent, for_claim=for_claim, is_shared=is_shared)
    assert [(one.hold, one.wanted, one.held) for one in found] == (
        [(hold, "src/a/", "src/")] if is_hindered else []
    )


def test_paths_that_do_not_meet_hinder_nobody() -> None:
    assert obstacles([CLAIM, LOCK], ["source/", "docs/**"], "y", for_claim=True) == []


def test_holds_are_claims_and_locks_save_what_an_event_ends() -> None:
    pure = PureLedger()
    pure.init()
    pure.plan(tasks("a", "b"))
    for name in "xy":
        pure.agent(name)
    claim = pure.claim("x", "a")

    def locked(path: str, agent: str, task: str, token: str) -> str:
        event = pure.run(
            {
                "op": "lock",
                "agent": agent,
                "task": task,
                "token": token,
                "paths": [path],
                "shared": False,
                "for_ms": None,
                "reason": "",
            }
        )
        return next(one["id"] for one in pure.snapshot.locks() if event["id"].startswith(one["id"]))

    of_claim = locked("lib/", "x", "a", claim["token"])
    alone = locked("docs/", "y", "", "")

    def held(**without: Any) -> set[tuple[str, ...]]:
        return {(one.agent, *one.patterns) for one in holds_of(pure.snapshot, **without)}

    assert held() == {("x", "a/"), ("x", "lib/"), ("y", "docs/")}
    assert held(without=["a"]) == {("y", "docs/")}, "a lock ends with its claim"
    assert held(lapsed=[alone, of_claim]) == {("x", "a/")}


def test_a_refusal_names_the_first_holder_and_what_to_do() -> None:
    refuse([], "lib/ of task b")
    (claim,) = obstacles([CLAIM], ["src/a/"], "y", for_claim=True)
    assert describe(claim) == "x holds src/ for task a"
    noisy = Hold("x", ["src/"], None, lock(shared=True, reason="read\x1b[2J"))
    (shared,) = obstacles([noisy], ["src/a/"], "y", for_claim=True)
    assert describe(shared).startswith("x has a shared lock on src/: read")
    assert "\x1b" not in describe(shared)
    with pytest.raises(ConflictError, match="src/a/ is in use: x holds src/ for task a") as caught:
        refuse([claim, shared], "src/a/")
    assert {key: caught.value.facts[key] for key in ("holder", "task", "lock", "paths")} == {
        "holder": "x",
        "task": "a",
        "lock": None,
        "paths": ["src/a/", "src/"],
    }
    assert caught.value.hint == "`gitcoord locks` shows who holds what"
