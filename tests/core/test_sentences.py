from __future__ import annotations

import pytest

from gitcoord.core.sentences import sentence


@pytest.mark.parametrize(
    ("code", "values", "told"),
    [
        ("expired", {"holder": "x"}, "the lease of x ran out"),
        ("expired", {"holder": "x", "by": "y"}, "the lease of x ran out, and y took the task over"),
        ("rejected", {"by": "y", "reason": "no\ntests"}, "y rejected the result: no\ntests"),
        ("left-out", {"phase": "p"}, "phase p landed without it"),
        ("retried", {}, "retried"),
        ("retried", {"reason": "fixed"}, "retried: fixed"),
        (
            "task-failed",
            {"task": "a", "failures": 3, "last": {"code": "expired", "values": {"holder": "x"}}},
            "task a failed (failures: 3): the lease of x ran out",
        ),
    ],
)
def test_a_code_and_its_values_are_put_into_words(
    code: str, values: dict[str, object], told: str
) -> None:
    assert sentence(code, values) == told


def test_what_somebody_said_stands_as_it_was_said() -> None:
    assert sentence("question", {"reason": "which [one]? {by}"}) == "which [one]? {by}"
    assert (
        sentence("rejected", {"by": "y", "reason": "{by} [x]"}) == "y rejected the result: {by} [x]"
    )
    assert sentence("of a newer gitcoord", {}) == ""
