"""A plan changes what is open, and keeps the rest."""

from __future__ import annotations

import pytest

from gitcoord.core.errors import (
    InvalidPlanError,
)
from tests.support.builders import PureLedger, tasks
from tests.support.pure import ledger


def test_a_plan_changes_what_is_open_and_keeps_what_it_lacks() -> None:
    pure = ledger("a", "b")
    claim = pure.claim("x0", "a")
    pure.plan(tasks("b", "c").replace("Do b", "Do b better"))
    assert pure.snapshot.require_task("b")["spec"]["title"] == "Do b better"
    assert claim["token"] in str(pure.snapshot.require_task("a"))
    with pytest.raises(InvalidPlanError, match="problem"):
        pure.plan(tasks("a").replace("Do a", "Do a otherwise"))


def test_a_new_plan_keeps_the_pools_of_the_tasks_that_stay() -> None:
    pure = PureLedger()
    pure.init()
    pure.plan('[[pool]]\nname="m"\nlimit=2\n[[task]]\nid="a"\ntitle="A"\npool="m"\npaths=["a/"]\n')
    pure.plan('[[pool]]\nname="n"\n[[task]]\nid="b"\ntitle="B"\npool="n"\npaths=["b/"]\n')
    plan = pure.snapshot.plan()
    assert plan is not None
    assert {name: pool["limit"] for name, pool in plan["pools"].items()} == {"m": 2, "n": None}
