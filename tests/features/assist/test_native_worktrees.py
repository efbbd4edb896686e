"""A worktree that no task is named for is made as Claude would make it itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from gitcoord.features.workspace import Workspace
from tests.support.assistants import Lead
from tests.support.builders import tasks
from tests.support.world import found, git


@pytest.fixture
def work(repo: Path) -> Iterator[Workspace]:
    work = found(repo, tasks("a", "b", "c", "d", "e"))
    yield work
    work.close()


@pytest.fixture
def lead(repo: Path, work: Workspace, tmp_path: Path) -> Lead:
    return Lead(repo, tmp_path)


def test_a_name_that_is_no_task_is_a_worktree_as_claude_makes_it(
    lead: Lead, repo: Path, work: Workspace
) -> None:
    place = Path(lead("WorktreeCreate", name="feature-1").path)
    assert place == repo / ".claude/worktrees/feature-1"
    assert git("branch", "--show-current", cwd=place) == "worktree-feature-1"
    assert work.ledger.snapshot().agents() == []
    assert Path(lead("WorktreeCreate", name="feature-1").path) == place
    lead("WorktreeRemove", worktree_path=str(place))
    assert not place.exists()


def test_a_plain_worktree_with_work_in_it_is_never_removed(lead: Lead) -> None:
    place = Path(lead("WorktreeCreate", name="keep").path)
    (place / "new.txt").write_text("mine\n")
    lead("WorktreeRemove", worktree_path=str(place))
    assert (place / "new.txt").exists()
    git("add", "new.txt", cwd=place)
    git("commit", "-q", "-m", "mine", cwd=place)
    lead("WorktreeRemove", worktree_path=str(place))
    assert (place / "new.txt").exists()


def test_what_a_plain_worktree_takes_from_settings(lead: Lead, repo: Path) -> None:
    (repo / ".gitignore").write_text(".env*\nbig/\n.claude/\n")
    (repo / ".worktreeinclude").write_text(".env\n")
    git("add", ".", cwd=repo)
    git("commit", "-q", "-m", "more", cwd=repo)
    for name in (".env", ".env.other"):
        (repo / name).write_text("secret\n")
    (repo / "big").mkdir()
    (repo / ".claude").mkdir(exist_ok=True)
    settings = {"worktree": {"baseRef": "head", "symlinkDirectories": ["big", "../outside"]}}
    (repo / ".claude/settings.json").write_text(json.dumps(settings))
    git("update-ref", "refs/remotes/origin/main", "HEAD~1", cwd=repo)
    git("symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/main", cwd=repo)
    head = Path(lead("WorktreeCreate", name="from-head").path)
    assert git("rev-parse", "HEAD", cwd=head) == git("rev-parse", "HEAD", cwd=repo)
    assert (head / ".env").read_text() == "secret\n"
    assert not (head / ".env.other").exists()
    assert (head / "big").is_symlink()
    (repo / ".claude/settings.json").write_text("{}")
    fresh = Path(lead("WorktreeCreate", name="fresh").path)
    assert git("rev-parse", "HEAD", cwd=fresh) == git("rev-parse", "HEAD~1", cwd=repo)


@pytest.mark.parametrize("name", ["../up", "a/b", ".hidden", "-x", ""])
def test_a_name_that_leads_elsewhere_makes_nothing(lead: Lead, repo: Path, name: str) -> None:
    with pytest.raises(Exception, match="cannot name a worktree"):
        lead("WorktreeCreate", name=name)
    assert len(git("worktree", "list", cwd=repo).splitlines()) == 1


def test_a_repository_without_a_ledger_makes_plain_worktrees(repo: Path, tmp_path: Path) -> None:
    lead = Lead(repo, tmp_path)
    assert Path(lead("WorktreeCreate", name="x").path).is_dir()
    assert lead.ask("gitcoord:a").updated_input is None
