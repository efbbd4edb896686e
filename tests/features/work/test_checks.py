"""Checks and gates in real repositories, and all that may come between."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gitcoord.core.errors import ClaimLostError, RefusedError, UnavailableError, UsageError
from gitcoord.features.inspect import facts
from gitcoord.features.land import candidates, landings
from gitcoord.features.maintain import doctor, verify
from gitcoord.features.run import reviews, runner
from gitcoord.features.setup import ledger, trust
from gitcoord.features.work import claims, results
from gitcoord.features.workspace import Workspace, open_workspace
from gitcoord.store.queue import QueueLock
from tests.ledger.test_crash_points import Death, dying
from tests.support.builders import tasks
from tests.support.world import do, environment, found, git, record, write

GOOD = "! grep -rq bad [a-z]/"


def gated(*names: str, run: str = GOOD, head: str = "", more: str = "", **needs: Any) -> str:
    gate = f"gates = [{{ name = 'g', run = '''{run}'''{more} }}]"
    return f'{head}\n[[phase]]\nname = "default"\n{gate}\n' + tasks(*names, **needs)


def checked(run: str, head: str = "") -> str:
    return head + "\n" + tasks("a") + f"check = '''{run}'''\n"


def trusted(repo: Path, plan: str, *names: str) -> Workspace:
    work = found(repo, plan, *names)
    trust.trust(work, work.ledger.snapshot())
    return work


def refusal(work: Workspace, **more: Any) -> RefusedError:
    tip = git("rev-parse", "main", cwd=work.place.common_dir)
    with pytest.raises(RefusedError) as caught:
        landings.land(work, "default", **more)
    assert git("rev-parse", "main", cwd=work.place.common_dir) == tip, "nothing moves"
    return caught.value


def ops(work: Workspace) -> list[str]:
    return [entry["op"] for entry in facts.history(work, work.ledger.tip(), limit=1000)]


def clean(repo: Path) -> None:
    assert not repo.with_name("repo.gates").exists()
    assert not list((repo / ".git/gitcoord/checks").glob("*"))


# checks


def test_a_check_runs_on_exactly_what_is_handed_in(repo: Path) -> None:
    work = trusted(repo, checked("test $(cat a/file.txt) = good && test ! -e a/untracked"), "x")
    claimed = claims.claim(work, "x", "a")
    place = Path(claimed.worktree or "")
    write(place, "a/file.txt", "bad\n")
    with pytest.raises(RefusedError) as caught:
        results.complete(work, "x", "a", claimed.claim["token"])
    assert (caught.value.reason, caught.value.facts["why"]) == ("check", "it ended with status 1")
    assert record(work, "a")["state"] == "claimed"
    write(place, "a/file.txt", "good\n")
    assert results.complete(work, "x", "a", claimed.claim["token"]).task["state"] == "done"
    assert [op for op in ops(work) if op == "check"] == ["check"] * 2
    verify.verify(work)
    clean(repo)


def test_the_output_of_a_check_is_kept_in_the_ledger(repo: Path) -> None:
    work = trusted(repo, checked("echo here is why; exit 1"), "x")
    claimed = claims.claim(work, "x", "a")
    write(Path(claimed.worktree or ""), "a/file.txt")
    with pytest.raises(RefusedError) as caught:
        results.complete(work, "x", "a", claimed.claim["token"])
    assert caught.value.facts["log"] == "here is why"
    name, text = facts.log_of(work, "a")
    assert text == "here is why\n"
    shown = git("show", f"gitcoord/ledger:{name}", cwd=repo)
    assert shown == "here is why"
    assert facts.show(work, "a")["task"]["check"]["verdict"] == "failed"


def test_an_untrusted_check_runs_nothing_and_a_changed_one_is_untrusted_again(
    repo: Path, tmp_path: Path
) -> None:
    mark = tmp_path / "ran"
    work = found(repo, checked(f"touch {mark}"), "x")
    for run in (f"touch {mark}", f"touch  {mark}"):
        ledger.apply_plan(work, checked(run), "plan.toml")
        claimed = claims.claim(work, "x", "a")
        write(Path(claimed.worktree or ""), "a/file.txt", run)
        with pytest.raises(RefusedError) as caught:
            results.complete(work, "x", "a", claimed.claim["token"])
        assert caught.value.reason == "trust"
        assert not mark.exists()
        trust.trust(work, work.ledger.snapshot())
        results.release(work, "x", "a", claimed.claim["token"])
    do(work, "x", "a")
    assert mark.exists()


def test_a_pass_is_used_again_for_the_same_tree_and_definition(repo: Path, tmp_path: Path) -> None:
    count = tmp_path / "count"
    work = trusted(repo, checked(f"echo x >> {count}"), "x")
    claimed = do(work, "x", "a")
    work.ledger.execute(
        {"op": "reopen", "task": "a", "kind": "conflict", "reason": "again"}, agent="orchestrator"
    )
    again = claims.claim(work, "x", "a")
    tip = git("rev-parse", claimed.claim["branch"], cwd=repo)
    results.complete(work, "x", "a", again.claim["token"], result=tip)
    assert count.read_text() == "x\n"


def test_a_check_on_no_commit_runs_on_the_base(repo: Path) -> None:
    work = trusted(repo, checked("test -f README.md && test ! -e a") + 'result = "optional"\n', "x")
    claimed = claims.claim(work, "x", "a")
    results.complete(work, "x", "a", claimed.claim["token"], no_result=True)
    assert record(work, "a")["state"] == "done"


def test_the_lease_is_kept_while_a_check_runs(repo: Path) -> None:
    head = '[plan]\nlease = "600ms"\nheartbeat = "200ms"\n'
    work = trusted(repo, checked("sleep 2.5", head), "x", "y")
    claimed = claims.claim(work, "x", "a")
    write(Path(claimed.worktree or ""), "a/file.txt")
    work.ledger.beat("x", claimed.claim["token"])
    thief = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "gitcoord",
            "-C",
            str(repo),
            "--agent",
            "y",
            "claim",
            "a",
            "--no-checkout",
            "--wait",
            "--timeout",
            "2",
        ],
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    assert results.complete(work, "x", "a", claimed.claim["token"]).task["state"] == "done"
    assert thief.wait() != 0


def test_a_check_is_ended_when_the_claim_is_taken(repo: Path) -> None:
    head = '[plan]\nlease = "900ms"\nheartbeat = "200ms"\n'
    take = f"cd {repo} && {sys.executable} -m gitcoord assign a y >/dev/null && sleep 600"
    work = trusted(
        repo, checked(f"export PYTHONPATH={environment()['PYTHONPATH']}; {take}", head), "x", "y"
    )
    claimed = claims.claim(work, "x", "a")
    write(Path(claimed.worktree or ""), "a/file.txt")
    work.ledger.beat("x", claimed.claim["token"])
    with pytest.raises(ClaimLostError):
        results.complete(work, "x", "a", claimed.claim["token"])
    assert record(work, "a")["assigned"] == "y"
    clean(repo)


# gates


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


def test_an_untrusted_gate_runs_nothing_and_lands_nothing(repo: Path, tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    work = found(repo, gated("a", run=f"touch {mark}"), "x")
    do(work, "x", "a")
    error = refusal(work)
    assert (error.reason, error.facts["commands"]) == ("trust", [f"gate: touch {mark}"])
    assert "`gitcoord trust`" in error.hint
    assert not landings.check_phase(work, "default").is_ready
    trust.trust(work, work.ledger.snapshot())
    ledger.apply_plan(work, gated("a", run=f"touch  {mark}"), "plan.toml")
    assert refusal(work).reason == "trust"
    assert not mark.exists()
    trust.trust(work, work.ledger.snapshot())
    assert landings.check_phase(work, "default").is_ready
    landings.land(work, "default")


@pytest.mark.parametrize(
    "run",
    ["no-such-command", "kill -9 $$", "./README.md", f"{sys.executable} -m unittest discover"],
)
def test_a_gate_that_cannot_run_has_failed(repo: Path, run: str) -> None:
    work = trusted(repo, gated("a", run=run), "x")
    do(work, "x", "a")
    assert refusal(work).reason == "gate"


def test_a_gate_that_hangs_has_failed(repo: Path) -> None:
    work = trusted(repo, gated("a", run="sleep 600", more=', timeout = "300ms"'), "x")
    do(work, "x", "a")
    assert refusal(work).facts["why"] == "it took longer than 0s"


@pytest.mark.parametrize("bad", ["a", "d", "f"])
def test_the_culprit_is_named_and_given_back_with_the_log(repo: Path, bad: str) -> None:
    names = list("abcdef")
    work = trusted(repo, gated(*names, run="if grep -r bad [a-z]/; then exit 1; fi"), "x")
    for name in names:
        do(work, "x", name, "bad\n" if name == bad else "good\n")
    error = refusal(work)
    assert (error.reason, error.facts["tasks"]) == ("gate", [bad])
    for name in names:
        assert record(work, name)["state"] == ("open" if name == bad else "done")
    setback = record(work, bad)["setbacks"][-1]
    assert setback["kind"] == "gate"
    assert setback["reason"] == f"gate g fails with it: it ended with status 1\n{bad}/file.txt:bad"
    assert facts.log_of(work, bad)[1] == f"{bad}/file.txt:bad\n"
    do(work, "x", bad, "good\n")
    assert landings.land(work, "default").results == 6
    verify.verify(work)
    clean(repo)


def test_two_culprits_are_two_names(repo: Path) -> None:
    names = list("abcdef")
    work = trusted(repo, gated(*names), "x")
    for name in names:
        do(work, "x", name, "bad\n" if name in "be" else "good\n")
    assert sorted(refusal(work).facts["tasks"]) == ["b", "e"]  # type: ignore[arg-type, type-var]
    assert [name for name in names if record(work, name)["state"] == "open"] == ["b", "e"]


def test_of_two_results_that_fail_only_together_the_later_is_named(repo: Path) -> None:
    names = list("abcde")
    work = trusted(repo, gated(*names, run="test $(cat [a-z]/file.txt | grep -c half) -lt 2"), "x")
    for name in names:
        do(work, "x", name, "half\n" if name in "bd" else "good\n")
    assert refusal(work).facts["tasks"] == ["d"]
    assert record(work, "b")["state"] == "done"


def test_what_was_built_on_a_culprit_is_done_again_and_no_culprit(repo: Path) -> None:
    work = trusted(repo, gated("a", "b", "c", b=["a"]), "x")
    for name in "abc":
        do(work, "x", name, "bad\n" if name == "a" else "good\n")
    assert refusal(work).facts["tasks"] == ["a"]
    assert [record(work, name)["state"] for name in "abc"] == ["open", "open", "done"]
    assert record(work, "b")["setbacks"][-1]["kind"] == "base-redone"


def test_a_gate_that_fails_on_the_target_alone_blames_nobody(repo: Path) -> None:
    work = trusted(repo, gated("a", "b", run="exit 1"), "x")
    do(work, "x", "a")
    do(work, "x", "b")
    error = refusal(work)
    assert (error.reason, error.facts["tasks"]) == ("gate", [])
    assert [record(work, name)["state"] for name in "ab"] == ["done", "done"]


def test_a_target_that_has_no_tests_yet_is_not_to_blame(repo: Path) -> None:
    (repo / ".gitignore").write_text("__pycache__/\n")
    git("add", ".", cwd=repo)
    git("commit", "-qm", "ignore", cwd=repo)
    work = trusted(repo, gated("a", "b", run=f"{sys.executable} -m unittest discover -s ."), "x")
    claimed = claims.claim(work, "x", "a")
    place = Path(claimed.worktree or "")
    write(place, "a/__init__.py", "")
    write(
        place,
        "a/test_a.py",
        "import unittest\nclass T(unittest.TestCase):\n    def test(self): self.fail()\n",
    )
    results.complete(work, "x", "a", claimed.claim["token"])
    do(work, "x", "b")
    assert refusal(work).facts["tasks"] == ["a"]


def test_where_no_test_ever_ran_nobody_is_to_blame(repo: Path) -> None:
    work = trusted(repo, gated("a", "b", run=f"{sys.executable} -m unittest discover -s ."), "x")
    do(work, "x", "a")
    do(work, "x", "b")
    error = refusal(work)
    assert (error.facts["why"], error.facts["tasks"]) == ("no tests ran (unittest)", [])


def test_a_flaky_gate_is_tried_once_more_only_where_it_says_so(repo: Path, tmp_path: Path) -> None:
    run = f"if test -e {tmp_path}/seen; then exit 0; else touch {tmp_path}/seen; exit 1; fi"
    work = trusted(repo, gated("a", run=run, more=", retry = 1"), "x")
    do(work, "x", "a")
    landings.land(work, "default")


def test_a_gate_that_passed_is_not_run_again_on_the_same_tree(repo: Path, tmp_path: Path) -> None:
    work = trusted(repo, gated("a", run=f"echo x >> {tmp_path}/count"), "x")
    do(work, "x", "a")
    hook = repo / ".git/hooks/reference-transaction"
    hook.write_text(
        '#!/bin/sh\nif test "$1" = prepared && grep -q refs/heads/main; then exit 1; fi\n'
    )
    hook.chmod(0o755)
    assert refusal(work).reason == "target-moved"
    hook.unlink()
    landings.land(work, "default")
    assert (tmp_path / "count").read_text() == "x\n"


def test_two_gates_run_in_their_order_and_the_first_failure_ends_it(
    repo: Path, tmp_path: Path
) -> None:
    gates = (
        f'[{{ name = "one", run = "echo one >> {tmp_path}/out; exit 1" }}, {{ name = "two", run = '
        f'"echo two >> {tmp_path}/out" }}]'
    )
    work = trusted(repo, f'[[phase]]\nname = "default"\ngates = {gates}\n' + tasks("a"), "x")
    do(work, "x", "a")
    assert refusal(work).facts["gate"] == "one"
    assert set((tmp_path / "out").read_text().split()) == {"one"}


def test_gates_required_lands_nothing_without_one(repo: Path) -> None:
    work = trusted(repo, "[plan]\ngates_required = true\n" + tasks("a"), "x")
    do(work, "x", "a")
    assert refusal(work).reason == "gates-required"
    assert not landings.check_phase(work, "default").is_ready


# what happens while the gates run


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


def test_a_target_that_moves_right_after_the_merge_loses_nothing(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = trusted(repo, gated("a"), "x")
    do(work, "x", "a")
    merge = candidates.merge
    calls: list[int] = []

    def merge_and_be_overtaken(*args: Any) -> Any:
        merged = merge(*args)
        if not calls:
            calls.append(1)
            write(repo, "more.txt", "more\n")
        return merged

    monkeypatch.setattr(candidates, "merge", merge_and_be_overtaken)
    landings.land(work, "default")
    assert git("show", "main:more.txt", cwd=repo) == "more"


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
        pytest.raises(UnavailableError, match=f"process {os.getpid()} is landing a phase"),
    ):
        landings.land(work, "default")


def test_a_lander_that_slept_while_another_finished_changes_nothing(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = trusted(repo, gated("a"), "x")
    do(work, "x", "a")
    finish = landings.finish_pending

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


# what is left out, what is kept, what is taken away


def test_a_person_can_land_the_rest_and_what_was_left_out_is_cancelled(repo: Path) -> None:
    work = trusted(repo, gated("a", "b", "c", "d", c=["b"]), "x")
    for name in "abcd":
        do(work, "x", name, "bad\n" if name == "b" else "good\n")
    done = landings.land(work, "default", without=["b"])
    assert (list(done.without), done.results) == (["b", "c"], 2)
    assert [record(work, name)["state"] for name in "abcd"] == [
        "done",
        "cancelled",
        "cancelled",
        "done",
    ]
    assert sorted(
        path.name for path in repo.iterdir() if path.is_dir() and path.name != ".git"
    ) == ["a", "d"]
    assert list(landings.land(work, "default").without) == ["b", "c"]
    verify.verify(work)


def test_only_tasks_of_the_phase_can_be_left_out(repo: Path) -> None:
    head = '[[phase]]\nname = "other"\n'
    work = trusted(repo, gated("a", "b", head=head) + tasks("z") + 'phase = "other"\n', "x")
    do(work, "x", "a")
    for name in ("z", "b"):
        if name == "b":
            work.ledger.execute({"op": "cancel", "task": "b", "reason": ""}, agent="orchestrator")
        with pytest.raises(UsageError):
            landings.land(work, "default", without=[name])


def test_a_deleted_work_branch_lands_all_the_same(repo: Path) -> None:
    work = trusted(repo, gated("a"), "x", "y")
    claimed = do(work, "x", "a")
    git("checkout", "-q", "--detach", cwd=Path(claimed.worktree or ""))
    git("branch", "-q", "-D", claimed.claim["branch"], cwd=repo)
    landings.land(work, "default")
    assert (repo / "a/file.txt").exists()


def test_a_phase_without_a_commit_lands_behind_its_gates(repo: Path) -> None:
    work = trusted(repo, gated("a", run="test ! -e a") + 'result = "optional"\n', "x")
    claimed = claims.claim(work, "x", "a")
    results.complete(work, "x", "a", claimed.claim["token"], no_result=True)
    before = git("rev-parse", "main", cwd=repo)
    done = landings.land(work, "default")
    assert (done.results, list(done.gates)) == (0, ["g"])
    assert git("rev-parse", "main", cwd=repo) == before


def test_a_result_that_is_in_the_target_already_lands_behind_its_gates(repo: Path) -> None:
    work = trusted(repo, gated("a"), "x")
    claimed = do(work, "x", "a")
    git("merge", "-q", "--no-edit", "--no-ff", claimed.claim["branch"], cwd=repo)
    git("revert", "-m", "1", "--no-edit", "HEAD", cwd=repo)
    assert not (repo / "a/file.txt").exists()
    landings.land(work, "default")
    assert (repo / "a/file.txt").exists()


def test_a_result_that_was_squashed_into_the_target_lands_too(repo: Path) -> None:
    work = trusted(repo, gated("a", "b"), "x")
    do(work, "x", "a")
    git("merge", "-q", "--squash", record(work, "a")["result"]["oid"], cwd=repo)
    git("commit", "-q", "-m", "squashed", cwd=repo)
    do(work, "x", "b")
    tip = git("rev-parse", "main", cwd=repo)
    done = landings.land(work, "default")
    assert git("diff", "--name-only", tip, done.new, cwd=repo) == "b/file.txt"
    verify.verify(work)


def test_landed_work_branches_go_and_what_is_unmerged_or_in_use_stays(repo: Path) -> None:
    work = trusted(repo, gated("a", "b", "c"), "x", "y")
    first = do(work, "x", "a")
    second = do(work, "x", "b")
    last = do(work, "y", "c")
    git("branch", "task/a/9-mine", first.claim["branch"], cwd=repo)
    tip = git(
        "commit-tree",
        f"{second.claim['branch']}^{{tree}}",
        "-p",
        second.claim["branch"],
        "-m",
        "unmerged",
        cwd=repo,
    )
    git("branch", "task/b/8-mine", tip, cwd=repo)
    landings.land(work, "default")
    left = git("for-each-ref", "--format=%(refname:short)", "refs/heads/task/", cwd=repo).split()
    assert sorted(left) == sorted(
        ["task/b/8-mine", second.claim["branch"], last.claim["branch"]]
    ), "two are checked out"


def test_an_automatic_landing_runs_the_gates(repo: Path) -> None:
    work = trusted(repo, gated("a", head='[plan]\nlanding = "auto"\n'), "x")
    do(work, "x", "a", "bad\n")
    error = landings.land_automatically(work, "default")
    assert isinstance(error, RefusedError)
    assert (error.reason, error.facts["tasks"]) == ("gate", ["a"])


def test_a_run_works_behind_gates_and_needs_trust_before_it_begins(
    repo: Path, tmp_path: Path
) -> None:
    script = tmp_path / "agent.sh"
    script.write_text(
        "#!/bin/sh\nmkdir -p $GITCOORD_TASK\n"
        f"test -e {tmp_path}/once && echo good > $GITCOORD_TASK/f || echo bad > "
        f"$GITCOORD_TASK/f\ntouch {tmp_path}/once\n"
    )
    script.chmod(0o755)
    work = found(repo, gated("a", "b"))
    with pytest.raises(RefusedError) as caught:
        runner.run(work, repo, [str(script)], 1, lambda _note: None)
    assert caught.value.reason == "trust"
    assert not (tmp_path / "once").exists()
    trust.trust(work, work.ledger.snapshot())
    notes: list[reviews.Note] = []
    assert runner.run(work, repo, [str(script)], 1, notes.append).is_landed
    assert any(note.what == "not landed" and "given back" in note.text for note in notes)


def test_a_run_behind_a_gate_that_nothing_can_pass_ends(repo: Path) -> None:
    work = trusted(repo, gated("a", run="exit 1"))
    done = runner.run(work, repo, ["sh", "-c", "mkdir -p a && echo x > a/f"], 1, lambda _note: None)
    assert not done.is_landed
    assert done.counts == {"done": 1}
