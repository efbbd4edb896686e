from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from gitcoord.core.errors import RefusedError, UnavailableError
from gitcoord.core.ids import Oid
from gitcoord.git import worktrees
from gitcoord.git.checkout import remove_left_over, write_left_out
from gitcoord.git.local_changes import changed_paths
from gitcoord.git.program import Git, GitError
from tests.git.building import commit, git
from tests.support import strace

ME = ("Builder", "builder@example.invalid")


# making and removing


def test_a_worktree_starts_detached_at_its_commit(repo: Path, base: str, place: Path) -> None:
    assert (place / "deep" / "c").read_text() == "c\n"
    assert worktrees.branch_of_worktree(place) is None
    assert worktrees.list_all(Git(repo)) == [(repo, base, "refs/heads/main"), (place, base, None)]
    assert changed_paths(place) == []


def test_the_list_knows_odd_names_and_leaves_bare_ones_out(
    repo: Path, base: str, tmp_path: Path
) -> None:
    odd = tmp_path / "with\nnewline  and spaces"
    worktrees.add(Git(repo), odd, commit=base)
    assert [known.path for known in worktrees.list_all(Git(repo))] == [repo, odd]
    bare = tmp_path / "bare.git"
    git(repo, "clone", "-q", "--bare", str(repo), str(bare))
    worktrees.add(Git(bare), tmp_path / "of-bare", commit=base)
    assert [known.path for known in worktrees.list_all(Git(bare))] == [tmp_path / "of-bare"]


def test_a_main_worktree_is_found_where_its_git_directory_lies_elsewhere(tmp_path: Path) -> None:
    """Git lists the git directory in its place: landings would not see the files there."""
    repo, apart = tmp_path / "repo", tmp_path / "apart"
    git(tmp_path, "init", "-q", "-b", "main", f"--separate-git-dir={apart}", str(repo))
    git(repo, "commit", "-q", "--allow-empty", "-m", "first")
    worktrees.add(Git(repo), tmp_path / "linked", commit=git(repo, "rev-parse", "HEAD"))
    assert worktrees.checkouts_of(Git(repo), "refs/heads/main") == [repo]
    with pytest.raises(RefusedError, match="does not say where") as caught:
        worktrees.checkouts_of(Git(tmp_path / "linked"), "refs/heads/main")
    assert caught.value.reason == "worktree"
    git(repo, "config", "core.worktree", str(repo))
    assert worktrees.checkouts_of(Git(tmp_path / "linked"), "refs/heads/main") == [repo]


def test_half_a_merge_is_in_the_way_by_its_files(repo: Path, base: str) -> None:
    git(repo, "checkout", "-q", "-b", "other")
    git(repo, "reset", "-q", "--hard", commit(repo, {"a": "theirs\n"}, base))
    git(repo, "checkout", "-q", "main")
    ours = commit(repo, {"a": "ours\n"}, base)
    git(repo, "reset", "-q", "--hard", ours)
    subprocess.run(["git", "merge", "-q", "other"], cwd=repo, check=False, capture_output=True)
    assert worktrees.in_the_way(repo, ours, commit(repo, {"b": "landed\n"}, ours)) == ["a"]


def test_what_is_there_is_left_alone(repo: Path, base: str, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("mine")
    with pytest.raises(RefusedError) as caught:
        worktrees.add(Git(repo), tmp_path / "full", commit=base)
    assert caught.value.reason == "exists"
    assert (tmp_path / "full" / "mine").read_text() == "mine"
    with pytest.raises(UnavailableError, match="could not be made"):
        worktrees.add(Git(repo), tmp_path / "new", commit="1" * 40)
    assert not (tmp_path / "new").exists()


def test_a_vanished_worktree_is_replaced_unless_it_held_commits(
    repo: Path, base: str, place: Path
) -> None:
    place.rename(place.with_name("moved"))
    worktrees.add(Git(repo), place, commit=base)
    lost = commit(repo, {"x": "x"}, base)
    git(place, "checkout", "-q", lost)
    place.rename(place.with_name("moved-too"))
    with pytest.raises(RefusedError) as caught:
        worktrees.add(Git(repo), place, commit=base)
    assert caught.value.reason == "unmerged"
    assert lost in git(repo, "worktree", "list", "--porcelain")


def test_a_worktree_with_changes_is_not_removed(repo: Path, place: Path) -> None:
    (place / "new").write_text("x")
    with pytest.raises(RefusedError) as caught:
        worktrees.remove(Git(repo), place)
    assert caught.value.reason == "worktree"
    (place / "new").unlink()
    worktrees.remove(Git(repo), place)
    assert not place.exists()


# what is in one


def test_every_change_is_listed_under_its_own_name(place: Path) -> None:
    (place / "a").rename(place / "moved")
    (place / "b").write_text("changed\n")
    (place / "folder").mkdir()
    for name in ("folder/x", "with\nnewline", '"quoted"', "naïve"):
        (place / name).write_text("x")
    git(place, "add", "moved")
    git(place, "config", "status.showUntrackedFiles", "no")
    assert sorted(changed_paths(place)) == sorted(
        ["a", "moved", "b", "folder/x", "with\nnewline", '"quoted"', "naïve"]
    )


def test_commits_that_nothing_else_holds_are_listed(repo: Path, base: str, place: Path) -> None:
    one = commit(repo, {"x": "x"}, base)
    two = commit(repo, {"y": "y"}, one)
    git(place, "checkout", "-q", two)
    assert worktrees.has_unmerged(place, [base]) == [two, one]
    assert worktrees.has_unmerged(place, [base, two]) == []


# checking out


def test_a_branch_is_made_and_checked_out(repo: Path, base: str, place: Path) -> None:
    later = commit(repo, {"a": "new\n"}, base)
    (place / "untracked").write_text("mine")
    worktrees.checkout_branch(place, "task/25/1-abcdef", later)
    assert worktrees.branch_of_worktree(place) == "refs/heads/task/25/1-abcdef"
    assert (place / "a").read_text() == "new\n"
    assert (place / "untracked").read_text() == "mine"
    assert worktrees.checkouts_of(Git(repo), "refs/heads/task/25/1-abcdef") == [place]
    assert git(repo, "config", "--list", "--local").count("branch.") == 0


def test_a_branch_that_is_checked_out_stays_where_it_is(repo: Path, base: str, place: Path) -> None:
    worktrees.checkout_branch(place, "task/25/1-abcdef", base)
    (place / "a").write_text("work\n")
    git(place, "commit", "-q", "-am", "work")
    (place / "b").write_text("more\n")
    worktrees.checkout_branch(place, "task/25/1-abcdef", base)
    assert git(place, "log", "-1", "--format=%s") == "work"
    assert (place / "b").read_text() == "more\n"


def test_a_branch_that_exists_is_checked_out_as_it_is(repo: Path, base: str, place: Path) -> None:
    later = commit(repo, {"a": "new\n"}, base)
    git(repo, "branch", "-q", "task/25/1-abcdef", later)
    worktrees.checkout_branch(place, "task/25/1-abcdef", base)
    assert git(place, "rev-parse", "HEAD") == later


def test_uncommitted_work_keeps_its_branch(repo: Path, base: str, place: Path) -> None:
    (place / "a").write_text("mine\n")
    with pytest.raises(RefusedError, match="has uncommitted changes: a") as caught:
        worktrees.checkout_branch(place, "task/25/1-abcdef", base)
    assert (caught.value.reason, caught.value.facts["paths"]) == ("uncommitted", ["a"])
    assert (place / "a").read_text() == "mine\n"
    assert worktrees.branch_of_worktree(place) is None


@pytest.mark.parametrize("is_ignored", [False, True])
def test_an_untracked_file_in_the_way_is_kept(
    repo: Path, base: str, place: Path, is_ignored: bool
) -> None:
    later = commit(repo, {"new": "theirs\n"}, base)
    (repo / ".git" / "info" / "exclude").write_text("new\n" if is_ignored else "")
    (place / "new").write_text("mine\n")
    with pytest.raises(RefusedError) as caught:
        worktrees.checkout_branch(place, "task/25/1-abcdef", later)
    assert (caught.value.reason, caught.value.facts["paths"]) == ("uncommitted", ["new"])
    assert (place / "new").read_text() == "mine\n"
    assert git(place, "rev-parse", "HEAD") == base


def test_a_branch_that_cannot_be_is_an_error(repo: Path, base: str, place: Path) -> None:
    with pytest.raises(UnavailableError, match="could not be created"):
        worktrees.checkout_branch(place, "main/below", base)
    with pytest.raises(GitError, match=r"already (checked out|used)"):
        worktrees.checkout_branch(place, "main", base)
    assert git(place, "rev-parse", "HEAD") == base


# committing


def test_a_transient_failure_is_tried_again(
    repo: Path, base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    real = subprocess.run(
        ["sh", "-c", "command -v git"], capture_output=True, text=True, check=True
    ).stdout.strip()
    (folder / "git").write_text(
        f'#!/bin/sh\ncase "$*" in *"worktree add"*) test -e {tmp_path}/tried || {{ touch '
        f"{tmp_path}/tried\n"
        'echo "error: could not lock config file .git/config: File exists" >&2; exit 255; };; '
        "esac\n"
        f'exec {real} "$@"\n'
    )
    (folder / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    worktrees.add(Git(repo), tmp_path / "new", commit=base)
    assert (tmp_path / "tried").exists()
    assert changed_paths(tmp_path / "new") == []


# following


@pytest.fixture
def new(repo: Path, base: str) -> str:
    return commit(repo, {"a": "new a\n", "added": "added\n", "b": None, "folder/x": "x\n"}, base)


def test_a_clean_worktree_follows(repo: Path, base: str, new: str) -> None:
    (repo / "untracked").write_text("mine")
    os.utime(repo / "a", (1, 1))
    assert worktrees.in_the_way(repo, base, new) == []
    git(repo, "update-ref", "refs/heads/main", new)
    worktrees.follow(repo, base, new)
    assert changed_paths(repo) == ["untracked"]
    assert (repo / "a").read_text() == "new a\n"


# The second: an index where nobody may write, the superuser neither.
@pytest.mark.parametrize("fault", ["kill -KILL $$", "export GIT_INDEX_FILE=/sys/index"])
def test_a_git_that_could_not_look_is_no_change_in_the_way(
    fault: str, repo: Path, base: str, new: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing = tmp_path / "programs" / "git"
    failing.parent.mkdir()
    failing.write_text(
        f'#!/bin/sh\ncase " $* " in *" read-tree "*) {fault} ;; esac\n'
        f'exec {shutil.which("git")} "$@"\n'
    )
    failing.chmod(0o755)
    git(repo, "checkout", "-q", "--detach", base)
    with monkeypatch.context() as patched:
        patched.setenv("PATH", f"{failing.parent}:{os.environ['PATH']}")
        with pytest.raises(UnavailableError, match="cannot check whether"):
            worktrees.in_the_way(repo, base, new)
    assert worktrees.in_the_way(repo, base, new) == []


def test_changes_elsewhere_are_not_in_the_way(repo: Path, base: str, new: str) -> None:
    (repo / "deep" / "c").write_text("mine\n")
    (repo / "README.md").write_text("staged\n")
    git(repo, "add", "README.md")
    assert worktrees.in_the_way(repo, base, new) == []
    git(repo, "update-ref", "refs/heads/main", new)
    worktrees.follow(repo, base, new)
    assert sorted(changed_paths(repo)) == ["README.md", "deep/c"]
    assert (repo / "deep" / "c").read_text() == "mine\n"


@pytest.mark.parametrize(
    "kind",
    ["edited", "staged", "untracked", "ignored", "deleted and edited", "a file for a folder"],
)
def test_local_changes_are_named_and_nothing_is_touched(
    repo: Path, base: str, new: str, kind: str
) -> None:
    wanted = "a"
    if kind == "untracked":
        (repo / "added").write_text("mine\n")
        wanted = "added"
    elif kind == "ignored":
        (repo / ".git" / "info" / "exclude").write_text("added\n")
        (repo / "added").write_text("mine\n")
        wanted = "added"
    elif kind == "deleted and edited":
        (repo / "b").write_text("mine\n")
        wanted = "b"
    elif kind == "a file for a folder":
        (repo / "folder").write_text("mine\n")
        wanted = "folder"
    else:
        (repo / "a").write_text("mine\n")
        if kind == "staged":
            git(repo, "add", "a")
    index = (repo / ".git" / "index").read_bytes()
    found = worktrees.in_the_way(repo, base, new)
    with pytest.raises((GitError, RefusedError)):
        worktrees.follow(repo, base, new)
    assert (repo / wanted).read_text() == "mine\n"
    assert sorted(path.name for path in (repo / ".git").glob("*trial*")) == []
    assert found == [wanted]
    assert (repo / ".git" / "index").read_bytes() == index


@pytest.mark.skipif(strace.STRACE is None, reason="there is no strace")
@pytest.mark.parametrize("kind", ["file", "line ends", "link"])
def test_what_git_cannot_remove_is_removed(
    repo: Path, base: str, new: str, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """git warns of such a file, and its index and its answer say that it is gone."""
    before = base
    if kind == "link":
        before = commit(repo, {"b": ("120000", "a")}, base)
        git(repo, "update-ref", "refs/heads/main", before)
        worktrees.follow(repo, base, before)
    elif kind == "line ends":
        (repo / ".git" / "info" / "attributes").write_text("b text eol=crlf\n")
        (repo / "b").unlink()
        git(repo, "checkout", "-q", "--", "b")
    git(repo, "update-ref", "refs/heads/main", new)
    let_git_remove_no_b(tmp_path, monkeypatch)
    worktrees.follow(repo, before, new)
    assert changed_paths(repo) == []


@pytest.mark.skipif(strace.STRACE is None, reason="there is no strace")
@pytest.mark.parametrize("content", [None, "another b\n"])
def test_what_git_cannot_remove_or_replace_at_a_checkout_is(
    repo: Path,
    base: str,
    content: str | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    new = commit(repo, {"b": content, "a": "new a\n"}, base)
    git(repo, "checkout", "-q", "--detach", base)
    let_git_remove_no_b(tmp_path, monkeypatch)
    if content is None:
        worktrees.checkout_branch(repo, "task/a", Oid(new))
        assert not (repo / "b").exists()
    else:
        # The second try meets the same disk: that is told.
        with pytest.raises(GitError, match="unable to unlink"):
            worktrees.checkout_branch(repo, "task/a", Oid(new))
        monkeypatch.setenv("PATH", os.environ["PATH"].partition(":")[2])
        write_left_out(repo)
        assert (repo / "b").read_text() == content
    assert changed_paths(repo) == []


def let_git_remove_no_b(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a git come first that gets an error of the disk when it removes a file ``b``."""
    failing = tmp_path / "programs" / "git"
    failing.parent.mkdir()
    failing.write_text(
        f"#!/bin/sh\nexec {strace.STRACE} -qq -o {tmp_path}/log -P b -e trace=unlink,unlinkat "
        f'-e inject=unlink,unlinkat:error=EIO {shutil.which("git")} "$@"\n'
    )
    failing.chmod(0o755)
    monkeypatch.setenv("PATH", f"{failing.parent}:{os.environ['PATH']}")


@pytest.mark.parametrize("kind", ["changed", "another case", "behind a link"])
def test_what_is_not_left_over_stays(repo: Path, base: str, kind: str) -> None:
    changes: dict[str, str | None] = {"b": None, "deep/c": None}
    if kind == "another case":
        changes["B"] = (repo / "b").read_text()
    new = commit(repo, changes, base)
    content = (repo / "b").read_text()
    elsewhere = (repo / "deep" / "c").read_text()
    git(repo, "update-ref", "refs/heads/main", new)
    worktrees.follow(repo, base, new)
    if kind == "behind a link":
        (repo / "elsewhere").mkdir()
        (repo / "elsewhere" / "c").write_text(elsewhere)
        (repo / "deep").symlink_to("elsewhere")
        mine = repo / "elsewhere" / "c"
    else:
        mine = repo / "b"
        mine.write_text("mine\n" if kind == "changed" else content)
    remove_left_over(repo, base, new)
    assert mine.exists()


def test_a_worktree_that_has_followed_is_left_as_it_is(repo: Path, base: str, new: str) -> None:
    git(repo, "reset", "-q", "--hard", new)
    assert worktrees.in_the_way(repo, base, new) == []
    worktrees.follow(repo, base, new)
    assert changed_paths(repo) == []


def test_a_folder_gives_way_to_a_file_unless_something_else_lies_in_it(
    repo: Path, base: str
) -> None:
    flat = commit(repo, {"deep": "flat\n", "deep/c": None}, base)
    (repo / ".git" / "info" / "exclude").write_text("*.env\n")
    (repo / "deep" / "my.env").write_text("mine\n")
    assert worktrees.in_the_way(repo, base, flat) == ["deep/my.env"]
    with pytest.raises(RefusedError) as caught:
        worktrees.follow(repo, base, flat)
    assert caught.value.facts["paths"] == ["deep/my.env"]
    (repo / "deep" / "my.env").unlink()
    assert worktrees.in_the_way(repo, base, flat) == []
    worktrees.follow(repo, base, flat)
    assert (repo / "deep").read_text() == "flat\n"


def test_an_unfinished_merge_is_in_the_way(repo: Path, base: str, new: str) -> None:
    theirs = commit(repo, {"deep/c": "theirs\n"}, base)
    (repo / "deep" / "c").write_text("ours\n")
    git(repo, "commit", "-q", "-am", "ours")
    ours = git(repo, "rev-parse", "HEAD")
    subprocess.run(["git", "merge", "-q", theirs], cwd=repo, check=False, capture_output=True)
    assert worktrees.in_the_way(repo, ours, commit(repo, {"a": "new\n"}, ours)) != []


def test_only_worktrees_that_are_there_count_as_checkouts(repo: Path, place: Path) -> None:
    git(place, "checkout", "-q", "-b", "other")
    assert worktrees.checkouts_of(Git(place), "refs/heads/main") == [repo]
    assert worktrees.checkouts_of(Git(repo), "refs/heads/other") == [place]
    place.rename(place.with_name("away"))
    assert worktrees.checkouts_of(Git(repo), "refs/heads/other") == []
