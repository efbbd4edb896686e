"""The instruction block is put in, brought up to date and taken out, byte for byte."""

from __future__ import annotations

import re

import hypothesis
import hypothesis.strategies as st
import pytest

from gitcoord.cli.main import COMMANDS
from gitcoord.core.instructions import BLOCK, is_current, with_block, without_block


@pytest.mark.parametrize("text", ["", "x", "x\n", "x\n\n", "# Rules\n\n\n", "\n", "x\r\n"])
def test_what_was_put_in_goes_again(text: str) -> None:
    made = with_block(text)
    assert is_current(made)
    assert with_block(made) == made
    assert without_block(made) == text


@hypothesis.given(st.text(alphabet="ab \n\r<>#-", max_size=40))
def test_any_file_is_as_before(text: str) -> None:
    assert without_block(with_block(text)) == text


def test_an_older_block_is_brought_up_to_date_in_its_place() -> None:
    made = with_block("before\n") + "after\n"
    old = made.replace("gitcoord claim", "gitcoord take")
    assert not is_current(old)
    assert with_block(old) == made
    assert without_block(old) == "before\nafter\n"


def test_a_file_without_the_block_stays() -> None:
    assert without_block("# mine\n") == "# mine\n"
    assert not is_current("# mine\n")


def test_the_block_names_commands_that_there_are() -> None:
    named = re.findall(r"`gitcoord ([a-z-]+)", BLOCK)
    assert {"brief", "claim", "complete", "hand-in", "escalate"} <= set(named)
    assert set(named) - {"setup"} <= set(COMMANDS)
