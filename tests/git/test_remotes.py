"""Fetch and push against real repositories: every end that a push can have."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitcoord.core.errors import UnavailableError
from gitcoord.git.remotes import MissingOnServerError, Remote, Update
from tests.conftest import Run
from tests.support.machines import server

REF = "refs/heads/gitcoord/ledger"


@pytest.fixture
def bare(tmp_path: Path, repo: Path, git: Run) -> Path:
    place = server(tmp_path)
    git("remote", "add", "origin", str(place))
    return place


def commit(git: Run, *parents: str) -> str:
    named = [word for parent in parents for word in ("-p", parent)]
    return git("commit-tree", *named, "-m", "entry", "HEAD^{tree}")


def test_all_refs_of_a_push_move_or_none(bare: Path, repo: Path, git: Run) -> None:
    remote = Remote(repo / ".git", "origin")
    first, other = commit(git), git("rev-parse", "HEAD")
    assert remote.push([Update(REF, None, first)]).end == "accepted"
    second = commit(git, first)
    stale = Update("refs/heads/main", other, other)
    done = remote.push([Update(REF, first, second), stale])
    assert done.end == "rejected"
    assert "refs/heads/main" in done.reasons
    assert remote.refs([REF, "refs/heads/main"], timeout_s=30) == {REF: first}


def test_a_lease_on_another_value_is_rejected_and_the_same_push_again_is_not(
    bare: Path, repo: Path, git: Run
) -> None:
    remote = Remote(repo / ".git", "origin")
    first = commit(git)
    second, rival = commit(git, first), commit(git, first, "HEAD")
    remote.push([Update(REF, None, first)])
    assert remote.push([Update(REF, first, second)]).end == "accepted"
    assert remote.push([Update(REF, first, rival)]).end == "rejected"
    assert remote.push([Update(REF, first, second)]).end == "accepted"


def test_nothing_was_sent_to_a_server_that_is_not_there(repo: Path, git: Run) -> None:
    git("remote", "add", "origin", str(repo.with_name("nowhere")))
    remote = Remote(repo / ".git", "origin")
    done = remote.push([Update(REF, None, commit(git))])
    assert done.end == "unreached"
    assert "does not appear to be a git repository" in done.said
    with pytest.raises(UnavailableError, match="origin was not reached"):
        remote.fetch([f"+{REF}:{REF}"], timeout_s=30)


def test_a_server_that_hangs_is_left_when_the_time_is_up(
    repo: Path, git: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    git("remote", "add", "origin", "ssh://hangs.invalid/r.git")
    monkeypatch.setenv("GIT_SSH_COMMAND", "sleep 600 #")
    remote = Remote(repo / ".git", "origin", ssh_command="sleep")
    with pytest.raises(UnavailableError, match=r"longer than 0\.5 seconds"):
        remote.fetch([f"+{REF}:{REF}"], timeout_s=0.5)
    assert remote.push([Update(REF, None, commit(git))], timeout_s=0.5).end == "unreached"


def test_a_ref_that_is_missing_is_told_by_its_name(bare: Path, repo: Path, git: Run) -> None:
    with pytest.raises(MissingOnServerError) as missing:
        Remote(repo / ".git", "origin").fetch([f"+{REF}:refs/x/y"], timeout_s=30)
    assert missing.value.ref == REF


def test_a_fetch_ends_where_its_refspec_says_and_nowhere_else(
    bare: Path, repo: Path, git: Run
) -> None:
    remote = Remote(repo / ".git", "origin")
    entry = commit(git)
    remote.push([Update(REF, None, entry)])
    git("update-ref", "-d", "refs/remotes/origin/gitcoord/ledger")
    remote.fetch([f"+{REF}:refs/gitcoord-remotes/origin/x"], timeout_s=30)
    refs = git("for-each-ref", "--format=%(refname)").split()
    assert refs == ["refs/gitcoord-remotes/origin/x", "refs/heads/main"]
    assert not (repo / ".git" / "FETCH_HEAD").exists()
