"""What a session used is written down, and changes nothing."""

from __future__ import annotations

from typing import Any

import pytest

from gitcoord.core.errors import NotFoundError, UsageError
from gitcoord.core.history import history_of
from gitcoord.core.messages import render
from tests.support.builders import PureLedger, tasks

USED = {
    "assistant": "codex",
    "session": "s-1",
    "input_tokens": 200,
    "output_tokens": 20,
    "cost_micros": 700,
    "source": "estimated",
}


def ledger() -> PureLedger:
    pure = PureLedger()
    pure.init()
    pure.plan(tasks("a", head='[[phase]]\nname = "default"\nreviews = 1\n'))
    for agent in ("x", "y"):
        pure.agent(agent)
    return pure


def use(pure: PureLedger, token: str, **more: Any) -> Any:
    given = {"op": "usage", "agent": "x", "task": "a", "token": token, "usage": USED}
    return pure.run({**given, **more})


def test_it_is_told_after_the_end_and_changes_no_record() -> None:
    pure = ledger()
    claim = pure.claim("x", "a")
    pure.complete(claim)
    before = dict(pure.files)
    event = use(pure, claim["token"])
    assert pure.files == before
    assert "usage a by x: codex, 200 tokens in, 20 out" in render(event)


def test_the_history_has_it_with_its_attempt_and_its_review() -> None:
    pure = ledger()
    claim = pure.claim("x", "a")
    pure.complete(claim)
    review = pure.run({"op": "review", "agent": "y", "task": "a", "session": "s"})
    use(pure, claim["token"])
    use(pure, review["token"], agent="y")
    use(pure, review["token"], agent="y")
    use(pure, "f" * 32)
    history = history_of(pure.events)
    assert history.attempts[0].usages == [USED]
    assert history.reviews[0].usages == [USED, USED]


def test_a_new_token_of_the_same_attempt_counts_to_it() -> None:
    pure = ledger()
    claim = pure.claim("x", "a")
    held = {"agent": "x", "task": "a", "session": "t"}
    again = pure.run({"op": "reissue", **held, "old": claim["token"]})
    use(pure, again["token"])
    assert history_of(pure.events).attempts[0].usages == [USED]


@pytest.mark.parametrize(
    "wrong",
    [
        "many",
        {},
        {"assistant": "codex"},
        {"source": "reported"},
        {**USED, "source": "guessed"},
        {**USED, "price": 1},
        {**USED, "input_tokens": -1},
        {**USED, "output_tokens": 1.5},
        {**USED, "cost_micros": True},
        {**USED, "session": ""},
        {**USED, "model": "x" * 201},
        {**USED, "version": "a\x00b"},
    ],
)
def test_what_is_no_usage_is_refused(wrong: Any) -> None:
    pure = ledger()
    claim = pure.claim("x", "a")
    with pytest.raises(UsageError):
        use(pure, claim["token"], usage=wrong)


def test_it_is_about_a_task_that_there_is_by_an_agent_that_there_is() -> None:
    pure = ledger()
    claim = pure.claim("x", "a")
    with pytest.raises(NotFoundError):
        use(pure, claim["token"], task="zz")
    with pytest.raises(NotFoundError):
        use(pure, claim["token"], agent="nobody")
    with pytest.raises(UsageError):
        use(pure, "")
