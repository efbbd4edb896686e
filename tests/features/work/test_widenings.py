"""A claim is widened while at work, and every later check knows it."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

import gitcoord
from gitcoord.core.errors import ConflictError, GitcoordError, RefusedError
from gitcoord.core.ids import ORCHESTRATOR
from gitcoord.features.land import landings
from gitcoord.features.maintain import verify
from gitcoord.features.work import claims, escalations, results, widenings
from gitcoord.features.workspace import Workspace, open_workspace
from tests.support.builders import REVIEWED, tasks
from tests.support.world import found, git, record, write

FREE = '[plan]\nwidening = "free"\n'


def claim(work: Workspace, agent: str, task: str) -> str:
    return claims.claim(work, agent, task).claim["token"]


def hand_in(work: Workspace, repo: Path, agent: str, task: str, token: str, *names: str) -> None:
    place = repo.with_name("repo.worktrees") / agent
    for name in names:
        write(place, name, f"by {task}\n")
    results.complete(work, agent, task, token)


def test_complete_and_landing_allow_what_a_claim_was_widened_by(repo: Path) -> None:
    work = found(repo, FREE + tasks("a"), "x")
    token = claim(work, "x", "a")
    widenings.widen(work, "x", "a", token, ["lib/"])
    tip = work.ledger.tip()
    hand_in(work, repo, "x", "a", token, "a/f", "lib/f")
    # What was widened already is asked for no second time: complete is the one entry.
    assert work.store.read_entry(work.ledger.tip() or "").parents == (tip,)
    landings.land(work, "default")
    assert "lib/f" in git("ls-tree", "-r", "--name-only", "main", cwd=repo)
    verify.verify(work)


def test_a_later_base_contains_the_results_that_were_widened_to_its_paths(repo: Path) -> None:
    work = found(repo, FREE + tasks("a", "b"), "x", "y")
    token = claim(work, "x", "a")
    widenings.widen(work, "x", "a", token, ["b/of-a"])
    hand_in(work, repo, "x", "a", token, "a/f", "b/of-a")
    claims.claim(work, "y", "b")
    assert record(work, "b")["claim"]["built_on"].keys() == {"a"}


def test_a_result_in_the_way_is_merged_first_and_then_it_widens(repo: Path) -> None:
    work = found(repo, FREE + tasks("a", "b"), "x", "y")
    token = claim(work, "x", "a")
    hand_in(work, repo, "y", "b", claim(work, "y", "b"), "b/f")
    with pytest.raises(RefusedError) as moved:
        widenings.widen(work, "x", "a", token, ["b/f"])
    assert (moved.value.reason, moved.value.facts["moved"]) == ("base-moved", ["b"])
    place = repo.with_name("repo.worktrees") / "x"
    git("merge", "-q", "--no-edit", str(moved.value.facts["branch"]), cwd=place)
    widenings.widen(work, "x", "a", token, ["b/f"])
    hand_in(work, repo, "x", "a", token, "a/f", "b/f")
    landings.land(work, "default")
    assert git("show", "main:b/f", cwd=repo) == "by a"


def test_a_result_under_review_names_its_author(repo: Path) -> None:
    work = found(repo, FREE + REVIEWED + tasks("a", "b"), "x", "y")
    token = claim(work, "x", "a")
    hand_in(work, repo, "y", "b", claim(work, "y", "b"), "b/f")
    with pytest.raises(ConflictError) as held:
        widenings.widen(work, "x", "a", token, ["b/f"])
    assert (held.value.facts["holder"], held.value.facts["task"]) == ("y", "b")


def test_of_two_that_widen_towards_each_other_one_is_refused(repo: Path) -> None:
    work = found(repo, FREE + tasks("a", "b"), "x", "y", worktrees=False)
    tokens = {
        agent: claims.claim(work, agent, task, checkout=False).claim["token"]
        for agent, task in (("x", "a"), ("y", "b"))
    }
    together = threading.Barrier(2)
    outcomes: list[GitcoordError | None] = []

    def widen(agent: str, task: str) -> None:
        own = open_workspace(repo)
        together.wait()
        try:
            widenings.widen(own, agent, task, tokens[agent], ["lib/"])
            outcomes.append(None)
        except GitcoordError as error:
            outcomes.append(error)
        own.close()

    threads = [threading.Thread(target=widen, args=one) for one in (("x", "a"), ("y", "b"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(one is None for one in outcomes) == 1
    assert sum(isinstance(one, ConflictError) for one in outcomes) == 1


def test_the_orchestrator_is_asked_once_and_the_same_paths_widen_when_granted(repo: Path) -> None:
    work = found(repo, tasks("a"), "x", worktrees=False)
    with gitcoord.open(repo) as coord:
        held = coord.claim("x", checkout=False)
        for _ in range(2):
            with pytest.raises(RefusedError) as asked:
                coord.widen(held, "lib/")
            assert asked.value.reason == "widening"
        (open_one,) = escalations.inbox(work)
        assert open_one["id"] == asked.value.facts["escalation"]
        escalations.resolve(work, open_one["id"], "yes", is_granted=True)
        coord.widen(held, "lib/")
    assert record(work, "a")["widened"] == ["lib/"]
    work.ledger.execute({"op": "cancel", "task": "a", "reason": ""}, agent=ORCHESTRATOR)
    verify.verify(work)
