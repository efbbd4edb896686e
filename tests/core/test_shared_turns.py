"""What a shared turn is made of, and that it is what its requests are one by one."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gitcoord.core.errors import GitcoordError
from gitcoord.core.events import Event
from gitcoord.core.leases import LeftError
from gitcoord.core.machine import apply, check, decide
from gitcoord.core.shared_turns import (
    MAX_OTHERS,
    VERSION,
    Asked,
    chosen,
    compose,
    is_alone,
    parse_asked,
)
from gitcoord.core.snapshot import Snapshot
from tests.support.builders import BOOT, TARGET, PureLedger, tasks

FACTS: dict[str, Any] = {
    "version": VERSION,
    "id": "1" * 32,
    "agent": "x",
    "token": "2" * 32,
    "machine": BOOT,
    "now_ns": 5,
    "committer": ["A", "a@example.invalid"],
    "request": {"op": "progress"},
}


def test_a_request_says_who_asks_for_what_and_when() -> None:
    assert parse_asked(FACTS) == Asked(
        "1" * 32,
        "x",
        "2" * 32,
        BOOT,
        5,
        ("A", "a@example.invalid"),
        {"op": "progress"},
    )


@pytest.mark.parametrize(
    "changed",
    [
        {"version": VERSION + 1},
        {"version": None},
        {"id": "../x"},
        {"agent": ".refs"},
        {"token": 3},
        {"machine": None},
        {"now_ns": "5"},
        {"now_ns": True},
        {"committer": ["A"]},
        {"committer": ["A\n", "a"]},
        {"committer": ["A<", "a"]},
        {"committer": ["", "a"]},
        {"committer": ["A" * 2000, "a"]},
        {"request": []},
        {"request": {}},
        {"request": {"op": ["progress"]}},
    ],
)
def test_what_is_not_a_request_is_none(changed: dict[str, Any]) -> None:
    assert parse_asked({**FACTS, **changed}) is None


def asking(number: int, op: str = "progress", machine: str = BOOT, **more: Any) -> Asked:
    request = {"op": op, "agent": "x", **more}
    who = ("A", "a@example.invalid")
    return Asked(f"{number:032}", "x", f"{number:032}", machine, number, who, request)


def test_a_turn_takes_those_that_wait_the_longest() -> None:
    waiting = [asking(number) for number in range(50, 0, -1)]
    assert [one.now_ns for one in chosen(waiting, BOOT)] == list(range(1, MAX_OTHERS + 1))


def test_a_turn_takes_nothing_of_another_clock() -> None:
    assert chosen([asking(1, machine="other"), asking(2)], BOOT) == [asking(2)]


def test_what_ends_a_task_goes_last() -> None:
    waiting = [asking(1, "complete"), asking(2, "claim"), asking(3)]
    assert [one.request["op"] for one in chosen(waiting, BOOT)] == ["claim", "progress", "complete"]


def test_what_ends_a_lease_or_goes_back_is_published_alone() -> None:
    ledger = founded()
    plain = ledger.run(command("claim", "x", "a"))
    assert not is_alone(plain)
    ledger.now_ns += 10**13
    assert is_alone(decide(ledger.snapshot, command("claim", "y", "a"), ledger.context()))
    back: Any = {**plain, "onto": "1" * 40}
    assert is_alone(back)


def founded() -> PureLedger:
    ledger = PureLedger()
    ledger.init()
    ledger.plan(tasks("a", "b", "c"))
    for agent in "xyz":
        ledger.agent(agent)
    return ledger


def command(op: str, agent: str, task: str, token: str = "") -> dict[str, Any]:
    more: dict[str, dict[str, Any]] = {
        "claim": {"session": "s", "base": TARGET, "built_on": {}},
        "progress": {"token": token, "message": "on", "percent": None},
        "release": {"token": token, "reason": ""},
    }
    return {"op": op, "agent": agent, "task": task, **more[op]}


REQUESTS = st.lists(
    st.tuples(
        st.sampled_from(["claim", "progress", "release"]),
        st.sampled_from("xyz"),
        st.sampled_from("abc"),
        st.booleans(),
    ),
    max_size=8,
)


@example(first="b", wanted=[("claim", "z", "a", True)], late=True)
@given(first=st.sampled_from("abc"), wanted=REQUESTS, late=st.booleans())
def test_a_turn_is_what_its_requests_are_one_after_another(
    first: str, wanted: list[tuple[str, str, str, bool]], late: bool
) -> None:
    ledger = founded()
    held = ledger.run(command("claim", "x", "a"))
    if late:
        ledger.now_ns += 10**13
    state = ledger.snapshot
    own: Event | None = None
    try:
        own = decide(state, command("claim", "y", first), ledger.context())
    except GitcoordError:
        own = decide(state, command("progress", "x", "a", held["token"]), ledger.context())
    waiting = []
    for number, (op, agent, task, is_right) in enumerate(wanted):
        token = held["token"] if is_right else "0" * 32
        waiting.append(asking(number)._replace(request=command(op, agent, task, token)))

    def decided(here: Snapshot, asked: Asked) -> Event:
        context = ledger.context()._replace(id=asked.id, token=asked.token)
        return decide(here, dict(asked.request), context)

    changes = apply(state, own)
    outcomes = compose(state, own, changes, waiting, decided)
    ledger.publish(own)
    assert [one.asked for one in outcomes] == waiting
    for one in outcomes:
        if one.event is not None:
            # As it would be on its own, on what those before it left.
            assert one.event["id"] == one.asked.id
            assert not is_alone(one.event)
            check(ledger.snapshot, one.event)
            assert one.changes == apply(ledger.snapshot, one.event)
            ledger.publish(one.event)
            continue
        context = ledger.context()._replace(id=one.asked.id, token=one.asked.token)
        if one.refusal is not None:
            with pytest.raises(type(one.refusal)):
                decide(ledger.snapshot, dict(one.asked.request), context)


def test_a_claim_is_left_once_something_ended_in_its_turn() -> None:
    ledger = founded()
    state = ledger.snapshot
    own = decide(state, command("claim", "x", "a"), ledger.context())
    ended: Any = {**own, "op": "complete"}
    waiting = [asking(1)._replace(request=command("claim", "y", "b"))]

    def never(_state: Snapshot, _asked: Asked) -> Event:
        pytest.fail("its base may need what the turn handed in")

    assert compose(state, ended, {}, waiting, never) == []


@pytest.mark.parametrize("error", [LeftError(), KeyError("x"), TypeError("x")])
def test_what_cannot_be_decided_is_left_to_its_owner(error: Exception) -> None:
    ledger = founded()
    state = ledger.snapshot
    own = decide(state, command("claim", "x", "a"), ledger.context())

    def fails(_state: Snapshot, _asked: Asked) -> Event:
        raise error

    (outcome,) = compose(state, own, apply(state, own), [asking(1)], fails)
    assert outcome == (asking(1), None, None, None)
