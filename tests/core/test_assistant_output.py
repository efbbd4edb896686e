"""What assistants print is read as they print it, and nothing else of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitcoord.core.assistant_output import DIALECTS, Told, read_output

MODEL = {
    "inputTokens": 100,
    "outputTokens": 10,
    "cacheReadInputTokens": 40,
    "cacheCreationInputTokens": 5,
    "costUSD": 0.0006,
}
RESULT = {
    "type": "result",
    "subtype": "success",
    "is_error": False,
    "session_id": "s-1",
    "total_cost_usd": 0.0012,
    "usage": {"input_tokens": 1},
    "modelUsage": {"claude-opus-5-5": MODEL, "small": MODEL},
}
INIT = {"type": "system", "subtype": "init", "session_id": "s-1", "model": "claude-opus-5-5"}


def read(dialect: str, *lines: Any, noise: bytes = b"") -> Told:
    return read_output(dialect, noise + b"\n".join(json.dumps(one).encode() for one in lines))


def test_claude_tells_tokens_of_every_model_and_the_cost() -> None:
    told = read("claude", INIT, RESULT, noise=b"warning: no terminal\n{cut\n")
    assert told.session == "s-1"
    assert told.model == "claude-opus-5-5"
    assert (told.input_tokens, told.cached_tokens, told.output_tokens) == (290, 80, 20)
    assert told.cost_micros == 1200
    assert told.is_total
    assert not told.is_limited


def test_claude_at_its_limit_says_success_and_is_not_believed() -> None:
    limit = {"type": "rate_limit_event", "rate_limit_info": {"status": "rejected", "resetsAt": 99}}
    result = {**RESULT, "is_error": True, "api_error_status": 429, "modelUsage": {}}
    told = read("claude", INIT, limit, result)
    assert told.is_limited
    assert told.until == 99
    assert told.input_tokens is None
    assert not read(
        "claude", INIT, {**RESULT, "is_error": True, "api_error_status": 500}
    ).is_limited
    allowed = {"type": "rate_limit_event", "rate_limit_info": {"status": "allowed", "resetsAt": 9}}
    assert read("claude", INIT, allowed, RESULT).until is None


def test_only_the_last_session_of_an_output_counts() -> None:
    limited = {**RESULT, "is_error": True, "api_error_status": 429}
    told = read("claude", INIT, limited, {**INIT, "session_id": "s-2"})
    assert told == Told("s-2", "claude-opus-5-5")


def test_codex_tells_totals_of_its_thread() -> None:
    usage = {"input_tokens": 400, "cached_input_tokens": 30, "output_tokens": 40}
    told = read(
        "codex",
        {"type": "thread.started", "thread_id": "t-1"},
        {"type": "turn.completed", "usage": usage},
    )
    assert told == Told("t-1", input_tokens=400, cached_tokens=30, output_tokens=40, is_total=True)


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("You've hit your usage limit. Try again at 9:29 AM.", (0, 0, 0, 9, 29)),
        ("You've hit your usage limit. Try again at 12:05 PM.", (0, 0, 0, 12, 5)),
        ("usage limit … try again at Nov 26th, 2026 12:30 AM.", (2026, 11, 26, 0, 30)),
        ("usage limit … try again at Foo 26th, 2026 12:30 AM.", None),
        ("You've hit your usage limit.", None),
    ],
)
def test_codex_tells_its_limit_in_a_sentence(text: str, time: tuple[int, ...] | None) -> None:
    failed = {"type": "turn.failed", "error": {"message": text}}
    told = read("codex", {"type": "thread.started", "thread_id": "t-1"}, failed)
    assert told.is_limited
    assert told.until_local == time
    assert told.session == "t-1"


def test_another_failure_of_codex_is_no_limit() -> None:
    failed = {"type": "turn.failed", "error": {"message": "stream disconnected"}}
    assert not read("codex", failed).is_limited


def test_gemini_tells_what_this_process_used() -> None:
    stats = {"input_tokens": 200, "output_tokens": 20, "cached": 3, "models": {"pro": {}}}
    init = {"type": "init", "session_id": "g-1", "model": "auto"}
    told = read("gemini", init, {"type": "result", "status": "success", "stats": stats})
    assert told == Told("g-1", "pro", input_tokens=200, cached_tokens=3, output_tokens=20)
    error = {"type": "error", "severity": "error", "message": "You exceeded your current quota"}
    assert read("gemini", init, error).is_limited


def test_copilot_tells_a_session_and_no_tokens() -> None:
    start = {"type": "model.call_start", "data": {"model": "gpt"}}
    error = {"type": "session.error", "data": {"errorType": "rate_limit", "statusCode": 429}}
    result = {"type": "result", "sessionId": "c-1", "usage": {"premiumRequests": 0}}
    assert read("copilot", start, result) == Told("c-1", "gpt")
    assert read("copilot", start, error, result) == Told("c-1", "gpt", is_limited=True)


def test_an_unknown_dialect_tells_nothing() -> None:
    assert read("", RESULT) == Told()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
KEYS = st.sampled_from(
    [
        "type",
        "subtype",
        "result",
        "usage",
        "modelUsage",
        "data",
        "stats",
        "error",
        "session_id",
        "total_cost_usd",
    ]
)
VALUES = JSON | st.sampled_from(
    ["result", "turn.completed", "turn.failed", "session.error", "init"]
)


@given(dialect=st.sampled_from(sorted(DIALECTS)), line=st.dictionaries(KEYS, VALUES))
def test_whatever_is_printed_is_read_without_a_fault(dialect: str, line: dict[str, Any]) -> None:
    told = read(dialect, line)
    for count in told[3:7]:
        assert count is None or (type(count) is int and count >= 0)
