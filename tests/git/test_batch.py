"""Many objects come from one git, in the order in which they were asked for."""

from __future__ import annotations

from pathlib import Path

from gitcoord.git.batch import missing_of, read_objects
from gitcoord.git.program import Git
from tests.git.building import git


def test_objects_come_in_their_order_and_what_is_not_there_is_none(repo: Path, base: str) -> None:
    names = ["HEAD:a", "1" * 40, "HEAD", "HEAD:none", "HEAD:deep", "HEAD:a"]
    found = read_objects(Git(repo), names)
    kinds = [one and one.kind for one in found]
    assert kinds == ["blob", None, "commit", None, "tree", "blob"]
    assert [one.content for one in found if one and one.kind == "blob"] == [b"a\n", b"a\n"]
    assert found[2] is not None
    assert found[2].oid == base
    assert read_objects(Git(repo), []) == []


def test_contents_that_look_like_headers_are_contents(repo: Path, base: str) -> None:
    tricky = f"{base} blob 3\n{'1' * 40} missing\n\0\n".encode()
    oid = git(repo, "hash-object", "-w", "--stdin", stdin=tricky)
    one, other = read_objects(Git(repo), [oid, "HEAD:b"])
    assert one is not None
    assert one.content == tricky
    assert other is not None
    assert other.content == b"b\n"


def test_what_is_missing_is_named_once(repo: Path, base: str) -> None:
    gone = "1" * 40
    assert missing_of(Git(repo), [base, gone, gone]) == {gone}
    assert missing_of(Git(repo), [base]) == set()
    assert missing_of(Git(repo), []) == set()
