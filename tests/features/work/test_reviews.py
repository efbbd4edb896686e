"""Reviews in real repositories: what a reviewer is given, and what counts."""

from __future__ import annotations

import json
import os
import resource
import threading
from pathlib import Path

import pytest

import gitcoord
from gitcoord.core.errors import (
    ClaimLostError,
    ConflictError,
    NotFoundError,
    NothingReadyError,
    PlanFinishedError,
    RefusedError,
)
from gitcoord.core.sentences import reason_of
from gitcoord.features.inspect import facts
from gitcoord.features.land import landings
from gitcoord.features.maintain import verify
from gitcoord.features.setup import agents, trust
from gitcoord.features.work import claims, results, reviews
from gitcoord.features.workspace import open_workspace
from tests.support.builders import REVIEWED, tasks
from tests.support.world import do, found, git, record, write


def test_a_phase_lands_only_what_was_reviewed(repo: Path) -> None:
    work = found(repo, tasks("a", "b", head=REVIEWED), "x", "y")
    do(work, "x", "a")
    do(work, "y", "b")
    with pytest.raises(RefusedError, match="not whole") as refused:
        landings.land(work, "default")
    assert refused.value.reason == "not-whole"
    for agent, task in (("y", "a"), ("x", "b")):
        assert reviews.claim(work, agent).task["id"] == task
        reviews.judge(work, agent, None, "approve", "")
    assert landings.land(work, "default").results == 2
    assert git("ls-tree", "-r", "--name-only", "main", cwd=repo).split() == [
        "README.md",
        "a/file.txt",
        "b/file.txt",
    ]
    verify.verify(work)


def test_a_reviewer_is_given_the_task_the_results_own_changes_and_the_check(repo: Path) -> None:
    plan = REVIEWED + (
        '[[task]]\nid = "a"\ntitle = "Do a"\npaths = ["a/"]\n'
        '[[task]]\nid = "b"\ntitle = "Do b"\ndescription = "as said"\nneeds = ["a"]\npaths = '
        '["b/"]\ncheck = "cat b/f"\n'
    )
    work = found(repo, plan, "x", "y")
    trust.trust(work, work.ledger.snapshot())
    do(work, "x", "a")
    reviews.claim(work, "y")
    reviews.judge(work, "y", "a", "approve", "fine")
    held = claims.claim(work, "x", "b")
    write(Path(held.worktree or ""), "b/f", "the new text\n")
    # The target goes on meanwhile, and the author takes it in: not his own.
    write(repo, "elsewhere.txt", "moved\n")
    git("merge", "-q", "-m", "Take the target in", "main", cwd=Path(held.worktree or ""))
    results.complete(work, "x", "b", held.claim["token"])
    claimed = reviews.claim(work, "y")
    given = reviews.material(work, work.ledger.snapshot(), claimed.task)
    assert (given["task"]["id"], given["task"]["description"]) == ("b", "as said")
    assert given["diff"]["files"] == [{"path": "b/f", "added": 1, "removed": 0}]
    assert "+the new text" in given["diff"]["text"]
    assert not given["diff"]["is_cut"]
    assert (given["check"]["verdict"], given["check"]["log"]) == ("passed", "the new text")
    assert given["result"]["oid"] == claimed.review["result"]


def test_a_task_without_a_commit_is_reviewed_too(repo: Path) -> None:
    work = found(repo, REVIEWED + '[[task]]\nid = "a"\ntitle = "Decide"\npaths = []\n', "x", "y")
    held = claims.claim(work, "x")
    results.complete(work, "x", "a", held.claim["token"], no_result=True)
    claimed = reviews.claim(work, "y")
    assert reviews.material(work, work.ledger.snapshot(), claimed.task)["diff"] is None
    assert reviews.judge(work, "y", None, "approve", "").task["state"] == "done"


def test_what_is_rejected_comes_back_with_the_reason_and_a_new_result(repo: Path) -> None:
    work = found(repo, tasks("a", head=REVIEWED), "x", "y")
    first = do(work, "x", "a")
    reviews.claim(work, "y")
    reviews.judge(work, "y", None, "reject", "the empty file is not handled")
    again = claims.claim(work, "x", resume=True)
    assert (
        reason_of(again.task["setbacks"][-1])
        == "y rejected the result: the empty file is not handled"
    )
    assert (again.claim["attempt"], again.is_resumed) == (2, True)
    write(Path(again.worktree or ""), "a/empty.txt", "")
    results.complete(work, "x", "a", again.claim["token"])
    with pytest.raises(ClaimLostError):
        reviews.judge(work, "y", "a", "approve", "")
    reviews.claim(work, "y")
    assert reviews.judge(work, "y", "a", "approve", "").task["state"] == "done"
    assert first.claim["branch"] != again.claim["branch"]
    verify.verify(work)


def test_asking_again_gives_the_same_review_and_another_session_waits(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = found(repo, tasks("a", "b", head=REVIEWED), "x", "y")
    do(work, "x", "a")
    do(work, "x", "b")
    monkeypatch.setenv("GITCOORD_SESSION", "one")
    first = reviews.claim(work, "y")
    again = reviews.claim(work, "y")
    assert (again.already, again.review["token"], again.task["id"]) == (
        True,
        first.review["token"],
        "a",
    )
    monkeypatch.setenv("GITCOORD_SESSION", "another")
    with pytest.raises(ConflictError, match="another session of y"):
        reviews.claim(work, "y")
    with pytest.raises(RefusedError, match="already reviews a"):
        reviews.claim(work, "y", "b")


def test_approving_twice_is_approving_once(repo: Path) -> None:
    work = found(repo, tasks("a", head=REVIEWED), "x", "y")
    do(work, "x", "a")
    reviews.claim(work, "y")
    done = reviews.judge(work, "y", "a", "approve", "")
    tip = work.ledger.tip()
    again = reviews.judge(work, "y", "a", "approve", "")
    assert (done.already, again.already, work.ledger.tip()) == (False, True, tip)


def test_a_reviewer_beats_and_a_silent_one_is_replaced(repo: Path) -> None:
    work = found(
        repo, tasks("a", head='[plan]\nlease = "2s"\nheartbeat = "1s"\n' + REVIEWED), "x", "y", "z"
    )
    do(work, "x", "a")
    held = reviews.claim(work, "y")
    for _ in range(5):
        work.clock.sleep(0.5)
        work.ledger.beat("y", held.review["token"])
    with pytest.raises(NothingReadyError):
        reviews.claim(work, "z")
    work.clock.sleep(2.1)
    assert reviews.claim(work, "z").task["id"] == "a"
    with pytest.raises(ClaimLostError):
        work.ledger.beat("y", held.review["token"])
    with pytest.raises(ClaimLostError):
        reviews.judge(work, "y", "a", "approve", "")


def test_of_many_racing_reviewers_one_wins(repo: Path) -> None:
    names = [f"r{number}" for number in range(6)]
    work = found(repo, tasks("a", head=REVIEWED), "x", worktrees=True)
    for name in names:
        agents.add(work, name, no_worktree=True)
    do(work, "x", "a")
    won: list[str] = []
    start = threading.Barrier(len(names))

    def race(name: str) -> None:
        own = open_workspace(repo)
        start.wait()
        try:
            reviews.claim(own, name, session=name)
            won.append(name)
        except NothingReadyError:
            pass
        finally:
            own.close()

    threads = [threading.Thread(target=race, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert [one["agent"] for one in record(work, "a")["reviews"]] == won


def test_there_is_nothing_to_review_for_the_author_and_after_the_end(repo: Path) -> None:
    work = found(repo, tasks("a", head=REVIEWED), "x", "y")
    with pytest.raises(NothingReadyError, match="no result waits for one"):
        reviews.claim(work, "y")
    do(work, "x", "a")
    with pytest.raises(NothingReadyError, match="x is the author of task a"):
        reviews.claim(work, "x")
    with pytest.raises(NotFoundError, match="there is no task 'aa'"):
        reviews.claim(work, "y", "aa")
    reviews.claim(work, "y")
    reviews.judge(work, "y", "a", "approve", "")
    agents.add(work, "z", no_worktree=True)
    with pytest.raises(NotFoundError, match="z has no review of a task here"):
        reviews.judge(work, "z", None, "approve", "")
    landings.land(work, "default")
    with pytest.raises(PlanFinishedError):
        reviews.claim(work, "y")


def test_the_oldest_result_is_reviewed_first(repo: Path) -> None:
    work = found(repo, tasks("a", "b", "c", head=REVIEWED), "x", "y")
    for task in ("c", "a", "b"):
        do(work, "x", task)
        work.clock.sleep(1.0)
    seen = []
    for _ in range(3):
        seen.append(reviews.claim(work, "y").task["id"])
        reviews.judge(work, "y", None, "approve", "")
    assert seen == ["c", "a", "b"]


def test_status_and_show_tell_of_reviews(repo: Path) -> None:
    work = found(
        repo, tasks("a", "b", head=REVIEWED.replace("reviews = 1", "reviews = 2")), "x", "y", "z"
    )
    do(work, "x", "a")
    reviews.claim(work, "y")
    reviews.judge(work, "y", None, "approve", "well done")
    reviews.claim(work, "z")
    status = facts.status(work)
    assert status["counts"] == {"review": 1, "ready": 1}
    assert [(one["task"], one["agent"]) for one in status["reviews"]] == [("a", "z")]
    shown = facts.show(work, "a")["task"]
    assert [(one["agent"], one["verdict"], one["message"]) for one in shown["reviews"]] == [
        ("y", "approved", "well done"),
        ("z", None, ""),
    ]
    listed = reviews.listing(work)["reviews"]
    assert [(one["task"], one["approved"], one["needed"]) for one in listed] == [("a", 1, 2)]
    claims.claim(work, "x", "b")
    with pytest.raises(NothingReadyError, match="task a waits for review by z"):
        claims.claim(work, "y")


def test_the_interface_for_python_reviews(repo: Path) -> None:
    found(repo, tasks("a", "b", head=REVIEWED), "x", "y").close()
    with gitcoord.open(repo) as coord:
        for task in ("a", "b"):
            held = coord.claim("x", task)
            write(Path(held.worktree or ""), f"{task}/f.txt")
            coord.complete(held)
        review = coord.review("y")
        assert review.diff is not None
        assert [one["path"] for one in review.diff["files"]] == ["a/f.txt"]
        coord.beat(review)
        coord.release_review(review, reason="later")
        with pytest.raises(gitcoord.ClaimLostError):
            coord.approve(review)
        coord.approve(coord.review("y", "a"), "good")
        coord.reject(coord.review("y", "b"), reason="no tests")
    work = open_workspace(repo)
    assert [record(work, task)["state"] for task in ("a", "b")] == ["done", "open"]
    verify.verify(work)


def test_a_killed_claim_of_a_review_is_settled_by_the_next_command(repo: Path) -> None:
    work = found(repo, tasks("a", head=REVIEWED), "x", "y")
    do(work, "x", "a")
    read, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        own = open_workspace(repo)
        held = reviews.claim(own, "y", session="gone")
        os.write(write_end, json.dumps(held.review["token"]).encode())
        os._exit(9)
    os.waitpid(child, 0)
    token = json.loads(os.read(read, 1000))
    assert token in {str(one["token"]) for one in work.tokens("y", "reviews").all()}
    assert reviews.judge(work, "y", None, "approve", "").task["state"] == "done"


def test_a_review_stands_where_there_is_no_room_to_show_the_changes(repo: Path) -> None:
    work = found(repo, tasks("a", head=REVIEWED), "x", "y")
    do(work, "x", "a")
    done = reviews.claim(work, "y")
    snapshot = work.ledger.snapshot(done.entry)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))
    try:
        shown = reviews.material(work, snapshot, done.task)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert shown["diff"] is None
    assert shown["problem"].startswith("the changes cannot be shown now: ")
    assert reviews.material(work, snapshot, done.task)["diff"]["files"]
