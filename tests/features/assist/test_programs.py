"""What keeps an assistant from working here is told before it is started."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitcoord.features.assist.programs import OLDEST, advice_about


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is all of the path, but for the shell."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def install(programs: Path, assistant: str, script: str) -> None:
    program = programs / assistant
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


@pytest.mark.parametrize("assistant", sorted(OLDEST))
def test_one_that_is_not_there_is_to_be_installed(programs: Path, assistant: str) -> None:
    assert advice_about(assistant).startswith(f"{assistant} is not on the path here")


@pytest.mark.parametrize("assistant", sorted(OLDEST))
def test_a_version_that_was_tried_or_a_newer_one_needs_nothing(
    programs: Path, assistant: str
) -> None:
    major, minor, patch = OLDEST[assistant]
    for version in (f"{major}.{minor}.{patch}", f"{major}.{minor}.{patch + 9}", f"{major + 1}.0.0"):
        install(programs, assistant, f"echo '{assistant} {version} (build 7)'")
        assert advice_about(assistant) == ""


def test_an_older_one_is_told_with_both_versions(programs: Path) -> None:
    install(programs, "codex", "echo codex-cli 0.9.12")
    assert advice_about("codex").startswith("codex 0.9.12 is older than 0.169.0")


@pytest.mark.parametrize("script", ["exit 3", "echo soon", "printf '\\377\\376'", "kill -9 $$"])
def test_one_that_does_not_say_its_version_is_told(programs: Path, script: str) -> None:
    install(programs, "claude", script)
    assert advice_about("claude").startswith("claude --version was not understood")
