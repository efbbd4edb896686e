"""A claim is widened within every layer, and over nobody else."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from gitcoord.core import paths
from gitcoord.core.boundary import boundary_of, fits_agent, paths_of
from gitcoord.core.errors import (
    ClaimLostError,
    ConflictError,
    GitcoordError,
    RefusedError,
    UsageError,
)
from gitcoord.core.events import Event
from gitcoord.core.leases import running
from gitcoord.core.operations.widenings import question, refuse_unmerged
from gitcoord.core.sentences import words
from tests.support.builders import PureLedger, tasks
from tests.support.pure import LEASE_NS, refused

FREE = '[plan]\nwidening = "free"\n'


def ledger(*names: str, head: str = FREE) -> PureLedger:
    pure = PureLedger()
    pure.init()
    pure.plan(tasks(*names, head=head))
    for agent in ("x", "y"):
        pure.agent(agent)
    return pure


def wish(claim: Event, *wanted: str) -> dict[str, Any]:
    held = {"agent": claim["agent"], "task": claim["task"], "token": claim["token"]}
    return {"op": "widen", **held, "paths": list(wanted)}


def own(pure: PureLedger, task: str) -> list[str] | None:
    return paths_of(pure.snapshot.require_task(task))


def test_a_claim_may_write_what_it_was_widened_by_over_attempts_until_a_retry() -> None:
    pure = ledger("a")
    claim = pure.claim("x", "a")
    pure.run(wish(claim, "lib/"))
    pure.run(wish(claim, "docs/a.md"))
    assert own(pure, "a") == ["a/", "lib/", "docs/a.md"]
    held = {"agent": "x", "task": "a", "token": claim["token"]}
    pure.run({"op": "release", **held, "reason": ""})
    assert own(pure, "a") == ["a/", "lib/", "docs/a.md"]
    again = pure.claim("x", "a")
    fail = {"agent": "x", "task": "a", "token": again["token"], "reason": "no", "log": None}
    pure.run({"op": "fail", **fail, "kind": "permanent"})
    pure.run({"op": "retry", "task": "a", "reason": ""})
    assert own(pure, "a") == ["a/"]


def test_what_is_allowed_already_is_nothing_to_do_and_a_bad_path_is_an_error() -> None:
    pure = ledger("a")
    claim = pure.claim("x", "a")
    assert refused(pure, RefusedError, **wish(claim, "a/b/")).facts["reason"] == "nothing-to-do"
    refused(pure, UsageError, **wish(claim, "../x"))
    refused(pure, UsageError, **wish(claim))
    refused(pure, UsageError, **wish(claim, *(f"{number}/" for number in range(65))))
    stale = {**wish(claim, "lib/"), "token": "f" * 32}
    refused(pure, ClaimLostError, **stale)


def test_a_path_that_was_widened_to_already_is_kept_once() -> None:
    pure = ledger("a")
    claim = pure.claim("x", "a")
    pure.run(wish(claim, "lib/"))
    again = refused(pure, RefusedError, **wish(claim, "lib/"))
    assert again.facts["reason"] == "nothing-to-do"
    pure.run(wish(claim, "lib/", "doc/"))
    assert own(pure, "a") == ["a/", "lib/", "doc/"]


def test_no_widening_goes_beyond_pool_phase_or_agent() -> None:
    pool = '[[pool]]\nname = "default"\npaths = ["src/"]\n'
    for head, agent in ((FREE + pool, {}), (FREE, {"paths": ["src/"]})):
        pure = PureLedger()
        pure.init()
        pure.plan(head + tasks("a").replace('"a/"', '"src/a/"'))
        pure.agent("x", **agent)
        claim = pure.claim("x", "a")
        pure.run(wish(claim, "src/b.py"))
        for wanted in ("lib/", "**", "src*/"):
            error = refused(pure, RefusedError, **wish(claim, wanted))
            assert error.facts["reason"] == "boundary"


def test_who_holds_the_path_is_named() -> None:
    pure = ledger("a", "b")
    first, second = pure.claim("x", "a"), pure.claim("y", "b")
    error = refused(pure, ConflictError, **wish(first, "b/x.py"))
    assert (error.facts["holder"], error.facts["task"]) == ("y", "b")
    pure.run(wish(second, "lib/"))
    assert refused(pure, ConflictError, **wish(first, "lib/x.py")).facts["holder"] == "y"


def test_a_widened_path_is_held_against_claims_and_locks() -> None:
    pure = ledger("a", "b")
    pure.run(wish(pure.claim("x", "a"), "b/x.py"))
    begin = {"op": "claim", "agent": "y", "task": "b", "session": "s", "base": "", "built_on": {}}
    assert refused(pure, ConflictError, **begin).facts["holder"] == "x"
    lock = {"task": "", "token": "", "shared": False, "reason": "", "for_ms": None}
    refused(pure, ConflictError, op="lock", agent="y", paths=["b/"], **lock)


def test_what_is_over_is_ended_in_the_same_entry() -> None:
    pure = ledger("a", "b")
    lock = {"task": "", "token": "", "shared": False, "reason": "", "for_ms": 1000}
    pure.run({"op": "lock", "agent": "x", "paths": ["lib/"], **lock})
    pure.claim("x", "a")
    pure.now_ns += LEASE_NS + 1
    event = pure.run(wish(pure.claim("y", "b"), "a/x.py", "lib/"))
    assert [one["task"] for one in event["expired"]] == ["a"]
    assert [one["agent"] for one in event["lapsed"]] == ["x"]
    assert pure.state("a") == "open"


def test_where_the_plan_asks_only_the_same_paths_of_this_attempt_are_granted() -> None:
    pure = ledger("a", head="")
    claim = pure.claim("x", "a")
    error = refused(pure, RefusedError, **wish(claim, "lib/"))
    asked = question(pure.snapshot.require_task("a"), ["lib/"])
    assert (error.facts["reason"], error.facts["question"]) == ("widening", asked)
    escalate = {"op": "escalate", "agent": "x", "task": "a"}
    other = pure.run({**escalate, "kind": "question", "said": asked})
    refused(pure, UsageError, op="resolve", escalation=other["id"][:8], answer="yes", granted=True)
    ours = pure.run({**escalate, "kind": "widening", "said": asked})
    refused(pure, RefusedError, **wish(claim, "lib/"))
    pure.run({"op": "resolve", "escalation": ours["id"][:8], "answer": "yes", "granted": True})
    assert refused(pure, RefusedError, **wish(claim, "lib/", "b/")).facts["reason"] == "widening"
    pure.run(wish(claim, "lib/"))
    assert own(pure, "a") == ["a/", "lib/"]


def test_what_an_older_release_asked_as_a_text_is_granted_all_the_same() -> None:
    pure = ledger("a", head="")
    claim = pure.claim("x", "a")
    asked = 'may attempt 1 at task a write ["lib/"], too?'
    assert words(question(pure.snapshot.require_task("a"), ["lib/"])) == asked
    ours = pure.run(
        {"op": "escalate", "agent": "x", "task": "a", "kind": "widening", "reason": asked}
    )
    pure.run({"op": "resolve", "escalation": ours["id"][:8], "answer": "yes", "granted": True})
    pure.run(wish(claim, "lib/"))
    assert own(pure, "a") == ["a/", "lib/"]


def test_more_paths_than_a_question_has_room_for_are_refused() -> None:
    pure = ledger("a", head="")
    claim = pure.claim("x", "a")
    wanted = [f"lib/{number:040}/" for number in range(40)]
    error = refused(pure, UsageError, **wish(claim, *wanted))
    assert "name a folder" in error.hint
    refused(pure, RefusedError, **wish(claim, *wanted[:20]))


def test_an_answer_that_does_not_grant_widens_nothing() -> None:
    pure = ledger("a", head="")
    claim = pure.claim("x", "a")
    asked = question(pure.snapshot.require_task("a"), ["lib/"])
    ours = pure.run(
        {"op": "escalate", "agent": "x", "task": "a", "kind": "widening", "said": asked}
    )
    pure.run({"op": "resolve", "escalation": ours["id"][:8], "answer": "granted, but not now"})
    assert refused(pure, RefusedError, **wish(claim, "lib/")).facts["reason"] == "widening"


def test_where_the_plan_forbids_it_nothing_is_asked() -> None:
    pure = ledger("a", head='[plan]\nwidening = "never"\n')
    error = refused(pure, RefusedError, **wish(pure.claim("x", "a"), "lib/"))
    assert error.facts["reason"] == "widening"
    assert "question" not in error.facts


def test_a_result_that_the_work_does_not_contain_is_merged_first() -> None:
    pure = ledger("a", "b")
    pure.complete(pure.claim("y", "b"))
    pure.claim("x", "a")
    task, other = (pure.snapshot.require_task(name) for name in "ab")
    assert other["result"] is not None
    refuse_unmerged(task, [other], ["lib/"], {})
    refuse_unmerged(task, [other], ["b/"], {"b": str(other["result"]["oid"])})
    for built_on in ({}, {"b": "0" * 40}):
        with pytest.raises(RefusedError) as caught:
            refuse_unmerged(task, [other], ["b/x.py"], built_on)
        assert caught.value.reason == "base-moved"
        assert caught.value.facts["branch"] == other["branch"]
        assert str(other["result"]["oid"])[:12] in caught.value.hint


def some(*patterns: str) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(patterns), min_size=1, max_size=2, unique=True)


MINE = some("a/", "a/x.py", "lib/a/")
THEIRS = some("b/", "docs/*.md", "lib/b/")
LAYER = st.sampled_from([None, None, ["**"], ["a/", "b/", "lib/", "docs/"], ["a/", "lib/", "*/*"]])
LOCKED = some("lib/c/", "docs/", "new/", "*/y.py")
WANTED = some(
    "new/", "lib/", "lib/d/", "b/x.py", "docs/a.md", "docs/a/", "*/z.py", "**", "new/y.py"
)


@settings(max_examples=150, deadline=None)
@given(MINE, THEIRS, LAYER, LAYER, LOCKED, WANTED, st.booleans())
def test_what_is_granted_is_within_every_layer_and_held_by_nobody_else(
    first: list[str],
    second: list[str],
    pool: list[str] | None,
    agent: list[str] | None,
    locked: list[str],
    wanted: list[str],
    is_reviewed: bool,
) -> None:
    """Whatever the layers, claims, locks and reviews: granted or refused, never both."""
    pure = PureLedger()
    pure.init()
    bound = "" if pool is None else f"paths = {pool}\n"
    reviews = int(is_reviewed)
    head = f'[[pool]]\nname = "default"\n{bound}[[phase]]\nname = "default"\nreviews = {reviews}\n'
    row = '[[task]]\nid = "{}"\ntitle = "T"\npaths = {}\n'
    try:
        pure.plan(FREE + head + row.format("a", first) + row.format("b", second))
        pure.agent("x", paths=agent)
        pure.agent("y")
        claim, other = pure.claim("x", "a"), pure.claim("y", "b")
    except GitcoordError:
        return  # no such two claims stand beside each other
    lock = {"task": "", "token": "", "shared": False, "reason": "", "for_ms": None}
    try:
        pure.run({"op": "lock", "agent": "y", "paths": locked, **lock})
    except ConflictError:
        locked = []
    if is_reviewed:
        pure.complete(other)
        pure.agent("z")
        pure.run({"op": "review", "agent": "z", "task": "b", "session": "s"})
    before = dict(pure.files)
    try:
        pure.run(wish(claim, *wanted))
    except GitcoordError:
        assert pure.files == before, "a refusal changes nothing"
        return
    task = pure.snapshot.require_task("a")
    record = pure.snapshot.agent("x")
    assert task["state"] == "claimed"
    assert paths_of(task) == [*first, *wanted]
    assert paths.overlaps(wanted, second) is None, "another holds it, or it is under review"
    assert paths.overlaps(wanted, locked) is None
    for layer in boundary_of(pure.snapshot, task, record).layers:
        assert layer.name.startswith("task ") or paths.covers(layer.patterns, wanted)
    assert record is None or fits_agent(pure.snapshot, task, record)


BOUND = st.sampled_from([None, None, ["**"], ["a/", "b/", "c/", "lib/"], ["?/", "lib/", "*.md"]])
WISHES = st.lists(
    st.sampled_from(["a/", "b/x.py", "c/*/t.py", "lib/", "lib/x.py", "*/x.py", "one.md", "**"]),
    min_size=1,
    max_size=2,
    unique=True,
)
SEATS = ("x", "y", "z")
SEAT = st.sampled_from(SEATS)


class Widening(RuleBasedStateMachine):
    """Three claims that widen towards each other, among locks, reviews, and leases that end.

    ``PureLedger.publish`` asserts the replay law for every entry.
    """

    @initialize(pool=BOUND, phase=BOUND, agent=BOUND)
    def begin(
        self, pool: list[str] | None, phase: list[str] | None, agent: list[str] | None
    ) -> None:
        self.claims: dict[str, Event] = {}
        self.reviews: dict[str, Event] = {}
        self.granted: dict[str, list[str]] = {name: [] for name in "abc"}
        self.pure = PureLedger()
        self.pure.init()
        head = FREE
        for kind, bound in (("pool", pool), ("phase", phase)):
            head += f'[[{kind}]]\nname = "default"\n'
            if bound is not None:
                head += f"paths = {bound}\n"
        self.pure.plan(tasks(*"abc", head=head + "reviews = 1\n"))
        for name in SEATS:
            self.pure.agent(name, paths=agent)

    def ask(self, **command: Any) -> Event | None:
        before = dict(self.pure.files)
        try:
            return self.pure.run(command)
        except GitcoordError:
            assert self.pure.files == before, "a refusal changes nothing"
            return None

    @rule(agent=SEAT, task=st.sampled_from("abc"))
    def claim(self, agent: str, task: str) -> None:
        begin = {"session": "s", "base": "1" * 40, "built_on": {}}
        event = self.ask(op="claim", agent=agent, task=task, **begin)
        if event is not None:
            self.claims[agent] = event

    @rule(agent=SEAT, wanted=WISHES)
    def widen(self, agent: str, wanted: list[str]) -> None:
        if agent not in self.claims:
            return
        event = self.ask(**wish(self.claims[agent], *wanted))
        if event is None:
            return
        task = self.pure.snapshot.require_task(event["task"])
        self.granted[task["id"]] += wanted
        for layer in boundary_of(self.pure.snapshot, task, self.pure.snapshot.agent(agent)).layers:
            assert layer.name.startswith("task ") or paths.covers(layer.patterns, wanted)
        for other in self.pure.snapshot.tasks():
            result = other["result"]
            # Results that wait for a reviewer are refused by the feature, which has an index.
            if running(other) and result and result["agent"] != agent:
                assert paths.overlaps(wanted, paths_of(other) or []) is None, "it is under review"

    @rule(agent=SEAT)
    def hand_in(self, agent: str) -> None:
        claim = self.claims.get(agent)
        if claim is not None and self.pure.state(claim["task"]) == "claimed":
            try:
                self.pure.complete(claim)
            except GitcoordError:
                return
            del self.claims[agent]

    @rule(agent=SEAT, task=st.sampled_from("abc"))
    def review(self, agent: str, task: str) -> None:
        review = self.ask(op="review", agent=agent, task=task, session="s")
        if review is not None:
            self.reviews[agent] = review

    @rule(agent=SEAT)
    def reject(self, agent: str) -> None:
        review = self.reviews.pop(agent, None)
        if review is not None:
            keys = {"token": review["token"], "reviewed": review["reviewed"]}
            self.ask(op="reject", agent=agent, task=review["task"], reason="no", **keys)

    @rule(agent=SEAT, wanted=WISHES, for_ms=st.none() | st.integers(1, 9000))
    def lock(self, agent: str, wanted: list[str], for_ms: int | None) -> None:
        free = {"task": "", "token": "", "shared": False, "reason": ""}
        self.ask(op="lock", agent=agent, paths=wanted, for_ms=for_ms, **free)

    @rule(is_whole=st.booleans())
    def wait(self, is_whole: bool) -> None:
        self.pure.now_ns += LEASE_NS + 1 if is_whole else 5 * 10**9

    @invariant()
    def two_claims_never_hold_one_path(self) -> None:
        held = [task for task in self.pure.snapshot.live() if task["claim"]]
        for one, other in itertools.combinations(held, 2):
            assert paths.overlaps(paths_of(one) or [], paths_of(other) or []) is None

    @invariant()
    def no_claim_holds_what_another_agent_locks(self) -> None:
        for task, lock in itertools.product(self.pure.snapshot.live(), self.pure.snapshot.locks()):
            if task["claim"] and task["claim"]["agent"] != lock["agent"]:
                assert paths.overlaps(paths_of(task) or [], lock["paths"]) is None

    @invariant()
    def what_was_granted_is_what_may_be_written(self) -> None:
        for task in self.pure.snapshot.tasks():
            granted = dict.fromkeys(self.granted[task["id"]])
            assert task.get("widened", []) == list(granted), "and nothing that was refused"


TestWidening = Widening.TestCase
TestWidening.settings = settings(max_examples=30, stateful_step_count=25, deadline=None)
