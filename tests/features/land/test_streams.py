"""What is done in a stream lands in batches, each whole and behind the gates."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from gitcoord.core.errors import (
    InvalidPlanError,
    NothingReadyError,
    PlanFinishedError,
    RefusedError,
)
from gitcoord.features.inspect import facts
from gitcoord.features.land import landings, rollbacks, streams
from gitcoord.features.land.target_moves import finish_pending
from gitcoord.features.maintain import upkeep, verify
from gitcoord.features.setup import plans
from gitcoord.features.work import claims, results, tasks
from gitcoord.features.workspace import Workspace, open_workspace
from tests.support.builders import tasks as task_rows
from tests.support.gates import GOOD, ops, trusted
from tests.support.world import do, found, git, record, write


def stream(*names: str, head: str = "", more: str = "", run: str = "", **needs: Any) -> str:
    gate = f"gates = [{{ name = 'g', run = '''{run}''' }}]" if run else ""
    phase = f'[[phase]]\nname = "default"\nstream = true\n{gate}\n{more}\n'
    return f"{head}\n{phase}" + task_rows(*names, **needs)


def states(work: Workspace) -> dict[str, int]:
    counts: dict[str, int] = facts.status(work)["counts"]
    return counts


def phase_of(work: Workspace) -> dict[str, object]:
    (only,) = facts.status(work)["phases"]
    assert isinstance(only, dict)
    return only


def files(repo: Path) -> list[str]:
    return git("ls-tree", "-r", "--name-only", "main", cwd=repo).split()


def test_what_is_done_lands_while_the_rest_is_at_work(repo: Path) -> None:
    work = found(repo, stream("a", "b", "c"), "x", "y")
    do(work, "x", "a")
    held = claims.claim(work, "y", "b")
    first = landings.land(work, "default")
    assert (first.results, record(work, "a")["landed"]["oid"]) == (1, first.new)
    assert states(work) == {"landed": 1, "claimed": 1, "ready": 1}
    assert phase_of(work)["state"] == "open"
    # The claim goes on as if nothing had happened, and lands with the next batch.
    write(Path(held.worktree or ""), "b/file.txt")
    results.complete(work, "y", "b", held.claim["token"])
    second = landings.land(work, "default")
    assert second.old == first.new
    assert {"a/file.txt", "b/file.txt"} <= set(files(repo))
    assert "landed" not in record(work, "c")
    verify.verify(work)


def test_a_stream_of_which_nothing_is_done_refuses_to_land(repo: Path) -> None:
    work = found(repo, stream("a"), "x")
    for _ in range(2):
        tip = work.ledger.tip()
        with pytest.raises(RefusedError) as caught:
            landings.land(work, "default")
        assert caught.value.reason == "nothing-to-do"
        assert work.ledger.tip() == tip
        if "landed" not in record(work, "a"):
            do(work, "x", "a")
            landings.land(work, "default")


def test_a_landed_task_is_frozen_and_its_neighbours_are_not(repo: Path) -> None:
    work = found(repo, stream("a", "b"), "x")
    do(work, "x", "a")
    landings.land(work, "default")
    for change in ("cancel", "retry", "pause"):
        with pytest.raises(RefusedError) as caught:
            tasks.change(work, change, "a")
        assert caught.value.reason == "landed"
    tasks.change(work, "pause", "b")


def test_the_base_of_later_work_has_what_landed_by_way_of_the_target(repo: Path) -> None:
    work = found(repo, stream("a", "b", b=["a"]), "x", "y")
    do(work, "x", "a")
    landed = landings.land(work, "default")
    claimed = claims.claim(work, "y", "b")
    assert (claimed.claim["base"], claimed.claim["built_on"]) == (landed.new, {})
    write(Path(claimed.worktree or ""), "b/file.txt")
    results.complete(work, "y", "b", claimed.claim["token"])
    assert landings.land(work, "default").results == 1


def test_work_that_began_on_a_result_is_handed_in_after_it_landed(repo: Path) -> None:
    work = found(repo, stream("a", "b", b=["a"]), "x", "y")
    do(work, "x", "a")
    claimed = claims.claim(work, "y", "b")
    assert list(claimed.claim["built_on"]) == ["a"]
    landings.land(work, "default")
    write(Path(claimed.worktree or ""), "b/file.txt")
    results.complete(work, "y", "b", claimed.claim["token"])
    landings.land(work, "default")
    assert states(work) == {"landed": 2}
    verify.verify(work)


def test_a_batch_holds_no_more_than_the_plan_says_and_no_task_without_its_needs(
    repo: Path,
) -> None:
    plan = stream("c", "b", "a", more="batch = { max = 2 }", b=["a"], c=["b"])
    work = found(repo, plan, "x")
    for name in ("a", "b", "c"):
        do(work, "x", name)
    landings.land(work, "default")
    # In the plan's order c comes first, and it needs the two others.
    assert states(work) == {"landed": 2, "done": 1}
    assert "landed" not in record(work, "c")
    landings.land(work, "default")
    assert states(work) == {"landed": 3}


def test_a_batch_lands_by_itself_when_it_is_full_or_has_waited(repo: Path) -> None:
    head = '[plan]\nlanding = "auto"\n'
    work = found(
        repo, stream("a", "b", "c", head=head, more='batch = { max = 2, wait = "1h" }'), "x"
    )
    for name in ("a", "b"):
        assert landings.land_automatically(work, "default") is None
        do(work, "x", name)
    assert isinstance(landings.land_automatically(work, "default"), landings.Landed)
    do(work, "x", "c")
    assert landings.land_automatically(work, "default") is None
    plans.apply_plan(
        work, stream("a", "b", "c", head=head, more="batch = { max = 2 }"), "plan.toml"
    )
    assert isinstance(landings.land_automatically(work, "default"), landings.Landed)


def test_culprits_are_given_back_and_the_rest_lands_on_what_it_passed_on(repo: Path) -> None:
    work = trusted(repo, stream("a", "b", "c", "d", run=GOOD), "x")
    for name in ("a", "b", "c", "d"):
        do(work, "x", name, text="bad\n" if name in {"b", "d"} else "fine\n")
    landed = landings.land(work, "default")
    assert (landed.results, sorted(landed.given_back)) == (2, ["b", "d"])
    assert [record(work, name)["state"] for name in ("b", "d")] == ["open", "open"]
    phase = work.ledger.snapshot().phase("default")
    assert phase is not None
    assert phase["landing"] is not None
    assert phase["landing"]["gates"][0]["tree"] == git(
        "rev-parse", f"{landed.new}^{{tree}}", cwd=repo
    )
    assert {"a/file.txt", "c/file.txt"} <= set(files(repo))
    assert "b/file.txt" not in files(repo)
    verify.verify(work)


def test_a_batch_of_culprits_alone_lands_nothing(repo: Path) -> None:
    work = trusted(repo, stream("a", run=GOOD), "x")
    do(work, "x", "a", text="bad\n")
    old = git("rev-parse", "main", cwd=repo)
    with pytest.raises(RefusedError) as caught:
        landings.land(work, "default")
    assert (caught.value.reason, caught.value.facts["tasks"]) == ("gate", ["a"])
    assert git("rev-parse", "main", cwd=repo) == old


def test_a_task_without_a_commit_lands_with_its_batch(repo: Path) -> None:
    plan = stream("a", "b") + 'result = "optional"\n'
    work = found(repo, plan, "x")
    claimed = claims.claim(work, "x", "b")
    results.complete(work, "x", "b", claimed.claim["token"], no_result=True)
    do(work, "x", "a")
    landed = landings.land(work, "default")
    assert landed.results == 1
    assert states(work) == {"landed": 2}
    verify.verify(work)


def test_an_agent_waits_for_more_until_the_stream_is_closed(repo: Path) -> None:
    work = found(repo, stream("a"), "x")
    do(work, "x", "a")
    with pytest.raises(NothingReadyError) as waiting:
        claims.claim(work, "x")
    assert waiting.value.facts["waiting_for"]
    landings.land(work, "default")
    with pytest.raises(NothingReadyError) as caught:
        claims.claim(work, "x")
    (only,) = cast("Any", caught.value.facts["waiting_for"])
    assert (only["kind"], only["command"]) == ("phase", "gitcoord phase close default")
    streams.change(work, "phase-close", "default")
    assert phase_of(work)["state"] == "landed"
    with pytest.raises(PlanFinishedError):
        claims.claim(work, "x")


def test_a_closed_stream_lands_what_it_holds_and_then_a_phase_may_come_after_it(repo: Path) -> None:
    later = '[[phase]]\nname = "later"\nafter = ["default"]\n'
    row = '[[task]]\nid = "z"\ntitle = "z"\nphase = "later"\npaths = ["z/"]\n'
    plan = stream("a", "b")
    work = found(repo, plan, "x")
    with pytest.raises(InvalidPlanError) as caught:
        plans.apply_plan(work, plan + later + row, "plan.toml")
    assert "which does not end" in caught.value.problems[0]
    do(work, "x", "a")
    streams.change(work, "phase-close", "default", "enough")
    plans.apply_plan(work, plan + later + row, "plan.toml")
    landings.land(work, "default")
    assert phase_of_named(work, "default") == "open"
    tasks.change(work, "cancel", "b")
    # With the last one gone nothing is left that could land.
    assert phase_of_named(work, "default") == "landed"
    assert claims.claim(work, "x").task["id"] == "z"
    with pytest.raises(RefusedError):
        streams.change(work, "phase-open", "default")
    verify.verify(work)


def phase_of_named(work: Workspace, name: str) -> str:
    phase = work.ledger.snapshot().phase(name)
    assert phase is not None
    return phase["state"]


def test_nothing_is_added_to_a_closed_stream_until_it_is_opened(repo: Path) -> None:
    work = found(repo, stream("a"), "x")
    streams.change(work, "phase-close", "default")
    with pytest.raises(InvalidPlanError) as caught:
        plans.apply_plan(work, stream("a", "b"), "plan.toml")
    assert "closed" in caught.value.problems[0]
    streams.change(work, "phase-open", "default")
    plans.apply_plan(work, stream("a", "b"), "plan.toml")


def test_a_phase_does_not_become_a_stream(repo: Path) -> None:
    work = found(repo, task_rows("a"), "x")
    with pytest.raises(InvalidPlanError):
        plans.apply_plan(work, stream("a"), "plan.toml")


def test_going_back_before_the_last_batch_takes_that_batch_alone_back(repo: Path) -> None:
    work = found(repo, stream("a", "b"), "x")
    do(work, "x", "a")
    first = landings.land(work, "default")
    upkeep.upkeep(work)
    do(work, "x", "b")
    landings.land(work, "default")
    upkeep.upkeep(work)
    choice = rollbacks.choose(work, phase="default")
    rollbacks.rollback(work, choice, code=True)
    assert states(work) == {"landed": 1, "done": 1}
    assert git("rev-parse", "main", cwd=repo) == first.new
    again = landings.land(work, "default")
    assert again.results == 1
    assert states(work) == {"landed": 2}
    verify.verify(work)


def test_a_stream_is_worked_on_while_its_batch_lands(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = found(repo, stream("a", "b"), "x", "y")
    do(work, "x", "a")

    def cut_off(_work: Workspace, *, made: str = "", **_more: object) -> None:
        if made:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(landings, "finish_pending", cut_off)
        with pytest.raises(KeyboardInterrupt):
            landings.land(work, "default")
    assert phase_of_named(work, "default") == "landing"
    claimed = claims.claim(work, "y")
    assert claimed.task["id"] == "b"
    for change in ("cancel", "pause"):
        with pytest.raises(RefusedError) as caught:
            tasks.change(work, change, "a")
        assert caught.value.reason in {"landing", "state"}
    finish_pending(open_workspace(repo))
    assert states(work) == {"landed": 1, "claimed": 1}
    assert ops(work).count("land-done") == 1
    verify.verify(work)


def test_a_result_that_conflicts_is_reopened_and_the_rest_lands(repo: Path) -> None:
    work = found(repo, stream("a", "b"), "x")
    do(work, "x", "a")
    do(work, "x", "b")
    write(repo, "b/file.txt", "by hand\n")
    landed = landings.land(work, "default")
    assert (landed.results, landed.given_back) == (1, ["b"])
    assert (record(work, "b")["state"], "landed" in record(work, "a")) == ("open", True)
    verify.verify(work)


def test_a_batch_is_merged_and_tested_again_where_the_target_moved_meanwhile(
    repo: Path, tmp_path: Path
) -> None:
    mark = tmp_path / "ran"
    by_hand = f"git -C {repo} commit -q --allow-empty -m hand"
    work = trusted(repo, stream("a", run=f"test -e {mark} || {{ touch {mark}; {by_hand}; }}"), "x")
    do(work, "x", "a")
    landed = landings.land(work, "default")
    assert git("log", "-1", "--format=%s", landed.old, cwd=repo) == "hand"
    assert {"README.md", "a/file.txt"} <= set(files(repo))
    assert states(work) == {"landed": 1}


def test_what_is_left_out_is_cancelled_once_the_rest_has_landed(repo: Path) -> None:
    work = found(repo, stream("a", "b", "c"), "x")
    do(work, "x", "a")
    do(work, "x", "b")
    landings.land(work, "default", without=["b"])
    assert states(work) == {"landed": 1, "cancelled": 1, "ready": 1}
    assert "b/file.txt" not in files(repo)
