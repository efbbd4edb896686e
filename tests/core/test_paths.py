from __future__ import annotations

import fnmatch
import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitcoord.core import paths

# Enough for every part below to meet every other, and deep enough for two
# patterns of three parts and a slash to do so without sharing any.
NAMES = ["a", "b", "ab"]
PATHS = ["/".join(parts) for size in range(1, 7) for parts in itertools.product(NAMES, repeat=size)]
PART = st.sampled_from(["a", "b", "ab", "*", "?", "a*", "*b", "?b", "**"])
PATTERN = st.builds(
    lambda parts, end: "/".join(parts) + end,
    st.lists(PART, min_size=1, max_size=3),
    st.sampled_from(["", "/"]),
)


def reference(parts: list[str], names: list[str]) -> bool:
    """The definition, spelled out."""
    if not parts:
        return not names
    if parts[0] == "**":
        return reference(parts[1:], names) or (bool(names) and reference(parts, names[1:]))
    return (
        bool(names) and fnmatch.fnmatchcase(names[0], parts[0]) and reference(parts[1:], names[1:])
    )


def covered(pattern: str) -> set[str]:
    parts = [*pattern[:-1].split("/"), "*", "**"] if pattern.endswith("/") else pattern.split("/")
    return {path for path in PATHS if reference(parts, path.split("/"))}


@given(PATTERN)
def test_a_pattern_covers_what_its_definition_says(pattern: str) -> None:
    assert {path for path in PATHS if paths.matches(pattern, path)} == covered(pattern)


@given(PATTERN, PATTERN)
def test_patterns_overlap_if_and_only_if_some_path_matches_both(one: str, other: str) -> None:
    is_shared = bool(covered(one) & covered(other))
    assert paths.overlap(one, other) == is_shared
    assert paths.overlaps([one], [other]) == ((one, other) if is_shared else None)


@given(st.text("ab*?", min_size=1, max_size=6), st.text("ab*?", min_size=1, max_size=6))
def test_names_overlap_if_and_only_if_some_name_matches_both(one: str, other: str) -> None:
    if "**" in one + " " + other:
        one, other = (re.sub(r"\*+", "*", part) for part in (one, other))
    names = [
        "".join(chars) for size in range(1, 9) for chars in itertools.product("ab", repeat=size)
    ]
    shared = any(
        fnmatch.fnmatchcase(name, one) and fnmatch.fnmatchcase(name, other) for name in names
    )
    if shared or one.count("*") + other.count("*") < 2 or len(one) + len(other) <= 8:
        assert paths.overlap(one, other) == shared


@given(PATTERN, PATTERN)
def test_covers_never_says_yes_wrongly(outer: str, inner: str) -> None:
    if paths.covers([outer], [inner]):
        assert covered(inner) <= covered(outer)


@given(PATTERN)
def test_everything_a_pattern_covers_lies_below_its_literal_prefix(pattern: str) -> None:
    prefix = paths.literal_prefix(pattern)
    assert all(
        not prefix or path == prefix or path.startswith(prefix + "/") for path in covered(pattern)
    )


@pytest.mark.parametrize(
    ("outer", "inner"),
    [
        ("src/*/", "src/a/"),
        ("**", "a/**/b"),
        ("src/", "src/**/x.py"),
        ("src/**", "src/a?"),
        ("a/*/c*", "a/?b/c"),
        ("a/*.py", "a/x*.py"),
        ("src/**/t/", "src/a/b/t/"),
        ("a/", "a/b"),
    ],
)
def test_covers_says_yes_where_it_is_plain(outer: str, inner: str) -> None:
    assert paths.covers([outer], [inner])


@pytest.mark.parametrize(
    ("outer", "inner"),
    [
        ("src", "src/"),
        ("src/", "src"),
        ("src/", "src-evil/"),
        ("src/a/", "src/*/"),
        ("a/?", "a/*"),
        ("a/*", "a/**"),
        ("a/b", "a/?"),
    ],
)
def test_covers_says_no_where_a_path_lies_outside(outer: str, inner: str) -> None:
    assert not paths.covers([outer], [inner])


def test_no_pattern_takes_long_whatever_it_is_held_against() -> None:
    stars = "*a" * 500 + "b"
    deep = "**/a/" * 200 + "b"
    assert not paths.matches(stars, "a" * 5000)
    assert not paths.matches(deep, "a/" * 2000 + "c")
    assert paths.overlap(stars, "a*" * 300 + "b")
    assert not paths.overlap(deep, "**/" + "a/" * 100 + "c")
    assert paths.covers(["**/a*/" * 100], ["a/" * 200])


def test_folding_that_changes_a_length_hides_no_overlap() -> None:
    assert paths.overlap("stra?e", "stra\u00dfe")
    assert paths.overlap("STRASSE/", "stra\u00dfe/x")
    assert not paths.overlap("stra?e", "strasse")


@pytest.mark.parametrize(
    "path",
    [
        "a ",
        "a.",
        "docs./x",
        "a:b",
        "a::$DATA",
        "CON",
        "x/aux.c",
        "com1",
        "LPT9.txt",
        "a/\u200cb",
        ".git/x",
    ],
)
def test_a_name_that_some_disk_takes_for_another_is_not_portable(path: str) -> None:
    assert not paths.is_portable(path)


@pytest.mark.parametrize(
    "path", ["a", ".a", "a b", "console", "com10", "x/auxiliary.c", "\u00e4/\u00f6", "...a"]
)
def test_an_ordinary_name_is_portable(path: str) -> None:
    assert paths.is_portable(path)


def test_case_twins_overlap_but_are_not_inside() -> None:
    assert paths.overlap("src/A", "src/a")
    assert not paths.inside(["src/A"], "src/a")


@pytest.mark.parametrize(
    "path",
    [
        ".git/hooks/x",
        "a/.GIT/x",
        "a/git~1",
        "a/.g\u200cit/x",
        "a/.git /x",
        "a/.git::$INDEX",
        "../x",
        "a/../x",
        "a//x",
        "a\\b",
        "a/\nb",
        "a/e\u0301",
        "a/.",
        "",
    ],
)
def test_an_unsafe_path_is_inside_nothing(path: str) -> None:
    assert not paths.inside(["**", "a/"], path)


@pytest.mark.parametrize(
    "pattern",
    [
        "/a",
        "a//b",
        "../a",
        "a/./b",
        "",
        "a\\b",
        "!a",
        "[ab]",
        ".git/",
        "a/.Git/x",
        "a**",
        "a/**b",
        "a\n",
        "e\u0301",
        "x" * 2000,
        "/",
    ],
)
def test_a_bad_pattern_is_told_why(pattern: str) -> None:
    assert paths.problem_of(pattern)


@pytest.mark.parametrize(
    "pattern", ["a", "a/", "a/*.py", "**", "a/**/b", "ä/ö", ".github/x", "a b/c"]
)
def test_a_good_pattern_has_no_problem(pattern: str) -> None:
    assert paths.problem_of(pattern) is None
