"""The pattern that fits a plan, for six plans; and who gets what by each."""

from __future__ import annotations

import pytest

from gitcoord.core.ids import AgentId, TaskId
from gitcoord.core.model import PlanDocument
from gitcoord.core.plan import parse
from gitcoord.core.plan_patterns import fitting_pattern, shared_out


def plan(*rows: str) -> PlanDocument:
    """Return a plan of tasks, each given as its paths, its pool and what it needs."""
    text = '[[pool]]\nname = "writers"\n'
    for number, row in enumerate(rows, 1):
        words = row.split()
        paths, pool, needs = [*words, *["default", "-"][len(words) - 1 :]]
        quoted = ", ".join(f'"{path}"' for path in paths.split("+"))
        text += f'[[task]]\nid = "{number}"\ntitle = "t"\npaths = [{quoted}]\npool = "{pool}"\n'
        if needs != "-":
            text += f'needs = ["{needs}"]\n'
    return parse(text, name="plan.toml")[0]


@pytest.mark.parametrize(
    ("rows", "pattern", "why"),
    [
        (["a/", "b/", "c/"], "directory", "3 of 3 tasks write to a folder"),
        (["d/1.md", "d/2.md", "d/3.md"], "round-robin", "files of its own"),
        (["a/", "b/ writers", "c.md writers"], "pool", "2 kinds: default, writers"),
        (["core.py", "core.py", "core.py"], "none", "3 of 3 tasks write where another writes"),
        (["a/", "a/ default 1", "a/ default 2"], "directory", "3 of 3"),
        (["a/"], "none", "one task"),
    ],
)
def test_a_plan_has_the_pattern_that_fits_it(rows: list[str], pattern: str, why: str) -> None:
    found = fitting_pattern(plan(*rows))
    assert found.name == pattern
    assert why in found.why


def shares(document: PlanDocument, by: str, **agents: list[str]) -> dict[str, list[str]]:
    known = {AgentId(name): pools for name, pools in agents.items()}
    found: dict[str, list[str]] = {}
    for task, agent in shared_out(document["tasks"], known, by).items():
        found.setdefault(agent, []).append(task)
    return found


def test_what_lies_in_one_folder_is_for_one_agent() -> None:
    document = plan("a/1.md", "b/", "a/2.md", "c/")
    assert shares(document, "directory", ada=[], bob=[]) == {"ada": ["1", "3"], "bob": ["2", "4"]}


def test_tasks_are_dealt_in_turn() -> None:
    document = plan("a/", "b/", "c/")
    assert shares(document, "round-robin", ada=[], bob=[]) == {"ada": ["1", "3"], "bob": ["2"]}


def test_each_pool_is_for_an_agent_and_nobody_gets_one_that_is_not_theirs() -> None:
    document = plan("a/", "b/ writers", "c/", "d/ writers")
    assert shares(document, "pool", ada=[], bob=[]) == {"ada": ["1", "3"], "bob": ["2", "4"]}
    assert shares(document, "round-robin", ada=["writers"]) == {"ada": ["2", "4"]}
    assert TaskId("1") not in shared_out(document["tasks"], {AgentId("ada"): ["writers"]}, "pool")
    assert shared_out(document["tasks"], {}, "pool") == {}
