"""Processes that race: acknowledged is compared with what is in the history."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from gitcoord.core.errors import ClaimLostError, ConflictError, GitcoordError, UnknownError
from gitcoord.core.leases import Context
from gitcoord.core.snapshot import Snapshot
from gitcoord.features.inspect import facts
from gitcoord.features.maintain import verify
from gitcoord.features.setup import ledger
from gitcoord.features.work import claims, results
from gitcoord.features.workspace import open_workspace
from gitcoord.host.live_files import LiveFile
from gitcoord.host.processes import identity
from tests.support.builders import tasks
from tests.support.world import environment, found, git

RACER = """
import json, sys, time
from pathlib import Path
from gitcoord.core.errors import GitcoordError
from gitcoord.features.setup import ledger as setup
from gitcoord.features.work import claims, results
from gitcoord.features.workspace import open_workspace
kind, repo, start, name = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4]
work = open_workspace(repo)
(start / name).touch()
while not (start / "go").exists():
    time.sleep(0.002)
won = []
try:
    if kind == "create":
        won.append(setup.init(work).entry)
    elif kind == "one":
        won.append(claims.claim(work, name, "a", checkout=False).entry)
    else:
        for _ in range(4):
            claimed = claims.claim(work, name, checkout=False, session=name)
            won.append(claimed.entry)
            won.append(results.release(work, name, claimed.task["id"], claimed.claim["token"]).entry)
except GitcoordError as error:
    print(json.dumps({"won": won, "code": error.code, "holder": error.facts.get("holder")}))
else:
    print(json.dumps({"won": won, "code": None, "holder": None}))
"""


def race(kind: str, repo: Path, start: Path, count: int) -> list[dict[str, object]]:
    """Start processes at the same moment; return what each was told."""
    start.mkdir()
    script = start / "racer.py"
    script.write_text(RACER)
    racers = [
        subprocess.Popen(
            [sys.executable, str(script), kind, str(repo), str(start), f"x{number}"],
            stdout=subprocess.PIPE,
            text=True,
            env=environment(),
        )
        for number in range(count)
    ]
    while sum(1 for _ in start.glob("x*")) < count:
        assert all(racer.poll() in {None, 0} for racer in racers)
    (start / "go").touch()
    answers = []
    for racer in racers:
        out, _ = racer.communicate(timeout=120)
        assert racer.returncode == 0
        answers.append(json.loads(out))
    return answers


def test_of_32_that_make_the_ledger_one_does(repo: Path, tmp_path: Path) -> None:
    answers = race("create", repo, tmp_path / "start", 32)
    won = [answer for answer in answers if answer["won"]]
    assert len(won) == 1
    assert {answer["code"] for answer in answers if not answer["won"]} == {"refused"}
    work = open_workspace(repo)
    assert [work.ledger.tip()] == won[0]["won"]
    verify.verify(work)


def test_of_32_that_claim_one_task_one_does_and_the_others_are_told_who(
    repo: Path, tmp_path: Path
) -> None:
    names = [f"x{number}" for number in range(32)]
    work = found(repo, tasks("a", "b"), *names, worktrees=False)
    answers = race("one", repo, tmp_path / "start", 32)
    assert sum(bool(answer["won"]) for answer in answers) == 1
    winner = names[next(index for index, answer in enumerate(answers) if answer["won"])]
    assert {answer["holder"] for answer in answers if not answer["won"]} == {winner}
    assert {answer["code"] for answer in answers if not answer["won"]} == {"conflict"}
    verify.verify(work)


def test_everything_that_32_racers_were_told_is_in_the_chain_once(
    repo: Path, tmp_path: Path
) -> None:
    names = [f"x{number}" for number in range(32)]
    work = found(repo, tasks(*(f"t{number}" for number in range(40))), *names, worktrees=False)
    answers = race("many", repo, tmp_path / "start", 32)
    told = [entry for answer in answers for entry in answer["won"]]  # type: ignore[attr-defined]
    chain = [entry["entry"] for entry in facts.history(work, work.ledger.tip(), limit=100_000)]
    assert len(told) == 32 * 8
    assert set(told) <= set(chain)
    assert len(chain) == len(set(told)) + 2 + 32
    verify.verify(work)


def test_a_foreign_move_between_decision_and_swap_means_deciding_again(repo: Path) -> None:
    work = found(repo, tasks("a", "b"), "x", "y", worktrees=False)
    other = open_workspace(repo)
    moves = iter(["y"])

    def claim_a(snapshot: Snapshot, _context: Context) -> dict[str, object]:
        for name in moves:
            claims.claim(other, name, "a", checkout=False)
        return {
            "op": "claim",
            "agent": "x",
            "task": "a",
            "session": "s",
            "base": other.target_tip(snapshot),
            "built_on": {},
        }

    # The other writer waits for the queue, gives up, and goes on without it.
    with pytest.raises(ConflictError) as caught:
        work.ledger.execute(claim_a, agent="x")
    assert caught.value.facts["holder"] == "y"


def test_a_beat_that_came_before_the_takeover_stops_it(repo: Path) -> None:
    plan = '[plan]\nlease = "3s"\nheartbeat = "1s"\n' + tasks("a")
    work = found(repo, plan, "x", "y", worktrees=False)
    held = claims.claim(work, "x", "a", checkout=False)
    work.clock.sleep(3.1)
    other = open_workspace(repo)
    beats = iter([held.claim["token"]])

    def claim_a(snapshot: Snapshot, _context: Context) -> dict[str, object]:
        command: dict[str, object] = {
            "op": "claim",
            "agent": "y",
            "task": "a",
            "session": "s",
            "base": other.target_tip(snapshot),
            "built_on": {},
        }
        from gitcoord.core.machine import decide

        decide(snapshot, command, work.ledger.context())
        return command

    def beat_now(_event: object) -> None:
        for token in beats:
            other.ledger.beat("x", token)

    with pytest.raises(ConflictError):
        work.ledger.execute(claim_a, agent="y", before_swap=beat_now)
    assert claims.claim(work, "x", checkout=False).task["id"] == "a"


def test_a_ledger_that_others_keep_moving_is_unavailable_at_the_deadline_and_nothing_changed(
    repo: Path,
) -> None:
    work = found(repo, tasks("a"), "x", worktrees=False)
    lock = repo / ".git" / "refs" / "heads" / "gitcoord" / "ledger.lock"
    lock.touch()
    writer = LiveFile(repo / ".git" / "gitcoord" / "pending" / "ledger" / "z" / "1.json")
    writer.write(json.dumps({"process": identity()}).encode())
    tip = work.ledger.tip()
    work.ledger.timeout_s = 1.0
    with pytest.raises(GitcoordError) as caught:
        claims.claim(work, "x", checkout=False)
    assert caught.value.code == "unavailable"
    assert work.ledger.tip() == tip
    writer.leave()
    claims.claim(work, "x", checkout=False)


def test_the_ledger_is_not_made_over_a_branch_in_the_way(repo: Path) -> None:
    import subprocess as run

    run.run(["git", "branch", "gitcoord"], cwd=repo, check=True)
    with pytest.raises(GitcoordError) as caught:
        ledger.init(open_workspace(repo))
    assert caught.value.code == "refused"


def test_a_swap_that_took_place_and_then_failed_is_done(repo: Path) -> None:
    work = found(repo, tasks("a"), "x", worktrees=False)
    swap = work.store.swap

    def fails_after(*args: object, **more: object) -> None:
        swap(*args, **more)  # type: ignore[arg-type]
        raise OSError(5, "the folder could not be synced")

    work.store.swap = fails_after  # type: ignore[method-assign]
    claimed = claims.claim(work, "x", checkout=False)
    assert work.ledger.tip() == claimed.entry
    assert list((repo / ".git" / "gitcoord" / "pending" / "ledger" / "x").iterdir()) == []


def test_an_outcome_that_cannot_be_read_is_unknown_and_settled_by_the_next_command(
    repo: Path,
) -> None:
    work = found(repo, tasks("a"), "x", worktrees=False)
    swap, read_ref = work.store.swap, work.store.read_ref

    def fails_after(*args: object, **more: object) -> None:
        swap(*args, **more)  # type: ignore[arg-type]
        work.store.read_ref = broken  # type: ignore[method-assign, assignment]
        raise OSError(5, "input/output error")

    def broken(_ref: str) -> str:
        raise OSError(5, "input/output error")

    work.store.swap = fails_after  # type: ignore[method-assign]
    with pytest.raises(UnknownError) as caught:
        claims.claim(work, "x", checkout=False, session="s")
    work.store.swap, work.store.read_ref = swap, read_ref  # type: ignore[method-assign]
    heir = open_workspace(repo)
    (settled,) = heir.ledger.settle("x")
    assert settled.entry_id == caught.value.facts["entry_id"]
    assert settled.is_applied
    assert heir.ledger.settle("x") == []
    assert claims.claim(heir, "x", checkout=False, session="s").already


def test_an_interrupted_swap_is_settled_by_the_same_process(repo: Path) -> None:
    work = found(repo, tasks("a"), "x", worktrees=False)
    swap = work.store.swap

    def interrupted(*args: object, **more: object) -> None:
        swap(*args, **more)  # type: ignore[arg-type]
        raise KeyboardInterrupt

    work.store.swap = interrupted  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        claims.claim(work, "x", checkout=False, session="s")
    work.store.swap = swap  # type: ignore[method-assign]
    (settled,) = work.ledger.settle("x")
    assert (settled.op, settled.task, settled.is_applied) == ("claim", "a", True)
    assert claims.claim(work, "x", checkout=False, session="s").already


def test_not_applied_is_said_only_once_the_tip_was_replaced(repo: Path) -> None:
    work = found(repo, tasks("a"), "x", "y", worktrees=False)

    def interrupted(*_args: object, **_more: object) -> None:
        raise KeyboardInterrupt

    swap = work.store.swap
    work.store.swap = interrupted  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        claims.claim(work, "x", checkout=False, session="s")
    work.store.swap = swap  # type: ignore[method-assign]
    assert work.ledger.settle("x") == []
    claims.claim(work, "y", checkout=False)
    (settled,) = work.ledger.settle("x")
    assert not settled.is_applied


@pytest.mark.parametrize(("content", "stays"), [("", False), ("f" * 40 + "\n", True)])
def test_a_lock_of_a_ref_that_a_killed_swap_only_verified_is_cleared(
    repo: Path, content: str, stays: bool
) -> None:
    work = found(repo, tasks("a"), "x", worktrees=False)
    lock = repo / ".git" / "refs" / "heads" / "main.lock"

    def killed(*_args: object, **_more: object) -> None:
        lock.write_text(content)
        raise KeyboardInterrupt

    swap = work.store.swap
    work.store.swap = killed  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        work.ledger.execute(
            {"op": "checkpoint", "agent": "orchestrator", "name": "c"},
            agent="orchestrator",
            verify={"refs/heads/main": git("rev-parse", "main", cwd=repo)},
        )
    work.store.swap = swap  # type: ignore[method-assign]
    assert work.ledger.settle("orchestrator") == []
    assert lock.exists() == stays


def test_a_command_that_is_refused_does_not_wait_for_its_turn(repo: Path) -> None:
    work, other = found(repo, tasks("a"), "x", worktrees=False), open_workspace(repo)
    claims.claim(work, "x", checkout=False)
    tip = work.ledger.tip()
    with other.ledger.queue.hold(1) as is_held, pytest.raises(ClaimLostError):
        results.release(work, "x", "a", "0" * 32)
    assert is_held
    assert work.ledger.tip() == tip


def test_a_landing_that_is_kept_waiting_names_who_holds_the_lock(repo: Path) -> None:
    from gitcoord.features.land import landings
    from gitcoord.store.queue import QueueLock

    work = found(repo, tasks("a"), "x", worktrees=False)
    work.ledger.timeout_s = 0.2
    with (
        QueueLock(work.ledger.files.landing_lock).hold(1),
        pytest.raises(GitcoordError, match=r"process \d+ is landing") as caught,
    ):
        landings.land(work, "default")
    assert caught.value.code == "unavailable"
