"""What landing a phase would make of the target, and what it leaves out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gitcoord.core.errors import (
    RefusedError,
    UnavailableError,
    UsageError,
)
from gitcoord.core.ids import ORCHESTRATOR
from gitcoord.core.operations.landings import merge_order, wholeness
from gitcoord.features.land import candidates, landings
from gitcoord.features.maintain import verify
from gitcoord.features.work import claims, results
from gitcoord.features.workspace import Workspace
from gitcoord.git import merges
from tests.support.builders import tasks
from tests.support.gates import gated, trusted
from tests.support.world import do, found, git, record, write


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


@pytest.mark.parametrize("is_taken_back", [False, True])
def test_a_result_that_went_round_complete_is_refused_at_the_landing(
    repo: Path, is_taken_back: bool
) -> None:
    work = found(repo, tasks("a"), "x")
    claimed = claims.claim(work, "x", "a")
    place = Path(claimed.worktree or "")
    oid = write(place, "outside.txt")
    if is_taken_back:
        (place / "outside.txt").unlink()
        oid = write(place, "a/file.txt")
    facts = {
        "oid": oid,
        "tree": git("rev-parse", f"{oid}^{{tree}}", cwd=repo),
        "base": claimed.claim["base"],
        "built_on": {},
        "commits": 1,
        "files": 1,
    }
    work.ledger.execute(
        {
            "op": "complete",
            "agent": "x",
            "task": "a",
            "token": claimed.claim["token"],
            "result": facts,
        },
        agent="x",
    )
    verify.verify(work)
    before = git("rev-parse", "main", cwd=repo)
    with pytest.raises(RefusedError) as caught:
        landings.land(work, "default")
    assert caught.value.reason == "boundary"
    assert caught.value.message.startswith("task a cannot land: ")
    assert (caught.value.facts["task"], caught.value.hint) == (
        "a",
        "`gitcoord phase land default --without a` lands the rest",
    )
    assert git("rev-parse", "main", cwd=repo) == before


def test_a_result_lands_after_what_it_was_built_on_and_is_judged_without_it(repo: Path) -> None:
    plan = (
        '[[task]]\nid="later"\ntitle="L"\npaths=["s/x/"]\n'
        '[[task]]\nid="first"\ntitle="F"\npaths=["s/", "f/"]\n'
    )
    work = found(repo, plan, "x")
    do(work, "x", "first", name="s/one.txt")
    claimed = do(work, "x", "later", name="s/x/two.txt")
    assert set(claimed.claim["built_on"]) == {"first"}
    order = merge_order(wholeness(work.ledger.snapshot(), "default").tasks)
    assert [name for name, _ in order] == ["first", "later"]
    landings.land(work, "default")
    assert git("rev-list", "--count", "main", cwd=repo) == "5"


def conflicting(repo: Path) -> tuple[Workspace, str]:
    plan = '[[task]]\nid="a"\ntitle="A"\npaths=["s/"]\n[[task]]\nid="b"\ntitle="B"\npaths=["s/"]\n'
    work = found(repo, plan, "x", "y")
    first = claims.claim(work, "x", "a")
    write(Path(first.worktree or ""), "s/file.txt", "one\n")
    results.complete(work, "x", "a", first.claim["token"])
    # b's result is made without a's: handed in from a branch at the target.
    second = claims.claim(work, "y", "b")
    place = Path(second.worktree or "")
    git("checkout", "-q", "-b", "own", "main", cwd=place)
    oid = write(place, "s/file.txt", "two\n")
    results.complete(work, "y", "b", second.claim["token"], result=oid)
    return work, oid


def test_a_conflict_names_both_tasks_moves_nothing_and_reopens_the_later(repo: Path) -> None:
    work, _ = conflicting(repo)
    before = git("rev-parse", "main", cwd=repo)
    check = landings.check_phase(work, "default")
    assert check.conflict == landings.Conflicted("b", "task a", ["s/file.txt"])
    with pytest.raises(RefusedError) as caught:
        landings.land(work, "default")
    assert caught.value.reason == "conflict"
    assert (caught.value.facts["task"], caught.value.facts["other"]) == ("b", "task a")
    assert git("rev-parse", "main", cwd=repo) == before
    assert record(work, "b")["state"] == "open"
    again = claims.claim(work, "y", "b")
    assert set(again.claim["built_on"]) == {"a"}
    assert (Path(again.worktree or "") / "s" / "file.txt").read_text() == "one\n"


@pytest.mark.parametrize("again", ["b", "a"])
def test_results_that_were_replaced_while_they_were_merged_reopen_nothing(
    again: str, repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether the task that would be reopened was done again, or the other one."""
    work, _ = conflicting(repo)
    check = landings.check_phase

    def then_done_again(*args: Any, **more: Any) -> landings.PhaseCheck:
        found_out = check(*args, **more)
        monkeypatch.setattr(landings, "check_phase", check)
        for op in ("cancel", "retry"):
            work.ledger.execute({"op": op, "task": again, "reason": "anew"}, agent=ORCHESTRATOR)
        do(work, "x", again, name="s/elsewhere.txt")
        return found_out

    monkeypatch.setattr(landings, "check_phase", then_done_again)
    assert landings.land(work, "default").results == 2
    assert record(work, "b")["failures"] == 0


def test_a_merge_that_a_prune_took_halfway_is_made_again(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = found(repo, tasks("a", "b"), "x")
    do(work, "x", "a")
    do(work, "x", "b")
    made, times = merges.commit_merge, [1, 100]
    taken: list[str] = []

    def then_pruned(*args: Any) -> str:
        oid = made(*args)
        if len(taken) < times[-1]:
            taken.append(oid)
            (repo / ".git" / "objects" / oid[:2] / oid[2:]).unlink()
        return oid

    monkeypatch.setattr(merges, "commit_merge", then_pruned)
    with pytest.raises(UnavailableError, match="cannot be merged now"):
        landings.land(work, "default")
    taken.clear()
    times.pop()
    assert landings.land(work, "default").results == 2
    assert taken[0] in git("rev-list", "main", cwd=repo)


def test_a_candidate_that_a_prune_took_before_the_landing_begins_is_made_again(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = found(repo, tasks("a"), "x")
    do(work, "x", "a")
    tested = landings._tested
    taken: list[str] = []

    def then_pruned(given: Workspace, snapshot: Any, check: landings.PhaseCheck) -> str:
        if not taken:
            taken.append(check.tips[-1])
            (repo / ".git" / "objects" / taken[0][:2] / taken[0][2:]).unlink()
        return tested(given, snapshot, check)

    monkeypatch.setattr(landings, "_tested", then_pruned)
    assert landings.land(work, "default").new == taken[0]
