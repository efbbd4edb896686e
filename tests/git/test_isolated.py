"""Whatever lies in a repository uncommitted, a merge is made from commits alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gitcoord.git import merges
from gitcoord.git.isolated import isolated
from gitcoord.git.merges import Conflict, Merged
from gitcoord.git.patches import patch_of
from gitcoord.git.program import Git
from tests.git.building import OID_LENGTH, commit, git

LINES = "1\n2\n3\n"
UNION = "* merge=union\n"


@pytest.fixture
def base(repo: Path) -> str:
    return commit(repo, {"f": LINES, "deep/f": LINES}, git(repo, "rev-parse", "HEAD"))


def sides(repo: Path, base: str, name: str = "f") -> tuple[str, str]:
    """Change one line on both sides, so that a plain merge conflicts."""
    ours = commit(repo, {name: "1\nours\n3\n"}, base)
    theirs = commit(repo, {name: "1\ntheirs\n3\n"}, base)
    return ours, theirs


def _in_worktree(repo: Path) -> None:
    (repo / ".gitattributes").write_text(UNION)


def _in_index(repo: Path) -> None:
    _in_worktree(repo)
    git(repo, "add", ".gitattributes")
    (repo / ".gitattributes").unlink()


def _in_info(repo: Path) -> None:
    (repo / ".git" / "info").mkdir(exist_ok=True)
    (repo / ".git" / "info" / "attributes").write_text(UNION)


def _of_the_user(repo: Path) -> None:
    path = repo.parent / "attributes"
    path.write_text(UNION)
    git(repo, "config", "--global", "core.attributesFile", str(path))


def _as_default(repo: Path) -> None:
    git(repo, "config", "merge.default", "union")


def _under_another_name(repo: Path) -> None:
    git(repo, "config", "merge.text.driver", "true")


UNCOMMITTED = [_in_worktree, _in_index, _in_info, _of_the_user, _as_default, _under_another_name]


@pytest.mark.parametrize("disturb", UNCOMMITTED)
def test_nothing_uncommitted_decides_how_commits_merge(
    repo: Path, base: str, disturb: Callable[[Path], None]
) -> None:
    ours, theirs = sides(repo, base)
    before = merges.merge_tree(Git(repo), ours, theirs)
    assert isinstance(before, Conflict)
    disturb(repo)
    assert merges.merge_tree(Git(repo), ours, theirs) == before


@pytest.mark.parametrize("name", ["f", "deep/f"])
def test_the_attributes_of_the_commit_that_is_merged_into_count(
    repo: Path, base: str, name: str
) -> None:
    ours, theirs = sides(repo, base, name)
    with_union = commit(repo, {f"{name.removesuffix('f')}.gitattributes": UNION}, ours)
    assert isinstance(merges.merge_tree(Git(repo), with_union, theirs), Merged)
    assert isinstance(merges.merge_tree(Git(repo), theirs, with_union), Conflict), "theirs is not"


def test_attributes_are_followed_from_merge_to_merge(repo: Path, base: str) -> None:
    ours, theirs = sides(repo, base)
    asked = Git(repo)
    with_union = commit(repo, {".gitattributes": UNION}, ours)
    without = commit(repo, {".gitattributes": None}, with_union)
    link = commit(repo, {".gitattributes": ("120000", "elsewhere"), "elsewhere": UNION}, ours)
    wanted = {ours: Conflict, with_union: Merged, without: Conflict, link: Conflict}
    for side, kind in [*wanted.items(), *reversed(wanted.items())]:
        assert isinstance(merges.merge_tree(asked, side, theirs), kind)


def test_a_bare_repository_merges_as_any_other(repo: Path, base: str, tmp_path: Path) -> None:
    ours, theirs = sides(repo, base)
    with_union = commit(repo, {".gitattributes": UNION}, ours)
    git(repo, "update-ref", "refs/heads/ours", with_union)
    git(repo, "update-ref", "refs/heads/theirs", theirs)
    git(repo, "clone", "-q", "--mirror", str(repo), str(tmp_path / "bare.git"))
    merged = merges.merge_tree(Git(tmp_path / "bare.git"), with_union, theirs)
    assert merged == merges.merge_tree(Git(repo), with_union, theirs)


def test_a_merge_driver_of_the_repository_is_not_run_and_the_users_is(
    repo: Path, base: str, tmp_path: Path
) -> None:
    ours, theirs = sides(repo, base)
    chosen = commit(repo, {".gitattributes": "* merge=mine\n"}, ours)
    program = f"touch {tmp_path}/ran && cp %B %A"
    git(repo, "config", "merge.mine.driver", program)
    assert isinstance(merges.merge_tree(Git(repo), chosen, theirs), Conflict)
    assert not (tmp_path / "ran").exists()
    git(repo, "config", "--global", "merge.mine.driver", program)
    merged = merges.merge_tree(Git(repo), chosen, theirs)
    assert isinstance(merged, Merged)
    assert git(repo, "show", f"{merged.tree}:f") == "1\ntheirs\n3"


def test_a_history_that_is_cut_by_a_forged_line_is_read_in_full(repo: Path, base: str) -> None:
    kept = commit(repo, {"kept": "x"}, base)
    ours, theirs = commit(repo, {"ours": "x"}, kept), commit(repo, {"kept": None}, kept)
    before = merges.merge_tree(Git(repo), ours, theirs)
    (repo / ".git" / "shallow").write_text(f"{kept}\n{ours}\n{'0' * OID_LENGTH}\n")
    assert merges.merge_tree(Git(repo), ours, theirs) == before


def test_a_shallow_clone_merges_what_it_has(repo: Path, base: str, tmp_path: Path) -> None:
    top = commit(repo, {"top": "x"}, base)
    git(repo, "update-ref", "refs/heads/main", top)
    place = tmp_path / "shallow"
    git(repo, "clone", "-q", "--depth=1", f"file://{repo}", str(place))
    ours, theirs = commit(place, {"ours": "x"}, top), commit(place, {"theirs": "x"}, top)
    assert isinstance(merges.merge_tree(Git(place), ours, theirs), Merged)


def test_a_partial_clone_fetches_what_a_merge_needs(repo: Path, base: str, tmp_path: Path) -> None:
    git(repo, "update-ref", "refs/heads/main", base)
    git(repo, "config", "uploadpack.allowFilter", "true")
    place = tmp_path / "partial"
    git(repo, "clone", "-q", "--no-checkout", "--filter=blob:none", f"file://{repo}", str(place))
    ours, theirs = sides(place, base)
    assert isinstance(merges.merge_tree(Git(place), ours, theirs), Conflict)


def test_what_is_merged_in_a_shared_repository_can_be_shared(repo: Path, base: str) -> None:
    git(repo, "config", "core.sharedRepository", "group")
    ours, theirs = commit(repo, {"ours": "x"}, base), commit(repo, {"theirs": "x"}, base)
    merged = merges.merge_tree(Git(repo), ours, theirs)
    folder = repo / ".git" / "objects" / merged.tree[:2]
    assert folder.stat().st_mode & 0o070 == 0o070


def test_a_reviewer_is_shown_text_that_attributes_would_hide(repo: Path, base: str) -> None:
    result = commit(repo, {"f": "1\nours\n3\n", ".gitattributes": "* -diff\n"}, base)
    (repo / ".gitattributes").write_text("* -diff\n")
    patch = patch_of(Git(repo), result, base, {}, base, 10_000)
    assert "+ours" in patch.text


def test_nothing_is_left_of_it_and_what_dead_processes_left_is_removed(
    repo: Path, base: str
) -> None:
    parent = repo / ".git" / "gitcoord" / "isolated"
    (parent / "dead").mkdir(parents=True)
    (parent / "dead.lock").touch()
    with isolated(Git(repo), base) as alone:
        assert alone.git_dir is not None
        assert {path.name for path in parent.iterdir()} == {
            alone.git_dir.name,
            f"{alone.git_dir.name}.lock",
        }
        with isolated(Git(repo)):
            assert alone.git_dir.is_dir(), "a living one is left alone"
    assert list(parent.iterdir()) == []
