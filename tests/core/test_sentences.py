from __future__ import annotations

from hashlib import sha256

import pytest

from gitcoord.core.sentences import REASONS, given, said, sentence, words


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


def test_a_reason_is_given_as_a_text_or_as_a_code() -> None:
    assert given("too large") == {"reason": "too large"}
    assert given(said("stopped")) == {"said": {"code": "stopped", "values": {}}}
    assert words("too large") == "too large"
    assert words(said("ended-with", status=0)) == "it ended with status 0"


def test_a_reason_may_hold_another() -> None:
    why = said("not-handed-in", reason=said("left-unfinished", unfinished="a merge"), moved=["/a"])
    assert words(why) == "the command left a merge behind\nmoved aside: /a"
    about = {"phase": "p", "reason": why}
    assert (
        sentence("landing-aborted", about) == f"the landing of phase p was given up: {words(why)}"
    )


def test_of_a_list_the_first_are_named_and_the_others_counted() -> None:
    why = said("results-conflict", files=[*"abcde\x1b", "é" * 400])
    assert why["values"] == {"files": ["a", "b", "c", "d"], "more": 3}
    assert words(why) == "its results conflict in a, b, c, d and 3 more"
    (long,) = said("results-conflict", files=["\x1b" + "é" * 400])["values"]["files"]
    assert len(long.encode()) <= 500
    assert long.startswith("\ufffdé")


def test_every_reason_has_a_code_of_its_own() -> None:
    assert len(set(REASONS.values())) == len(REASONS)


FROZEN = """
at-checkpoint at-entry back-to before-claim before-landing before-time cannot-run
changed-nothing claim-left-open claimed-beside command-failed died ended-with gate-fails
gates-unseen interrupted left-branch left-unfinished made-repositories no-checkout no-tests
no-worktree not-executable not-found not-handed-in other-candidate output-not-kept
result-conflicts result-renamed results-conflict run-broke steps-back stopped
target-elsewhere target-gone too-long undo-of wrote-outside
"""
"""Codes whose words stand in the messages of ledgers; what is new need not be added at once."""


def test_the_words_of_reasons_stay_as_they_are_in_every_message() -> None:
    known = "\n".join(f"{code} {REASONS[code]}" for code in FROZEN.split())
    why = "entries that say so would not be read any more: give other words a code of their own"
    assert sha256(known.encode()).hexdigest()[:16] == "192375eb51bc0152", why


def test_what_json_would_make_something_else_of_is_not_said() -> None:
    with pytest.raises(TypeError, match="unfinished of left-unfinished is a tuple"):
        said("left-unfinished", unfinished=("merge", None))
