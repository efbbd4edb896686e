"""An answer fits its size; what was cut is named, and how it ended stays."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as some

from gitcoord.core.fitting import CUT, fit_facts, fit_text

TEXTS = some.builds(lambda mark, count: mark * count, some.characters(), some.integers(0, 3000))
VALUES = some.recursive(
    some.none() | some.integers() | TEXTS,
    lambda inner: some.lists(inner, max_size=4) | some.fixed_dictionaries({"a": inner, "b": inner}),
    max_leaves=8,
)


def size(value: object) -> int:
    return len(json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass"))


def test_what_fits_stays_as_it_is() -> None:
    facts = {"ok": True, "tasks": ["a", "b"], "text": "short"}
    assert fit_facts(facts, 200) == facts


def test_the_longest_list_is_cut_first_and_named() -> None:
    facts = {"ok": True, "few": ["x" * 10] * 20, "many": [{"task": "t" * 20}] * 200}
    fitted = fit_facts(facts, 2000)
    assert size(fitted) <= 2000
    assert fitted[CUT] == ["many"]
    assert fitted["few"] == facts["few"]
    assert fitted["many"] == [{"task": "t" * 20}] * len(fitted["many"])
    assert fitted["many"]


def test_a_text_within_a_list_is_cut_where_it_stands() -> None:
    facts = {"ok": True, "logs": [{"name": "a", "tail": "y" * 5000}]}
    fitted = fit_facts(facts, 1000)
    assert fitted[CUT] == ["logs.tail"]
    assert fitted["logs"][0]["tail"] == "y" * len(fitted["logs"][0]["tail"])


def test_what_was_given_is_not_changed() -> None:
    facts = {"many": ["x" * 20] * 100}
    fit_facts(facts, 300)
    assert len(facts["many"]) == 100


def test_of_too_many_short_ones_what_is_short_stays() -> None:
    facts: dict[str, Any] = {"ok": False, "tasks": {f"t{n}": n for n in range(1000)}}
    assert fit_facts(facts, 500) == {"ok": False}


@given(some.lists(VALUES, max_size=4))
@example(["\ud800"])
@settings(max_examples=25)
def test_whatever_it_is_it_fits(values: list[Any]) -> None:
    facts = {"ok": True, **{str(number): value for number, value in enumerate(values)}}
    fitted = fit_facts(facts, 2000)
    assert size(fitted) <= 2000
    assert fitted["ok"] is True


def test_a_text_that_fits_stays_and_one_that_does_not_says_so() -> None:
    assert fit_text("a\nb", 10, "look there") == "a\nb"
    told = fit_text("line\n" * 100, 60, "look there")
    assert told.endswith("line\n[cut here: look there]")
    assert len(told.encode()) <= 60


def test_a_text_is_cut_between_characters() -> None:
    told = fit_text("é" * 100, 61, "more")
    assert told.startswith("é")
    assert len(told.encode()) <= 61
