"""Loose objects: written whole, read with care."""

from __future__ import annotations

import hashlib
import os
import tempfile
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitcoord.store.libgit import LibgitStore
from gitcoord.store.loose import LooseObjects, Shared
from gitcoord.store.objects import read_loose
from gitcoord.store.protocol import MissingObjectError
from tests.support.formats import needs_libgit2, needs_sha1
from tests.support.world import git

pytestmark = needs_sha1


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


def opened(repo: Path, shared: str = "") -> LooseObjects:
    return LooseObjects(repo / ".git", "sha1", Shared(shared), is_durable=True)


def test_what_was_written_is_everybodys_only_after_the_sync(repo: Path) -> None:
    objects = opened(repo)
    oid = objects.write("blob", b"new\n")
    assert objects.read(oid) == ("blob", b"new\n")
    assert read_loose(objects.folder, oid) is None
    objects.sync()
    assert git("cat-file", "blob", oid, cwd=repo) == "new"
    assert not list((repo / ".git" / "objects").glob("tmp_obj*"))


def test_a_damaged_object_is_written_again(repo: Path) -> None:
    objects = opened(repo)
    oid = objects.write("blob", b"precious\n")
    objects.sync()
    path = Path(objects.path(oid))
    path.chmod(0o644)
    path.write_bytes(b"damaged")
    assert opened(repo).write("blob", b"precious\n") == oid
    objects.write("blob", b"precious\n")
    objects.sync()
    assert git("cat-file", "blob", oid, cwd=repo) == "precious"


def test_an_object_that_is_there_is_kept_young(repo: Path) -> None:
    objects = opened(repo)
    oid = objects.write("blob", b"old\n")
    objects.sync()
    os.utime(objects.path(oid), (1, 1))
    before = Path(objects.path(oid)).stat().st_ino
    objects.write("blob", b"old\n")
    objects.sync()
    found = Path(objects.path(oid)).stat()
    assert found.st_ino == before
    assert found.st_mtime > 1, "a prune that goes by age leaves it"


def test_an_empty_folder_that_a_gc_removes_is_made_again(repo: Path) -> None:
    objects = opened(repo)
    oid = objects.write("blob", b"x\n")
    objects.sync()
    Path(objects.path(oid)).unlink()
    Path(objects.path(oid)).parent.rmdir()
    objects.write("blob", b"x\n")
    objects.sync()
    assert read_loose(objects.folder, oid) == ("blob", b"x\n")


@pytest.mark.parametrize("shared", ["", "group", "all", "0640", "0660", "nonsense", "false"])
@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_files_and_folders_are_shared_as_git_shares_them(
    tmp_path: Path, shared: str, umask: int
) -> None:
    # Empty, so that no folder of an object stands before: its name would be of another umask.
    repo = tmp_path / "empty"
    git("init", "-q", str(repo), cwd=tmp_path)
    asked = shared if shared != "nonsense" else ""
    git("config", "core.sharedRepository", asked or "umask", cwd=repo)
    before = os.umask(umask)
    try:
        (repo / "theirs").write_text("theirs\n")
        theirs = git("hash-object", "-w", "theirs", cwd=repo)
        objects = opened(repo, shared)
        ours = objects.write("blob", b"ours\n")
        objects.sync()
    finally:
        os.umask(before)
    one, other = Path(objects.path(theirs)), Path(objects.path(ours))
    assert oct(other.stat().st_mode) == oct(one.stat().st_mode)
    assert oct(other.parent.stat().st_mode) == oct(one.parent.stat().st_mode)
