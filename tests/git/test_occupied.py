"""The note of who works in a worktree is input like any other."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gitcoord.core.errors import RefusedError, UnavailableError
from gitcoord.git.occupied import Attempt, occupy, recover
from gitcoord.git.places import discover
from gitcoord.git.refs import head_lock
from tests.git.building import git
from tests.support.formats import lock_of
from tests.support.irregular import IRREGULAR, REPLACEABLE, is_theirs_whole

BRANCH = "task/a/1-abcdef"
MINE = Attempt("x", "a", 1, "abcdef0123", BRANCH)
DEAD = {"process": "another-boot:1:1:1", **MINE._asdict()}


def note_of(place: Path) -> Path:
    note = discover(place).git_dir / "gitcoord" / "command.json"
    note.parent.mkdir(exist_ok=True)
    return note


def test_what_a_dead_command_left_is_kept_on_its_branch(place: Path, tmp_path: Path) -> None:
    note_of(place).write_text(json.dumps(DEAD))
    (place / "left").write_text("work\n")
    kept = recover(place, tmp_path / "aside")
    assert kept is not None
    assert git(place, "show", f"{BRANCH}:left") == "work"
    assert not note_of(place).exists()


def index_lock(place: Path) -> Path:
    return discover(place).git_dir / "index.lock"


def branch_lock(place: Path) -> Path:
    return lock_of(discover(place).common_dir, f"refs/heads/{BRANCH}")


@pytest.mark.parametrize("find", [index_lock, head_lock, branch_lock])
def test_a_lock_that_a_killed_git_left_keeps_no_work_back(
    find: Callable[[Path], Path], place: Path, tmp_path: Path
) -> None:
    git(place, "checkout", "-q", "-b", BRANCH)
    lock = find(place)
    lock.touch()
    note_of(place).write_text(json.dumps(DEAD))
    (place / "left").write_text("work\n")
    kept = recover(place, tmp_path / "aside")
    assert kept is not None
    assert git(place, "show", f"{BRANCH}:left") == "work"
    assert not lock.exists()


def test_the_lock_of_a_git_that_is_at_work_stays(place: Path, tmp_path: Path) -> None:
    lock = branch_lock(place)
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w"):
        note_of(place).write_text(json.dumps(DEAD))
        (place / "left").write_text("work\n")
        with pytest.raises(RefusedError, match="cannot be kept"):
            recover(place, tmp_path / "aside")
    assert lock.exists()
    assert note_of(place).exists()
    assert (place / "left").read_text() == "work\n"


@pytest.mark.parametrize(
    "forged",
    [
        {"branch": "main"},
        {"branch": "main/a/2-abcdef"},
        {"branch": "../../x/a/1-abcdef"},
        {"branch": ["task"]},
        {"task": "../../../elsewhere"},
        {"task": None},
        {"number": "../1"},
        {"token": "/abcdef"},
        {"agent": "x\n<y>"},
        {"more": 1},
    ],
    ids=str,
)
def test_a_note_that_leads_elsewhere_moves_nothing(
    forged: dict[str, Any], place: Path, tmp_path: Path
) -> None:
    note_of(place).write_text(json.dumps({**DEAD, **forged}))
    (place / "left").write_text("work\n")
    before = git(place, "for-each-ref")
    assert recover(place, tmp_path / "aside") is None
    assert git(place, "for-each-ref") == before
    assert (place / "left").read_text() == "work\n"
    assert not note_of(place).exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home", "linked", "repo"]


@pytest.mark.parametrize("kind", IRREGULAR)
def test_what_is_no_note_is_not_read(kind: str, place: Path, tmp_path: Path) -> None:
    note = note_of(place)
    IRREGULAR[kind](note)
    assert recover(place, tmp_path / "aside") is None
    assert is_theirs_whole(note)


@pytest.mark.parametrize("kind", REPLACEABLE)
def test_a_note_replaces_what_lies_there_and_follows_no_link(kind: str, place: Path) -> None:
    note = note_of(place)
    IRREGULAR[kind](note)
    occupy(place, MINE)
    assert json.loads(note.read_text())["branch"] == BRANCH
    assert is_theirs_whole(note)


def test_where_no_note_can_be_written_that_is_named(place: Path) -> None:
    note_of(place).mkdir()
    with pytest.raises(UnavailableError, match=r"command.json cannot be written"):
        occupy(place, MINE)
