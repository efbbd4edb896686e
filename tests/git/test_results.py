from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from gitcoord.core.boundary import Boundary, Layer
from gitcoord.core.errors import RefusedError
from gitcoord.git import merges, results
from gitcoord.git.program import Git
from gitcoord.git.results import Inspection
from tests.git.building import OID_LENGTH, File, commit, commit_tree, git, tree

INSIDE = ["src/lexer/", "notes.md"]


@pytest.fixture
def base(repo: Path) -> str:
    files: dict[str, File] = {
        "src/lexer/a.py": "a\n",
        "src/parser/b.py": "b\n" * 20,
        "lib/run.sh": "run\n",
        "Makefile": "all:\n",
    }
    return commit(repo, files, git(repo, "rev-parse", "HEAD"))


def inspect(
    repo: Path,
    result: str,
    target: str,
    patterns: list[str] | None = INSIDE,
    built_on: Mapping[str, str] | None = None,
) -> Inspection:
    layers = () if patterns is None else (Layer("task t", tuple(patterns)),)
    return results.inspect(Git(repo), result, target, built_on or {}, Boundary(layers))


def refused(
    repo: Path,
    result: str,
    target: str,
    patterns: list[str] | None = INSIDE,
    built_on: Mapping[str, str] | None = None,
) -> RefusedError:
    with pytest.raises(RefusedError) as caught:
        inspect(repo, result, target, patterns, built_on)
    return caught.value


def test_work_inside_is_accepted_and_counted(repo: Path, base: str) -> None:
    one = commit(repo, {"src/lexer/a.py": "new\n", "src/lexer/deep/c.py": "c\n"}, base)
    two = commit(repo, {"src/lexer/deep/c.py": None, "notes.md": "n\n"}, one)
    assert inspect(repo, two, base) == (merges.tree_of(Git(repo), two), 2, 3)


OUTSIDE: list[tuple[str, Mapping[str, File]]] = [
    ("an edit", {"Makefile": "evil:\n"}),
    ("a new file", {"src/new.py": "x\n"}),
    ("a sibling by prefix", {"src/lexer-evil/x.py": "x\n"}),
    ("a file named as the folder", {"src/lexer": "x\n", "src/lexer/a.py": None}),
    ("a deletion", {"Makefile": None}),
    ("a rename out", {"src/lexer/a.py": None, "src/a.py": "a\n"}),
    ("a rename in", {"src/parser/b.py": None, "src/lexer/b.py": "b\n" * 20}),
    ("a copy out", {"copy.py": "a\n"}),
    ("a mode change", {"lib/run.sh": ("100755", "run\n")}),
    ("a case twin of the boundary", {"SRC/lexer/x.py": "x\n"}),
    ("a name with a newline", {"new\nline": "x\n"}),
    ("a name with quotes", {'"src/lexer/x"': "x\n"}),
    ("a name that is no UTF-8", {"caf\udce9": "x\n"}),
    ("a submodule inside", {"src/lexer/sub": ("160000", "1" * OID_LENGTH)}),
    ("a submodule outside", {"sub": ("160000", "1" * OID_LENGTH)}),
    ("a link to an absolute path", {"src/lexer/link": ("120000", "/etc/passwd")}),
    ("a link out of the repository", {"src/lexer/link": ("120000", "../../../x")}),
    ("a link into .git", {"src/lexer/link": ("120000", "../../.git/hooks")}),
    ("a link into .GIT", {"src/lexer/link": ("120000", "../../.GIT/config")}),
    ("a link up after a way down", {"src/lexer/link": ("120000", "deep/../../../..")}),
    ("a link that is too long", {"src/lexer/link": ("120000", "x/" * 3000)}),
    ("an empty link", {"src/lexer/link": ("120000", "")}),
    ("a link outside", {"link": ("120000", "src")}),
    ("a file that becomes a link out", {"src/lexer/a.py": ("120000", "/etc/passwd")}),
]


@pytest.mark.parametrize(
    "files", [files for _, files in OUTSIDE], ids=[name for name, _ in OUTSIDE]
)
def test_what_lies_outside_is_refused(repo: Path, base: str, files: Mapping[str, File]) -> None:
    error = refused(repo, commit(repo, files, base), base)
    assert error.reason == "boundary"
    assert error.hint == "take them out of the commits; the task may write src/lexer/, notes.md"
    shown = "".join(map(str, error.facts["outside"] or []))  # type: ignore[arg-type]
    assert shown.isprintable()


def test_a_folder_whose_name_no_index_takes_is_refused(repo: Path, base: str) -> None:
    blob = git(repo, "hash-object", "-w", "--stdin", stdin=b"x")
    for name in (".git", ".GIT", "git~1", ".g\u200cit", ".."):
        inner = git(repo, "mktree", stdin=f"100644 blob {blob}\tconfig\n".encode())
        top = git(repo, "ls-tree", base) + f"\n040000 tree {inner}\t{name}\n"
        content = git(repo, "mktree", stdin=top.encode())
        assert refused(repo, commit_tree(repo, content, base), base, None).reason == "boundary", (
            name
        )


def test_every_commit_that_wrote_a_path_outside_is_named(repo: Path, base: str) -> None:
    first = commit(repo, {"x": "1"}, base)
    second = commit(repo, {"x": "2"}, first)
    error = refused(repo, second, base)
    assert f"x (outside, commit {second[:12]}, {first[:12]})" in error.message


def test_a_refusal_names_ten_paths_with_their_commit(repo: Path, base: str) -> None:
    made = commit(repo, {f"x{number:02}": "x" for number in range(30)}, base)
    error = refused(repo, made, base)
    assert error.message.startswith(
        f"30 change(s) outside the boundary: x00 (outside, commit {made[:12]}), x01"
    )
    assert error.message.count("outside, commit") == 10
    assert len(error.facts["outside"] or []) == 30  # type: ignore[arg-type]


def test_a_boundary_of_nothing_and_one_of_everything(repo: Path, base: str) -> None:
    made = commit(repo, {"any/where.py": "x"}, base)
    assert refused(repo, made, base, []).hint.endswith("may write nothing")
    assert inspect(repo, made, base, None).files == 1


@pytest.mark.parametrize(
    "link", ["a.py", "./a.py", "../parser/b.py", "../..", "../../.github/x", "deep/er"]
)
def test_a_link_that_stays_inside_is_accepted(repo: Path, base: str, link: str) -> None:
    assert inspect(repo, commit(repo, {"src/lexer/link": ("120000", link)}, base), base).files == 1


def test_a_submodule_that_was_there_hinders_nothing(repo: Path, base: str) -> None:
    target = commit(repo, {"src/lexer/sub": ("160000", "1" * OID_LENGTH)}, base)
    assert inspect(repo, commit(repo, {"notes.md": "n"}, target), target).files == 1
    moved = commit(repo, {"src/lexer/sub": ("160000", "2" * OID_LENGTH)}, target)
    gone = commit(repo, {"src/lexer/sub": None}, target)
    for result in (moved, gone):
        assert "a submodule" in refused(repo, result, target).message


def test_a_change_that_is_taken_back_later_is_still_refused(repo: Path, base: str) -> None:
    bad = commit(repo, {"Makefile": "evil:\n", "notes.md": "n"}, base)
    good = commit(repo, {"Makefile": "all:\n"}, bad)
    assert "Makefile" in refused(repo, good, base).message


# twins


@pytest.mark.parametrize("twin", ["makefile", "src/Lexer/x.py", "LIB/x.sh", "src/parser/B.py"])
def test_an_added_twin_of_another_path_is_refused(repo: Path, base: str, twin: str) -> None:
    error = refused(repo, commit(repo, {twin: "x"}, base), base, None)
    assert "the same file as" in error.message


def test_a_twin_by_unicode_alone_is_refused(repo: Path, base: str) -> None:
    target = commit(repo, {"src/lexer/cafe\u0301": "x"}, base)
    assert (
        "the same file as"
        in refused(repo, commit(repo, {"src/lexer/caf\u00e9": "x"}, target), target).message
    )


def test_a_rename_of_case_and_twins_that_were_there_are_accepted(repo: Path, base: str) -> None:
    assert (
        inspect(
            repo, commit(repo, {"src/lexer/a.py": None, "src/lexer/A.py": "a\n"}, base), base
        ).files
        == 2
    )
    target = commit(repo, {"doc/x": "x", "Doc/x": "x"}, base)
    assert inspect(repo, commit(repo, {"doc/new": "n"}, target), target, ["doc/"]).files == 1


def test_twins_that_two_tasks_add_are_refused_with_the_second(repo: Path, base: str) -> None:
    target = commit(repo, {"src/lexer/Token.py": "t"}, base)
    late = commit(repo, {"src/lexer/token.py": "t"}, base)
    assert "src/lexer/Token.py" in refused(repo, late, target).message


# empty


def test_no_own_commit_and_no_change_are_empty(repo: Path, base: str) -> None:
    assert refused(repo, base, base).reason == "empty-result"
    later = commit(repo, {"x": "x"}, base)
    assert refused(repo, base, later).reason == "empty-result"
    assert refused(repo, commit(repo, {}, base), base).reason == "empty-result"
    there = commit(repo, {"notes.md": "n"}, base)
    back = commit(repo, {"notes.md": None}, there)
    assert refused(repo, back, base).reason == "empty-result"


# merges


def test_a_clean_merge_of_the_target_is_accepted(repo: Path, base: str) -> None:
    target = commit(repo, {"Makefile": "new:\n"}, base)
    work = commit(repo, {"notes.md": "n"}, base)
    content = merges.merge_tree(Git(repo), work, target)
    assert isinstance(content, merges.Merged)
    for parents in ((work, target), (target, work)):
        merge = commit_tree(repo, content.tree, *parents)
        assert inspect(repo, merge, target) == (content.tree, 1, 1)
        assert inspect(repo, commit(repo, {"src/lexer/a.py": "z"}, merge), target).commits == 2


def test_a_conflict_that_is_solved_inside_is_accepted(repo: Path, base: str) -> None:
    target = commit(repo, {"notes.md": "theirs\n", "Makefile": "new:\n"}, base)
    work = commit(repo, {"notes.md": "ours\n"}, base)
    merge = commit_tree(repo, tree(repo, target, {"notes.md": "both\n"}), work, target)
    assert inspect(repo, merge, target) == (merges.tree_of(Git(repo), merge), 2, 1)


def test_a_conflict_of_a_file_with_a_folder_can_be_solved_inside(repo: Path, base: str) -> None:
    target = commit(repo, {"src/lexer/x/y.py": "theirs\n"}, base)
    work = commit(repo, {"src/lexer/x": "ours\n"}, base)
    merge = commit_tree(repo, tree(repo, target, {"src/lexer/x2": "ours\n"}), work, target)
    assert inspect(repo, merge, target, ["src/lexer/x2", "src/lexer/x"]).commits == 2
    assert inspect(repo, work, target, ["src/lexer/x"]).commits == 1


def test_an_evil_merge_is_refused(repo: Path, base: str) -> None:
    target = commit(repo, {"Makefile": "new:\n", "t": "t"}, base)
    work = commit(repo, {"notes.md": "n"}, base)
    added = commit_tree(repo, tree(repo, target, {"notes.md": "n", "evil": "x"}), work, target)
    edited = commit_tree(
        repo, tree(repo, target, {"notes.md": "n", "Makefile": "evil:\n"}), work, target
    )
    ours = commit_tree(repo, f"{work}^{{tree}}", work, target)
    for merge, path in ((added, "evil"), (edited, "Makefile"), (ours, "Makefile")):
        error = refused(repo, merge, target)
        assert error.reason == "boundary"
        assert f"{path} (outside, commit {merge[:12]})" in error.message


def test_an_evil_merge_in_a_conflict_is_refused(repo: Path, base: str) -> None:
    target = commit(repo, {"notes.md": "theirs\n", "Makefile": "new:\n"}, base)
    work = commit(repo, {"notes.md": "ours\n"}, base)
    merge = commit_tree(
        repo, tree(repo, target, {"notes.md": "both\n", "Makefile": "all:\n"}), work, target
    )
    assert "Makefile" in refused(repo, merge, target).message


def test_a_merge_of_something_else_is_refused(repo: Path, base: str) -> None:
    work = commit(repo, {"notes.md": "n"}, base)
    foreign = commit(repo, {"src/lexer/b.py": "b"}, base)
    merge = commit_tree(repo, tree(repo, work, {"src/lexer/b.py": "b"}), work, foreign)
    assert "neither the target nor a result" in refused(repo, merge, base).message


def test_an_octopus_and_another_history_are_refused(repo: Path, base: str) -> None:
    target = commit(repo, {"t": "t"}, base)
    other = commit(repo, {"o": "o"}, base)
    work = commit(repo, {"notes.md": "n"}, base)
    octopus = commit_tree(repo, tree(repo, work, {"t": "t", "o": "o"}), work, target, other)
    assert (
        "neither the target nor a result"
        in refused(repo, octopus, target, built_on={"1": other}).message
    )
    assert "has no parent" in refused(repo, commit(repo, {"notes.md": "n"}), base).message


def test_an_amended_base_is_refused(repo: Path, base: str) -> None:
    parent = git(repo, "rev-parse", f"{base}^")
    amended = commit(repo, {"Makefile": "mine:\n"}, parent, start=base)
    result = commit(repo, {"notes.md": "n"}, amended)
    assert "Makefile" in refused(repo, result, base).message


def test_a_target_that_was_set_back_does_not_smuggle_its_commits_in(repo: Path, base: str) -> None:
    dropped = commit(repo, {"Makefile": "dropped:\n"}, base)
    assert "Makefile" in refused(repo, commit(repo, {"notes.md": "n"}, dropped), base).message


# results that it is built on


def test_what_it_is_built_on_is_not_its_own(repo: Path, base: str) -> None:
    one, other = commit(repo, {"one": "1"}, base), commit(repo, {"other": "2"}, base)
    target = commit(repo, {"t": "t"}, base)
    start = merges.fork_base(Git(repo), target, [one, other])
    assert isinstance(start, str)
    result = commit(repo, {"notes.md": "n"}, start)
    built_on = {"1": one, "2": other}
    assert inspect(repo, result, target, built_on=built_on) == (
        merges.tree_of(Git(repo), result),
        1,
        1,
    )
    assert refused(repo, start, target, built_on=built_on).reason == "empty-result"
    assert refused(repo, result, target).reason == "boundary"


def test_results_that_conflict_by_now_leave_the_verdict_to_the_own_commits(
    repo: Path, base: str
) -> None:
    one = commit(repo, {"x": "1"}, base)
    target = commit(repo, {"x": "2"}, base)
    assert (
        inspect(repo, commit(repo, {"notes.md": "n"}, one), target, built_on={"1": one}).commits
        == 1
    )
    assert (
        refused(repo, commit(repo, {"Makefile": "n"}, one), target, built_on={"1": one}).reason
        == "boundary"
    )


def test_a_result_that_would_conflict_with_the_target_is_judged_all_the_same(
    repo: Path, base: str
) -> None:
    target = commit(repo, {"notes.md": "theirs\n"}, base)
    assert inspect(repo, commit(repo, {"notes.md": "ours\n"}, base), target).commits == 1


def test_what_landing_would_change_counts_too(repo: Path, base: str) -> None:
    # Git follows the target's rename: the edit would land in a file outside.
    target = commit(repo, {"src/parser/b.py": None, "lib/b.py": "b\n" * 20}, base)
    result = commit(repo, {"src/parser/b.py": "b\n" * 20 + "more\n"}, base)
    error = refused(repo, result, target, ["src/parser/"])
    assert "lib/b.py (outside by its landing)" in error.message


# parts


def test_touched_gives_both_sides_of_each_commit(repo: Path, base: str) -> None:
    one = commit(repo, {"Makefile": None, ":odd": "x", "deep/x": ("100755", "x")}, base)
    two = commit(repo, {"z": "z"}, one)
    empty = commit(repo, {}, two)
    found = results.touched(Git(repo), [one, two, empty])
    assert {
        commit_: [(c.path, c.old_mode, c.new_mode) for c in changes]
        for commit_, changes in found.items()
    } == {
        one: [
            (":odd", "000000", "100644"),
            ("Makefile", "100644", "000000"),
            ("deep/x", "000000", "100755"),
        ],
        two: [("z", "000000", "100644")],
    }
    assert results.touched(Git(repo), []) == {}
    assert results.own_commits(Git(repo), empty, base) == [empty, two, one]
    assert results.changed_files(Git(repo), base, two) == {"Makefile", ":odd", "deep/x", "z"}


def test_a_lifted_result_can_land_again(repo: Path, base: str) -> None:
    result = commit(repo, {"notes.md": "n"}, base)
    lifted = results.lift(Git(repo), result, base, base)
    assert lifted not in {result, base}
    assert git(repo, "rev-parse", f"{lifted}^{{tree}}", f"{lifted}^").split() == [
        merges.tree_of(Git(repo), result),
        base,
    ]
    assert results.lift(Git(repo), result, base, base) == lifted
    assert results.lift(Git(repo), result, base, result) != lifted


@pytest.mark.parametrize(
    "name", [b"src/lexer/cafe\xcc\x81", b"src/lexer/caf\xe9", b"src/lexer/a\\b", b"src/lexer/con"]
)
def test_a_name_that_could_not_be_made_can_be_taken_away(repo: Path, name: bytes) -> None:
    """Others may have put it there before the boundary was."""
    path = name.decode("utf-8", "surrogateescape")
    base = commit(repo, {path: "x\n", "src/lexer/keep": "x\n"}, git(repo, "rev-parse", "HEAD"))
    gone = commit(repo, {path: None, "src/lexer/good": "x\n"}, base)
    assert inspect(repo, gone, base).files == 2
    assert refused(repo, gone, base, ["docs/"]).reason == "boundary"
    if name != b"src/lexer/con":
        kept = commit(repo, {path: "y\n"}, base)
        assert "unsafe" in refused(repo, kept, base).message
