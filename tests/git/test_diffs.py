"""Trees compared, both sides of everything."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitcoord.git.diffs import DIFF, diff_raw, parse_raw
from gitcoord.git.program import Git
from tests.git.building import OID_LENGTH, commit


def test_a_rename_is_both_of_its_sides(repo: Path, base: str) -> None:
    new = commit(repo, {"a": None, "moved": "a\n", "b": ("100755", "b\n")}, base)
    rows = {
        change.path: (change.old_mode, change.new_mode) for change in diff_raw(Git(repo), base, new)
    }
    assert rows == {
        "a": ("100644", "000000"),
        "moved": ("000000", "100644"),
        "b": ("100644", "100755"),
    }


def test_links_submodules_and_odd_names_are_told(repo: Path, base: str) -> None:
    names = ["with\nnewline", '"quoted"', "tab\there", "na\u00efve"]
    files = dict.fromkeys(names, "x")
    new = commit(
        repo, {**files, "link": ("120000", "a"), "sub": ("160000", "1" * OID_LENGTH)}, base
    )
    rows = {change.path: change for change in diff_raw(Git(repo), base, new)}
    assert set(rows) == {*names, "link", "sub"}
    assert (rows["link"].new_mode, rows["sub"].new_mode) == ("120000", "160000")
    assert rows["sub"].oid == "1" * OID_LENGTH


def test_only_the_paths_that_are_asked_for_are_compared(repo: Path, base: str) -> None:
    new = commit(repo, {"a": "x", "deep/c": "x"}, base)
    assert [change.path for change in diff_raw(Git(repo), base, new, "deep")] == ["deep/c"]
    assert diff_raw(Git(repo), base, base) == []


def test_changes_stand_below_their_commit(repo: Path, base: str) -> None:
    one = commit(repo, {"a": "x"}, base)
    two = commit(repo, {"b": "y"}, one)
    raw = Git(repo).run(*DIFF, "--stdin", stdin=f"{one}\n{two}\n".encode()).stdout
    assert {
        oid: [change.path for change in changes] for oid, changes in parse_raw(raw).items()
    } == {
        one: ["a"],
        two: ["b"],
    }


@pytest.mark.parametrize(
    "raw", [b":100644 100644 1 2 M\0", b":100644 100644 1 2 M", b":nonsense\0x\0"]
)
def test_what_git_does_not_print_is_an_error(raw: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_raw(raw)


def test_nothing_is_no_change() -> None:
    assert parse_raw(b"") == {}
