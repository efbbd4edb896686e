"""Damaged objects are called missing, and never read as something else."""

from __future__ import annotations

import hashlib
import tempfile
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitcoord.core.errors import CorruptError
from gitcoord.core.snapshot import Snapshot
from gitcoord.host.live_files import LiveFile
from gitcoord.host.processes import identity, is_alive
from gitcoord.store.libgit import LibgitStore
from gitcoord.store.objects import parse_commit, read_loose
from gitcoord.store.protocol import MissingObjectError, TreeItem
from gitcoord.store.reader import RecordCache, TreeReader
from gitcoord.store.stale_locks import living_writers
from gitcoord.store.trees import encode_tree, parse_tree
from tests.support.formats import needs_libgit2

NAMES = st.text(
    st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=12
)
ITEMS = st.dictionaries(
    NAMES,
    st.builds(TreeItem, st.binary(min_size=20, max_size=20).map(bytes.hex), st.booleans()),
    max_size=5,
)


@given(ITEMS)
def test_a_tree_comes_back_and_one_that_is_cut_is_none(items: dict[str, TreeItem]) -> None:
    content = encode_tree(items)
    assert parse_tree(content) == items
    for end in range(len(content)):
        try:
            found = parse_tree(content[:end])
        except ValueError:
            continue
        assert found.items() < items.items()


@given(st.binary(max_size=200))
def test_any_bytes_are_a_tree_or_a_value_error(content: bytes) -> None:
    try:
        found = parse_tree(content)
    except ValueError:
        return
    assert all(len(item.oid) == 40 for item in found.values())


@given(
    st.binary(max_size=300)
    | st.lists(
        st.sampled_from(
            [
                b"tree ",
                b"parent ",
                b"author ",
                b"committer ",
                b"x <x> ",
                b"> ",
                b"1 ",
                b"-5",
                b"\xb2",
                b"9" * 400,
                b"\n",
                b"\n\n",
                b"\0",
                b"\xff",
            ],
        ),
        max_size=20,
    ).map(b"".join)
)
def test_any_bytes_are_a_commit_or_missing(content: bytes) -> None:
    try:
        found = parse_commit("1" * 40, content)
    except MissingObjectError:
        return
    assert found.time >= 0


@given(st.binary(max_size=60), st.data())
def test_a_loose_object_with_a_changed_byte_is_missing(body: bytes, data: st.DataObject) -> None:
    content = b"blob %d\0" % len(body) + body
    oid = hashlib.sha1(content, usedforsecurity=False).hexdigest()
    raw = bytearray(zlib.compress(content))
    at = data.draw(st.integers(0, len(raw) - 1))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / oid[:2] / oid[2:]
        path.parent.mkdir()
        path.write_bytes(raw)
        assert read_loose(folder, oid) == ("blob", body)
        raw[at] ^= data.draw(st.integers(1, 255))
        for damaged in (raw, raw[:at]):
            path.write_bytes(damaged)
            try:
                found = read_loose(folder, oid)
            except MissingObjectError:
                continue
            assert found == ("blob", body), "a flag of zlib that changes nothing"


@needs_libgit2
def test_an_object_that_says_it_is_huge_is_not_unpacked(repo: Path) -> None:
    content = b"tree 100000000\0"
    oid = hashlib.sha1(content, usedforsecurity=False).hexdigest()
    path = repo / ".git" / "objects" / oid[:2] / oid[2:]
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(zlib.compress(content))
    with pytest.raises(MissingObjectError, match="larger than"):
        LibgitStore(repo / ".git").read_tree(oid)


@needs_libgit2
def test_a_tree_that_git_would_not_write_is_missing(repo: Path) -> None:
    store = LibgitStore(repo / ".git")
    content = b"tree 10\x00100644 a\0x"
    oid = hashlib.sha1(content, usedforsecurity=False).hexdigest()
    path = repo / ".git" / "objects" / oid[:2] / oid[2:]
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(zlib.compress(content))
    with pytest.raises(MissingObjectError):
        store.read_tree(oid)
    with pytest.raises(CorruptError):
        Snapshot(TreeReader(store, oid, "", RecordCache())).settings()


@given(
    st.lists(
        st.text(max_size=30)
        | st.sampled_from([*identity().split(":"), "9" * 5000, "-1", "0", "\u0661"]),
        max_size=5,
    ).map(":".join)
)
def test_any_text_names_a_process_or_a_dead_one(text: str) -> None:
    assert is_alive(text) in {True, False, None}


@pytest.mark.parametrize(
    "content",
    [
        b"[" * 100_000,
        b'{"process":' + b"1" * 5000 + b"}",
        b"[]",
        b"",
        b"\xff",
        b'{"process":{}}',
        b'"x"',
    ],
)
def test_whatever_a_writer_wrote_it_lives_while_it_holds_its_record(
    tmp_path: Path, content: bytes
) -> None:
    file = LiveFile(tmp_path / "ledger" / "x" / "bad.json")
    file.write(content)
    assert list(living_writers(tmp_path)) == [file.path]
    file.leave()
    assert living_writers(tmp_path) == {}
