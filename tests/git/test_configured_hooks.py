"""Hooks that git's configuration names run in no git call of our own."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitcoord.git.configured_hooks import named_for, switched_off
from gitcoord.git.program import Git, version
from tests.git.building import git

NAMES = ("mine", "a=b", "two words", "with.dots")


def configure(repo: Path, name: str, event: str, command: str, *where: str) -> None:
    git(repo, "config", *where, f"hook.{name}.event", event)
    git(repo, "config", *where, f"hook.{name}.command", command)


@pytest.mark.parametrize("where", ["--global", "--local", "included"])
def test_no_configured_hook_runs_unless_hooks_are_asked_for(
    repo: Path, tmp_path: Path, where: str
) -> None:
    if version() < (2, 54):
        pytest.skip("this git knows no hooks in its configuration")
    seen = tmp_path / "seen"
    place: tuple[str, ...] = (where,)
    if where == "included":
        git(repo, "config", "--local", "include.path", str(tmp_path / "more"))
        place = ("--file", str(tmp_path / "more"))
    for name in NAMES:
        for event in ("reference-transaction", "pre-commit", "post-index-change"):
            git(repo, "config", "--add", *place, f"hook.{name}.event", event)
        git(repo, "config", *place, f"hook.{name}.command", f"echo ran >>{seen}; true")
    (repo / "new").write_text("new\n")
    Git(repo).run("add", "new")
    Git(repo).run("commit", "-q", "-m", "ours")
    Git(repo).ask("update-ref", "refs/heads/other", "HEAD")
    assert not seen.exists()
    Git(repo).run("commit", "-q", "--allow-empty", "-m", "with hooks", hooks=True)
    assert seen.exists()


def test_a_hook_that_refuses_stops_nothing_of_ours(repo: Path) -> None:
    configure(repo, "mine", "reference-transaction", "exit 1", "--global")
    assert Git(repo).run("update-ref", "refs/heads/other", "HEAD", check=False).status == 0


def test_each_name_is_found_whatever_is_in_it(repo: Path) -> None:
    assert named_for(Git(repo)) == ()
    for name in NAMES:
        configure(repo, name, "pre-commit", "true", "--local")
    assert set(named_for(Git(repo))) == set(NAMES)
    assert "hook.a=b.enabled" in switched_off(NAMES).values()


def test_a_hook_that_is_configured_later_is_found_too(repo: Path) -> None:
    assert named_for(Git(repo)) == ()
    configure(repo, "late", "pre-commit", "true", "--local")
    assert named_for(Git(repo)) == ("late",)


def test_outside_of_a_repository_the_users_hooks_count(repo: Path, tmp_path: Path) -> None:
    configure(repo, "mine", "pre-commit", "true", "--global")
    assert named_for(Git(tmp_path)) == ("mine",)
