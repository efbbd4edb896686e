"""What a new worktree needs is copied, never over anything and never through a link."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitcoord.git import copies


def test_untracked_files_are_copied_with_their_mode(repo: Path, place: Path) -> None:
    (repo / ".gitignore").write_text(".env\n")
    (repo / ".env").write_text("secret")
    (repo / ".env").chmod(0o600)
    (repo / "tools").mkdir()
    (repo / "tools" / "run.sh").write_text("run")
    (repo / "tools" / "run.sh").chmod(0o755)
    (repo / "other").write_text("x")
    assert sorted(copies.copy_files(repo, place, [".env", "tools/"])) == [".env", "tools/run.sh"]
    assert (place / ".env").stat().st_mode & 0o777 == 0o600
    assert (place / "tools" / "run.sh").stat().st_mode & 0o777 == 0o755
    assert not (place / "other").exists()
    assert copies.copy_files(repo, place, []) == []


def test_copying_overwrites_nothing_and_takes_no_tracked_file(repo: Path, place: Path) -> None:
    (repo / "new").write_text("theirs")
    (repo / "a").write_text("changed")
    (place / "new").write_text("mine")
    assert copies.copy_files(repo, place, ["**"]) == []
    assert (place / "new").read_text() == "mine"
    assert (place / "a").read_text() == "a\n"


def test_copying_follows_no_link_on_either_side(repo: Path, place: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("secret")
    (repo / "link").symlink_to(outside / "secret")
    (repo / "linked-folder").symlink_to(outside)
    (repo / "folder").mkdir()
    (repo / "folder" / "x").write_text("x")
    (repo / "dangling").write_text("x")
    (place / "folder").symlink_to(outside)
    (place / "dangling").symlink_to(outside / "made")
    assert copies.copy_files(repo, place, ["**"]) == []
    assert sorted(path.name for path in outside.iterdir()) == ["secret"]


def test_what_is_large_or_blocked_stays_behind(
    repo: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copies, "MAX_COPIED_BYTES", 3)
    (repo / "large").write_text("large")
    (repo / "sub").mkdir()
    (repo / "sub" / "x").write_text("x")
    (place / "sub").write_text("a file here")
    assert copies.copy_files(repo, place, ["large", "sub/"]) == []


def test_a_copy_has_every_byte_and_is_its_own(repo: Path, place: Path) -> None:
    content = bytes(range(256)) * 50_000
    (repo / "data").write_bytes(content)
    assert copies.copy_files(repo, place, ["data"]) == ["data"]
    assert (place / "data").read_bytes() == content
    (place / "data").write_bytes(b"changed")
    assert (repo / "data").read_bytes() == content
