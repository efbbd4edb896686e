"""What lies in a private file's place is opened only if it is a file."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from gitcoord.host.files import (
    IrregularFileError,
    create_file,
    open_file,
    read_file,
    replace_file,
)


def link_to_a_file(path: Path) -> None:
    path.with_name("real").write_text("theirs")
    path.symlink_to("real")


IRREGULAR: dict[str, Callable[[Path], None]] = {
    "a pipe": os.mkfifo,
    "a folder": Path.mkdir,
    "a link": lambda path: path.symlink_to("elsewhere"),
    "a link to a file": link_to_a_file,
    "a link to itself": lambda path: path.symlink_to(path.name),
    "a device": lambda path: path.symlink_to("/dev/zero"),
}


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
    assert not (tmp_path / "elsewhere").exists()
    assert not (tmp_path / "real").exists() or (tmp_path / "real").read_text() == "theirs"


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
