"""Agents at work, through real git in real worktrees."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from gitcoord.core.errors import (
    ClaimLostError,
    ConflictError,
    GitcoordError,
    NotFoundError,
    NothingReadyError,
    PlanFinishedError,
    RefusedError,
    UsageError,
)
from gitcoord.features.inspect import facts
from gitcoord.features.land import landings
from gitcoord.features.maintain import verify
from gitcoord.features.run import reviews, runner
from gitcoord.features.setup import agents, ledger, trust
from gitcoord.features.work import claims, results
from gitcoord.features.work.wait import wait_for_change
from gitcoord.features.workspace import open_workspace, result_ref
from gitcoord.host.clock import Clock
from tests.support.builders import tasks
from tests.support.world import do, environment, found, git, record, write

SHORT = '[plan]\nlease = "1s"\nheartbeat = "300ms"\n'
LONGER = '[plan]\nlease = "5s"\nheartbeat = "1s"\n'


def test_a_claim_checks_its_branch_out_in_the_agents_worktree_only(repo: Path) -> None:
    work = found(repo, tasks("a"), "x")
    head = git("rev-parse", "HEAD", cwd=repo)
    claimed = claims.claim(work, "x")
    assert claimed.checkout == "done"
    assert (
        git("branch", "--show-current", cwd=Path(claimed.worktree or "")) == claimed.claim["branch"]
    )
    assert git("branch", "--show-current", cwd=repo) == "main"
    assert git("rev-parse", "HEAD", cwd=repo) == head
    assert git("status", "--porcelain", cwd=repo) == ""


def test_uncommitted_changes_are_refused_before_the_claim(repo: Path) -> None:
    work = found(repo, tasks("a"), "x")
    place = work.worktree_of("x")
    assert place is not None
    (place / "README.md").write_text("changed\n")
    tip = work.ledger.tip()
    with pytest.raises(RefusedError) as caught:
        claims.claim(work, "x")
    assert caught.value.reason == "uncommitted"
    assert work.ledger.tip() == tip
    assert (place / "README.md").read_text() == "changed\n"
    assert claims.claim(work, "x", checkout=False).checkout == "none"


def test_asking_again_returns_the_same_claim(repo: Path) -> None:
    work = found(repo, tasks("a", "b"), "x")
    first = claims.claim(work, "x", session="s")
    again = claims.claim(work, "x", session="s")
    assert again.already
    assert again.claim["token"] == first.claim["token"]
    with pytest.raises(RefusedError) as caught:
        claims.claim(work, "x", "b" if first.task["id"] == "a" else "a", session="s")
    assert caught.value.reason == "capacity"


def test_another_living_session_is_a_conflict_and_a_dead_one_is_fenced(repo: Path) -> None:
    work = found(repo, tasks("a"), "x")
    first = claims.claim(work, "x", session="named:one")
    with pytest.raises(ConflictError):
        claims.claim(work, "x", session="named:two")
    results.release(work, "x", "a", first.claim["token"])
    child = subprocess.Popen(["sleep", "60"])
    from gitcoord.host.processes import identity

    leader = identity(child.pid)
    first = claims.claim(work, "x", session=leader)
    with pytest.raises(ConflictError):
        claims.claim(work, "x", session="named:two")
    child.kill()
    child.wait()
    again = claims.claim(work, "x", session="named:two")
    assert again.reissued
    assert again.claim["branch"] == first.claim["branch"]
    with pytest.raises(ClaimLostError):
        results.progress(work, "x", "a", first.claim["token"], "hi")
    results.progress(work, "x", "a", again.claim["token"], "hi")


def test_a_dead_agents_task_is_taken_over_while_its_worktree_keeps_its_branch(repo: Path) -> None:
    work = found(repo, SHORT + tasks("a"), "x", "y")
    first = claims.claim(work, "x")
    old = write(Path(first.worktree or ""), "a/half.txt")
    with pytest.raises(NothingReadyError) as waiting:
        claims.claim(work, "y")
    assert 0 < float(str(waiting.value.facts["retry_after"])) <= 1.1
    time.sleep(1.05)
    second = claims.claim(work, "y")
    assert second.task["id"] == "a"
    assert second.claim["branch"] != first.claim["branch"]
    with pytest.raises(ClaimLostError):
        results.complete(work, "x", "a", first.claim["token"])
    with pytest.raises(ClaimLostError):
        work.ledger.beat("x", first.claim["token"])
    write(Path(second.worktree or ""), "a/file.txt")
    results.complete(work, "y", "a", second.claim["token"])
    assert git("rev-parse", first.claim["branch"], cwd=repo) == old, "the half-done branch is kept"
    verify.verify(work)


def test_resume_starts_from_the_earlier_attempt(repo: Path) -> None:
    work = found(repo, SHORT + tasks("a"), "x", "y")
    first = claims.claim(work, "x")
    half = write(Path(first.worktree or ""), "a/half.txt")
    time.sleep(1.05)
    second = claims.claim(work, "y", resume=True)
    assert git("rev-parse", "HEAD", cwd=Path(second.worktree or "")) == half
    results.complete(work, "y", "a", second.claim["token"])


def test_a_beating_holder_keeps_its_task_far_beyond_its_lease(repo: Path) -> None:
    work = found(repo, LONGER + tasks("a"), "x", "y", worktrees=False)
    held = claims.claim(work, "x")
    for _ in range(4):
        time.sleep(1.5)
        work.ledger.beat("x", held.claim["token"])
        with pytest.raises(NothingReadyError):
            claims.claim(work, "y")
    assert facts.status(work)["claims"][0]["is_over"] is False


def test_thirteen_agents_added_at_the_same_time_all_succeed(repo: Path) -> None:
    found(repo, tasks("a")).close()
    script = (
        "import sys; from pathlib import Path; from gitcoord.features.setup import agents\n"
        "from gitcoord.features.workspace import open_workspace\n"
        "agents.add(open_workspace(Path(sys.argv[1])), sys.argv[2])"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", script, str(repo), f"x{number}"], env=environment())
        for number in range(13)
    ]
    assert [process.wait() for process in running] == [0] * 13
    assert len(git("worktree", "list", cwd=repo).splitlines()) == 14
    assert len(facts.status(open_workspace(repo))["agents"]) == 13


def test_removing_an_agent_never_loses_work(repo: Path) -> None:
    work = found(repo, tasks("a"), "x")
    place = work.worktree_of("x")
    assert place is not None
    (place / "new.txt").write_text("precious\n")
    with pytest.raises(RefusedError) as caught:
        agents.remove(work, "x")
    assert caught.value.reason == "uncommitted"
    git("add", "-A", cwd=place)
    git("commit", "-q", "-m", "on no branch", cwd=place)
    with pytest.raises(RefusedError) as caught:
        agents.remove(work, "x")
    assert caught.value.reason == "unmerged"
    git("branch", "kept", "HEAD", cwd=place)
    agents.remove(work, "x")
    assert not place.exists()
    assert work.ledger.snapshot().agent("x") is None


def test_files_are_copied_and_setup_runs_only_when_trusted(repo: Path) -> None:
    (repo / ".env").write_text("SECRET=1\n")
    plan = '[worktree]\ncopy = [".env"]\nsetup = "echo made > setup.txt"\n' + tasks("a")
    work = found(repo, plan)
    one = agents.add(work, "x")
    assert one.setup == "untrusted"
    assert (Path(one.worktree or "") / ".env").read_text() == "SECRET=1\n"
    assert not (Path(one.worktree or "") / "setup.txt").exists()
    trust.trust(work, work.ledger.snapshot())
    two = agents.add(work, "y")
    assert two.setup == "done"
    assert (Path(two.worktree or "") / "setup.txt").exists()


class OtherBoot(Clock):
    """The clock of another machine that shares the repository."""

    def boot_id(self) -> str:
        return "another-boot"


def test_a_lease_of_another_boot_ends_only_after_it_was_watched_that_long(repo: Path) -> None:
    found(repo, SHORT + tasks("a"), "x", "y", worktrees=False).close()
    held = claims.claim(open_workspace(repo, clock=OtherBoot()), "x", session="s")
    time.sleep(1.1)
    with pytest.raises(NothingReadyError):
        claims.claim(open_workspace(repo), "y")
    time.sleep(1.1)
    # Another command, another process as it were: it remembers what was seen.
    taken = claims.claim(open_workspace(repo), "y")
    entry = open_workspace(repo).store.read_entry(taken.entry)
    assert '"rule":"observed"' in entry.message
    with pytest.raises(ClaimLostError):
        open_workspace(repo).ledger.beat("x", held.claim["token"])


def test_a_large_plan_is_one_pack(repo: Path) -> None:
    plan = '[[tasks]]\nids = "1-600"\ntitle = "Task {id}"\npaths = ["out/{id}/"]\n'
    work = found(repo, plan, "x", worktrees=False)
    assert len(list((repo / ".git" / "objects" / "pack").glob("*.pack"))) == 1
    assert int(git("count-objects", cwd=repo).split()[0]) < 30
    assert claims.claim(work, "x").task["state"] == "claimed"
    assert verify.verify(work).entries == 4
    assert git("fsck", "--no-dangling", cwd=repo) == ""


def test_selections_choose_as_they_say(repo: Path) -> None:
    rows = [
        ("a", 1, "src/one/a"),
        ("b", 5, "src/two/b"),
        ("c", 3, "src/one/c"),
        ("d", 4, "src/three/d"),
    ]
    text = "".join(
        f'[[task]]\nid="{name}"\ntitle="T"\npriority={priority}\npaths=["{path}"]\n'
        for name, priority, path in rows
    )
    text += '[[task]]\nid="e"\ntitle="T"\npaths=["e"]\nneeds=["d"]\nestimate="9h"\n'
    work = found(repo, text, worktrees=False)
    for selection, expected in (
        ("round-robin", "abcd"),
        ("priority", "bdca"),
        ("critical-path", "dabc"),
    ):
        ledger.apply_plan(work, f'[plan]\nselection = "{selection}"\n' + text, "plan.toml")
        got = []
        for number in range(4):
            name = f"{selection}-{number}"
            agents.add(work, name, no_worktree=True)
            claimed = claims.claim(work, name)
            got.append((name, claimed))
        assert "".join(claimed.task["id"] for _, claimed in got) == expected
        for name, claimed in got:
            results.release(work, name, claimed.task["id"], claimed.claim["token"])
    ledger.apply_plan(work, '[plan]\nselection = "directory"\n' + text, "plan.toml")
    agents.add(work, "one", no_worktree=True, capacity=2)
    agents.add(work, "two", no_worktree=True)
    assert claims.claim(work, "one", "a").task["id"] == "a"
    assert claims.claim(work, "two").task["id"] in {"b", "d"}, "away from the directories of others"
    assert claims.claim(work, "one").task["id"] == "c", "in a directory that is its own already"


# results


@pytest.mark.parametrize(
    "way",
    [
        "outside",
        "rename-out",
        "delete-outside",
        "mode-outside",
        "link-out",
        "link-git",
        "submodule",
        "case-twin",
        "second-commit",
        "merge-foreign",
        "evil-merge",
        "amended-base",
        "newline",
        "other-history",
        "undone-outside",
    ],
)
def test_no_way_round_the_boundary_is_accepted(repo: Path, way: str) -> None:
    (repo / "other").mkdir()
    (repo / "other" / "file.txt").write_text("other\n")
    (repo / "a").mkdir()
    (repo / "a" / "inside.txt").write_text("inside\n")
    git("add", "-A", cwd=repo)
    git("commit", "-q", "-m", "more", cwd=repo)
    work = found(repo, tasks("a"), "x")
    claimed = claims.claim(work, "x")
    place = Path(claimed.worktree or "")
    write(place, "a/ok.txt")
    if way == "outside":
        write(place, "b/file.txt")
    elif way == "rename-out":
        git("mv", "a/inside.txt", "moved.txt", cwd=place)
        git("commit", "-q", "-m", "move", cwd=place)
    elif way == "delete-outside":
        git("rm", "-q", "other/file.txt", cwd=place)
        git("commit", "-q", "-m", "delete", cwd=place)
    elif way == "mode-outside":
        (place / "other" / "file.txt").chmod(0o755)
        git("commit", "-q", "-am", "mode", cwd=place)
    elif way in {"link-out", "link-git"}:
        (place / "a" / "link").symlink_to("../../up" if way == "link-out" else "../.git/config")
        git("add", "-A", cwd=place)
        git("commit", "-q", "-m", "link", cwd=place)
    elif way == "submodule":
        git(
            "update-index",
            "--add",
            "--cacheinfo",
            f"160000,{git('rev-parse', 'HEAD', cwd=repo)},a/sub",
            cwd=place,
        )
        git("commit", "-q", "-m", "sub", cwd=place)
        (place / "a" / "sub").mkdir()
    elif way == "case-twin":
        write(place, "A/file.txt")
    elif way == "second-commit":
        write(place, "b/file.txt")
        write(place, "a/more.txt")
    elif way == "undone-outside":
        write(place, "b/file.txt")
        git("rm", "-q", "b/file.txt", cwd=place)
        git("commit", "-q", "-m", "undo", cwd=place)
    elif way == "merge-foreign":
        git("checkout", "-q", "-b", "foreign", "main", cwd=place)
        write(place, "b/file.txt")
        git("checkout", "-q", claimed.claim["branch"], cwd=place)
        git("merge", "-q", "--no-edit", "foreign", cwd=place)
    elif way == "evil-merge":
        git("commit", "-q", "--allow-empty", "-m", "target moves", cwd=repo)
        git("merge", "-q", "--no-commit", "--no-ff", "main", cwd=place)
        (place / "other" / "file.txt").write_text("evil\n")
        git("commit", "-q", "-am", "merge", cwd=place)
    elif way == "amended-base":
        git("checkout", "-q", "--detach", "main", cwd=place)
        (place / "other" / "file.txt").write_text("amended\n")
        git("commit", "-q", "-a", "--amend", "-m", "more", cwd=place)
        write(place, "a/ok.txt")
        git("branch", "-f", claimed.claim["branch"], "HEAD", cwd=place)
        git("checkout", "-q", claimed.claim["branch"], cwd=place)
    elif way == "newline":
        write(place, "b\na/file.txt")
    elif way == "other-history":
        git("checkout", "-q", "--orphan", "orphan", cwd=place)
        git("commit", "-q", "-m", "orphan", cwd=place)
    tip = work.ledger.tip()
    with pytest.raises(RefusedError) as caught:
        results.complete(
            work, "x", "a", claimed.claim["token"], result=git("rev-parse", "HEAD", cwd=place)
        )
    assert caught.value.reason == "boundary"
    assert work.ledger.tip() == tip
    assert record(work, "a")["state"] == "claimed"


def test_merging_the_target_and_resolving_inside_is_accepted(repo: Path) -> None:
    work = found(repo, tasks("a"), "x")
    claimed = claims.claim(work, "x")
    place = Path(claimed.worktree or "")
    write(place, "a/file.txt", "ours\n")
    write(repo, "a/file.txt", "theirs\n")
    write(repo, "elsewhere.txt")
    subprocess.run(["git", "merge", "-q", "main"], cwd=place, check=False, capture_output=True)
    (place / "a" / "file.txt").write_text("both\n")
    git("add", "-A", cwd=place)
    git("commit", "-q", "-m", "merge", cwd=place)
    results.complete(work, "x", "a", claimed.claim["token"])
    landings.land(work, "default")
    assert (repo / "a" / "file.txt").read_text() == "both\n"


def test_an_empty_or_uncommitted_result_is_refused(repo: Path) -> None:
    work = found(repo, tasks("a") + '[[task]]\nid="d"\ntitle="Decide"\npaths=[]\n', "x")
    claimed = claims.claim(work, "x", "a")
    token = claimed.claim["token"]
    with pytest.raises(RefusedError) as caught:
        results.complete(work, "x", "a", token)
    assert caught.value.reason == "empty-result"
    (Path(claimed.worktree or "") / "a").mkdir()
    (Path(claimed.worktree or "") / "a" / "left.txt").write_text("x")
    with pytest.raises(RefusedError) as caught:
        results.complete(work, "x", "a", token)
    assert caught.value.reason == "uncommitted"
    with pytest.raises(RefusedError):
        results.complete(work, "x", "a", token, no_result=True)
    results.release(work, "x", "a", token)
    git("clean", "-qfd", cwd=Path(claimed.worktree or ""))
    decision = claims.claim(work, "x", "d")
    done = results.complete(work, "x", "d", decision.claim["token"])
    assert done.task["result"] is not None
    assert done.task["result"]["oid"] is None


def test_completing_again_says_already(repo: Path) -> None:
    work = found(repo, tasks("a"), "x")
    claimed = do(work, "x")
    again = results.complete(work, "x", "a", claimed.claim["token"])
    assert again.already
    oid = str(record(work, "a")["result"]["oid"])
    assert git("rev-parse", result_ref("ledger", "a", oid), cwd=repo) == oid


def test_a_base_contains_the_results_that_a_task_needs_or_overlaps(repo: Path) -> None:
    plan = (
        tasks("a", "b", c=["a", "b"])
        + tasks("c", c=["a", "b"])
        + '[[task]]\nid="d"\ntitle="D"\npaths=["a/x/","d/"]\n'
    )
    work = found(repo, plan, "x")
    do(work, "x", "a")
    do(work, "x", "b")
    claimed = claims.claim(work, "x", "c")
    place = Path(claimed.worktree or "")
    assert (place / "a" / "file.txt").exists()
    assert (place / "b" / "file.txt").exists()
    assert set(claimed.claim["built_on"]) == {"a", "b"}
    write(place, "c/file.txt")
    results.complete(work, "x", "c", claimed.claim["token"])
    assert set(record(work, "c")["result"]["built_on"]) == {"a", "b"}
    overlapping = claims.claim(work, "x", "d")
    assert set(overlapping.claim["built_on"]) == {"a"}


def test_a_base_that_cannot_be_made_is_escalated_once(repo: Path) -> None:
    rows = "".join(
        f'[[task]]\nid="{name}"\ntitle="T"\nneeds={needs}\n'
        for name, needs in [("a", []), ("b", []), ("c", ["a", "b"])]
    )
    work = found(repo, '[plan]\nboundaries = "open"\n' + rows, "x")
    for name in "ab":
        claimed = claims.claim(work, "x", name)
        write(Path(claimed.worktree or ""), "same.txt", name)
        results.complete(work, "x", name, claimed.claim["token"])
    for _ in range(2):
        with pytest.raises(RefusedError) as caught:
            claims.claim(work, "x", "c")
        assert caught.value.reason == "base-conflict"
        with pytest.raises(NothingReadyError, match="waits for the orchestrator"):
            claims.claim(work, "x")
    assert [one["kind"] for one in facts.status(work)["escalations"]] == ["base-conflict"]


# landing


def conflicting(repo: Path) -> tuple[object, str]:
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
    check = landings.check_phase(work, "default")  # type: ignore[arg-type]
    assert check.conflict == landings.Conflicted("b", "task a", ["s/file.txt"])
    with pytest.raises(RefusedError) as caught:
        landings.land(work, "default")  # type: ignore[arg-type]
    assert caught.value.reason == "conflict"
    assert (caught.value.facts["task"], caught.value.facts["other"]) == ("b", "task a")
    assert git("rev-parse", "main", cwd=repo) == before
    assert record(work, "b")["state"] == "open"  # type: ignore[arg-type]
    again = claims.claim(work, "y", "b")  # type: ignore[arg-type]
    assert set(again.claim["built_on"]) == {"a"}
    assert (Path(again.worktree or "") / "s" / "file.txt").read_text() == "one\n"


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
        '#!/bin/sh\n[ "$1" = prepared ] || exit 0\n[ -z "$GITCOORD_LANDING" ] || exit 1\n'
    )
    hook.chmod(0o755)
    before = git("rev-parse", "main", cwd=repo)
    with pytest.raises(RefusedError) as caught:
        landings.land(work, "default")
    assert caught.value.reason == "target-moved"
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


def test_with_automatic_landing_the_last_to_complete_lands_the_phase(repo: Path) -> None:
    import gitcoord

    work = found(repo, '[plan]\nlanding = "auto"\n' + tasks("a", "b"), "x")
    with gitcoord.open(repo) as coord:
        for count in (1, 2):
            claim = coord.claim("x")
            write(Path(claim.worktree or ""), f"{claim.task['id']}/file.txt")
            coord.complete(claim)
            assert facts.status(work)["counts"].get("landed", 0) == (0 if count == 1 else 2)
    # Agents' commands finish refs only; the orchestrator's next one brings the checkout along.
    assert landings.lagging(work) == [repo]
    landings.finish_pending(work)
    assert landings.lagging(work) == []
    assert git("status", "--porcelain", cwd=repo) == ""


# waiting, running


def test_waiting_wakes_when_the_ledger_moves_and_not_by_reading(repo: Path) -> None:
    work = found(repo, tasks("a"), "x", worktrees=False)
    tip = work.ledger.tip()
    assert not wait_for_change(work, tip, 0.3)
    other = open_workspace(repo)
    timer = threading.Timer(0.3, lambda: claims.claim(other, "x", checkout=False))
    timer.start()
    assert wait_for_change(work, tip, 30)
    timer.join()


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


def test_keepalive_beats_passes_the_status_on_and_ends_a_lost_command(repo: Path) -> None:
    work = found(repo, LONGER + tasks("a"), "x", "y", worktrees=False)
    held = claims.claim(work, "x")
    base = [sys.executable, "-m", "gitcoord", "-C", str(repo), "--agent", "x", "keepalive", "--"]
    env = environment(GITCOORD_CLAIM=held.claim["token"])
    assert (
        subprocess.run([*base, "sh", "-c", "sleep 6; exit 7"], env=env, check=False).returncode == 7
    )
    assert record(work, "a")["claim"] is not None
    with pytest.raises(NothingReadyError):
        claims.claim(work, "y")
    process = subprocess.Popen([*base, "sleep", "60"], env=env, stderr=subprocess.PIPE)
    time.sleep(0.5)
    work.ledger.execute({"op": "cancel", "task": "a", "reason": ""}, agent="orchestrator")
    assert process.wait(timeout=20) == 13
    process.communicate()


def test_the_python_interface_does_the_same(repo: Path) -> None:
    import gitcoord

    found(repo, tasks("a", "b", "c", "d"), "x", worktrees=False).close()
    with gitcoord.open(repo) as coord:
        claim = coord.claim("x", "a")
        coord.progress(claim, "half", percent=50)
        coord.beat(claim)
        with pytest.raises(gitcoord.RefusedError):
            coord.complete(claim, result="HEAD")
        coord.release(claim, reason="later")
        with pytest.raises(gitcoord.ClaimLostError):
            coord.progress(claim, "too late")
        coord.fail(coord.claim("x", "b"), reason="no", kind="permanent")
    with pytest.raises(gitcoord.UsageError):
        gitcoord.open("/")


def test_errors_are_all_listed() -> None:
    from gitcoord.core import errors

    named = {
        getattr(errors, name) for name in errors.__all__ if isinstance(getattr(errors, name), type)
    }
    assert named - {GitcoordError} == set(errors.ERRORS)
