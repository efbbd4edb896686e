"""Where an assistant stands, found without git."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitcoord.features.assist.standing import agent_marker, read_small, standing_at, top_above
from tests.support.world import git


def test_the_main_checkout_keeps_its_own_files(repo: Path) -> None:
    standing = standing_at(str(repo))
    assert standing is not None
    assert standing == (str(repo), str(repo / ".git"), str(repo / ".git"))
    assert not standing.is_linked


def test_a_linked_worktree_names_both_folders(repo: Path) -> None:
    place = repo.parent / "linked"
    git("worktree", "add", "-q", str(place), cwd=repo)
    standing = standing_at(str(place))
    assert standing is not None
    assert standing.is_linked
    assert standing.git_dir == git("rev-parse", "--absolute-git-dir", cwd=place)
    assert standing.common_dir == str(repo / ".git")


def test_the_nearest_folder_with_git_counts(repo: Path, tmp_path: Path) -> None:
    deep = repo / "a" / "b"
    deep.mkdir(parents=True)
    assert top_above(str(deep)) == str(repo)
    (repo / "a" / ".git").write_text("gitdir: elsewhere\n")
    assert top_above(str(deep)) == str(repo / "a")
    assert top_above("/") == ""


@pytest.mark.parametrize("content", ["", "nonsense\n", "gitdir"])
def test_a_folder_whose_link_is_broken_is_no_worktree(tmp_path: Path, content: str) -> None:
    (tmp_path / ".git").write_text(content)
    assert standing_at(str(tmp_path)) is None
    assert standing_at(str(tmp_path / "nothing")) is None


def test_a_marker_that_is_not_whole_names_nobody(repo: Path) -> None:
    standing = standing_at(str(repo))
    assert standing is not None
    assert agent_marker(standing) == {}
    marker = repo / ".git/gitcoord/agent.json"
    marker.parent.mkdir()
    marker.write_text('{"agent": "one", "ledger": "ledger"}')
    assert agent_marker(standing)["agent"] == "one"
    for torn in ('{"agent": ', "[]", "[" * 100_000, ""):
        marker.write_text(torn)
        assert read_small(str(marker)) == {}
