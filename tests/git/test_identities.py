"""Who makes a commit, and what two commits have in common but for that."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitcoord.core.errors import RefusedError
from gitcoord.core.ids import Oid
from gitcoord.git import merges
from gitcoord.git.identities import (
    differ_by_identity_alone,
    identity_of,
    refuse_planted_signers,
)
from gitcoord.git.merges import NOBODY, Identity
from gitcoord.git.program import Git, GitError
from tests.git.building import git
from tests.support.signing import sign_with_a_new_key

OTHERS = Identity(("A", "a@x"), ("C", "c@x"))


@pytest.fixture
def base(repo: Path) -> Oid:
    return Oid(git(repo, "rev-parse", "HEAD"))


def test_the_users_configuration_says_who_makes_a_commit(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tester = ("Tester", "tester@example.invalid")
    assert identity_of(Git(repo)) == Identity(tester, tester)
    git(repo, "config", "committer.name", "Lander <of> all")
    git(repo, "config", "commit.gpgSign", "yes")
    monkeypatch.setenv("GIT_AUTHOR_EMAIL", "me@example.invalid")
    assert identity_of(Git(repo)) == Identity(
        ("Tester", "me@example.invalid"), ("Lander of all", tester[1]), is_signing=True
    )


def test_without_a_name_nobody_makes_it(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    git(repo, "config", "user.useConfigOnly", "true")
    assert identity_of(Git(repo)) == NOBODY


def test_who_made_and_signed_a_commit_and_those_before_it_makes_no_difference(
    repo: Path, base: Oid, tmp_path: Path
) -> None:
    sign_with_a_new_key(repo, tmp_path)
    tree = merges.tree_of(Git(repo), base)
    tips = {}
    for identity in (NOBODY, OTHERS._replace(is_signing=True)):
        first = merges.commit_merge(Git(repo), tree, [base], "first\n", 7, identity)
        lifted = merges.commit_merge(Git(repo), tree, [base], "again\n", 7, identity)
        tips[identity] = merges.commit_merge(
            Git(repo), tree, [first, lifted], "second\n", 8, identity
        )
    one, other = tips.values()
    assert one != other
    assert "\ngpgsig" in git(repo, "cat-file", "-p", other)
    assert differ_by_identity_alone(Git(repo), one, other)
    assert differ_by_identity_alone(Git(repo), one, one)


def test_anything_else_makes_a_difference(repo: Path, base: Oid) -> None:
    tree = merges.tree_of(Git(repo), base)

    def made(
        message: str = "m\n", time: int = 7, parents: list[Oid] | None = None, what: Oid = tree
    ) -> Oid:
        return merges.commit_merge(Git(repo), what, parents or [base], message, time, OTHERS)

    one = merges.commit_merge(Git(repo), tree, [base], "m\n", 7)
    assert differ_by_identity_alone(Git(repo), one, made())
    empty = Oid(git(repo, "mktree"))
    before = merges.commit_merge(Git(repo), tree, [], "another first\n", 7)
    others = [
        made(message="n\n"),
        made(time=8),
        made(parents=[base, before]),
        made(parents=[before]),
        made(what=empty),
        tree,
        Oid("1" * 40),
    ]
    for other in others:
        assert not differ_by_identity_alone(Git(repo), one, other)


@pytest.mark.parametrize("key", ["gpg.program", "gpg.ssh.program", "gpg.ssh.defaultKeyCommand"])
def test_a_signer_that_the_repository_names_is_refused(repo: Path, key: str) -> None:
    refuse_planted_signers(Git(repo))
    git(repo, "config", "--global", key, "mine")
    git(repo, "config", "gpg.format", "ssh")
    refuse_planted_signers(Git(repo))
    git(repo, "config", key, "/tmp/planted")
    with pytest.raises(RefusedError, match=key.lower()) as caught:
        refuse_planted_signers(Git(repo))
    assert caught.value.reason == "commit"


def test_what_cannot_be_signed_is_refused_and_what_cannot_be_made_is_an_error(
    repo: Path, base: Oid
) -> None:
    git(repo, "config", "gpg.format", "ssh")
    git(repo, "config", "user.signingKey", str(repo / "no such key"))
    signing, tree = OTHERS._replace(is_signing=True), merges.tree_of(Git(repo), base)
    with pytest.raises(RefusedError, match="did not sign") as caught:
        merges.commit_merge(Git(repo), tree, [base], "m\n", 7, signing)
    assert caught.value.reason == "commit"
    with pytest.raises(GitError):
        merges.commit_merge(Git(repo), tree, [Oid("1" * 40)], "m\n", 7, signing)
