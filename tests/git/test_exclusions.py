"""Lines of ours in ``info/exclude`` come and go; the rest is its owner's."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitcoord.core.errors import UnavailableError
from gitcoord.git.exclusions import exclude, include
from tests.git.building import git


@pytest.fixture
def file(repo: Path) -> Path:
    return repo / ".git" / "info" / "exclude"


@pytest.mark.parametrize("before", [None, "", "*.log\n", "*.log", "caf\udce9\n"])
def test_what_was_excluded_comes_back_without_a_trace(
    repo: Path, file: Path, before: str | None
) -> None:
    file.unlink(missing_ok=True)
    if before is not None:
        file.write_text(before, "utf-8", "surrogateescape")
    (repo / "ours").write_text("x")
    assert "?? ours" in git(repo, "status", "--porcelain")
    assert exclude(repo, "/ours") == ["/ours"]
    assert git(repo, "status", "--porcelain") == ""
    assert include(repo, "/ours", "/never") == ["/ours"]
    assert git(repo, "status", "--porcelain") == "?? ours"
    kept = file.read_text("utf-8", "surrogateescape")
    assert kept.rstrip("\n") == (before or "").rstrip("\n")


def test_what_git_passes_over_already_needs_no_line(repo: Path, file: Path) -> None:
    (repo / ".gitignore").write_text("ours\n")
    before = file.read_text()
    assert exclude(repo, "/ours") == []
    assert file.read_text() == before
    assert exclude(repo, "/other") == ["/other"]
    assert exclude(repo, "/other") == [], "it is excluded by now"


def test_a_line_that_the_user_wrote_stays(repo: Path, file: Path) -> None:
    file.write_text("/ours\n")
    assert include(repo, "/ours") == []
    assert file.read_text() == "/ours\n"


def test_a_worktree_shares_the_file_of_its_repository(repo: Path, place: Path, file: Path) -> None:
    assert exclude(place, "/ours") == ["/ours"]
    assert file.read_text().endswith("\n/ours\n")


def test_a_file_that_cannot_be_used_is_named_and_left(repo: Path, file: Path) -> None:
    file.unlink()
    file.mkdir()
    with pytest.raises(UnavailableError, match="info/exclude cannot be used"):
        exclude(repo, "/ours")
    assert list(file.iterdir()) == []
