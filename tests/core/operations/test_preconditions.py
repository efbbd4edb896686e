"""What several operations require is the record, or a refusal with the next step."""

from __future__ import annotations

from typing import Any, cast

import pytest

from gitcoord.core.errors import (
    ClaimLostError,
    NotFoundError,
    NothingReadyError,
    RefusedError,
    UsageError,
)
from gitcoord.core.events import Event
from gitcoord.core.ids import ORCHESTRATOR
from gitcoord.core.operations.preconditions import (
    fence,
    held,
    open_phase,
    require_agent,
    require_author,
    require_plan,
    require_state,
    task_of,
)
from tests.support.builders import PureLedger
from tests.support.pure import land, ledger

ANY: Any = dict.fromkeys(("open", "claimed", "done", "failed", "cancelled"), ("open",))


def event(**keys: Any) -> Event:
    return cast("Event", {"op": "complete", "agent": "x0", "task": "a", **keys})


def test_before_the_first_plan_there_is_nothing_to_do() -> None:
    pure = PureLedger()
    pure.init()
    with pytest.raises(NothingReadyError) as caught:
        require_plan(pure.snapshot)
    assert "gitcoord plan apply" in caught.value.hint
    assert require_plan(ledger().snapshot) == ledger().snapshot.plan()


def test_an_agent_is_there_or_told_how_to_add_it() -> None:
    snapshot = ledger().snapshot
    assert require_agent(snapshot, "x1")["id"] == "x1"
    with pytest.raises(NotFoundError) as caught:
        require_agent(snapshot, "x11")
    assert "`gitcoord agent add x11`" in caught.value.hint
    assert "did you mean" in caught.value.hint
    with pytest.raises(NotFoundError):
        require_agent(snapshot, "../x")


def test_the_orchestrator_needs_no_record_to_say_something() -> None:
    snapshot = ledger().snapshot
    require_author(snapshot, event(agent=ORCHESTRATOR))
    require_author(snapshot, event(agent="x0"))
    with pytest.raises(NotFoundError):
        require_author(snapshot, event(agent="nobody"))


def test_tasks_of_a_phase_that_lands_or_has_landed_are_frozen() -> None:
    pure = ledger("a")
    assert open_phase(pure.snapshot, "default")["state"] == "open"
    with pytest.raises(NotFoundError):
        open_phase(pure.snapshot, "none")
    pure.complete(pure.claim("x0", "a"))
    command = land(pure)
    pure.run({**command, "agent": ORCHESTRATOR})
    with pytest.raises(RefusedError) as caught:
        open_phase(pure.snapshot, "default")
    assert caught.value.reason == "landing"
    assert "phase land default" in caught.value.hint


def test_a_state_that_the_row_does_not_name_is_refused_with_those_that_it_does() -> None:
    task = ledger().snapshot.require_task("a")
    require_state("claim", task, ANY)
    with pytest.raises(RefusedError, match="needs it to be failed or cancelled") as caught:
        require_state("retry", task, {"failed": ("open",), "cancelled": ("open",)})
    assert (caught.value.reason, caught.value.facts["state"]) == ("state", "open")


def test_an_event_names_the_title_that_its_task_has() -> None:
    snapshot = ledger().snapshot
    assert task_of(snapshot, event(title="Do a"), ANY)["id"] == "a"
    with pytest.raises(UsageError, match="another title"):
        task_of(snapshot, event(title="Do b"), ANY)
    with pytest.raises(NotFoundError):
        task_of(snapshot, event(task="none"), ANY)


def test_only_the_current_token_of_the_current_agent_passes_the_fence() -> None:
    pure = ledger()
    claim = pure.claim("x0", "a")
    mine = event(token=claim["token"], attempt=1)
    assert fence(pure.snapshot, mine)["id"] == "a"
    assert held(pure.snapshot, mine, ANY)["id"] == "a"
    for wrong in ({"token": "0" * 32}, {"agent": "x1"}):
        with pytest.raises(ClaimLostError, match="x0 holds it now") as caught:
            fence(pure.snapshot, event(**{"token": claim["token"], **wrong}))
        assert caught.value.facts["holder"] == "x0"
    with pytest.raises(UsageError, match="another attempt"):
        held(pure.snapshot, event(token=claim["token"], attempt=2), ANY)
    pure.complete(claim)
    with pytest.raises(ClaimLostError, match="the task is done now"):
        fence(pure.snapshot, mine)
