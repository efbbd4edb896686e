""""""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gitcoord.core.errors import (
    NotFoundError,
    PlanFinishedError,
    RefusedError,
    UsageError,
)
from gitcoord.features.inspect import facts
from gitcoord.features.maintain import verify
from gitcoord.features.run import reviews, runner
from gitcoord.features.setup import ledger, trust
from gitcoord.features.work import claims
from gitcoord.features.workspace import open_workspace
from tests.support.builders import tasks
from tests.support.gates import gated, trusted
from tests.support.world import SHORT, environment, found, git, record


def test_run_lands_everything_and_tries_failures_again(repo: Path, tmp_path: Path) -> None:
    work = found(repo, SHORT.replace("1s", "20s") + tasks("a", "b", "c", c=["a", "b"]))
    flag = tmp_path / "failed-once"
    script = (
        f'[ "$GITCOORD_TASK" = b ] && [ ! -e {flag} ] && touch {flag} && echo broken && exit 3\n'
        'mkdir -p "$GITCOORD_TASK" && echo "$GITCOORD_TITLE" > "$GITCOORD_TASK/out.txt"'
    )
    notes: list[reviews.Note] = []
    done = runner.run(work, repo, ["sh", "-c", script], 2, notes.append)
    assert done.is_landed
    assert (repo / "c" / "out.txt").read_text() == "Do c\n"
    failed = next(note for note in notes if note.what == "failed")
    assert (failed.task, failed.text) == ("b", "status 3: broken")
    assert "broken" in record(work, "b")["setbacks"][0]["reason"]
    with pytest.raises(PlanFinishedError):
        claims.claim(work, "run-1")
    verify.verify(work)


def test_run_fails_a_command_that_writes_outside_and_keeps_what_it_left(repo: Path) -> None:
    work = found(repo, "[plan]\nmax_attempts = 1\n" + tasks("a"))
    done = runner.run(
        work,
        repo,
        ["sh", "-c", "mkdir -p a; echo x > a/f; echo x > outside.txt"],
        1,
        lambda _note: None,
    )
    assert not done.is_landed
    task = record(work, "a")
    assert task["state"] == "failed"
    assert "outside.txt" in task["setbacks"][0]["reason"]
    assert "outside.txt" in git("ls-tree", "-r", "--name-only", str(task["branch"]), cwd=repo)
    assert not (repo / "outside.txt").exists()


def test_a_run_that_cannot_begin_claims_nothing(repo: Path) -> None:
    work = open_workspace(repo)
    ledger.init(work)
    with pytest.raises(NotFoundError, match="no plan"):
        runner.run(work, repo, ["true"], 1, lambda _note: None)
    ledger.apply_plan(work, tasks("a"), "plan.toml")
    tip = work.ledger.tip()
    with pytest.raises(UsageError, match="no such program"):
        runner.run(work, repo, ["/no/such/program"], 1, lambda _note: None)
    assert work.ledger.tip() == tip


def test_a_run_that_breaks_releases_its_claims(repo: Path, tmp_path: Path) -> None:
    work = found(repo, tasks("a"))
    program = tmp_path / "program"
    program.write_text("no program at all")
    program.chmod(0o755)
    with pytest.raises(UsageError, match="Exec format"):
        runner.run(work, repo, [str(program)], 1, lambda _note: None)
    assert facts.status(work)["claims"] == []


def test_an_interrupted_run_releases_its_claims_and_ends_its_children(repo: Path) -> None:
    work = found(repo, tasks("a", "b"))
    # Whatever started the tests may ignore the signal, as a shell's background jobs do.
    process = subprocess.Popen(
        [sys.executable, "-m", "gitcoord", "-C", str(repo), "run", "-j", "2", "--", "sleep", "987"],
        env=environment(),
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - this test has no threads
    )
    while len(facts.status(work)["claims"]) < 2:
        time.sleep(0.05)
    time.sleep(0.3)
    os.kill(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 18, err
    assert facts.status(work)["claims"] == []
    assert record(work, "a")["failures"] == 0
    assert (
        "sleep 987"
        not in subprocess.run(["ps", "ax"], capture_output=True, text=True, check=True).stdout
    )


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
