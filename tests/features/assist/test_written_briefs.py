"""A brief lies in a file of its own as long as its claim is held, and over nobody's file."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitcoord.core.errors import RefusedError, UsageError
from gitcoord.features.assist.written_briefs import LOCAL, RULES, forget_brief, write_brief
from gitcoord.features.workspace import Workspace
from tests.support.builders import tasks
from tests.support.world import found, git


@pytest.fixture
def work(repo: Path) -> Workspace:
    return found(repo, tasks("a"), "x")


@pytest.fixture
def place(work: Workspace) -> Path:
    worktree = work.worktree_of("x")
    assert worktree is not None
    return worktree


@pytest.mark.parametrize("name", [RULES, LOCAL])
def test_it_is_written_again_passed_over_by_git_and_taken_away(
    work: Workspace, place: Path, name: str
) -> None:
    for text in ("first\n", "second\n"):
        path = write_brief(place, text, name)
        assert path.read_text("utf-8").endswith(text)
    assert git("status", "--porcelain", cwd=place) == ""
    forget_brief(work, "x")
    assert not path.exists()


def test_beside_the_instructions_for_agents_it_names_them(place: Path) -> None:
    (place / "AGENTS.md").write_text("be kind\n")
    assert write_brief(place, "text\n", LOCAL).read_text("utf-8").startswith("@AGENTS.md\n\n")
    assert "@AGENTS.md" not in write_brief(place, "text\n", RULES).read_text("utf-8")


def test_a_file_of_somebody_else_s_is_neither_replaced_nor_taken_away(
    work: Workspace, place: Path
) -> None:
    (place / LOCAL).write_text("mine\n")
    with pytest.raises(RefusedError) as caught:
        write_brief(place, "text\n", LOCAL)
    assert caught.value.reason == "exists"
    forget_brief(work, "x")
    assert (place / LOCAL).read_text() == "mine\n"


def test_a_tracked_file_is_refused(place: Path) -> None:
    path = write_brief(place, "text\n", LOCAL)
    git("add", "-f", LOCAL, cwd=place)
    with pytest.raises(RefusedError) as caught:
        write_brief(place, "more\n", LOCAL)
    assert caught.value.reason == "tracked"
    assert path.read_text("utf-8").endswith("text\n")


def test_a_link_that_leads_out_of_the_worktree_is_not_followed(place: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (place / ".claude").symlink_to(outside)
    with pytest.raises(UsageError, match="leads out of the worktree"):
        write_brief(place, "text\n")
    assert list(outside.iterdir()) == []


def test_of_an_agent_without_a_worktree_nothing_is_forgotten(work: Workspace) -> None:
    forget_brief(work, "nobody")
