from __future__ import annotations

from typing import Any

import pytest

from gitcoord.core.boundary import Boundary, Layer, boundary_of, boundary_of_result, fits_agent
from gitcoord.core.errors import InvalidPlanError, RefusedError
from tests.support.builders import PureLedger

PLAN = """
[[pool]]
name = "default"
paths = ["src/", "docs/"]
[[phase]]
name = "p"
paths = ["src/", "tests/"]
[[task]]
id = "a"
title = "A"
phase = "p"
paths = ["src/a/", "tests/a/", "docs/a/"]
reads = ["src/b/"]
"""


def ledger(plan: str = PLAN, **agent: Any) -> PureLedger:
    pure = PureLedger()
    pure.init()
    pure.plan(plan)
    pure.agent("x", **agent)
    return pure


def bounded(pure: PureLedger) -> Boundary:
    return boundary_of(pure.snapshot, pure.snapshot.require_task("a"), pure.snapshot.agent("x"))


def test_every_layer_has_to_allow_a_path() -> None:
    boundary = bounded(ledger())
    assert [layer.name for layer in boundary.layers] == ["task a", "pool default", "phase p"]
    assert boundary.allows("src/a/x.py")
    assert boundary.forbidden_by("src/b/x.py") == "task a"
    assert boundary.forbidden_by("tests/a/x.py") == "pool default"
    assert boundary.forbidden_by("docs/a/x.py") == "phase p"


def test_what_a_task_reads_is_not_its_to_write() -> None:
    assert not bounded(ledger()).allows("src/b/x.py")


def test_a_task_without_paths_is_bound_by_what_is_around_it() -> None:
    plan = PLAN.replace('paths = ["src/a/", "tests/a/", "docs/a/"]\n', "").replace(
        "[[pool]]", '[plan]\nboundaries = "open"\n[[pool]]', 1
    )
    boundary = bounded(ledger(plan))
    assert boundary.allows("src/anything")
    assert not boundary.allows("docs/anything")


def test_an_agents_paths_are_a_layer_and_a_task_beyond_them_is_not_its_to_claim() -> None:
    pure = ledger(paths=["src/a/"])
    assert bounded(pure).layers[-1] == Layer("agent x", ("src/a/",))
    assert not fits_agent(pure.snapshot, pure.snapshot.require_task("a"), pure.snapshot.agents()[0])
    with pytest.raises(RefusedError) as caught:
        pure.claim("x", "a")
    assert caught.value.reason == "boundary"
    pure.agent("y", paths=["src/", "docs/"])
    pure.claim("y", "a")


def test_an_agent_with_paths_may_take_a_task_that_writes_nothing() -> None:
    pure = ledger('[[task]]\nid="a"\ntitle="A"\npaths=[]\n', paths=["src/"])
    pure.claim("x", "a")


def test_a_result_keeps_the_boundary_that_it_was_held_to() -> None:
    pure = ledger(paths=["src/", "tests/", "docs/"])
    pure.complete(pure.claim("x", "a"))
    pure.run({"op": "agent-remove", "name": "x", "reason": ""})
    pure.plan(PLAN.replace('paths = ["src/", "tests/"]', 'paths = ["src/a/"]'))
    task = pure.snapshot.require_task("a")
    assert task["result"] is not None
    kept = boundary_of_result(task, task["result"])
    assert [layer.name for layer in kept.layers] == ["task a", "agent x", "phase p", "pool default"]
    assert kept.layers[2].patterns == ("src/", "tests/")


def test_a_result_that_was_held_to_another_boundary_is_refused() -> None:
    pure = ledger()
    claim = pure.claim("x", "a")
    facts = {
        "oid": "2" * 40,
        "tree": "2" * 40,
        "base": "",
        "built_on": {},
        "boundary": {},
        "commits": 1,
        "files": 1,
    }
    with pytest.raises(RefusedError) as caught:
        pure.run(
            {"op": "complete", "agent": "x", "task": "a", "token": claim["token"], "result": facts}
        )
    assert caught.value.reason == "boundary-moved"


@pytest.mark.parametrize(
    ("layers", "told"),
    [
        ((), "anything safe"),
        ((Layer("task a", ()),), "nothing"),
        (
            (Layer("task a", ("x/", "y")), Layer("phase p", ("x/",))),
            "x/, y, and of that only x/ (phase p)",
        ),
        ((Layer("agent x", ("x/",)),), "x/ (agent x)"),
    ],
)
def test_a_boundary_says_what_it_allows(layers: tuple[Layer, ...], told: str) -> None:
    assert Boundary(layers).describe() == told


def test_a_task_that_its_phase_leaves_nothing_to_write_is_an_invalid_plan() -> None:
    with pytest.raises(InvalidPlanError) as caught:
        ledger(PLAN.replace('paths = ["src/a/", "tests/a/", "docs/a/"]', 'paths = ["docs/"]'))
    assert caught.value.problems == (
        "plan.toml:9: task a could write nothing: phase p allows src/, tests/",
    )
