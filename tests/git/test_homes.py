"""Where a ledger lives is a matter of the clone's configuration."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitcoord.core.errors import NotFoundError, UsageError
from gitcoord.git import homes
from gitcoord.git.program import Git
from tests.conftest import Run


def test_a_ledger_lives_here_unless_the_configuration_says_where(repo: Path, git: Run) -> None:
    common = repo / ".git"
    assert homes.home_of(common, "ledger") is None
    homes.keep_home(Git(repo), "ledger", "origin", "refs/gitcoord/ledger/ledger")
    found = homes.home_of(common, "ledger")
    assert found is not None
    assert (found.remote, found.place) == ("origin", "refs/gitcoord/ledger/ledger")
    assert homes.home_of(common, "other") is None
    git("config", "gitcoord.a.b.remote", "elsewhere")
    dotted = homes.home_of(common, "a.b")
    assert dotted is not None
    assert dotted.remote == "elsewhere"


def test_a_place_that_is_no_ref_is_named(repo: Path, git: Run) -> None:
    git("config", "gitcoord.ledger.remote", "origin")
    git("config", "gitcoord.ledger.place", "--upload-pack=x")
    with pytest.raises(UsageError, match="not a full ref"):
        homes.home_of(repo / ".git", "ledger")


def test_the_user_s_own_ssh_is_known(repo: Path, git: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert homes.ssh_command_of(Git(repo)) == ""
    git("config", "core.sshCommand", "ssh -i key")
    assert homes.ssh_command_of(Git(repo)) == "ssh -i key"
    monkeypatch.setenv("GIT_SSH", "mine")
    assert homes.ssh_command_of(Git(repo)) == "mine"


def test_a_remote_has_one_place_for_both_directions(repo: Path, git: Run) -> None:
    with pytest.raises(NotFoundError, match="no remote 'origin'"):
        homes.require_remote(Git(repo), "origin")
    git("remote", "add", "origin", "https://one.invalid/r.git")
    homes.require_remote(Git(repo), "origin")
    git("remote", "set-url", "--push", "origin", "ssh://two.invalid/r.git")
    with pytest.raises(UsageError, match="one place for both"):
        homes.require_remote(Git(repo), "origin")
