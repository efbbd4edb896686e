"""Long steps of gitcoord's own beat; short ones cost nothing."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from gitcoord.core.errors import ClaimLostError, NothingReadyError, UnavailableError
from gitcoord.core.ids import AgentId, Token
from gitcoord.core.refs import beat_ref
from gitcoord.features.run import runner
from gitcoord.features.work import claims, results
from gitcoord.features.work.beating import beat_every_s, beating
from gitcoord.features.workspace import Workspace, open_workspace
from gitcoord.git import worktrees
from gitcoord.ledger.ledger import Ledger
from tests.support.builders import tasks
from tests.support.machines import made, server
from tests.support.world import found, git, write

LEASE_S = 4
# Long enough for a beat that a busy machine delays, short enough to be outlasted.
BEATEN = f'[plan]\nlease = "{LEASE_S}s"\nheartbeat = "400ms"\n'


def outlast(_: object = None) -> None:
    time.sleep(1.5 * LEASE_S)


def claimable(repo: Path) -> bool:
    """Return whether another agent would be given the task now."""
    other = open_workspace(repo)
    try:
        claims.claim(other, "y", checkout=False)
    except NothingReadyError:
        return False
    finally:
        other.close()
    return True


@pytest.fixture
def work(repo: Path) -> Workspace:
    return found(repo, BEATEN + tasks("a"), "x", "y")


@pytest.mark.parametrize(
    ("settings", "seconds"),
    [
        ("", 60),
        ('lease = "45m"', 180),
        ('lease = "45m"\nheartbeat = "2m"', 120),
        ('lease = "1m"', 20),
        ('lease = "1m"\nheartbeat = "5s"', 5),
    ],
)
def test_beats_come_often_enough_for_the_lease_and_no_oftener_than_it_needs(
    repo: Path, settings: str, seconds: float
) -> None:
    work = found(repo, f"[plan]\n{settings}\n" + tasks("a"))
    assert beat_every_s(work) == seconds


def test_a_step_that_is_over_before_a_beat_is_due_costs_none(repo: Path) -> None:
    work = found(repo, tasks("a"), "x")
    token = claims.claim(work, "x").claim["token"]
    with beating(work, "x", token) as lost:
        assert not lost.is_set()
    assert work.store.read_ref(beat_ref("ledger", "x")) is None


def test_a_holder_that_was_silent_beats_at_once(repo: Path, work: Workspace) -> None:
    token = claims.claim(work, "x").claim["token"]
    outlast()
    with beating(work, "x", token):
        assert not claimable(repo)


def test_a_beat_that_fails_is_tried_again(
    repo: Path, work: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = claims.claim(work, "x").claim["token"]
    beat, failures = Ledger.beat, [UnavailableError("busy"), OSError(24, "too many files")]

    def sometimes(self: Ledger, agent: AgentId, held: Token) -> Any:
        if failures:
            raise failures.pop()
        return beat(self, agent, held)

    monkeypatch.setattr(Ledger, "beat", sometimes)
    with beating(work, "x", token):
        outlast()
        assert not failures
        assert not claimable(repo)


def test_a_claim_beats_while_its_branch_is_checked_out(
    repo: Path, work: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_out = worktrees.checkout_branch

    def slowly(*args: Any) -> None:
        check_out(*args)
        outlast()
        assert not claimable(repo)

    monkeypatch.setattr(worktrees, "checkout_branch", slowly)
    assert claims.claim(work, "x").checkout == "done"


def test_a_claim_that_was_taken_meanwhile_is_not_answered(
    repo: Path, work: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: object) -> None:
        raise OSError("no beat gets through")

    def slowly(*_: Any) -> None:
        outlast()
        assert claimable(repo)

    monkeypatch.setattr(Ledger, "beat", stopped)
    monkeypatch.setattr(worktrees, "checkout_branch", slowly)
    with pytest.raises(ClaimLostError, match="while its branch was checked out"):
        claims.claim(work, "x")


def test_a_result_that_takes_long_to_inspect_loses_no_claim(
    repo: Path, work: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = claims.claim(work, "x")
    write(Path(held.worktree or ""), "a/file.txt")
    look = results.result_facts

    def slowly(*args: Any, **more: Any) -> Any:
        outlast()
        assert not claimable(repo)
        return look(*args, **more)

    monkeypatch.setattr(results, "result_facts", slowly)
    assert results.complete(work, "x", "a", held.claim["token"]).task["state"] == "done"


def test_a_run_beats_while_the_users_hooks_look_at_its_commit(repo: Path, tmp_path: Path) -> None:
    work = found(repo, BEATEN + tasks("a"))
    hook = repo / ".git" / "hooks" / "pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\n[ -e {tmp_path}/once ] || {{ touch {tmp_path}/once; sleep 6; }}\n")
    hook.chmod(0o755)
    agent = tmp_path / "agent.sh"
    agent.write_text("#!/bin/sh\nmkdir -p a\necho $GITCOORD_AGENT > a/file.txt\n")
    agent.chmod(0o755)
    done = runner.run(work, repo, [str(agent)], 2, lambda _: None)
    assert done.is_landed
    subjects = git("log", "--format=%s", "gitcoord/ledger", cwd=repo).splitlines()
    assert [one for one in subjects if one.startswith("claim a")] == [
        f"claim a by {git('show', 'main:a/file.txt', cwd=repo)}: Do a"
    ]


def test_a_holder_whose_beats_do_not_reach_the_server_is_told_at_half_the_lease(
    repo: Path, tmp_path: Path
) -> None:
    bare = server(tmp_path)
    work = made(repo, str(bare), BEATEN + tasks("a"), "x", worktrees=False)
    token = claims.claim(work, "x", checkout=False).claim["token"]
    told: list[str] = []
    with beating(work, "x", token, told.append):
        bare.rename(tmp_path / "gone")
        while not told:
            time.sleep(0.1)
        (tmp_path / "gone").rename(bare)
        while work.store.read_ref(beat_ref("ledger", "x")) is None:
            time.sleep(0.1)
    assert len(told) == 1
    assert "no sign of life of this claim was taken for" in told[0]
    assert "origin was not reached" in told[0]
