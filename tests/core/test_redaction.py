"""What is redacted is never kept, however the output comes."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitcoord.core import redaction
from gitcoord.core.redaction import Redactor, compiled

TEXT = b"one token=abc123 two\nnothing here\ntoken=xyz9 and token=q"
WANTED = b"one [redacted] two\nnothing here\n[redacted] and [redacted]"


@given(st.lists(st.integers(0, len(TEXT)), max_size=8))
def test_it_does_not_matter_where_the_parts_are_cut(cuts: list[int]) -> None:
    redactor = Redactor(compiled(["token=[a-z0-9]+"]))
    places = [0, *sorted(cuts), len(TEXT)]
    kept = b""
    for start, end in itertools.pairwise(places):
        kept += redactor.feed(TEXT[start:end])
    assert kept + redactor.end() == WANTED


def test_without_patterns_everything_passes_at_once() -> None:
    assert Redactor([]).feed(b"half a li") == b"half a li"


def test_a_line_without_an_end_is_not_kept_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redaction, "MAX_LINE_BYTES", 10)
    redactor = Redactor(compiled(["secret"]))
    assert redactor.feed(b"a secret in a long line") == b"a [redacted] in a long line"


@pytest.mark.parametrize("pattern", ["(", "a*"])
def test_a_pattern_that_cannot_be_meant_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"regular expression|empty text"):
        compiled([pattern])
