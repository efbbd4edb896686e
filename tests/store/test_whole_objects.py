"""Whole objects of packs of ours are read without a git; all else is left to it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitcoord.core.hashing import hash_of
from gitcoord.core.ids import Oid
from gitcoord.git.pack_folder import MARK, pack_folder
from gitcoord.git.places import discover
from gitcoord.git.program import Git
from gitcoord.store.packs import PackedObjects
from gitcoord.store.plumbing import PlumbingStore
from gitcoord.store.whole_objects import MAX_INDEX_BYTES, MAX_OBJECT_BYTES, WholeObjects
from tests.support.world import git

CONTENTS = [b"%d\n" % number * (number * 7 % 400) for number in range(300)]


def packed(folder: Path, contents: list[bytes], algorithm: str = "sha1") -> list[Oid]:
    """Write contents as one pack of ours."""
    packed = PackedObjects(algorithm)
    oids = [packed.add("blob", content) for content in contents]
    stream = packed.stream()
    checksum = stream[-packed.hash_bytes :]
    name = f"{MARK}{checksum.hex()}"
    folder.joinpath(f"{name}.pack").write_bytes(stream)
    folder.joinpath(f"{name}.idx").write_bytes(packed.index(checksum))
    return oids


@pytest.mark.parametrize("algorithm", ["sha1", "sha256"])
def test_every_object_of_every_pack_is_found(tmp_path: Path, algorithm: str) -> None:
    first = packed(tmp_path, CONTENTS, algorithm)
    second = packed(tmp_path, [b"one", b""], algorithm)
    whole = WholeObjects(tmp_path, algorithm)
    for oid, content in zip([*first, *second], [*CONTENTS, b"one", b""], strict=True):
        assert whole.read(oid) == ("blob", content)
    assert whole.read(Oid(hash_of(algorithm)(b"another").hexdigest())) is None


def test_a_pack_that_comes_later_is_found_when_the_old_ones_are_forgotten(tmp_path: Path) -> None:
    whole = WholeObjects(tmp_path / "none", "sha1")
    assert whole.read(Oid("0" * 40)) is None
    whole = WholeObjects(tmp_path, "sha1")
    (old,) = packed(tmp_path, [b"old"])
    assert whole.read(old) is not None
    (new,) = packed(tmp_path, [b"new"])
    assert whole.read(new) is None
    whole.forget()
    assert whole.read(new) == ("blob", b"new")


def test_what_is_damaged_gone_or_large_is_left_to_git(tmp_path: Path) -> None:
    oids = packed(tmp_path, [*CONTENTS, b"x" * (MAX_OBJECT_BYTES + 1)])
    whole = WholeObjects(tmp_path, "sha1")
    assert whole.read(oids[-1]) is None
    (pack,) = tmp_path.glob("*.pack")
    content = pack.read_bytes()
    pack.write_bytes(content[:40] + bytes([content[40] ^ 1]) + content[41:])
    read = [whole.read(oid) for oid in oids[:-1]]
    assert read.count(None) == 1
    assert {one for one in read if one} <= {("blob", content) for content in CONTENTS}
    pack.unlink()
    assert whole.read(oids[0]) is None


def test_a_large_index_is_left_to_git(tmp_path: Path) -> None:
    oids = packed(tmp_path, [b"%d" % number for number in range(MAX_INDEX_BYTES // 28)])
    assert WholeObjects(tmp_path, "sha1").read(oids[0]) is None


@given(place=st.integers(0, 9000), junk=st.binary(min_size=1, max_size=40))
def test_no_index_leads_to_bytes_that_are_not_the_object(
    tmp_path_factory: pytest.TempPathFactory, place: int, junk: bytes
) -> None:
    folder = tmp_path_factory.mktemp("packs")
    oids = packed(folder, CONTENTS)
    (file,) = folder.glob("*.idx")
    index = file.read_bytes()
    file.write_bytes(index[:place] + junk + index[place + len(junk) :])
    whole = WholeObjects(folder, "sha1")
    for oid, content in zip(oids, CONTENTS, strict=True):
        assert whole.read(oid) in {None, ("blob", content)}


def test_a_delta_is_left_to_git_which_reads_it(repo: Path) -> None:
    place = discover(repo)
    folder = pack_folder(place.common_dir)
    lines = [b"line %d\n" % number for number in range(3000)]
    texts = [b"".join(lines[:number] + lines[number + 1 :]) for number in range(20)]
    store = PlumbingStore(place.common_dir)
    algorithm = git("rev-parse", "--show-object-format", cwd=repo).strip()
    oids = packed(folder, texts, algorithm)
    names = "\n".join(oids) + "\n"
    base = str(folder / MARK.rstrip("-"))
    made = Git(repo).run("pack-objects", "-q", "--no-reuse-delta", base, stdin=names.encode())
    for old in folder.glob(f"{MARK}*"):
        if made.text not in old.name:
            old.unlink()
    whole = WholeObjects(folder, algorithm)
    read = [whole.read(oid) for oid in oids]
    assert None in read
    assert any(read)
    assert [store.read_blob(oid) for oid in oids] == texts
    store.close()
