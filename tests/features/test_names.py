"""What a user named: exactly, by an unmistakable beginning, or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitcoord.core.errors import NotFoundError
from gitcoord.features.names import (
    beginning_of,
    existing_agent,
    named_agent,
    named_phase,
    named_pool,
    named_task,
)
from gitcoord.features.workspace import Workspace
from tests.support.builders import tasks
from tests.support.world import found


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("lex", "lexer"),
        ("LEX", "lexer"),
        ("parser-t", "parser-two"),
        ("parser", None),
        ("l", None),
        ("25", None),
        ("10", None),
        ("100-", "100-a"),
        ("zz", None),
        ("", None),
    ],
)
def test_a_beginning_is_unmistakable_or_none(word: str, meant: str | None) -> None:
    known = ["lexer", "parser-one", "parser-two", "250", "100-a"]
    assert beginning_of(word, known) == meant


@pytest.fixture
def work(repo: Path) -> Workspace:
    head = '[[pool]]\nname = "builders"\n[[phase]]\nname = "build"\n'
    text = head + tasks("lexer", "parser").replace(
        "needs", 'phase = "build"\npool = "builders"\nneeds'
    )
    return found(repo, text, "ada", "adam", worktrees=False)


def test_a_whole_name_goes_before_what_it_is_the_beginning_of(work: Workspace) -> None:
    snapshot = work.ledger.snapshot()
    assert named_agent(snapshot, "ada")["id"] == "ada"
    assert named_task(work, snapshot, "lexer")["id"] == "lexer"
    assert named_phase(snapshot, "build")["id"] == "build"
    assert named_pool(snapshot, "builders") == "builders"


def test_a_beginning_is_enough_to_look_and_not_to_be_somebody(work: Workspace) -> None:
    snapshot = work.ledger.snapshot()
    assert named_task(work, snapshot, "par")["id"] == "parser"
    assert named_phase(snapshot, "bu")["id"] == "build"
    assert named_pool(snapshot, "bu") == "builders"
    assert existing_agent(snapshot, "adam")["id"] == "adam"
    with pytest.raises(NotFoundError, match="there is no agent 'adm'"):
        existing_agent(snapshot, "adm")


def test_what_does_not_exist_is_told_with_the_nearest_names(work: Workspace) -> None:
    snapshot = work.ledger.snapshot()
    with pytest.raises(NotFoundError, match="there is no task 'lexar'") as caught:
        named_task(work, snapshot, "lexar")
    assert caught.value.hint == "did you mean lexer?"
    with pytest.raises(NotFoundError) as caught:
        named_phase(snapshot, "zzzzzz")
    assert caught.value.hint == "`gitcoord phase list` lists them"
    for word in ("../x", "", "x" * 500):
        with pytest.raises(NotFoundError) as caught:
            named_task(work, snapshot, word)
        assert len(caught.value.message) < 120
