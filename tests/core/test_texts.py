from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitcoord.core.errors import UsageError
from gitcoord.core.model import MAX_LOG_BYTES
from gitcoord.core.texts import counted, fill, first_line, log_tail, text_of


def test_a_text_loses_what_steers_a_terminal_and_has_a_size() -> None:
    assert text_of("  one\x1b[31m\ntwo\t ", "note") == "one\ufffd[31m\ntwo"
    with pytest.raises(UsageError, match="the note is empty"):
        text_of(" \n", "note")
    with pytest.raises(UsageError, match="the note has 4097 bytes"):
        text_of("x" * 4097, "note")


@pytest.mark.parametrize(
    ("count", "words", "told"),
    [
        (0, "takeovers", "0 takeovers"),
        (1, "takeovers", "1 takeover"),
        (1, "retries", "1 retry"),
        (2, "entries", "2 entries"),
        (1, "failed gates", "1 failed gate"),
        (1, "released", "1 released"),
    ],
)
def test_one_is_told_in_the_singular(count: int, words: str, told: str) -> None:
    assert counted(count, words) == told


def test_the_first_line_is_cut_where_it_is_long() -> None:
    assert first_line("\n one \ntwo") == "one "
    assert first_line("x" * 160) == "x" * 160
    assert first_line("x" * 161) == "x" * 159 + "…"


@given(st.binary(max_size=200), st.integers(0, MAX_LOG_BYTES))
def test_the_end_of_a_log_fits_and_says_when_it_was_cut(end: bytes, before: int) -> None:
    log = b"." * before + end
    tail = log_tail(log)
    assert len(tail) <= MAX_LOG_BYTES
    is_cut = tail.startswith(f"[{len(log)} bytes in all".encode())
    assert is_cut or len(log) <= MAX_LOG_BYTES


@pytest.mark.parametrize(
    ("template", "said", "told"),
    [
        ("claim {task} by {agent}", {"task": "7", "agent": "ana"}, "claim 7 by ana"),
        ("at {new:12}.", {"new": "0123456789abcdef"}, "at 0123456789ab."),
        ("a[, {b}][ ({c}%)] end", {"c": 50}, "a (50%) end"),
        ("a[, {b} and {c}]", {"b": "x"}, "a"),
        (
            "{of/names} and {one/name}",
            {"of": [{"names": 1}, {"names": 2}], "one": None},
            "1, 2 and ",
        ),
        ("[always] {is_on}", {"is_on": True}, "always is_on"),
        ("{text}", {"text": "{agent} [x]\nmore"}, "{agent} [x]"),
    ],
)
def test_a_template_is_filled_with_what_is_said(
    template: str, said: dict[str, Any], told: str
) -> None:
    assert fill(template, said) == told
