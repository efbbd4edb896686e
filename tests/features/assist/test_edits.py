"""Which paths of an edit are inside, wherever they lead to."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitcoord.features.assist.edits import outside_of
from gitcoord.features.assist.views import ClaimView
from tests.support.world import git

ALPHA = ClaimView("one", "alpha", "t", layers=(("task alpha", ("alpha/",)),))
BETA = ClaimView("one", "beta", "u", layers=(("task beta", ("beta/", "one.txt")),))


def why(repo: Path, path: str, *claims: ClaimView, cwd: str = "") -> str:
    common = str(repo / ".git")
    found = outside_of([path], cwd or str(repo), str(repo), common, claims or (ALPHA,))
    return found.why if found else ""


def test_what_one_of_several_claims_allows_is_inside(repo: Path) -> None:
    assert why(repo, "beta/x")
    assert why(repo, "beta/x", ALPHA, BETA) == ""
    assert why(repo, "one.txt", ALPHA, BETA) == ""
    assert why(repo, "gamma/x", ALPHA, BETA)


def test_a_path_is_read_from_where_the_assistant_stands(repo: Path) -> None:
    (repo / "alpha").mkdir()
    assert why(repo, "x", cwd=str(repo / "alpha")) == ""
    assert why(repo, "../x", cwd=str(repo / "alpha"))
    assert why(repo, "../alpha/x", cwd=str(repo / "alpha")) == ""


def test_the_first_path_outside_is_named(repo: Path) -> None:
    found = outside_of(["alpha/x", "y", "z"], str(repo), str(repo), str(repo / ".git"), [ALPHA])
    assert found is not None
    assert found.path == "y"


def test_a_link_counts_by_its_name_and_by_where_it_leads(repo: Path) -> None:
    (repo / "alpha").mkdir()
    (repo / "beta").mkdir()
    (repo / "alpha/there").symlink_to(repo / "beta")
    (repo / "here").symlink_to(repo / "alpha")
    assert "it leads to beta/x" in why(repo, "alpha/there/x")
    assert why(repo, "here/x"), "its name lies outside, wherever it leads"


def test_a_worktree_that_is_reached_by_a_link_is_the_same(repo: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.symlink_to(repo)
    assert why(repo, str(other / "alpha/x")) == ""
    assert why(repo, str(other / "beta/x"))


def test_temporary_files_are_nobodys_business_unless_a_worktree_lies_there(
    repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    git("worktree", "add", "-q", str(folder / "linked"), cwd=repo)
    monkeypatch.setenv("TMPDIR", str(folder))
    assert why(repo, str(folder / "notes.txt")) == ""
    assert why(repo, str(folder / "linked/x")) == "it lies outside this worktree"


def test_what_is_no_path_is_said_to_be_none(repo: Path) -> None:
    assert why(repo, "alpha/\0") == "it is not a path"
