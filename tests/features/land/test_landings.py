"""A phase lands whole or not at all, whatever comes between."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gitcoord.core.errors import (
    RefusedError,
    UnavailableError,
)
from gitcoord.core.sentences import reason_of
from gitcoord.features.inspect import facts
from gitcoord.features.land import landings, target_moves
from gitcoord.features.maintain import doctor, verify
from gitcoord.features.setup import trust
from gitcoord.features.work import claims, results, reviews
from gitcoord.features.workspace import Workspace, open_workspace
from gitcoord.store.queue import QueueLock
from tests.ledger.test_crash_points import Death, dying
from tests.support.builders import tasks
from tests.support.gates import clean, gated, ops, refusal, trusted
from tests.support.world import do, environment, found, git, record, write


def test_a_lander_that_slept_does_not_move_the_target_again(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = found(repo, tasks("a"), "x")
    do(work, "x")
    old = git("rev-parse", "main", cwd=repo)
    stale: list[Any] = []
    finish: Callable[..., RefusedError | None] = target_moves._finish

    def remembered(*args: object, **more: object) -> RefusedError | None:
        stale.append((args, more))
        return finish(*args, **more)

    monkeypatch.setattr(target_moves, "_finish", remembered)
    landings.land(work, "default")
    # The landing is done; then somebody takes the target back on purpose.
    git("reset", "-q", "--hard", old, cwd=repo)
    args, more = stale[0]
    finish(*args, **more)
    assert git("rev-parse", "main", cwd=repo) == old


def test_a_checked_out_target_follows_and_local_changes_in_the_way_are_refused(repo: Path) -> None:
    work = found(repo, tasks("a"), "x")
    do(work, "x")
    (repo / "a").mkdir()
    (repo / "a" / "file.txt").write_text("mine\n")
    tip = work.ledger.tip()
    with pytest.raises(RefusedError) as caught:
        landings.land(work, "default")
    assert caught.value.reason == "worktree"
    assert work.ledger.tip() == tip
    assert (repo / "a" / "file.txt").read_text() == "mine\n"
    (repo / "a" / "file.txt").unlink()
    (repo / "README.md").write_text("edited, elsewhere\n")
    landings.land(work, "default")
    assert (repo / "a" / "file.txt").read_text() == "x\n"
    assert (repo / "README.md").read_text() == "edited, elsewhere\n"
    assert git("status", "--porcelain", cwd=repo) == "M README.md"
    assert landings.land(work, "default").already


def test_a_target_that_moved_meanwhile_is_merged_with(repo: Path) -> None:
    work = found(repo, tasks("a"), "x")
    do(work, "x")
    write(repo, "elsewhere.txt")
    landings.land(work, "default")
    assert (repo / "elsewhere.txt").exists()
    assert (repo / "a" / "file.txt").exists()
    log = git("log", "-1", "--format=%(trailers:key=Gitcoord-Task,valueonly)", "main", cwd=repo)
    assert log == "a"


def test_a_hook_that_forbids_the_move_aborts_the_landing(repo: Path) -> None:
    work = found(repo, tasks("a"), "x")
    do(work, "x")
    hook = repo / ".git" / "hooks" / "reference-transaction"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(
        '#!/bin/sh\n[ "$1" = prepared ] || exit 0\n'
        '[ -z "$GITCOORD_LANDING" ] || { echo not on Fridays >&2; exit 1; }\n'
    )
    hook.chmod(0o755)
    before = git("rev-parse", "main", cwd=repo)
    with pytest.raises(RefusedError) as caught:
        landings.land(work, "default")
    assert caught.value.reason == "hook"
    assert "not on Fridays" in caught.value.message
    assert git("rev-parse", "main", cwd=repo) == before
    assert facts.status(work)["escalations"][0]["kind"] == "landing-aborted"
    hook.unlink()
    landings.land(work, "default")
    verify.verify(work)


def test_work_that_was_landed_and_reverted_lands_again(repo: Path) -> None:
    plan = tasks("a")
    work = found(repo, plan, "x")
    claimed = claims.claim(work, "x", "a")
    oid = write(Path(claimed.worktree or ""), "a/file.txt")
    results.complete(work, "x", "a", claimed.claim["token"])
    git("merge", "-q", "--no-ff", "--no-edit", oid, cwd=repo)
    git("revert", "--no-edit", "-m", "1", "HEAD", cwd=repo)
    assert not (repo / "a" / "file.txt").exists()
    landings.land(work, "default")
    assert (repo / "a" / "file.txt").exists()


def test_what_lands_is_the_very_commit_that_was_tested(repo: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run = (
        f"env | grep ^GITCOORD | grep -v WORKTREE | sort > {out}; ls >> {out}; git rev-parse HEAD "
        f">> {out}"
    )
    work = trusted(repo, gated("a", "b", run=run), "x", "y")
    do(work, "x", "a")
    do(work, "y", "b")
    done = landings.land(work, "default")
    assert list(done.gates) == ["g"]
    assert out.read_text().split() == [
        f"GITCOORD_COMMIT={done.new}",
        "GITCOORD_GATE=g",
        "GITCOORD_LEDGER=ledger",
        "GITCOORD_PHASE=default",
        "README.md",
        "a",
        "b",
        done.new,
    ]
    assert git("rev-parse", "main", cwd=repo) == done.new
    event = next(
        entry
        for entry in facts.history(work, work.ledger.tip(), limit=10)
        if entry["op"] == "land-begin"
    )
    assert event["tasks"] == []
    assert landings.land(work, "default").already
    verify.verify(work)
    clean(repo)


def once(tmp_path: Path, act: str) -> str:
    """Give a gate that does something beside it, the first time it runs."""
    return (
        f"test -e {tmp_path}/acted || {{ touch {tmp_path}/acted; {act}; }} >/dev/null 2>&1; echo x "
        f">> {tmp_path}/runs"
    )


def runs(tmp_path: Path) -> int:
    return (tmp_path / "runs").read_text().count("x")


def test_a_target_that_moves_while_gates_run_is_merged_and_tested_again(
    repo: Path, tmp_path: Path
) -> None:
    act = f"cd {repo} && echo more > more.txt && git add more.txt && git commit -qm more"
    work = trusted(repo, gated("a", run=once(tmp_path, act)), "x")
    do(work, "x", "a")
    done = landings.land(work, "default")
    assert runs(tmp_path) == 2
    assert git("show", "main:more.txt", cwd=repo) == "more"
    assert git("rev-list", "--count", f"{done.old}..main", "--first-parent", cwd=repo) == "1"


def gitcoord(*words: str) -> str:
    return (
        f"PYTHONPATH={environment()['PYTHONPATH']} {sys.executable} -m gitcoord {' '.join(words)}"
    )


def test_a_task_that_is_added_while_gates_run_keeps_the_phase_from_landing(
    repo: Path, tmp_path: Path
) -> None:
    run = once(tmp_path, f"cd {repo} && {gitcoord('plan apply', str(tmp_path / 'more.toml'))}")
    work = trusted(repo, gated("a", run=run), "x")
    (tmp_path / "more.toml").write_text(gated("a", "b", run=run))
    do(work, "x", "a")
    error = refusal(work)
    assert (error.reason, error.facts["missing"]) == ("not-whole", ["b"])


def test_a_gate_that_is_redefined_while_it_runs_is_run_again_and_needs_trust(
    repo: Path, tmp_path: Path
) -> None:
    run = once(tmp_path, f"cd {repo} && {gitcoord('plan apply', str(tmp_path / 'other.toml'))}")
    work = trusted(repo, gated("a", run=run), "x")
    (tmp_path / "other.toml").write_text(gated("a", run="exit 1"))
    do(work, "x", "a")
    assert refusal(work).reason == "trust"
    trust.trust(work, work.ledger.snapshot())
    assert refusal(work).reason == "gate"


def test_a_result_that_is_redone_while_gates_run_is_not_landed(repo: Path, tmp_path: Path) -> None:
    work = trusted(
        repo, gated("a", "b", run=once(tmp_path, f"cd {repo} && {gitcoord('cancel', 'b')}")), "x"
    )
    do(work, "x", "a")
    do(work, "x", "b")
    done = landings.land(work, "default")
    assert (done.results, runs(tmp_path)) == (1, 2)
    assert not (repo / "b").exists()


def test_changes_that_come_in_the_way_while_gates_run_are_a_refusal(
    repo: Path, tmp_path: Path
) -> None:
    work = trusted(
        repo,
        gated("a", run=once(tmp_path, f"mkdir -p {repo}/a && echo mine > {repo}/a/file.txt")),
        "x",
    )
    do(work, "x", "a")
    assert refusal(work).reason == "worktree"
    assert (repo / "a/file.txt").read_text() == "mine\n"
    (repo / "a/file.txt").unlink()
    landings.land(work, "default")
    assert runs(tmp_path) == 1


def test_two_landings_at_once_are_one_and_the_other_waits_or_says_who(repo: Path) -> None:
    work = trusted(repo, gated("a", run="sleep 1"), "x")
    do(work, "x", "a")
    command = [sys.executable, "-m", "gitcoord", "-C", str(repo), "phase", "land", "default"]
    command += ["--json"]
    both = [
        subprocess.Popen(
            command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in "12"
    ]
    said = [one.communicate() for one in both]
    assert [one.returncode for one in both] == [0, 0], said
    assert sum('"already": true' in out for out, _ in said) == 1
    assert ops(work).count("land-done") == 1


def test_a_landed_phase_that_was_taken_out_of_the_target_is_not_said_to_be_there(
    repo: Path,
) -> None:
    work = trusted(repo, gated("a"), "x")
    do(work, "x", "a")
    done = landings.land(work, "default")
    assert landings.land(work, "default").already
    assert [one.state for one in doctor.examine(work).findings if one.check == "landed"] == ["ok"]
    write(repo, "later.txt")
    assert landings.land(work, "default").already, "a target that moved on contains it"
    git("reset", "-q", "--hard", done.old, cwd=repo)
    refused = refusal(work)
    assert refused.reason == "target-moved"
    assert (
        refused.message
        == f"phase default landed as {done.new[:12]}, and main does not contain it any more"
    )
    for ref in git(
        "for-each-ref",
        "--format=%(refname)",
        "refs/gitcoord/ledger/landing",
        "refs/gitcoord/ledger/results",
        cwd=repo,
    ).splitlines():
        git("update-ref", "-d", ref, cwd=repo)
    git("reflog", "expire", "--expire=now", "--all", cwd=repo)
    git("gc", "-q", "--prune=now", cwd=repo)
    assert refusal(work).reason == "target-moved", "nor is one that is gone altogether"
    found = next(one for one in doctor.examine(work).findings if one.check == "landed")
    assert (found.state, found.text) == ("problem", "main does not contain what landed: default")


def test_a_landing_that_runs_elsewhere_is_named(repo: Path) -> None:
    work = trusted(repo, gated("a"), "x")
    do(work, "x", "a")
    work.ledger.timeout_s = 0.2
    with (
        QueueLock(work.ledger.files.landing_lock).hold(1),
        pytest.raises(UnavailableError, match=rf"process {os.getpid()} \(.+\) is landing"),
    ):
        landings.land(work, "default")


def test_a_lander_that_slept_while_another_finished_changes_nothing(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = trusted(repo, gated("a"), "x")
    do(work, "x", "a")
    finish = target_moves.finish_pending

    def sleep_before_it(mine: Workspace, **more: Any) -> Any:
        if mine is work and mine.ledger.snapshot().settings()["pending"] is not None:
            other = open_workspace(repo)
            finish(other)
            write(repo, "later.txt")
            other.close()
        return finish(mine, **more)

    monkeypatch.setattr(landings, "finish_pending", sleep_before_it)
    done = landings.land(work, "default")
    assert git("merge-base", done.new, "main", cwd=repo) == done.new
    assert git("show", "main:later.txt", cwd=repo) == "x"
    assert ops(work).count("land-done") == 1


@pytest.mark.long
def test_a_lander_that_dies_at_any_call_leaves_no_half_of_a_gated_landing(
    repo: Path, tmp_path: Path
) -> None:
    work = trusted(repo, gated("a", "b", run="true"), "x", "y")
    do(work, "x", "a")
    do(work, "y", "b")
    work.close()
    saved = tmp_path / "saved"
    shutil.copytree(repo, saved, symlinks=True)
    for at in range(1, 400, 7):
        shutil.rmtree(repo)
        shutil.copytree(saved, repo, symlinks=True)
        victim = dying(repo, at)
        try:
            landings.land(victim, "default")
        except Death:
            is_dead = True
        else:
            is_dead = False
        heir = open_workspace(repo)
        assert git("rev-list", "--count", "main", cwd=repo) in {"1", "5"}, (
            "all of the phase, or nothing"
        )
        done = landings.land(heir, "default")
        assert git("rev-parse", "main", cwd=repo) == done.new
        assert list(done.gates) == ["g"]
        verify.verify(heir)
        heir.close()
        if not is_dead:
            return
    raise AssertionError("the landing never ended")


def test_an_automatic_landing_runs_the_gates(repo: Path) -> None:
    work = trusted(repo, gated("a", head='[plan]\nlanding = "auto"\n'), "x")
    do(work, "x", "a", "bad\n")
    error = landings.land_automatically(work, "default")
    assert isinstance(error, RefusedError)
    assert (error.reason, error.facts["tasks"]) == ("gate", ["a"])


def rebased(repo: Path) -> None:
    """Leave the target in the middle of a rebase, in the main worktree."""
    git("checkout", "-q", "-b", "feature", cwd=repo)
    write(repo, "README.md", "theirs\n")
    git("checkout", "-q", "main", cwd=repo)
    write(repo, "README.md", "mine\n")
    subprocess.run(["git", "rebase", "-q", "feature"], cwd=repo, check=False, capture_output=True)


def test_a_target_that_is_being_rebased_is_not_moved(repo: Path) -> None:
    work = found(repo, tasks("a"), "x")
    do(work, "x", "a")
    rebased(repo)
    error = refusal(work)
    assert error.reason == "rebase"
    assert str(repo) in error.message
    git("rebase", "--abort", cwd=repo)
    assert landings.land(work, "default").results == 1
    assert (repo / "a" / "file.txt").exists()


def test_a_checkout_that_core_bare_hides_is_not_left_behind(repo: Path) -> None:
    work = found(repo, tasks("a"), "x")
    do(work, "x", "a")
    git("config", "core.bare", "true", cwd=repo)
    hidden = open_workspace(repo)
    error = refusal(hidden)
    assert error.reason == "worktree"
    assert "core.bare" in error.message
    shown = [one for one in doctor.examine(hidden).problems if one.check == "worktrees"]
    assert any("core.bare" in one.text for one in shown)
    git("config", "core.bare", "false", cwd=repo)
    landings.land(open_workspace(repo), "default")
    assert (repo / "a" / "file.txt").exists()


def test_work_in_a_directory_that_the_target_renamed_is_given_back(repo: Path) -> None:
    for number in range(4):
        write(repo, f"a/{number}", f"text number {number}, long enough to be known again\n")
    work = found(repo, tasks("a", "b"), "x")
    do(work, "x", "a", name="a/new")
    do(work, "x", "b")
    git("mv", "a", "lib", cwd=repo)
    git("commit", "-q", "-m", "rename", cwd=repo)
    error = refusal(work)
    assert error.reason == "conflict"
    assert "renamed" in error.message
    assert "lib/new" in error.message
    task = record(work, "a")
    assert (task["state"], record(work, "b")["state"]) == ("open", "done")
    (setback,) = task["setbacks"]
    assert setback["values"]["reason"]["code"] == "result-renamed"
    assert "renamed" in reason_of(setback)
    do(work, "x", "a", name="a/new")
    assert landings.land(work, "default").results == 2
    assert (repo / "a" / "new").exists()
    verify.verify(work)


def test_work_that_the_target_renamed_can_be_kept_where_it_was(repo: Path) -> None:
    for number in range(4):
        write(repo, f"a/{number}", f"text number {number}, long enough to be known again\n")
    work = found(repo, tasks("a"), "x")
    claimed = claims.claim(work, "x", "a")
    place = Path(claimed.worktree or "")
    write(place, "a/new")
    git("mv", "a", "lib", cwd=repo)
    git("commit", "-q", "-m", "rename", cwd=repo)
    with pytest.raises(RefusedError, match="by its landing") as caught:
        results.complete(work, "x", "a", claimed.claim["token"])
    assert "merge.directoryRenames=false rebase" in caught.value.hint
    git("-c", "merge.directoryRenames=false", "rebase", "-q", "main", cwd=place)
    results.complete(work, "x", "a", claimed.claim["token"])
    landings.land(work, "default")
    assert (repo / "a" / "new").exists()


def test_a_landing_tells_who_approved_and_which_gates_passed(repo: Path) -> None:
    head = (
        '[[phase]]\nname = "default"\nreviews = 1\n'
        'gates = [{ name = "tests", run = "true" }, { name = "lint", run = "true" }]\n'
    )
    work = found(repo, head + tasks("a", "b", b=["a"]), "x", "y")
    trust.trust(work, work.ledger.snapshot())
    for name in ("a", "b"):
        claimed = claims.claim(work, "x", name)
        write(Path(claimed.worktree or ""), f"{name}/file.txt")
        results.complete(work, "x", name, claimed.claim["token"])
        reviews.claim(work, "y", name)
        reviews.judge(work, "y", name, "approve", "fine")
    landings.land(work, "default")
    trailers = "--format=%(trailers:key=Reviewed-by,key=Gitcoord-Gate,separator=%x2C)"
    shown = git("log", "--first-parent", "-2", trailers, "main", cwd=repo).splitlines()
    assert shown == [
        "Reviewed-by: y <y@ledger.gitcoord.invalid>,Gitcoord-Gate: tests,Gitcoord-Gate: lint",
        "Reviewed-by: y <y@ledger.gitcoord.invalid>",
    ]


def test_the_target_s_own_line_has_landings_and_no_bases(repo: Path) -> None:
    names = ["a", "b", "c", "d"]
    work = found(repo, tasks(*names, "last", last=names), "x")
    for name in [*names, "last"]:
        do(work, "x", name)
    landings.land(work, "default")
    subjects = git("log", "--first-parent", "--format=%s", "main", cwd=repo).splitlines()
    assert len(subjects) == 6
    assert all(subject.startswith("Land task ") for subject in subjects[:5])
    assert "Base of a task" in git("log", "--format=%s", "main", cwd=repo)
