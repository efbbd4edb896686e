"""Paths that a shell or an assistant means otherwise than we do."""

from __future__ import annotations

import pytest

from gitcoord.core.path_habits import habit_of, two_paths_in


@pytest.mark.parametrize(
    ("pattern", "remedy"),
    [
        ("src/{a,b}/", '"src/a/", "src/b/"'),
        ("v{1..3}/x.py", "braces are not expanded"),
        ("~/x", "repository's root"),
        ("~", "repository's root"),
        ("$HOME/x", "variables are not expanded"),
        ("${ROOT}/x", "variables are not expanded"),
        ("$(pwd)/x", "variables are not expanded"),
        ("%USERPROFILE%/x", "variables are not expanded"),
        ("src/a/,src/b/", "a text of its own"),
        ("src/a.py, src/b.py", "a text of its own"),
        ("src/a/;src/b/", "a text of its own"),
        ("src/a/ src/b/", "a text of its own"),
        ("src/d/ ", "write 'src/d/'"),
        (" src/d/", "write 'src/d/'"),
        ("My /x.py", "begins or ends with a space"),
    ],
)
def test_what_is_not_meant_literally_is_told_with_its_remedy(pattern: str, remedy: str) -> None:
    assert remedy in (habit_of(pattern) or "")


@pytest.mark.parametrize(
    "pattern",
    [
        "src/a/",
        "docs/My Notes/one file.md",
        "templates/{{cookiecutter.name}}/setup.py",
        "app/routes/$postId.tsx",
        "app/$layout/",
        "a,b.txt",
        "backup~",
        "100%/x",
        "src/a?b.py",
        "**/*.py",
    ],
)
def test_names_that_people_use_are_taken_as_they_are(pattern: str) -> None:
    assert habit_of(pattern) is None


def test_a_text_that_may_be_two_paths_is_worth_a_notice() -> None:
    assert two_paths_in("src/a/x.py src/b/y.py")
    assert not two_paths_in("My Notes/x.md")
    assert not two_paths_in("src/a/")
