"""Trees as git writes them, and bytes that are none."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from gitcoord.core.ids import Oid
from gitcoord.store.protocol import TreeItem
from gitcoord.store.trees import Change, build_tree, encode_tree, parse_tree
from tests.support.formats import needs_sha1
from tests.support.world import git

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


@needs_sha1
def test_names_stand_in_gits_order(repo: Path) -> None:
    names = ["a", "a.b", "a-b", "a0", "ab", "a/x", "b/y", "b.c"]
    for name in names:
        path = repo / "tree" / name.replace("a/", "a_/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    # A folder sorts as if its name ended in a slash: between "a-b", "a.b" and "a0".
    (repo / "tree" / "a").rename(repo / "tree" / "file")
    (repo / "tree" / "a_").rename(repo / "tree" / "a")
    git("add", ".", cwd=repo)
    tree = git("write-tree", "--prefix=tree/", cwd=repo)
    raw = subprocess.run(
        ["git", "cat-file", "tree", tree], cwd=repo, capture_output=True, check=True
    )
    items = parse_tree(raw.stdout)
    assert {name for name, item in items.items() if item.is_tree} == {"a", "b"}
    shuffled = dict(sorted(items.items(), key=lambda row: row[1].oid + row[0], reverse=True))
    assert encode_tree(shuffled) == raw.stdout


class Trees:
    """Trees in memory that note which of them are read."""

    def __init__(self) -> None:
        self.known: dict[Oid, Mapping[str, TreeItem]] = {}
        self.read: list[Oid] = []

    def build(self, base: Oid | None, changes: Mapping[str, Change]) -> Oid | None:
        return build_tree(
            base, changes, self._read, self._write, lambda content: Oid(content.hex())
        )

    def _read(self, oid: Oid) -> Mapping[str, TreeItem]:
        self.read.append(oid)
        return self.known[oid]

    def _write(self, items: Mapping[str, TreeItem]) -> Oid:
        oid = Oid(repr(sorted(items.items())))
        self.known[oid] = dict(items)
        return oid


def test_only_folders_on_the_way_to_a_change_are_read() -> None:
    trees = Trees()
    base = trees.build(None, {"a/x": b"1", "b/c/y": b"2", "z": b"3"})
    assert base is not None
    changed = trees.build(base, {"b/c/y": b"4"})
    assert changed is not None
    top = trees.known[changed]
    assert trees.read == [
        base,
        trees.known[base]["b"].oid,
        trees.known[trees.known[base]["b"].oid]["c"].oid,
    ]
    assert (top["a"], top["z"]) == (trees.known[base]["a"], trees.known[base]["z"])


def test_a_change_that_changes_nothing_gives_the_same_tree() -> None:
    trees = Trees()
    base = trees.build(None, {"a/x": b"1"})
    assert trees.build(base, {"a/x": b"1", "a/none": None, "no/where": None}) == base


def test_the_last_file_takes_its_folders_along() -> None:
    trees = Trees()
    base = trees.build(None, {"a/b/x": b"1"})
    assert trees.build(base, {"a/b/x": None}) is None
    more = trees.build(base, {"a/b/x": None, "y": b"2"})
    assert more is not None
    assert list(trees.known[more]) == ["y"]


def test_a_file_gives_way_to_a_folder_of_its_name() -> None:
    trees = Trees()
    base = trees.build(None, {"a": b"1"})
    made = trees.build(base, {"a/x": b"2"})
    assert made is not None
    assert trees.known[made]["a"].is_tree
