"""Checks and gates in real repositories: what runs, on what, and what its verdict does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gitcoord.core.errors import ClaimLostError, RefusedError
from gitcoord.features.inspect import facts
from gitcoord.features.land import landings
from gitcoord.features.maintain import verify
from gitcoord.features.setup import plans, trust
from gitcoord.features.work import claims, results
from tests.support.builders import tasks
from tests.support.gates import checked, clean, gated, ops, refusal, trusted
from tests.support.world import do, environment, found, git, record, write

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
    assert name == str(work.logs.attempts_of("a")[0])
    kept = facts.show(work, "a")["task"]["logs"][0]
    assert git("show", f"gitcoord/ledger:{kept}", cwd=repo) == "here is why"
    assert facts.show(work, "a")["task"]["check"]["verdict"] == "failed"


def test_an_untrusted_check_runs_nothing_and_a_changed_one_is_untrusted_again(
    repo: Path, tmp_path: Path
) -> None:
    mark = tmp_path / "ran"
    work = found(repo, checked(f"touch {mark}"), "x")
    for run in (f"touch {mark}", f"touch  {mark}"):
        plans.apply_plan(work, checked(run), "plan.toml")
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


def test_an_untrusted_gate_runs_nothing_and_lands_nothing(repo: Path, tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    work = found(repo, gated("a", run=f"touch {mark}"), "x")
    do(work, "x", "a")
    error = refusal(work)
    assert (error.reason, error.facts["commands"]) == ("trust", [f"gate: touch {mark}"])
    assert "`gitcoord trust`" in error.hint
    assert not landings.check_phase(work, "default").is_ready
    trust.trust(work, work.ledger.snapshot())
    plans.apply_plan(work, gated("a", run=f"touch  {mark}"), "plan.toml")
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
    assert refusal(work).reason == "hook"
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
