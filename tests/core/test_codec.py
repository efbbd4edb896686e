from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitcoord.core import codec
from gitcoord.core.errors import CorruptError

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(JSON)
def test_a_record_comes_back_and_gives_the_same_bytes(value: object) -> None:
    raw = codec.dump(value)
    assert codec.load(raw, 1 << 20, "it") == json.loads(json.dumps(value))
    assert codec.dump(codec.load(raw, 1 << 20, "it")) == raw


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_called_corrupt(raw: bytes) -> None:
    try:
        codec.load(raw, 1000, "it")
    except CorruptError:
        return


@pytest.mark.parametrize(
    "raw",
    [
        b"[" * 100_000,
        b'{"a":1,"a":2}',
        b"NaN",
        b"[Infinity]",
        b"1" * 5000,
        b'{"a":' * 50 + b"1" + b"}" * 50,
        b"\xff",
        b"",
    ],
)
def test_bombs_are_called_corrupt(raw: bytes) -> None:
    with pytest.raises(CorruptError):
        codec.load(raw, 1 << 20, "it")


def test_a_duplicate_key_is_corrupt() -> None:
    with pytest.raises(CorruptError, match="duplicate key"):
        codec.load(b'{"agent":"x","agent":"mallory"}', 1 << 20, "it")


def test_brackets_inside_texts_do_not_count_as_depth() -> None:
    assert codec.load(json.dumps({"a": "[" * 100 + '\\"]'}), 1 << 20, "it") == {
        "a": "[" * 100 + '\\"]'
    }


def test_what_is_too_large_is_not_parsed() -> None:
    with pytest.raises(CorruptError, match="larger than 10 bytes"):
        codec.load(b'"' + b"x" * 20 + b'"', 10, "it")


@given(st.text())
def test_printable_text_cannot_steer_a_terminal(text: str) -> None:
    shown = codec.printable(text)
    assert not any(
        ord(char) < 32 or 127 <= ord(char) < 160 or 0x202A <= ord(char) <= 0x202E for char in shown
    )
    shown.encode("utf-8")


@given(st.text(max_size=300), st.integers(20, 100))
def test_a_cut_text_fits_and_says_so(text: str, limit: int) -> None:
    cut = codec.cut(text, limit)
    assert len(cut.encode()) <= limit
    assert cut.endswith("[cut]") or len(text.encode("utf-8", "replace")) <= limit


_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(_VALUES)
def test_records_have_the_bytes_of_the_standard_library(value: object) -> None:
    assert (
        codec.dump(value)
        == (json.dumps(value, sort_keys=True, indent=2, allow_nan=False) + "\n").encode()
    )
