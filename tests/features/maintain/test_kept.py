"""What was moved aside is the only copy: it goes late, the oldest first."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gitcoord.features.maintain import kept
from gitcoord.features.maintain.kept import YOUNG_S, clear_kept

DAY = 86400
NOW = 1_700_000_000
QUARTER = 90 * DAY


def left(folder: Path, name: str, age_s: int, size: int = 10) -> Path:
    """Leave a file in the folder of an attempt, as old as it is said to be."""
    attempt = folder / name
    (attempt / "deep").mkdir(parents=True)
    (attempt / "deep" / "file").write_bytes(b"x" * size)
    os.utime(attempt, (NOW - age_s, NOW - age_s))
    return attempt


def test_what_is_older_than_is_asked_for_goes_and_nothing_else(tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    old = left(folder, "a/1-abcdef", QUARTER + 10)
    young = left(folder, "a/2-abcdef", QUARTER - 10)
    alone = left(folder, "b/1-abcdef", QUARTER + 10)
    assert clear_kept(folder, NOW, QUARTER) == [old, alone]
    assert young.exists()
    assert sorted(path.name for path in folder.iterdir()) == ["a"]


def test_for_ever_is_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "MAX_KEPT_BYTES", 1)
    left(tmp_path, "a/1-abcdef", 1000 * DAY)
    assert clear_kept(tmp_path, NOW, None) == []


def test_while_it_is_too_large_the_oldest_goes_but_never_what_is_young(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept, "MAX_KEPT_BYTES", 250)
    oldest = left(tmp_path, "c/1-abcdef", YOUNG_S + 30, size=100)
    older = left(tmp_path, "b/1-abcdef", YOUNG_S + 20, size=100)
    left(tmp_path, "a/1-abcdef", YOUNG_S + 10, size=100)
    assert clear_kept(tmp_path, NOW, QUARTER) == [oldest]
    young = left(tmp_path, "d/1-abcdef", YOUNG_S - 10, size=1000)
    assert clear_kept(tmp_path, NOW, QUARTER)[0] == older
    assert young.exists()


def test_a_link_is_neither_followed_nor_counted(tmp_path: Path) -> None:
    theirs = left(tmp_path / "theirs", "a/1-abcdef", QUARTER + 10)
    folder = tmp_path / "kept"
    folder.mkdir()
    (folder / "link").symlink_to(tmp_path / "theirs" / "a")
    (folder / "b").mkdir()
    (folder / "b" / "1-abcdef").symlink_to(theirs)
    assert clear_kept(folder, NOW, 1) == []
    assert (theirs / "deep" / "file").exists()


def test_where_nothing_was_ever_kept_nothing_is_done(tmp_path: Path) -> None:
    assert clear_kept(tmp_path / "none", NOW, 1) == []
