"""A landing is made and signed by the user who lands."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitcoord.features.land import landings
from gitcoord.features.land.target_moves import finish_pending
from gitcoord.features.maintain import verify
from tests.support.builders import tasks
from tests.support.gates import gated, refusal, trusted
from tests.support.signing import sign_with_a_new_key
from tests.support.world import do, found, git, record

OF_A_COMMIT = "--format=%an <%ae>, %cn <%ce>"
TESTER = "Tester <tester@example.invalid>"


def test_the_user_who_lands_is_author_and_committer_of_its_merges(repo: Path) -> None:
    git("config", "committer.name", "Release bot", cwd=repo)
    work = found(repo, tasks("a", "b", b=["a"]), "x")
    for name in ("a", "b"):
        do(work, "x", name)
    would_be = landings.check_phase(work, "default").new
    assert landings.land(work, "default").new == would_be, "checking tells what landing makes"
    shown = git("log", "--first-parent", "-2", OF_A_COMMIT, "main", cwd=repo).splitlines()
    assert shown == [f"{TESTER}, Release bot <tester@example.invalid>"] * 2


def test_each_merge_is_signed_before_the_gates_run_on_it(repo: Path, tmp_path: Path) -> None:
    sign_with_a_new_key(repo, tmp_path)
    seen = tmp_path / "seen"
    plan = gated("a", "b", run=f"git verify-commit HEAD && git rev-parse HEAD > {seen}", b=["a"])
    work = trusted(repo, plan, "x")
    for name in ("a", "b"):
        do(work, "x", name)
    landed = landings.land(work, "default")
    assert seen.read_text().strip() == landed.new
    for commit in git("rev-list", "--first-parent", f"{landed.old}..main", cwd=repo).split():
        git("verify-commit", commit, cwd=repo)
    verify.verify(work)


def test_a_base_is_nobodys_and_unsigned(repo: Path, tmp_path: Path) -> None:
    sign_with_a_new_key(repo, tmp_path)
    work = found(repo, tasks("a", "b", "c", c=["a", "b"]), "x")
    for name in ("a", "b", "c"):
        do(work, "x", name)
    base = record(work, "c")["result"]["base"]
    assert len(git("rev-parse", f"{base}^@", cwd=repo).split()) == 2
    assert "gpgsig" not in git("cat-file", "-p", base, cwd=repo)
    assert git("log", "-1", "--format=%an", base, cwd=repo) == "gitcoord"


@pytest.mark.parametrize("is_its_own", [True, False])
def test_a_signed_landing_that_was_cut_off_is_finished_by_another_user(
    repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_its_own: bool
) -> None:
    sign_with_a_new_key(repo, tmp_path)
    work = trusted(repo, gated("a", run="true"), "x")
    do(work, "x", "a")

    class KilledError(Exception):
        pass

    def die(*_args: object, made: str = "", **_more: object) -> None:
        if made:
            raise KilledError

    with monkeypatch.context() as patched:
        patched.setattr(landings, "finish_pending", die)
        with pytest.raises(KilledError):
            landings.land(work, "default")
    pending = work.ledger.snapshot().settings()["pending"]
    assert pending is not None
    if not is_its_own:
        git("config", "user.name", "Another", cwd=repo)
        git("config", "commit.gpgSign", "false", cwd=repo)
    finish_pending(work)
    assert git("rev-parse", "main", cwd=repo) == pending["new"]
    git("verify-commit", "main", cwd=repo)
    verify.verify(work)


def test_an_agent_cannot_have_a_landing_signed_by_a_program_of_its_own(
    repo: Path, tmp_path: Path
) -> None:
    sign_with_a_new_key(repo, tmp_path)
    work = found(repo, tasks("a"), "x")
    do(work, "x", "a")
    planted = tmp_path / "planted"
    planted.write_text(f'#!/bin/sh\ntouch {tmp_path}/ran\nexec ssh-keygen "$@"\n')
    planted.chmod(0o755)
    git("config", "gpg.ssh.program", str(planted), cwd=repo)
    assert refusal(work).reason == "commit"
    assert not (tmp_path / "ran").exists()
    git("config", "--unset", "gpg.ssh.program", cwd=repo)
    git("config", "--global", "gpg.ssh.program", str(planted), cwd=repo)
    landings.land(work, "default")
    assert (tmp_path / "ran").exists()


def test_a_landing_that_cannot_be_signed_moves_nothing(repo: Path, tmp_path: Path) -> None:
    sign_with_a_new_key(repo, tmp_path)
    work = found(repo, tasks("a"), "x")
    do(work, "x", "a")
    key = Path(git("config", "user.signingKey", cwd=repo))
    key.rename(key.with_name("elsewhere"))
    key.with_suffix(".pub").unlink()
    assert landings.check_phase(work, "default").is_ready, "to look needs no key"
    refused = refusal(work)
    assert refused.reason == "commit"
    assert "did not sign" in refused.message
    assert record(work, "a")["state"] == "done"
    key.with_name("elsewhere").rename(key)
    landings.land(work, "default")
    git("verify-commit", "main", cwd=repo)


def test_work_that_lands_again_after_a_revert_is_signed_whole(repo: Path, tmp_path: Path) -> None:
    sign_with_a_new_key(repo, tmp_path)
    work = found(repo, tasks("a"), "x")
    do(work, "x", "a")
    oid = record(work, "a")["result"]["oid"]
    git("merge", "-q", "--no-ff", "--no-edit", oid, cwd=repo)
    git("revert", "--no-edit", "-m", "1", "HEAD", cwd=repo)
    landed = landings.land(work, "default")
    git("verify-commit", f"{landed.new}^2", cwd=repo)
    assert (repo / "a" / "file.txt").exists()
