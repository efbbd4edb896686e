from __future__ import annotations

import itertools
import re

import pytest

from gitcoord.core.errors import (
    ClaimLostError,
    ConflictError,
    GitcoordError,
    InvalidPlanError,
    NotFoundError,
    NothingReadyError,
    RefusedError,
)
from gitcoord.core.leases import Beat
from gitcoord.core.machine import apply, check, operations
from gitcoord.core.model import State
from gitcoord.core.operation import STATES
from gitcoord.core.operations.gates import check_of, definition_of
from tests.support.builders import BOOT, PureLedger, tasks

LEASE_NS = 900 * 10**9


def ledger(*names: str, head: str = "", agents: int = 3, **needs: list[str]) -> PureLedger:
    pure = PureLedger()
    pure.init()
    pure.plan(tasks(*(names or ("a", "b", "c")), head=head, **needs))
    for number in range(agents):
        pure.agent(f"x{number}")
    return pure


def refused(pure: PureLedger, error: type[GitcoordError], **command: object) -> GitcoordError:
    before = dict(pure.files)
    with pytest.raises(error) as caught:
        pure.run(dict(command))
    assert pure.files == before
    return caught.value


MOVING = [op for op, row in operations().items() if row.transitions]
REVIEWED = """
[[phase]]
name = "p"
reviews = 1
[[task]]
id = "a"
title = "A"
phase = "p"
paths = ["a/"]
check = "true"
"""


def in_state(state: State) -> tuple[PureLedger, str]:
    """Bring task a into a state; return the token of its last claim or review."""
    pure = PureLedger()
    pure.init()
    pure.plan(REVIEWED)
    pure.agent("x0")
    pure.agent("x1")
    if state == "open":
        return pure, "f" * 32
    if state == "cancelled":
        pure.run({"op": "cancel", "task": "a", "reason": ""})
        return pure, "f" * 32
    claim = pure.claim("x0", "a")
    held = {"agent": "x0", "task": "a", "token": claim["token"]}
    if state == "failed":
        pure.run({"op": "fail", **held, "kind": "permanent", "reason": "no way"})
    if state in {"claimed", "failed"}:
        return pure, claim["token"]
    pure.run({"op": "check", **held, **check_run(pure)})
    pure.run({"op": "complete", **held, "result": RESULT})
    review = pure.run({"op": "review", "agent": "x1", "task": "a", "session": "s"})
    if state == "done":
        verdict = {"token": review["token"], "reviewed": RESULT["oid"], "reason": ""}
        pure.run({"op": "approve", "agent": "x1", "task": "a", **verdict})
    return pure, review["token"]


RESULT = {
    "oid": "1" * 40,
    "tree": "1" * 40,
    "base": "1" * 40,
    "built_on": {},
    "commits": 1,
    "files": 1,
}


def check_run(pure: PureLedger) -> dict[str, object]:
    spec = check_of(pure.snapshot.require_task("a")["spec"])
    assert spec is not None
    return {
        "definition": definition_of(spec),
        "tree": RESULT["tree"],
        "commit": RESULT["oid"],
        "verdict": "passed",
        "reason": "",
        "millis": 1,
        "log": None,
    }


def asked(op: str, pure: PureLedger, token: str) -> dict[str, object]:
    """A command that asks for an operation on task a, by whoever may."""
    command: dict[str, object] = {
        **check_run(pure),
        "op": op,
        "task": "a",
        "token": token,
        "session": "s",
        "base": "1" * 40,
        "built_on": {},
        "old": token,
        "message": "on",
        "result": RESULT,
        "kind": "transient",
        "reason": "because",
        "reviewed": RESULT["oid"],
        "to": "x1",
    }
    if op in {"claim", "review", "approve", "reject", "review-release"}:
        command["agent"] = "x1"
    elif op in {"reissue", "progress", "complete", "fail", "release", "check"}:
        command["agent"] = "x0"
    if op == "check":
        command["reason"] = ""
    return command


@pytest.mark.parametrize(("op", "state"), list(itertools.product(MOVING, STATES)))
def test_every_operation_in_every_state_does_what_its_row_says(op: str, state: State) -> None:
    pure, token = in_state(state)
    assert pure.state("a") == state
    if (op, state) == ("complete", "claimed"):
        pure.run({**asked("check", pure, token)})
    if op == "claim":
        pure.now_ns += LEASE_NS + 1
    command, targets = asked(op, pure, token), operations()[op].transitions.get(state)
    if targets is None:
        error = refused(pure, GitcoordError, **command)
        assert error.facts.get("reason") == "state" or isinstance(error, ClaimLostError)
    else:
        # ``run`` holds the law: the state is one that the row names.
        pure.run(command)
        assert pure.state("a") in targets


def test_a_row_names_states_and_keys_that_there_are() -> None:
    for op, row in operations().items():
        for transitions in (row.transitions, *row.in_passing.values()):
            assert set(transitions) <= set(STATES), op
            assert {state for targets in transitions.values() for state in targets} <= set(STATES)
        assert set(row.in_passing) - {"*"} <= row.keys, op
        assert row.body in {"", *row.keys}, op
        assert not row.fields & row.optional.keys(), op
        assert not row.transitions or "task" in row.fields, op
        named = {place.partition("/")[0] for place in re.findall(r"\{([a-z_/]+)", row.subject)}
        assert named <= row.keys, op


def test_a_claim_gives_the_next_attempt_and_its_own_branch() -> None:
    pure = ledger()
    claim = pure.claim("x0", "a")
    task = pure.snapshot.require_task("a")
    assert (task["state"], task["attempt"]) == ("claimed", 1)
    assert claim["branch"] == f"task/a/1-{claim['token'][:6]}"
    assert [one["id"] for one in pure.snapshot.live()] == ["a"]


def test_a_claimed_task_names_its_holder_to_the_next_claimer() -> None:
    pure = ledger()
    pure.claim("x0", "a")
    error = refused(
        pure, ConflictError, op="claim", agent="x1", task="a", session="s", base="", built_on={}
    )
    assert error.facts["holder"] == "x0"


def test_a_silent_holder_loses_its_task_only_after_the_whole_lease() -> None:
    pure = ledger()
    first = pure.claim("x0", "a")
    pure.now_ns += LEASE_NS
    refused(
        pure, ConflictError, op="claim", agent="x1", task="a", session="s", base="", built_on={}
    )
    pure.now_ns += 1
    second = pure.claim("x1", "a")
    assert second["takeover"] is not None
    assert second["takeover"]["token"] == first["token"]
    assert pure.snapshot.require_task("a")["failures"] == 1


def test_a_beat_keeps_a_claim_and_only_the_right_token_counts() -> None:
    pure = ledger()
    first = pure.claim("x0", "a")
    pure.now_ns += 2 * LEASE_NS
    fresh = Beat("f" * 40, {first["token"]: (BOOT, pure.now_ns - 5)})
    with pytest.raises(ConflictError):
        pure.claim("x1", "a", x0=fresh)
    stale = Beat("f" * 40, {"another": (BOOT, pure.now_ns)})
    taken = pure.claim("x1", "a", x0=stale)["takeover"]
    assert taken is not None
    assert taken["beat"] == "f" * 40


def test_a_stamp_of_another_boot_never_makes_a_lease_end_at_once() -> None:
    pure = ledger()
    pure.claim("x0", "a")
    context = pure.context()._replace(boot_id="boot-b", now_ns=10**18)
    command = {
        "op": "claim",
        "agent": "x1",
        "task": "a",
        "session": "s",
        "base": "1" * 40,
        "built_on": {},
    }
    with pytest.raises(ConflictError):
        pure.run(command, context)
    claim = pure.snapshot.require_task("a")["claim"]
    assert claim is not None
    seen = {f"{claim['boot_id']}:{claim['monotonic_ns']}": 10**18 - LEASE_NS - 1}
    event = pure.run(command, context._replace(observed=seen))
    assert event["takeover"] is not None
    assert event["takeover"]["rule"] == "observed"


@pytest.mark.parametrize("op", ["progress", "complete", "fail", "release"])
def test_a_taken_over_claim_can_do_nothing(op: str) -> None:
    pure = ledger()
    first = pure.claim("x0", "a")
    pure.now_ns += LEASE_NS + 1
    pure.claim("x1", "a")
    more = {
        "message": "hi",
        "reason": "because",
        "kind": "transient",
        "result": {"oid": None, "tree": None, "base": "", "built_on": {}, "commits": 0, "files": 0},
    }
    refused(pure, ClaimLostError, op=op, agent="x0", task="a", token=first["token"], **more)


def test_an_expired_claim_that_nobody_took_can_be_renewed() -> None:
    pure = ledger()
    first = pure.claim("x0", "a")
    pure.now_ns += 5 * LEASE_NS
    pure.run(
        {
            "op": "progress",
            "agent": "x0",
            "task": "a",
            "token": first["token"],
            "message": "still here",
        }
    )
    refused(
        pure, ConflictError, op="claim", agent="x1", task="a", session="s", base="", built_on={}
    )


def test_forged_evidence_is_refused() -> None:
    pure = ledger()
    pure.claim("x0", "a")
    pure.now_ns += LEASE_NS + 1
    event = pure.claim("x1", "a")
    assert event["takeover"] is not None
    event["takeover"]["now_ns"] = event["takeover"]["last_ns"] + 1
    again = ledger()
    again.claim("x0", "a")
    with pytest.raises(GitcoordError):
        check(again.snapshot, event)


def test_an_agent_at_its_capacity_gets_no_second_task() -> None:
    pure = ledger()
    pure.claim("x0", "a")
    error = refused(
        pure, RefusedError, op="claim", agent="x0", task="b", session="s", base="", built_on={}
    )
    assert error.facts["reason"] == "capacity"


def test_an_expired_claim_in_the_way_is_ended_by_the_claim_that_it_blocks() -> None:
    head = '[[pool]]\nname = "default"\nlimit = 1\n'
    pure = ledger(head=head)
    old = pure.claim("x0", "a")
    refused(
        pure, NothingReadyError, op="claim", agent="x1", task="b", session="s", base="", built_on={}
    )
    pure.now_ns += LEASE_NS + 1
    event = pure.claim("x1", "b")
    assert [gone["token"] for gone in event["expired"]] == [old["token"]]
    assert pure.state("a") == "open"


def test_overlapping_paths_keep_a_second_task_waiting() -> None:
    pure = PureLedger()
    pure.init()
    pure.plan(
        '[[task]]\nid="a"\ntitle="A"\npaths=["src/"]\n[[task]]\nid="b"\ntitle="B"\npaths=["src/x/*.py"]\n'
    )
    pure.agent("x0")
    pure.agent("x1")
    claim = pure.claim("x0", "a")
    error = refused(
        pure, ConflictError, op="claim", agent="x1", task="b", session="s", base="", built_on={}
    )
    assert error.facts["holder"] == "x0"
    pure.run({"op": "release", "agent": "x0", "task": "a", "token": claim["token"], "reason": ""})
    pure.claim("x1", "b")


def test_a_task_waits_for_its_needs_and_must_contain_their_results() -> None:
    pure = ledger(b=["a"])
    refused(
        pure, NothingReadyError, op="claim", agent="x0", task="b", session="s", base="", built_on={}
    )
    done = pure.complete(pure.claim("x0", "a"))
    error = refused(
        pure, RefusedError, op="claim", agent="x0", task="b", session="s", base="", built_on={}
    )
    assert error.facts["reason"] == "base-moved"
    pure.claim("x0", "b", built_on={"a": str(done["result"]["oid"])})


def test_a_failed_need_blocks_and_a_retry_opens_it_again() -> None:
    pure = ledger(b=["a"])
    claim = pure.claim("x0", "a")
    pure.run(
        {
            "op": "fail",
            "agent": "x0",
            "task": "a",
            "token": claim["token"],
            "kind": "permanent",
            "reason": "no",
        }
    )
    assert pure.state("a") == "failed"
    assert [one["code"] for one in pure.snapshot.escalations()] == ["task-failed"]
    error = refused(
        pure, RefusedError, op="claim", agent="x0", task="b", session="s", base="", built_on={}
    )
    assert error.facts["reason"] == "blocked"
    pure.run({"op": "retry", "task": "a", "reason": ""})
    assert pure.snapshot.require_task("a")["failures"] == 0


def test_a_transient_failure_waits_longer_each_time_and_then_fails() -> None:
    pure = ledger()
    delays = []
    for _ in range(3):
        claim = pure.claim("x0", "a")
        command = {
            "op": "fail",
            "agent": "x0",
            "task": "a",
            "token": claim["token"],
            "kind": "transient",
            "reason": "oops",
        }
        delays.append(pure.run(command)["delay_ms"])
        if pure.state("a") == "open":
            refused(
                pure,
                NothingReadyError,
                op="claim",
                agent="x0",
                task="a",
                session="s",
                base="",
                built_on={},
            )
        pure.now_ns += delays[-1] * 1_000_000
    assert delays == [1000, 4000, 16000]
    task = pure.snapshot.require_task("a")
    assert (task["state"], task["failures"], len(task["setbacks"])) == ("failed", 3, 3)


def test_a_takeover_that_uses_the_attempts_up_is_refused_and_expiry_fails_the_task() -> None:
    pure = ledger(head="[plan]\nmax_attempts = 1\n")
    pure.claim("x0", "a")
    pure.now_ns += LEASE_NS + 1
    error = refused(
        pure, RefusedError, op="claim", agent="x1", task="a", session="s", base="", built_on={}
    )
    assert error.facts["reason"] == "exhausted"
    pure.run({"op": "expire"})
    assert pure.state("a") == "failed"


def test_what_was_built_on_a_reopened_task_is_done_again_transitively() -> None:
    pure = ledger(b=["a"], c=["b"])
    one = str(pure.complete(pure.claim("x0", "a"))["result"]["oid"])
    two = str(pure.complete(pure.claim("x0", "b", {"a": one}), {"a": one})["result"]["oid"])
    pure.complete(pure.claim("x0", "c", {"a": one, "b": two}), {"a": one, "b": two})
    event = pure.run({"op": "reopen", "task": "a", "kind": "conflict", "reason": "it conflicts"})
    assert [redone["task"] for redone in event["redone"]] == ["b", "c"]
    assert [pure.state(name) for name in "abc"] == ["open", "open", "open"]
    assert pure.snapshot.require_task("a")["failures"] == 1
    assert pure.snapshot.require_task("b")["failures"] == 0


def test_redoing_goes_through_results_that_name_only_the_one_before() -> None:
    pure = ledger(b=["a"], c=["b"])
    one = str(pure.complete(pure.claim("x0", "a"))["result"]["oid"])
    two = str(pure.complete(pure.claim("x0", "b", {"a": one}), {"a": one})["result"]["oid"])
    pure.complete(pure.claim("x0", "c", {"b": two}), {"b": two})
    event = pure.run({"op": "reopen", "task": "a", "kind": "conflict", "reason": "it conflicts"})
    assert [redone["task"] for redone in event["redone"]] == ["b", "c"]


def test_a_completion_on_a_base_that_moved_is_refused() -> None:
    pure = ledger(b=["a"])
    one = str(pure.complete(pure.claim("x0", "a"))["result"]["oid"])
    claim = pure.claim("x1", "b", {"a": one})
    pure.run({"op": "reopen", "task": "a", "kind": "conflict", "reason": "it conflicts"})
    result = {
        "oid": "2" * 40,
        "tree": "2" * 40,
        "base": "",
        "built_on": {"a": one},
        "commits": 1,
        "files": 1,
    }
    error = refused(
        pure, RefusedError, op="complete", agent="x1", task="b", token=claim["token"], result=result
    )
    assert error.facts["reason"] == "base-moved"
    assert pure.state("b") == "claimed"


def test_cancel_and_assign_fence_the_holder() -> None:
    pure = ledger()
    for op, more in (("cancel", {}), ("assign", {"to": "x2"})):
        name = "a" if op == "cancel" else "b"
        claim = pure.claim("x0", name)
        pure.run({"op": op, "task": name, "reason": "", **more})
        refused(
            pure,
            ClaimLostError,
            op="progress",
            agent="x0",
            task=name,
            token=claim["token"],
            message="hi",
        )
    error = refused(
        pure, RefusedError, op="claim", agent="x0", task="b", session="s", base="", built_on={}
    )
    assert error.facts["reason"] == "assigned"


def test_a_reissue_fences_the_older_session_and_keeps_attempt_and_branch() -> None:
    pure = ledger()
    claim = pure.claim("x0", "a")
    again = pure.run(
        {"op": "reissue", "agent": "x0", "task": "a", "session": "t", "old": claim["token"]}
    )
    assert (again["attempt"], again["branch"]) == (1, claim["branch"])
    refused(
        pure,
        ClaimLostError,
        op="progress",
        agent="x0",
        task="a",
        token=claim["token"],
        message="hi",
    )
    pure.run(
        {"op": "progress", "agent": "x0", "task": "a", "token": again["token"], "message": "hi"}
    )


def test_reviews_decide_between_done_and_open() -> None:
    pure = PureLedger()
    pure.init()
    pure.plan(
        '[[phase]]\nname="p"\nreviews=1\n[[task]]\nid="a"\ntitle="A"\nphase="p"\npaths=["a/"]\n'
    )
    pure.agent("x0")
    pure.agent("x1")
    done = pure.complete(pure.claim("x0", "a"))
    assert pure.state("a") == "review"
    refused(pure, RefusedError, op="review", agent="x0", task="a", session="s")
    review = pure.run({"op": "review", "agent": "x1", "task": "a", "session": "s"})
    verdict = {
        "agent": "x1",
        "task": "a",
        "token": review["token"],
        "reviewed": done["result"]["oid"],
        "reason": "no tests",
    }
    pure.run({"op": "reject", **verdict})
    assert pure.state("a") == "open"
    refused(pure, ClaimLostError, op="approve", **verdict)
    done = pure.complete(pure.claim("x0", "a"))
    review = pure.run({"op": "review", "agent": "x1", "task": "a", "session": "s"})
    pure.run(
        {
            "op": "approve",
            "agent": "x1",
            "task": "a",
            "token": review["token"],
            "reviewed": done["result"]["oid"],
            "reason": "",
        }
    )
    assert pure.state("a") == "done"


def land(pure: PureLedger, phase: str = "default") -> dict[str, object]:
    from gitcoord.core.operations.landings import merge_order, wholeness

    order = merge_order(wholeness(pure.snapshot, phase).tasks)
    return {
        "op": "land-begin",
        "phase": phase,
        "target": "refs/heads/main",
        "old": "1" * 40,
        "new": "2" * 40,
        "results": pure.keep(order),
        "count": len(order),
    }


def test_a_phase_lands_whole_or_not_at_all_and_freezes_its_tasks() -> None:
    pure = ledger("a", "b")
    pure.complete(pure.claim("x0", "a"))
    assert refused(pure, RefusedError, **land(pure)).facts["reason"] == "not-whole"
    pure.complete(pure.claim("x0", "b"))
    begin = land(pure)
    pure.run(begin)
    assert (
        refused(pure, RefusedError, op="reopen", task="a", kind="gate", reason="x").facts["reason"]
        == "landing"
    )
    assert (
        refused(pure, RefusedError, op="cancel", task="a", reason="").facts["reason"] == "landing"
    )
    ends = {key: begin[key] for key in ("phase", "target", "old", "new")}
    pure.run({"op": "land-done", **ends})
    assert refused(pure, RefusedError, op="land-done", **ends).facts["reason"] == "pending"
    with pytest.raises(InvalidPlanError):
        pure.plan(tasks("a", "b", "z"))


def test_a_landing_of_results_that_changed_meanwhile_is_refused() -> None:
    pure = ledger("a")
    pure.complete(pure.claim("x0", "a"))
    begin = land(pure)
    pure.run({"op": "reopen", "task": "a", "kind": "conflict", "reason": "it conflicts"})
    pure.complete(pure.claim("x0", "a"))
    assert refused(pure, RefusedError, **begin).facts["reason"] == "results-changed"
    assert (
        refused(pure, RefusedError, **{**land(pure), "count": 2}).facts["reason"]
        == "results-changed"
    )
    pure.run(land(pure))


def test_an_aborted_landing_opens_the_phase_again_and_escalates() -> None:
    pure = ledger("a")
    pure.complete(pure.claim("x0", "a"))
    begin = land(pure)
    pure.run(begin)
    pure.run(
        {
            "op": "land-abort",
            **{key: begin[key] for key in ("phase", "target", "old", "new")},
            "reason": "main moved",
        }
    )
    assert pure.snapshot.settings()["pending"] is None
    assert [one["code"] for one in pure.snapshot.escalations()] == ["landing-aborted"]
    pure.run(land(pure))


def test_a_second_phase_starts_when_the_first_has_landed() -> None:
    text = (
        '[[phase]]\nname="p"\n[[phase]]\nname="q"\nafter=["p"]\n[[task]]\nid="a"\ntitle="A"\nphase="p"\npaths=["a/"]\n'
        '[[task]]\nid="b"\ntitle="B"\nphase="q"\npaths=["b/"]\nneeds=["a"]\n'
    )
    pure = PureLedger()
    pure.init()
    pure.plan(text)
    pure.agent("x0")
    pure.complete(pure.claim("x0", "a"))
    error = refused(
        pure, NothingReadyError, op="claim", agent="x0", task="b", session="s", base="", built_on={}
    )
    assert "phase p" in error.message
    begin = land(pure, "p")
    pure.run(begin)
    pure.run({"op": "land-done", **{key: begin[key] for key in ("phase", "target", "old", "new")}})
    pure.claim("x0", "b")


def test_a_plan_changes_what_is_open_and_keeps_what_it_lacks() -> None:
    pure = ledger("a", "b")
    claim = pure.claim("x0", "a")
    pure.plan(tasks("b", "c").replace("Do b", "Do b better"))
    assert pure.snapshot.require_task("b")["spec"]["title"] == "Do b better"
    assert claim["token"] in str(pure.snapshot.require_task("a"))
    with pytest.raises(InvalidPlanError, match="problem"):
        pure.plan(tasks("a").replace("Do a", "Do a otherwise"))


def test_an_agent_that_was_not_added_is_told_the_command() -> None:
    pure = ledger()
    error = refused(
        pure, NotFoundError, op="claim", agent="nobody", task="a", session="s", base="", built_on={}
    )
    assert error.hint == "`gitcoord agent add nobody` adds it"


def test_an_agent_that_holds_a_task_cannot_be_removed() -> None:
    pure = ledger()
    pure.claim("x0", "a")
    assert (
        refused(pure, RefusedError, op="agent-remove", name="x0", reason="").facts["reason"]
        == "holds-claims"
    )
    pure.run({"op": "agent-remove", "name": "x1", "reason": ""})


@pytest.mark.parametrize("name", ["orchestrator", "X0", "x0"])
def test_reserved_and_twin_agent_names_are_refused(name: str) -> None:
    pure = ledger()
    command = {
        "op": "agent-add",
        "name": name,
        "pools": [],
        "capacity": 1,
        "paths": None,
        "worktree": None,
    }
    refused(pure, RefusedError, **command)


def test_apply_changes_nothing_that_it_is_given() -> None:
    pure = ledger()
    event = pure.claim("x0", "a")
    before = repr(event)
    apply(pure.snapshot, {**event})
    assert repr(event) == before


def test_a_new_plan_keeps_the_pools_of_the_tasks_that_stay() -> None:
    pure = PureLedger()
    pure.init()
    pure.plan('[[pool]]\nname="m"\nlimit=2\n[[task]]\nid="a"\ntitle="A"\npool="m"\npaths=["a/"]\n')
    pure.plan('[[pool]]\nname="n"\n[[task]]\nid="b"\ntitle="B"\npool="n"\npaths=["b/"]\n')
    plan = pure.snapshot.plan()
    assert plan is not None
    assert {name: pool["limit"] for name, pool in plan["pools"].items()} == {"m": 2, "n": None}
