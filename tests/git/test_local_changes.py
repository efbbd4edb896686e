from __future__ import annotations

import os
from pathlib import Path

import pytest

from gitcoord.core.errors import RefusedError
from gitcoord.git import worktrees
from gitcoord.git.local_changes import changed_paths, hidden_among, untracked_repositories
from gitcoord.git.program import Git
from tests.git.building import git

CRLF = b"one\r\ntwo\r\n"


def with_phantom(repo: Path) -> Path:
    """Return a fresh worktree in which git takes ``legacy.txt`` for modified."""
    (repo / "raw").write_bytes(CRLF)
    oid = git(repo, "hash-object", "-w", "--no-filters", "raw")
    (repo / "raw").unlink()
    (repo / ".gitattributes").write_text("*.txt text\n")
    git(repo, "add", ".gitattributes")
    git(repo, "update-index", "--add", "--cacheinfo", f"100644,{oid},legacy.txt")
    git(repo, "commit", "-q", "-m", "legacy")
    place = repo.parent / "linked"
    worktrees.add(Git(repo), place, commit=git(repo, "rev-parse", "HEAD"))
    os.utime(place / "legacy.txt")
    return place


def test_a_file_as_its_checkout_made_it_is_not_a_change(repo: Path) -> None:
    place = with_phantom(repo)
    assert git(place, "status", "--short") == "M legacy.txt"
    assert changed_paths(place) == []
    worktrees.refuse_local_changes(place)
    worktrees.checkout_branch(place, "task/a/1-abcdef", git(repo, "rev-parse", "HEAD"))
    (place / "legacy.txt").write_bytes(CRLF + b"three\r\n")
    assert changed_paths(place) == ["legacy.txt"]
    with pytest.raises(RefusedError, match=r"legacy\.txt"):
        worktrees.refuse_local_changes(place)


def test_a_mode_a_link_and_a_content_are_changes(repo: Path) -> None:
    for name in ("mode", "content", "link"):
        (repo / name).write_text("x\n")
    git(repo, "add", ".")
    git(repo, "commit", "-q", "-m", "files")
    (repo / "mode").chmod(0o755)
    (repo / "content").write_text("y\n")
    (repo / "link").unlink()
    (repo / "link").symlink_to("mode")
    assert sorted(changed_paths(repo)) == ["content", "link", "mode"]
    assert not list((repo / ".git" / "gitcoord").iterdir())


def test_what_lies_inside_a_submodule_is_in_nobodys_way(repo: Path, tmp_path: Path) -> None:
    library = tmp_path / "library"
    git(repo, "clone", "-q", str(repo), str(library))
    allowed = ("-c", "protocol.file.allow=always")
    git(repo, *allowed, "submodule", "--quiet", "add", str(library), "sub")
    git(repo, "commit", "-q", "-m", "submodule")
    (repo / "sub" / "README.md").write_text("dirt\n")
    (repo / "sub" / "new").write_text("dirt\n")
    assert changed_paths(repo) == []
    assert changed_paths(repo, submodules="none") == ["sub"]
    git(repo / "sub", "commit", "-q", "-am", "new commit")
    assert changed_paths(repo) == ["sub"]
    worktrees.refuse_local_changes(repo)


def test_a_file_whose_changes_git_hides_is_named(repo: Path) -> None:
    base = git(repo, "rev-parse", "HEAD")
    (repo / "conf").write_text("theirs\n")
    git(repo, "add", ".")
    git(repo, "commit", "-q", "-m", "conf")
    place = repo.parent / "linked"
    worktrees.add(Git(repo), place, commit=git(repo, "rev-parse", "HEAD"))
    git(place, "update-index", "--skip-worktree", "conf")
    (place / "conf").write_text("local\n")
    assert changed_paths(place) == []
    assert hidden_among(place, ["conf", "README.md"]) == ["conf"]
    with pytest.raises(RefusedError, match="conf") as caught:
        worktrees.checkout_branch(place, "task/a/1-abcdef", base)
    assert "--no-skip-worktree" in caught.value.hint
    assert (place / "conf").read_text() == "local\n"


def test_another_repository_inside_is_one_folder(repo: Path) -> None:
    git(repo, "init", "-q", "deep/nested")
    (repo / "deep" / "nested" / "file").write_text("x\n")
    (repo / "plain").mkdir()
    (repo / "plain" / "file").write_text("x\n")
    assert untracked_repositories(repo) == ["deep/nested"]
