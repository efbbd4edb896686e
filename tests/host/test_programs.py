"""Programs are found as users mean them, or it is said why they cannot be run."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitcoord.core.errors import UsageError
from gitcoord.host.programs import find_program, from_here


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _script(path: Path, mode: int) -> None:
    path.write_text("#!/bin/sh\n")
    path.chmod(mode)


def test_a_program_of_this_directory_is_found_from_anywhere(here: Path) -> None:
    _script(here / "agent.sh", 0o755)
    assert find_program("./agent.sh") == str(here / "agent.sh")
    assert from_here("./agent.sh --fast 'a b'") == f"{here}/agent.sh --fast 'a b'"


@pytest.mark.parametrize(
    ("word", "mode", "said", "hint"),
    [
        ("./agent.sh", 0o644, "not executable", "chmod +x ./agent.sh"),
        ("agent.sh", 0o644, "no program agent.sh", "chmod +x agent.sh"),
        ("agent.sh", 0o755, "no program agent.sh", "./agent.sh"),
    ],
)
def test_a_file_that_is_not_run_as_named_is_told_with_the_command_that_helps(
    here: Path, word: str, mode: int, said: str, hint: str
) -> None:
    _script(here / "agent.sh", mode)
    with pytest.raises(UsageError, match=said) as caught:
        find_program(word)
    assert hint in caught.value.hint


@pytest.mark.parametrize("word", ["./", "no-such-program", "./no-such-program"])
def test_what_is_no_program_at_all_is_refused(here: Path, word: str) -> None:
    with pytest.raises(UsageError, match=r"no such program|directory"):
        find_program(word)


@pytest.mark.parametrize("command", ["make check", "/bin/true", "./missing.sh", "cd a && ./b.sh"])
def test_a_command_that_is_not_a_file_here_stays_as_it_is(here: Path, command: str) -> None:
    assert from_here(command) == command


def test_a_review_command_that_is_not_executable_is_told_before_the_run(here: Path) -> None:
    _script(here / "review.sh", 0o644)
    with pytest.raises(UsageError, match="not executable"):
        from_here("./review.sh --quick")
