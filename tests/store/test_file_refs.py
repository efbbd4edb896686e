"""Refs that are files: what is broken is told, passed over in lists, and mended."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gitcoord.core.errors import CorruptError, UnavailableError
from gitcoord.store.libgit import LibgitStore
from gitcoord.store.plumbing import PlumbingStore
from gitcoord.store.protocol import Store

PREFIX = "refs/gitcoord/l/"
REF = PREFIX + "beats/x"
BROKEN = {
    "empty": b"",
    "cut off": b"0123456789",
    "bytes": b"\xff\x00" * 30,
    "oid and more": b"1" * 41,
}


@pytest.fixture(params=["libgit2", "plumbing"])
def store(request: pytest.FixtureRequest, repo: Path) -> Store:
    return (LibgitStore if request.param == "libgit2" else PlumbingStore)(repo / ".git")


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_ref_is_told_passed_over_and_mended(store: Store, repo: Path, kind: str) -> None:
    oid = store.write_blob(b"one")
    store.swap(PREFIX + "beats/whole", None, oid)
    store.swap(REF, None, oid)
    (repo / ".git" / REF).write_bytes(BROKEN[kind])
    with pytest.raises(CorruptError, match="is broken"):
        store.read_ref(REF)
    assert store.list_refs(PREFIX) == {PREFIX + "beats/whole": oid}
    assert store.broken_refs(PREFIX) == (REF,)
    store.repair_ref(REF, oid)
    assert store.read_ref(REF) == oid
    assert store.broken_refs(PREFIX) == ()


def test_a_ref_that_is_whole_is_not_mended(store: Store) -> None:
    one, other = store.write_blob(b"one"), store.write_blob(b"other")
    store.swap(REF, None, one)
    store.repair_ref(REF, other)
    assert store.read_ref(REF) == one


@pytest.mark.parametrize("kind", ["pipe", "link to a pipe", "device"])
def test_what_would_never_end_in_a_refs_place_is_a_broken_ref(
    store: Store, repo: Path, kind: str
) -> None:
    path = repo / ".git" / REF
    path.parent.mkdir(parents=True)
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        os.mkfifo(repo / "pipe")
        path.symlink_to(repo / "pipe")
    with pytest.raises(CorruptError):
        store.read_ref(REF)
    assert store.list_refs(PREFIX) == {}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_ref_that_cannot_be_read_is_unavailable_and_not_damage(store: Store, repo: Path) -> None:
    store.swap(REF, None, store.write_blob(b"one"))
    (repo / ".git" / REF).chmod(0)
    with pytest.raises(UnavailableError):
        store.read_ref(REF)
