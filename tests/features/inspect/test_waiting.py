"""What a task waits for, in a few words with the next step."""

from __future__ import annotations

from gitcoord.core.sentences import given, said
from gitcoord.features.inspect.waiting import describe_waiting, waiting_of
from tests.support.builders import REVIEWED, PureLedger, tasks

PHASES = '[[phase]]\nname = "one"\n[[phase]]\nname = "two"\nafter = ["one"]\n'


def ledger(text: str) -> PureLedger:
    pure = PureLedger()
    pure.init()
    pure.plan(text)
    for name in "xyz":
        pure.agent(name)
    return pure


def told(pure: PureLedger, task: str, agent: str = "") -> str:
    return describe_waiting(pure.snapshot, pure.snapshot.require_task(task), pure.context(), agent)


def kinds(pure: PureLedger, task: str) -> list[tuple[str, tuple[str, ...]]]:
    found = waiting_of(pure.snapshot, pure.snapshot.require_task(task), pure.context())
    return [(one.kind, one.names) for one in found]


def test_a_task_that_is_held_names_its_holder() -> None:
    pure = ledger(tasks("a"))
    pure.claim("x", "a")
    assert told(pure, "a") == "task a is held by x"


def test_a_result_waits_for_its_landing() -> None:
    pure = ledger(tasks("a"))
    pure.complete(pure.claim("x", "a"))
    assert told(pure, "a") == ("phase default waits for its landing: `gitcoord phase land default`")


def test_a_result_in_review_names_who_reviews_it() -> None:
    pure = ledger(REVIEWED + tasks("a"))
    pure.complete(pure.claim("x", "a"))
    assert told(pure, "a") == "task a waits for review: `gitcoord review claim`"
    pure.run({"op": "review", "agent": "y", "task": "a", "session": "s"})
    assert told(pure, "a") == "task a waits for review by y"


def test_a_phase_waits_for_the_one_before() -> None:
    text = PHASES + tasks("a") + 'phase = "one"\n' + tasks("b") + 'phase = "two"\n'
    assert told(ledger(text), "b") == (
        "phase two has not started: phase one has to land first: `gitcoord phase check one`"
    )


def test_a_task_names_at_most_five_needs_that_are_open() -> None:
    pure = ledger(tasks(*"abcdefg", "z", z=list("abcdefg")))
    pure.complete(pure.claim("x", "a"))
    assert told(pure, "z") == "task z waits for b, c, d, e, f"


def test_an_escalation_and_a_failure_are_waited_for() -> None:
    pure = ledger(tasks("a", "b"))
    pure.run(
        {"op": "escalate", "agent": "x", "task": "a", "kind": "question", "reason": "which way?"}
    )
    assert told(pure, "a") == "task a waits for the orchestrator: `gitcoord status` says why"
    claim = pure.claim("x", "b")
    pure.run(
        {
            "op": "fail",
            "agent": "x",
            "task": "b",
            "token": claim["token"],
            "reason": "no",
            "kind": "transient",
            "log": None,
        }
    )
    assert told(pure, "b") == "task b waits after its failure"
    pure.now_ns += 3600 * 10**9
    assert kinds(pure, "b") == []


def test_a_usage_limit_is_waited_for_and_is_no_failure() -> None:
    pure = ledger(tasks("a"))
    claim = pure.claim("x", "a")
    why = said("usage-limit", assistant="claude", until="2026-11-24T12:00:00Z")
    pure.run(
        {
            "op": "release",
            "agent": "x",
            "task": "a",
            "token": claim["token"],
            "kind": "limit",
            "delay_ms": 60_000,
            "resume": None,
            **given(why),
        }
    )
    assert told(pure, "a") == (
        "task a waits: claude has reached its usage limit, until 2026-11-24T12:00:00Z"
    )


def test_paths_in_use_name_who_holds_them() -> None:
    row = '[[task]]\nid = "{}"\ntitle = "T"\npaths = ["lib/"]\n'
    pure = ledger(row.format("a") + row.format("b"))
    pure.claim("x", "a")
    assert told(pure, "b") == "task b has no room: x holds lib/ for task a"


def test_a_full_pool_is_in_use() -> None:
    pure = ledger('[[pool]]\nname = "default"\nlimit = 1\n' + tasks("a", "b"))
    assert kinds(pure, "a") == []
    pure.claim("x", "b")
    assert kinds(pure, "a") == [("limit", ("b",))]
    assert told(pure, "a") == "task a has no room: its pool is in use"


def test_all_that_a_task_waits_for_has_a_kind() -> None:
    more = 'phase = "two"\nneeds = ["c", "d"]\n'
    text = PHASES + tasks("a") + 'phase = "one"\n' + tasks("b").replace("needs = []\n", more)
    pure = ledger(text + tasks("c") + 'phase = "two"\n' + tasks("d") + 'phase = "two"\n')
    pure.run({"op": "cancel", "task": "c", "reason": ""})
    assert kinds(pure, "b") == [("need", ("c",)), ("phase", ("one",)), ("need", ("d",))]
    found = waiting_of(pure.snapshot, pure.snapshot.require_task("b"), pure.context())
    assert [one.command for one in found] == [
        "gitcoord retry c",
        "gitcoord phase check one",
        "",
    ]


def test_what_is_over_waits_for_a_retry() -> None:
    pure = ledger(tasks("a"))
    pure.run({"op": "cancel", "task": "a", "reason": ""})
    assert told(pure, "a") == "task a is cancelled: `gitcoord retry a`"
