"""What lies in a private file's place is opened only if it is a file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gitcoord.host.files import (
    IrregularFileError,
    copy_file,
    create_file,
    note_holder,
    open_file,
    read_file,
    replace_file,
)
from tests.support.irregular import IRREGULAR, REPLACEABLE, hard_link_to_theirs, is_theirs_whole


@pytest.mark.parametrize("kind", IRREGULAR)
def test_only_a_regular_file_is_read_or_written(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    IRREGULAR[kind](path)
    before = os.lstat(path)
    with pytest.raises(IrregularFileError):
        read_file(path, 100)
    with pytest.raises(IrregularFileError):
        create_file(path)
    with pytest.raises(IrregularFileError):
        open_file(path, os.O_RDWR | os.O_CREAT)
    assert os.lstat(path) == before, "it was not touched"
    assert is_theirs_whole(path)


def test_a_file_is_read_up_to_its_limit(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 100)
    assert read_file(path, 100) == b"x" * 100
    with pytest.raises(OSError, match="more than 99 bytes"):
        read_file(path, 99)


def test_a_link_in_the_place_is_replaced_and_not_followed(tmp_path: Path) -> None:
    path, theirs = tmp_path / "file", tmp_path / "theirs"
    theirs.write_text("theirs")
    path.symlink_to(theirs)
    replace_file(path, b"ours")
    assert (path.read_text(), path.is_symlink(), theirs.read_text()) == ("ours", False, "theirs")


def test_a_replacement_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "file"
    path.mkdir(parents=True)
    with pytest.raises(OSError, match="directory"):
        replace_file(path, b"ours")
    assert list(path.parent.iterdir()) == [path]


def test_folders_are_made_for_a_new_file(tmp_path: Path) -> None:
    replace_file(tmp_path / "a" / "file", b"one")
    handle = create_file(tmp_path / "b" / "file")
    os.write(handle, b"two")
    os.close(handle)
    assert (tmp_path / "a" / "file").read_text() == "one"
    assert (tmp_path / "b" / "file").read_text() == "two"


def test_a_file_that_is_begun_again_is_empty_and_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    path.chmod(0o666)
    os.close(create_file(path))
    assert (path.read_text(), path.stat().st_mode & 0o777) == ("", 0o600)


@pytest.mark.parametrize("is_appended", [False, True])
def test_a_file_that_has_another_name_is_left_to_that_name(
    is_appended: bool, tmp_path: Path
) -> None:
    path = tmp_path / "file"
    hard_link_to_theirs(path)
    handle = create_file(path, is_appended=is_appended)
    os.write(handle, b"ours")
    os.close(handle)
    assert path.read_text() == "ours"
    assert is_theirs_whole(path)
    assert path.with_name("theirs").stat().st_mode & 0o777 == 0o644


def test_who_holds_a_lock_is_not_written_into_a_file_of_others(tmp_path: Path) -> None:
    path, ours = tmp_path / "file", tmp_path / "ours"
    hard_link_to_theirs(path)
    for place in (path, ours):
        handle = open_file(place, os.O_RDWR | os.O_CREAT)
        note_holder(handle, "me")
        os.close(handle)
    assert is_theirs_whole(path)
    assert ours.read_text() == "me"


@pytest.mark.parametrize("kind", REPLACEABLE)
def test_a_copy_replaces_what_lies_there_and_follows_no_link(kind: str, tmp_path: Path) -> None:
    origin, path = tmp_path / "origin", tmp_path / "file"
    origin.write_text("ours")
    IRREGULAR[kind](path)
    copy_file(origin, path)
    assert (path.read_text(), path.is_symlink()) == ("ours", False)
    assert is_theirs_whole(path)


def test_a_file_is_replaced_with_the_mode_that_is_asked_for(tmp_path: Path) -> None:
    mask = os.umask(0o027)
    try:
        replace_file(tmp_path / "shared", b"", mode=0o666)
        replace_file(tmp_path / "kept", b"", kept_mode=0o776)
    finally:
        os.umask(mask)
    replace_file(tmp_path / "private", b"")
    assert (tmp_path / "shared").stat().st_mode & 0o777 == 0o640
    assert (tmp_path / "kept").stat().st_mode & 0o777 == 0o776
    assert (tmp_path / "private").stat().st_mode & 0o777 == 0o600
