"""What a user named: exactly, by an unmistakable beginning, or not at all."""

from __future__ import annotations

import subprocess
from collections import Counter
from pathlib import Path
from typing import cast

import pytest

from gitcoord.core.errors import NotFoundError, UsageError
from gitcoord.features.names import (
    beginning_with,
    named_agent,
    named_entry,
    named_escalation,
    named_note,
    named_phase,
    named_pool,
    named_task,
)
from gitcoord.features.setup.plans import apply_plan
from gitcoord.features.work.escalations import escalate
from gitcoord.features.work.notes import note
from gitcoord.features.work.tokens import current_lease
from gitcoord.features.workspace import Workspace
from tests.support.builders import tasks
from tests.support.world import found, git


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("lex", ["lexer"]),
        ("LEX", ["lexer"]),
        ("parser-t", ["parser-two"]),
        ("parser", ["parser-one", "parser-two"]),
        ("l", []),
        ("25", []),
        ("10", []),
        ("100-", ["100-a"]),
        ("zz", []),
        ("", []),
    ],
)
def test_a_prefix_has_two_characters_and_cuts_no_number(word: str, meant: list[str]) -> None:
    known = ["lexer", "parser-one", "parser-two", "250", "100-a"]
    assert beginning_with(word, known) == meant
    assert beginning_with("25", known, is_random=True) == ["250"]


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
    assert named_agent(snapshot, "adam")["id"] == "adam"
    with pytest.raises(NotFoundError, match="there is no agent 'adm'"):
        named_agent(snapshot, "adm")
    with pytest.raises(NotFoundError, match="there is no agent 'adamm'"):
        current_lease(work, snapshot, "adamm", "lexer")


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


def test_an_ambiguous_prefix_is_refused_with_the_names_that_it_can_be(work: Workspace) -> None:
    with pytest.raises(UsageError, match="agent 'ad' is ambiguous: it can be ada, adam") as caught:
        named_agent(work.ledger.snapshot(), "ad")
    assert caught.value.facts["candidates"] == ["ada", "adam"]
    assert caught.value.exit_status == 2


def test_many_candidates_are_counted_and_the_first_are_listed(work: Workspace) -> None:
    names = tasks(*(f"word-{number}" for number in range(30)))
    apply_plan(work, names, "more.toml")
    with pytest.raises(UsageError, match=r"word-0, .* and 20 more") as caught:
        named_task(work, work.ledger.snapshot(), "word")
    assert len(caught.value.message) < 200


def test_a_prefix_is_enough_for_escalations_and_notes(work: Workspace) -> None:
    asked = escalate(work, "ada", "may I?").event["id"][:8]
    left = note(work, "ada", "tabs").event["id"][:8]
    snapshot = work.ledger.snapshot()
    for prefix_chars in (5, 8):
        assert named_escalation(snapshot, asked[:prefix_chars]) == asked
        assert named_note(snapshot, left[:prefix_chars]) == left
    with pytest.raises(NotFoundError) as caught:
        named_note(snapshot, "nowhere")
    assert caught.value.hint == "`gitcoord note` lists them"


def _commits(top: Path, message: str, count: int) -> list[str]:
    """Make commits that differ in their time, and in their parent."""
    lines = [
        f"commit refs/heads/made\ncommitter x <x@localhost> {number} +0000\n"
        f"data {len(message)}\n{message}\n"
        for number in range(1, count + 1)
    ]
    command = ["git", "fast-import", "--quiet", "--force"]
    subprocess.run(command, cwd=top, input="".join(lines), text=True, check=True)
    return git("rev-list", "made", cwd=top).split()


def _first_twins(oids: list[str], others: list[str]) -> tuple[str, str]:
    """Return two oids that begin with the same four digits."""
    by_start = {oid[:4]: oid for oid in oids}
    for other in others:
        twin = by_start.get(other[:4], other)
        if twin != other:
            return twin, other
    raise AssertionError("no two of them begin alike")


def test_an_entry_is_named_by_the_digits_that_no_other_entry_begins_with(work: Workspace) -> None:
    top = work.place.worktree
    assert top is not None
    message = git("show", "-s", "--format=%B", work.ledger.ref, cwd=top).strip() + "\n"
    entries = _commits(top, message, 800)
    plain = _commits(top, "plain\n", 800)
    work.store.refresh()
    one, other = _first_twins(entries, entries)
    with pytest.raises(UsageError, match=f"entry '{one[:4]}' is ambiguous") as caught:
        named_entry(work, one[:4])
    candidates = cast("list[str]", caught.value.facts["candidates"])
    assert {one, other} <= set(candidates)
    assert named_entry(work, one[:12]) == one
    starts = Counter(oid[:4] for oid in entries)
    entry, _ = _first_twins([oid for oid in entries if starts[oid[:4]] == 1], plain)
    assert named_entry(work, entry[:4]) == entry
    for word in ("zzzz", "HEAD~999", "", "abc"):
        with pytest.raises(NotFoundError):
            named_entry(work, word)
