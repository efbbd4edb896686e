from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitcoord.core import paths

NAMES = ["a", "b", "ab", "ba"]
PATHS = ["/".join(parts) for size in (1, 2, 3, 4) for parts in itertools.product(NAMES, repeat=size)]
PART = st.sampled_from(["a", "b", "ab", "*", "?", "a*", "*b", "?b", "**"])
PATTERN = st.builds(lambda parts, end: "/".join(parts) + end, st.lists(PART, min_size=1, max_size=3), st.sampled_from(["", "/"]))


def reference(parts: list[str], names: list[str]) -> bool:
    """The definition, spelled out."""
    import fnmatch

    if not parts:
        return not names
    if parts[0] == "**":
        return reference(parts[1:], names) or (bool(names) and reference(parts, names[1:]))
    return bool(names) and fnmatch.fnmatchcase(names[0], parts[0]) and reference(parts[1:], names[1:])


def covered(pattern: str) -> set[str]:
    parts = [*pattern[:-1].split("/"), "*", "**"] if pattern.endswith("/") else pattern.split("/")
    return {path for path in PATHS if reference(parts, path.split("/"))}


@given(PATTERN)
def test_a_pattern_covers_what_its_definition_says(pattern: str) -> None:
    assert {path for path in PATHS if paths.matches(pattern, path)} == covered(pattern)


@given(PATTERN, PATTERN)
def test_patterns_overlap_where_some_path_matches_both(one: str, other: str) -> None:
    if covered(one) & covered(other):
        assert paths.overlap(one, other)
        assert paths.overlaps([one], [other]) == (one, other)
    elif one.count("/") + other.count("/") < 3:
        assert not paths.overlap(one, other)


@given(PATTERN, PATTERN)
def test_covers_never_says_yes_wrongly(outer: str, inner: str) -> None:
    if paths.covers([outer], [inner]):
        assert covered(inner) <= covered(outer)


@given(PATTERN)
def test_everything_a_pattern_covers_lies_below_its_literal_prefix(pattern: str) -> None:
    prefix = paths.literal_prefix(pattern)
    assert all(not prefix or path == prefix or path.startswith(prefix + "/") for path in covered(pattern))


def test_case_twins_overlap_but_are_not_inside() -> None:
    assert paths.overlap("src/A", "src/a")
    assert not paths.inside(["src/A"], "src/a")


@pytest.mark.parametrize("path", [
    ".git/hooks/x", "a/.GIT/x", "a/git~1", "a/.g\u200cit/x", "a/.git /x", "a/.git::$INDEX", "../x", "a/../x", "a//x", "a\\b",
    "a/\nb", "a/e\u0301", "a/.", "",
])  # fmt: skip
def test_an_unsafe_path_is_inside_nothing(path: str) -> None:
    assert not paths.inside(["**", "a/"], path)


@pytest.mark.parametrize("pattern", [
    "/a", "a//b", "../a", "a/./b", "", "a\\b", "!a", "[ab]", ".git/", "a/.Git/x", "a**", "a/**b", "a\n", "e\u0301", "x" * 2000, "/",
])  # fmt: skip
def test_a_bad_pattern_is_told_why(pattern: str) -> None:
    assert paths.problem_of(pattern)


@pytest.mark.parametrize("pattern", ["a", "a/", "a/*.py", "**", "a/**/b", "ä/ö", ".github/x", "a b/c"])
def test_a_good_pattern_has_no_problem(pattern: str) -> None:
    assert paths.problem_of(pattern) is None
