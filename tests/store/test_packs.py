"""Many objects are one pack, which git takes."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from gitcoord.store.packs import PackedObjects
from tests.support.formats import needs_sha1
from tests.support.world import git

pytestmark = needs_sha1


def kept(repo: Path, packed: PackedObjects) -> None:
    subprocess.run(
        ["git", "index-pack", "--stdin", "--strict"],
        cwd=repo,
        input=packed.stream(),
        capture_output=True,
        check=True,
    )


# Where a size takes one more byte in an object's header.
@pytest.mark.parametrize("size", [0, 1, 15, 16, 2047, 2048, 262_143, 262_144])
def test_git_reads_an_object_of_any_size(repo: Path, size: int) -> None:
    packed = PackedObjects()
    content = bytes(index % 251 for index in range(size))
    oid = packed.add("blob", content)
    kept(repo, packed)
    done = subprocess.run(
        ["git", "cat-file", "blob", oid], cwd=repo, capture_output=True, check=True
    )
    assert done.stdout == content


def test_an_object_is_in_the_pack_once(repo: Path) -> None:
    packed = PackedObjects()
    assert packed.add("blob", b"x") == packed.add("blob", b"x")
    tree = packed.add("tree", b"")
    kept(repo, packed)
    (index,) = (repo / ".git" / "objects" / "pack").glob("*.idx")
    listed = git("verify-pack", "-v", str(index), cwd=repo)
    assert listed.count(" blob ") == 1
    assert git("cat-file", "-t", tree, cwd=repo) == "tree"


def test_a_pack_of_a_sha256_repository_has_its_oids(tmp_path: Path) -> None:
    repo = tmp_path / "long"
    git("init", "-q", "--object-format=sha256", str(repo), cwd=tmp_path)
    packed = PackedObjects("sha256")
    oid = packed.add("blob", b"hello\n")
    assert len(oid) == 64
    kept(repo, packed)
    assert git("cat-file", "blob", oid, cwd=repo) == "hello"
