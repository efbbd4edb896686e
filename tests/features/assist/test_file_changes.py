"""Files of the user's are changed whole or not at all, and never through a link."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gitcoord.core.errors import UnavailableError, UsageError
from gitcoord.features.assist import file_changes
from gitcoord.features.assist.file_changes import FileChange, apply_changes, read_text


def change(path: Path, before: str | None, after: str | None) -> FileChange:
    return FileChange(path, before, after, "a test's")


def test_what_is_not_there_has_no_text(tmp_path: Path) -> None:
    assert read_text(tmp_path / "none") is None
    (tmp_path / "file").write_text("é\n", "utf-8")
    assert read_text(tmp_path / "file") == "é\n"


@pytest.mark.parametrize("kind", ["link", "folder", "binary", "large", "below-a-file", "fifo"])
def test_what_is_not_a_file_of_text_is_refused_with_its_place(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "settings.json"
    if kind == "link":
        path.symlink_to(tmp_path / "elsewhere")
    elif kind == "folder":
        path.mkdir()
    elif kind == "binary":
        path.write_bytes(b"\xff\xfe")
    elif kind == "large":
        with path.open("wb") as file:
            file.truncate(file_changes.MAX_BYTES + 1)
    elif kind == "below-a-file":
        path.touch()
        path = path / "settings.json"
    else:
        os.mkfifo(path)
    with pytest.raises(UsageError) as caught:
        read_text(path)
    assert str(tmp_path) in caught.value.message
    assert caught.value.hint


def test_only_what_differs_is_written_and_its_mode_stays(tmp_path: Path) -> None:
    same, other, gone = (tmp_path / name for name in ("same", "other", "gone"))
    for path in (same, other, gone):
        path.write_text("old\n")
    other.chmod(0o640)
    kept = same.stat().st_mtime_ns
    fresh = tmp_path / "folder" / "fresh"
    changes = [
        change(same, "old\n", "old\n"),
        change(other, "old\n", "new\n"),
        change(gone, "old\n", None),
        change(fresh, None, "first\n"),
    ]
    assert apply_changes(changes) == [other, gone, fresh]
    assert (other.read_text(), other.stat().st_mode & 0o777) == ("new\n", 0o640)
    assert (gone.exists(), fresh.read_text(), same.stat().st_mtime_ns) == (False, "first\n", kept)
    assert list(tmp_path.rglob(".*.new")) == []


def test_a_file_that_cannot_be_written_is_as_it_was_and_those_before_it_stand(
    tmp_path: Path,
) -> None:
    first, locked, last = (tmp_path / name for name in ("first", "locked", "last"))
    locked.write_text("mine\n")
    locked.chmod(0o444)
    changes = [change(path, None, "new\n") for path in (first, locked, last)]
    with pytest.raises(UnavailableError) as caught:
        apply_changes(changes)
    assert str(locked) in caught.value.message
    assert (first.read_text(), locked.read_text(), last.exists()) == ("new\n", "mine\n", False)
    assert list(tmp_path.rglob(".*.new")) == []


def test_nothing_is_written_through_a_link_that_was_put_beside_the_file(tmp_path: Path) -> None:
    path, theirs = tmp_path / "settings.json", tmp_path / "theirs"
    theirs.write_text("theirs")
    (tmp_path / f".settings.json.{os.getpid()}.new").symlink_to(theirs)
    apply_changes([change(path, None, "ours\n")])
    assert (path.read_text(), path.is_symlink(), theirs.read_text()) == ("ours\n", False, "theirs")
