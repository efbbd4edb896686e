"""What git prints, and what stands in its configuration, is read or refused."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from gitcoord.git import config, diffs, merges

LINES = st.sampled_from(
    [
        b"[core]",
        b"[extensions]",
        b'[remote "a\\"b"]',
        b"[a",
        b'[a "',
        b"\tobjectformat = sha256",
        b"refstorage=reftable",
        b'x = "a',
        b"y = a\\",
        b"= b",
        b"z",
        b"# c",
        b"; d",
        b"\xff = \xfe",
        b"worktreeconfig = true",
        b"\x0c[extensions]",
        b"promisor = true ; x",
        b'k = "a;b" # c',
    ]
)


@given(st.lists(LINES | st.binary(max_size=30), max_size=12).map(b"\n".join))
def test_any_configuration_is_read(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "config").write_bytes(content)
        (Path(folder) / "config.worktree").write_bytes(content)
        for section, key, value in config.read_config(Path(folder)):
            assert "\n" not in section + key
            assert isinstance(value, str)
        limit = config.unsupported(config.read_config(Path(folder)))
        assert limit is None or "libgit2" in limit


FIELDS = st.sampled_from(
    [
        b":100644 100644 " + b"1" * 40 + b" " + b"2" * 40 + b" M",
        b"a/b",
        b":x",
        b"",
        b"3" * 40,
        b"\xff",
        b": :",
        b":1 2 3 4 5 6",
    ]
)


@given(st.lists(FIELDS | st.binary(max_size=9), max_size=8).map(b"\0".join))
def test_any_list_of_changes_is_read_or_a_value_error(raw: bytes) -> None:
    try:
        found = diffs.parse_raw(raw)
    except ValueError:
        return
    assert all(change.path for changes in found.values() for change in changes)


@given(st.lists(FIELDS | st.binary(max_size=9), max_size=8).map(b"\0".join))
def test_any_answer_to_a_merge_names_a_tree_or_is_none(raw: bytes) -> None:
    found = merges._parse_merge(raw)
    assert found is None or (len(found.tree) == 40 and "" not in found.files)
