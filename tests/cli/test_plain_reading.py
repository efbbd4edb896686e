"""What is read plainly is what click reads; all else is left to click."""

from __future__ import annotations

from typing import Any

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitcoord.cli.declared import Declared
from gitcoord.cli.main import COMMANDS, declared_command
from gitcoord.cli.plain_reading import plain_values

DECLARED: dict[str, Declared] = {
    name: command for name in COMMANDS if isinstance(command := declared_command(name), Declared)
}
PLAIN = [
    (["claim"], {"task": None, "no_checkout": False, "wait": False, "timeout": None}),
    (["claim", "25", "--no-checkout"], {"task": "25", "no_checkout": True}),
    (["claim", "--wait", "--timeout", "5"], {"wait": True, "timeout": 5.0}),
    (["progress", "half", "--percent", "50"], {"message": "half", "percent": 50, "task": None}),
    (["progress", "--task=a", "half of it"], {"message": "half of it", "task": "a"}),
    (["beat"], {"task": None}),
    (["complete", "--commit", "Build it", "a.py", "b.py"], {"names": ("a.py", "b.py")}),
    (["complete", "--no-result"], {"names": (), "no_result": True, "message": None}),
    (["release", "--reason", "no"], {"task": None, "reason": "no"}),
    (["start", "Mend it", "--path", "a/", "--paths", "b/"], {"paths": ("a/", "b/")}),
    (["log", "25"], {"task": "25", "limit": 20, "ops": ()}),
    (["show", "25"], {"task": "25", "log_only": False}),
]
UNCERTAIN = [
    ["claim", "--help"],
    ["claim", "--po", "x"],
    ["claim", "a", "b"],
    ["claim", ""],
    ["claim", "--pool"],
    ["claim", "--pool="],
    ["claim", "--pool", "--wait"],
    ["claim", "--pool", "a", "--pool", "b"],
    ["claim", "--wait=yes"],
    ["claim", "--timeout", "soon"],
    ["claim", "--timeout", "1e3"],
    ["claim", "--", "25"],
    ["claim", "-"],
    ["progress"],
    ["progress", "half", "--percent", "fifty"],
    ["progress", "half", "--percent", "-5"],
    ["progress", "half", "--percent", "\u0665"],
    ["progress", "half", "--percent", "1" * 5000],
    ["fail"],
    ["fail", "--reason", "x", "--kind", "lasting"],
    ["log", "-n", "0"],
    ["log", "-n5"],
    ["keepalive", "make"],
]


def by_click(declared: Declared, words: list[str]) -> dict[str, Any] | None:
    """Return what click reads; None where it refuses, or shows help."""
    try:
        context = declared.made().make_context("x", list(words))
    except (click.ClickException, click.exceptions.Exit):
        return None
    return context.params


@pytest.mark.parametrize(("words", "wanted"), PLAIN, ids=lambda value: str(value)[:40])
def test_usual_arguments_are_read_plainly(words: list[str], wanted: dict[str, Any]) -> None:
    found = plain_values(DECLARED[words[0]], words[1:])
    assert found is not None
    assert found.items() >= wanted.items()
    assert found == by_click(DECLARED[words[0]], words[1:])


@pytest.mark.parametrize("words", UNCERTAIN, ids=lambda words: " ".join(words)[:40])
def test_what_is_wrong_or_unusual_is_left_to_click(words: list[str]) -> None:
    assert plain_values(DECLARED[words[0]], words[1:]) is None


def test_the_commands_that_agents_repeat_can_be_read_plainly() -> None:
    assert {"claim", "progress", "beat", "complete", "fail", "release"} <= DECLARED.keys()
    assert {"status", "tasks", "show", "why", "impact", "log"} <= DECLARED.keys()


def words_for(declared: Declared) -> st.SearchStrategy[str]:
    """Draw a word that such a command could get, and what nearly looks like one."""
    options = [word for one in declared.parameters if one.is_option for word in one.words]
    values = ["a", "25", "0", "007", "1.5", "-1", "", "-", "--", "=", "a=b", "transient", "x y"]
    spelled = [f"{option}{tail}" for option in options for tail in ("", "=", "=a", "=5", "x", "5")]
    return st.sampled_from(values) | st.sampled_from(spelled or values) | st.text(max_size=4)


@given(st.data(), st.sampled_from(sorted(DECLARED)))
def test_both_readers_agree_over_random_arguments(data: st.DataObject, name: str) -> None:
    declared = DECLARED[name]
    words = data.draw(st.lists(words_for(declared), max_size=6))
    found = plain_values(declared, words)
    if found is None:
        return  # click reads them
    wanted = by_click(declared, words)
    assert found == wanted
    assert {key: type(value) for key, value in found.items()} == {
        key: type(value) for key, value in (wanted or {}).items()
    }
