from __future__ import annotations

from typing import Any

import pytest

from gitcoord.core.errors import (
    ClaimLostError,
    ConflictError,
    GitcoordError,
    NotFoundError,
    RefusedError,
    UsageError,
)
from gitcoord.core.events import Event
from gitcoord.core.machine import check
from gitcoord.core.messages import render
from gitcoord.core.model import LockRecord
from tests.support.builders import PureLedger, tasks

LEASE_NS = 900 * 10**9


def ledger(*names: str) -> PureLedger:
    pure = PureLedger()
    pure.init()
    pure.plan(tasks(*(names or ("a", "b"))))
    for agent in "xyz":
        pure.agent(agent, capacity=2)
    return pure


def lock(
    pure: PureLedger, agent: str, *paths: str, claim: Event | None = None, **more: Any
) -> Event:
    held = {"task": claim["task"], "token": claim["token"]} if claim else {"task": "", "token": ""}
    return pure.run(
        {
            "op": "lock",
            "agent": agent,
            "paths": list(paths),
            "shared": False,
            "reason": "",
            "for_ms": None,
            **held,
            **more,
        }
    )


def unlock(
    pure: PureLedger, agent: str, *paths: str, of: str = "", tokens: tuple[str, ...] = ()
) -> Event:
    return pure.run(
        {
            "op": "unlock",
            "agent": agent,
            "name": of or agent,
            "paths": list(paths),
            "tokens": list(tokens),
            "reason": "",
        }
    )


def locks(pure: PureLedger) -> list[LockRecord]:
    return pure.snapshot.locks()


def refused(pure: PureLedger, kind: type[GitcoordError], act: Any) -> GitcoordError:
    before = dict(pure.files)
    with pytest.raises(kind) as caught:
        act()
    assert pure.files == before
    return caught.value


@pytest.mark.parametrize(
    ("first", "second", "is_free"),
    [(False, False, False), (False, True, False), (True, False, False), (True, True, True)],
)
def test_only_shared_locks_lie_beside_each_other(first: bool, second: bool, is_free: bool) -> None:
    pure = ledger()
    lock(pure, "x", "src/", shared=first)
    if is_free:
        lock(pure, "y", "src/*.py", shared=second)
        assert len(locks(pure)) == 2
        return
    error = refused(pure, ConflictError, lambda: lock(pure, "y", "src/*.py", shared=second))
    assert (error.facts["holder"], error.facts["paths"]) == ("x", ["src/*.py", "src/"])


@pytest.mark.parametrize("shared", [False, True])
def test_a_claim_waits_for_anothers_lock_and_a_lock_for_anothers_claim(shared: bool) -> None:
    pure = ledger()
    lock(pure, "x", "a/deep/", shared=shared, reason="moving things")
    error = refused(pure, ConflictError, lambda: pure.claim("y", "a"))
    assert error.facts["holder"] == "x"
    assert error.facts["lock"] == locks(pure)[0]["id"]
    assert "moving things" in error.message
    pure.claim("x", "a")
    pure.claim("y", "b")
    assert (
        refused(pure, ConflictError, lambda: lock(pure, "x", "b/x", shared=shared)).facts["task"]
        == "b"
    )


def test_a_lock_of_a_claim_ends_with_it_and_one_without_stays() -> None:
    pure = ledger()
    lock(pure, "x", "docs/")
    claim = pure.claim("x", "a")
    lock(pure, "x", "lib/", claim=claim)
    assert [one["task"] for one in sorted(locks(pure), key=lambda one: one["at"])] == [None, "a"]
    pure.complete(claim)
    assert [one["paths"] for one in locks(pure)] == [["docs/"]]


ENDS: dict[str, dict[str, Any]] = {
    "release": {"agent": "x", "reason": ""},
    "fail": {"agent": "x", "reason": "oops", "kind": "transient"},
    "cancel": {"reason": ""},
    "assign": {"reason": "", "to": "y"},
    "expire": {},
}


@pytest.mark.parametrize("op", ENDS)
def test_a_lock_dies_with_its_claim_however_that_ends(op: str) -> None:
    pure = ledger()
    claim = pure.claim("x", "a")
    lock(pure, "x", "lib/", claim=claim)
    pure.now_ns += 2 * LEASE_NS if op == "expire" else 0
    pure.run(
        {"op": op, "task": "a", "token": claim["token"], **ENDS[op]}
        if op != "expire"
        else {"op": op}
    )
    assert not locks(pure)


def test_a_takeover_ends_the_locks_and_a_reissue_keeps_them() -> None:
    pure = ledger()
    claim = pure.claim("x", "a")
    lock(pure, "x", "lib/", claim=claim)
    again = pure.run(
        {"op": "reissue", "agent": "x", "task": "a", "session": "t", "old": claim["token"]}
    )
    assert [one["token"] for one in locks(pure)] == [again["token"]]
    refused(pure, ClaimLostError, lambda: lock(pure, "x", "more/", claim=claim))
    refused(pure, ClaimLostError, lambda: unlock(pure, "x", "lib/", tokens=(claim["token"],)))
    pure.now_ns += 2 * LEASE_NS
    pure.claim("y", "a")
    assert not locks(pure)


def test_whoever_a_timed_lock_hinders_ends_it_when_it_is_over() -> None:
    pure = ledger()
    first = lock(pure, "x", "a/", for_ms=1000)
    pure.now_ns += 1000 * 10**6
    refused(pure, ConflictError, lambda: pure.claim("y", "a"))
    pure.now_ns += 1
    assert len(locks(pure)) == 1, "what is over still counts until an entry ends it"
    claim = pure.claim("y", "a")
    assert [(gone["lock"], gone["rule"]) for gone in claim["lapsed"]] == [
        (first["id"][:12], "monotonic")
    ]
    assert f"Gitcoord-Lapsed: {first['id'][:12]} x" in render(claim)
    assert not locks(pure)
    lock(pure, "x", "docs/", for_ms=1000)
    pure.now_ns += 1001 * 10**6
    assert len(lock(pure, "y", "docs/x.md", shared=True)["lapsed"]) == 1


def test_the_time_of_a_lock_of_another_boot_counts_from_when_it_was_first_seen() -> None:
    pure = ledger()
    lock(pure, "x", "a/", for_ms=1000)
    made = locks(pure)[0]
    context = pure.context()._replace(boot_id="boot-b", now_ns=10**18)
    command = {
        "op": "claim",
        "agent": "y",
        "task": "a",
        "session": "s",
        "base": "1" * 40,
        "built_on": {},
    }
    with pytest.raises(ConflictError):
        pure.run(command, context)
    seen = {f"{made['boot_id']}:{made['monotonic_ns']}": 10**18 - 1001 * 10**6}
    assert pure.run(command, context._replace(observed=seen))["lapsed"][0]["rule"] == "observed"


def test_a_claim_that_is_over_is_ended_by_the_locker_that_it_hinders() -> None:
    pure = ledger()
    claim = pure.claim("x", "a")
    lock(pure, "x", "lib/", claim=claim)
    pure.now_ns += 2 * LEASE_NS
    event = lock(pure, "y", "lib/x")
    assert [gone["task"] for gone in event["expired"]] == ["a"]
    assert pure.state("a") == "open"
    assert [one["agent"] for one in locks(pure)] == ["y"]


def test_a_claim_ends_one_that_is_over_and_whose_lock_hinders_it() -> None:
    pure = ledger()
    lock(pure, "x", "b/", claim=pure.claim("x", "a"))
    pure.now_ns += 2 * LEASE_NS
    assert [gone["task"] for gone in pure.claim("y", "b")["expired"]] == ["a"]
    assert not locks(pure)


def test_reaping_ends_what_is_over_and_nothing_else() -> None:
    pure = ledger()
    lock(pure, "x", "p/", for_ms=1000)
    lock(pure, "x", "q/", for_ms=5000)
    lock(pure, "x", "r/")
    pure.now_ns += 2 * 10**9
    event = pure.run({"op": "expire"})
    assert render(event).splitlines()[0] == "expire by orchestrator, locks of x"
    assert sorted(one["paths"][0] for one in locks(pure)) == ["q/", "r/"]
    refused(pure, RefusedError, lambda: pure.run({"op": "expire"}))


def test_locking_a_path_again_replaces_the_earlier_lock_on_it() -> None:
    pure = ledger()
    lock(pure, "x", "p/", "q/", shared=True)
    lock(pure, "x", "p/", for_ms=1000)
    assert sorted((one["paths"], one["shared"]) for one in locks(pure)) == [
        (["p/"], False),
        (["q/"], True),
    ]


def test_unlocking_takes_paths_away_one_by_one() -> None:
    pure = ledger()
    lock(pure, "x", "p/", "q/")
    unlock(pure, "x", "p/")
    assert [one["paths"] for one in locks(pure)] == [["q/"]]
    refused(pure, NotFoundError, lambda: unlock(pure, "x", "p/"))
    refused(pure, NotFoundError, lambda: unlock(pure, "x"))
    assert (
        refused(pure, RefusedError, lambda: unlock(pure, "y", "q/", of="x")).facts["reason"]
        == "role"
    )
    event = pure.run(
        {"op": "unlock", "name": "x", "paths": ["q/"], "tokens": [], "reason": "x is gone"}
    )
    assert render(event).splitlines()[0] == "unlock q/ of x by orchestrator"
    assert not locks(pure)


def test_an_agent_that_is_removed_leaves_no_lock() -> None:
    pure = ledger()
    lock(pure, "x", "p/")
    lock(pure, "y", "q/")
    pure.run({"op": "agent-remove", "name": "x", "reason": ""})
    assert [one["agent"] for one in locks(pure)] == ["y"]


def test_the_message_of_a_lock_says_what_and_why() -> None:
    pure = ledger()
    claim = pure.claim("x", "a")
    event = lock(
        pure, "x", "p/", "q/*.py", claim=claim, shared=True, for_ms=90_000, reason="one\nmore"
    )
    lines = render(event).splitlines()
    assert lines[0] == "lock p/, q/*.py by x, shared, for 90 s, with its claim on a: one"
    assert f"Gitcoord-Claim: {claim['token']}" in lines
    assert "Gitcoord-Task: a" in lines


@pytest.mark.parametrize(
    "more",
    [
        {"paths": []},
        {"paths": ["/x"]},
        {"paths": ["a/../b"]},
        {"paths": [".git/"]},
        {"paths": ["a", "a"]},
        {"for_ms": 0},
        {"reason": "x" * 2000},
        {"paths": [f"p{number}" for number in range(65)]},
        {"paths": [f"{number}" + "x" * 1000 for number in range(10)]},
        {"for_ms": 10**12},
    ],
)
def test_a_malformed_lock_is_refused(more: dict[str, Any]) -> None:
    pure = ledger()
    refused(pure, UsageError, lambda: lock(pure, "x", "p/", **more))


def test_an_agent_can_take_so_many_locks_and_no_more() -> None:
    pure = ledger()
    for number in range(64):
        lock(pure, "x", f"p{number}/")
    assert (
        refused(pure, RefusedError, lambda: lock(pure, "x", "more/")).facts["reason"]
        == "too-many-locks"
    )


@pytest.mark.parametrize(
    "change", [{"for_ms": 1}, {"now_ns": 0}, {"agent": "y"}, {"lock": "0" * 12}]
)
def test_forged_evidence_ends_no_lock(change: dict[str, Any]) -> None:
    pure = ledger()
    lock(pure, "x", "a/", for_ms=1000)
    pure.now_ns += 2 * 10**9
    before = dict(pure.files)
    event = pure.claim("y", "a")
    pure.files = before
    check(pure.snapshot, event)
    event["lapsed"][0].update(change)  # type: ignore[typeddict-item]
    with pytest.raises(RefusedError):
        check(pure.snapshot, event)
