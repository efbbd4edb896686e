"""A template says what it is for, and what is set in it stands in the plan as it was given."""

from __future__ import annotations

import tomllib

import pytest

from gitcoord.core.errors import UsageError
from gitcoord.core.plan_templates import read_template

TEXT = '# For tests: nothing else.\n# with: test = make test, what tests\n\nrun = "@test@"\n'


def test_a_template_has_its_purpose_and_its_parameters() -> None:
    template = read_template("one", TEXT)
    assert template.what == "For tests: nothing else."
    assert [one.name for one in template.parameters] == ["test"]
    assert template.parameters[0].what == "what tests"
    assert template.plan({}) == '# For tests: nothing else.\n\nrun = "make test"\n'


@pytest.mark.parametrize("value", ['say "hello"', "a\\b", "two\nlines", "a, b = c", "@test@"])
def test_what_is_given_is_read_back_as_it_was(value: str) -> None:
    plan = read_template("one", TEXT).plan({"test": value})
    assert tomllib.loads(plan) == {"run": value}


def test_what_cannot_be_set_is_refused_with_what_can() -> None:
    with pytest.raises(UsageError, match="template one has no 'tests'") as caught:
        read_template("one", TEXT).plan({"tests": "x"})
    assert "test" in str(caught.value.hint)
