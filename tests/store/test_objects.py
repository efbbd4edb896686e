"""Commits as they are read, and bytes that are not a commit."""

from __future__ import annotations

import hashlib
import subprocess
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitcoord.core.errors import UnavailableError
from gitcoord.store.objects import clean_name, encode_commit, parse_commit, read_loose
from gitcoord.store.protocol import EntryObject, MissingObjectError
from tests.support.formats import needs_sha1
from tests.support.world import git

pytestmark = needs_sha1


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


def raw(repo: Path, *args: str) -> bytes:
    return subprocess.run(["git", *args], cwd=repo, capture_output=True, check=True).stdout


def test_a_commit_is_written_byte_for_byte_as_git_does(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree, parent = git("rev-parse", "HEAD^{tree}", "HEAD", cwd=repo).split()
    for who in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{who}_NAME", f"Zoë {who.title()}")
        monkeypatch.setenv(f"GIT_{who}_EMAIL", f"{who.lower()}@example.invalid")
        monkeypatch.setenv(f"GIT_{who}_DATE", "1700000000 +0000")
    message = "subject\n\nbody é\n"
    oid = git("commit-tree", tree, "-p", parent, "-m", message.rstrip("\n"), cwd=repo)
    author = ("Zoë Author", "author@example.invalid")
    committer = ("Zoë Committer", "committer@example.invalid")
    content = encode_commit(tree, (parent,), author, committer, 1_700_000_000, message)
    assert content == raw(repo, "cat-file", "commit", oid)
    read = parse_commit(oid, content)
    assert read == EntryObject(oid, tree, (parent,), message, *author, 1_700_000_000)


def test_headers_in_a_message_are_not_read_as_headers() -> None:
    tree, other = "1" * 40, "2" * 40
    message = f"x\n\ntree {other}\nparent {other}\nauthor m <m@m> 9 +0000\n"
    content = encode_commit(tree, (), ("a", "a@a"), ("c", "c@c"), 5, message)
    read = parse_commit("3" * 40, content)
    assert (read.tree, read.parents, read.author, read.time) == (tree, (), "a", 5)
    assert read.message == message


@pytest.mark.parametrize(
    "name", ["plain", " spaced ", ",;:crud;,", "<sly> one", 'a"quoted"', "in.the.middle", "'x"]
)
def test_a_name_is_cleaned_as_git_cleans_it(repo: Path, name: str) -> None:
    told = git("-c", f"user.name={name}", "var", "GIT_AUTHOR_IDENT", cwd=repo)
    assert told.partition(" <")[0] == clean_name(name)


def test_a_loose_object_is_read_as_git_wrote_it(repo: Path) -> None:
    objects = str(repo / ".git" / "objects")
    oid = git("rev-parse", "HEAD:README.md", cwd=repo)
    assert read_loose(objects, oid) == ("blob", b"hello\n")
    assert read_loose(objects, "1" * 40) is None


def test_the_bytes_of_another_object_are_no_answer(repo: Path) -> None:
    objects = repo / ".git" / "objects"
    wrong = hashlib.sha1(b"blob 3\0one", usedforsecurity=False).hexdigest()
    path = objects / wrong[:2] / wrong[2:]
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(zlib.compress(b"blob 3\0two"))
    with pytest.raises(MissingObjectError, match="another object"):
        read_loose(str(objects), wrong)
    path.write_bytes(zlib.compress(b"blob 3\0one")[:-6])
    with pytest.raises(MissingObjectError):
        read_loose(str(objects), wrong)
    path.unlink()
    path.mkdir()
    with pytest.raises(UnavailableError, match="directory"):
        read_loose(str(objects), wrong)
