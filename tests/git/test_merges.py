from __future__ import annotations

from pathlib import Path

import pytest

from gitcoord.core.errors import NotFoundError
from gitcoord.core.ids import Oid
from gitcoord.git import merges
from gitcoord.git.merges import Conflict, Identity, Merged
from gitcoord.git.program import Git, GitError
from tests.git.building import commit, git


@pytest.fixture
def base(repo: Path) -> str:
    return git(repo, "rev-parse", "HEAD")


def test_a_clean_merge_gives_a_tree_and_touches_nothing(repo: Path, base: str) -> None:
    ours, theirs = commit(repo, {"a": "a\n"}, base), commit(repo, {"b": "b\n"}, base)
    merged = merges.merge_tree(Git(repo), ours, theirs)
    assert isinstance(merged, Merged)
    assert git(repo, "ls-tree", "--name-only", merged.tree).split() == ["README.md", "a", "b"]
    assert git(repo, "status", "--porcelain") == ""
    assert git(repo, "rev-parse", "HEAD") == base


def test_a_conflict_names_its_files_whatever_they_are_called(repo: Path, base: str) -> None:
    names = ['with "quotes"', "with\nnewline", "naïve", "plain"]
    ours = commit(repo, {**dict.fromkeys(names, "ours\n"), "fine": "x"}, base)
    theirs = commit(repo, dict.fromkeys(names, "theirs\n"), base)
    merged = merges.merge_tree(Git(repo), ours, theirs)
    assert isinstance(merged, Conflict)
    assert sorted(merged.files) == sorted(names)
    assert "<<<<<<<" in git(repo, "show", f"{merged.tree}:plain")


def test_histories_without_a_common_commit_merge(repo: Path, base: str) -> None:
    other = commit(repo, {"other": "x"})
    assert merges.merge_base(Git(repo), base, other) is None
    assert isinstance(merges.merge_tree(Git(repo), base, other), Merged)


def test_a_merge_on_a_given_base_reverts(repo: Path, base: str) -> None:
    bad = commit(repo, {"bad": "x", "README.md": "spoilt\n"}, base)
    later = commit(repo, {"good": "x"}, bad)
    merged = merges.merge_tree(Git(repo), later, base, base=bad)
    assert isinstance(merged, Merged)
    assert merged.tree == merges.tree_of(Git(repo), commit(repo, {"good": "x"}, base))


def test_the_users_settings_do_not_change_a_merge(repo: Path, base: str) -> None:
    text = "".join(f"{number}\n" for number in range(20))
    start = commit(repo, {"old": text}, base)
    ours, theirs = (
        commit(repo, {"old": None, "new": text}, start),
        commit(repo, {"old": text + "more\n"}, start),
    )
    merged = merges.merge_tree(Git(repo), ours, theirs)
    assert isinstance(merged, Merged)
    git(repo, "config", "merge.renames", "false")
    assert merges.merge_tree(Git(repo), ours, theirs) == merged


def test_merging_no_commit_is_an_error(repo: Path, base: str) -> None:
    for run in (merges.merge_tree, merges.is_ancestor, merges.merge_base):
        with pytest.raises(GitError):
            run(Git(repo), Oid(base), Oid("1" * 40))


def test_a_commit_is_a_function_of_its_inputs(
    repo: Path, base: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = merges.tree_of(Git(repo), base)
    both = Identity(("A", "a@x"), ("C", "c@x"))
    made = merges.commit_merge(Git(repo), tree, [base], "Land: naïve\n", 7, both)
    shown = git(repo, "show", "-s", "--date=raw", "--format=%an %ae %ad|%cn %ce %cd|%P|%s", made)
    assert shown == f"A a@x 7 +0000|C c@x 7 +0000|{base}|Land: naïve"
    monkeypatch.setenv("GIT_AUTHOR_DATE", "@9 +0100")
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    git(repo, "config", "i18n.commitEncoding", "ISO-8859-1")
    git(repo, "config", "commit.gpgSign", "true")
    assert merges.commit_merge(Git(repo), tree, [base], "Land: naïve\n", 7, both) == made


def test_ancestry_is_told(repo: Path, base: str) -> None:
    one, other = commit(repo, {"a": "a"}, base), commit(repo, {"b": "b"}, base)
    top = commit(repo, {}, one, other)
    place = Git(repo)
    assert merges.is_ancestor(place, base, one)
    assert merges.is_ancestor(place, one, one)
    assert not merges.is_ancestor(place, one, other)
    assert merges.merge_base(place, one, other) == base
    assert merges.contains(place, one, [base, one, other]) == {base, one}
    assert merges.contains(place, one, []) == set()
    assert merges.rev_list(place, [top], [one]) == [top, other]
    assert merges.parents_of(place, [top, base]) == {top: [one, other], base: []}
    assert merges.parents_of(place, []) == {}


def test_a_revision_becomes_the_oid_of_a_commit(repo: Path, base: str) -> None:
    git(repo, "tag", "-a", "-m", "x", "v1")
    for named in ("main", "HEAD", "v1", base[:8], "main@{0}", "refs/heads/main"):
        assert merges.resolve(Git(repo), named) == base


@pytest.mark.parametrize(
    "named",
    [
        "nothing",
        "",
        "--output=x",
        "-h",
        "^main",
        "main..main",
        "HEAD^{tree}",
        "main\n",
        "a\0b",
        "x" * 5000,
        "@",
        "HEAD:README.md",
    ],
)
def test_what_names_no_commit_is_not_found(repo: Path, base: str, named: str) -> None:
    if named == "@":
        assert merges.resolve(Git(repo), named) == base
        return
    with pytest.raises(NotFoundError, match="names no commit here"):
        merges.resolve(Git(repo), named)


# bases


def test_a_base_contains_everything_and_is_always_the_same(repo: Path, base: str) -> None:
    tip = commit(repo, {"t": "t"}, base)
    one, other = commit(repo, {"a": "a"}, base), commit(repo, {"b": "b"}, base)
    made = merges.fork_base(Git(repo), tip, [one, other])
    assert isinstance(made, str)
    assert merges.contains(Git(repo), made, [tip, one, other]) == {tip, one, other}
    assert git(repo, "ls-tree", "--name-only", made).split() == ["README.md", "a", "b", "t"]
    assert merges.fork_base(Git(repo), tip, [one, other]) == made
    newest = max(
        int(git(repo, "show", "-s", "--format=%ct", parent)) for parent in (tip, one, other)
    )
    assert int(git(repo, "show", "-s", "--format=%ct", made)) == newest


def test_a_base_merges_nothing_where_one_contains_the_other(repo: Path, base: str) -> None:
    one = commit(repo, {"a": "a"}, base)
    two = commit(repo, {"b": "b"}, one)
    place = Git(repo)
    assert merges.fork_base(place, base, []) == base
    assert merges.fork_base(place, base, [one, two]) == two
    assert merges.fork_base(place, two, [one]) == two


def test_a_base_of_results_that_conflict_is_none(repo: Path, base: str) -> None:
    one, other = commit(repo, {"a": "1"}, base), commit(repo, {"a": "2"}, base)
    made = merges.fork_base(Git(repo), base, [one, other])
    assert isinstance(made, Conflict)
    assert made.files == ("a",)
