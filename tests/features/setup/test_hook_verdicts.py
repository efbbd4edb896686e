"""What git's hooks stop and what they let through, with real git."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gitcoord.core.errors import RefusedError
from gitcoord.features.land import landings, rollbacks
from gitcoord.features.setup import agents, hooks, plans
from gitcoord.features.setup import ledger as setting_up
from gitcoord.features.work import claims, results
from gitcoord.features.workspace import open_workspace
from gitcoord.git.program import version
from tests.support.builders import tasks
from tests.support.formats import keeps_tables
from tests.support.hooked import attempt, claimed, message, stage, use_this_code
from tests.support.world import do, found, git


@pytest.fixture(autouse=True)
def _ours(monkeypatch: pytest.MonkeyPatch) -> None:
    use_this_code(monkeypatch)


def test_a_commit_inside_goes_through_and_names_its_task(repo: Path) -> None:
    _, place = claimed(repo)
    stage(place, "a/one")
    done = attempt("commit", "-m", "one", cwd=place)
    assert (done.returncode, done.stderr) == (0, "")
    assert message(place) == "one\n\nGitcoord-Task: a\nGitcoord-Attempt: 1"
    # Once is enough, however often the message comes by.
    git("commit", "-q", "--amend", "--no-edit", cwd=place)
    git("commit", "-q", "--amend", "-m", message(place), cwd=place)
    assert message(place).count("Gitcoord-") == 2


@pytest.mark.parametrize(
    "how",
    [
        ["commit", "-m", "x"],
        ["commit", "-a", "-m", "x"],
        ["commit", "-m", "x", "README.md"],
        ["commit", "--amend", "--no-edit"],
        ["commit", "-i", "README.md", "-m", "x"],
    ],
)
def test_a_commit_outside_is_refused_however_it_is_made(repo: Path, how: list[str]) -> None:
    _, place = claimed(repo)
    stage(place, "a/one")
    git("commit", "-q", "-m", "one", cwd=place)
    tip = git("rev-parse", "HEAD", cwd=place)
    stage(place, "README.md")
    done = attempt(*how, cwd=place)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "gitcoord: 1 change(s) outside the boundary: README.md (outside)",
        "  next: unstage them: git restore --staged PATH; the task may write a/",
    ]
    assert git("rev-parse", "HEAD", cwd=place) == tip


def test_what_is_judged_is_the_index_that_git_names(repo: Path) -> None:
    _, place = claimed(repo)
    stage(place, "a/one", "README.md")
    # The bad path is staged, but not in this commit.
    assert attempt("commit", "-m", "x", "a/one", cwd=place).returncode == 0
    git("reset", "-q", cwd=place)
    (place / "a" / "one").write_text("more\n")
    assert attempt("commit", "-a", "-m", "x", cwd=place).returncode == 1
    assert attempt("commit", "-m", "x", "a/one", cwd=place / "a" / "..").returncode == 0


@pytest.mark.parametrize("what", ["mode", "link", "submodule", "delete", "rename", "case"])
def test_what_is_no_plain_change_is_judged_too(repo: Path, what: str) -> None:
    git("config", "core.symlinks", "true", cwd=repo)
    _, place = claimed(repo)
    (place / "a").mkdir(exist_ok=True)
    if what == "mode":
        git("update-index", "--chmod=+x", "README.md", cwd=place)
    elif what == "link":
        (place / "a" / "out").symlink_to("../../elsewhere")
        git("add", "a/out", cwd=place)
    elif what == "submodule":
        git(
            "update-index",
            "--add",
            "--cacheinfo",
            f"160000,{git('rev-parse', 'HEAD', cwd=place)},a/sub",
            cwd=place,
        )
    elif what == "delete":
        git("rm", "-q", "README.md", cwd=place)
    elif what == "rename":
        git("mv", "README.md", "a/README.md", cwd=place)
    else:
        stage(place, "A/one")
    done = attempt("commit", "-m", "x", cwd=place)
    assert done.returncode == 1
    assert "outside the boundary" in done.stderr


@pytest.mark.parametrize(
    "how", [["commit", "-m", "x"], ["commit", "-a", "-m", "x"], ["commit", "-m", "x", "a/ONE"]]
)
def test_a_twin_that_some_disk_takes_for_another_file_is_judged_too(
    repo: Path, how: list[str]
) -> None:
    _, place = claimed(repo)
    stage(place, "a/one")
    git("commit", "-q", "-m", "one", cwd=place)
    stage(place, "a/ONE")
    done = attempt(*how, cwd=place)
    assert done.returncode == 1
    assert "a/ONE (the same file as a/one on some disks)" in done.stderr
    git("rm", "-q", "--cached", "a/one", cwd=place)
    (place / "a" / "one").unlink()
    assert attempt("commit", "-m", "x", cwd=place).returncode == 0, (
        "a new name in place of the old is none"
    )


def test_without_verify_the_commit_is_made_and_complete_refuses_it(repo: Path) -> None:
    work, place = claimed(repo)
    stage(place, "a/one", "README.md")
    assert attempt("commit", "--no-verify", "-m", "x", cwd=place).returncode == 0
    token = next(iter(work.tokens("x").all()))["token"]
    with pytest.raises(RefusedError, match=r"README\.md"):
        results.complete(work, "x", "a", token)
    # And it can be amended: what goes back to what it was is nobody's writing.
    git("restore", "--staged", "--worktree", "--source=HEAD^", "README.md", cwd=place)
    done = attempt("commit", "--amend", "--no-edit", cwd=place)
    assert done.returncode == 0, done.stderr
    results.complete(work, "x", "a", token)


def moved_target(repo: Path) -> None:
    (repo / "README.md").write_text("from the target\n")
    git("commit", "-q", "-am", "main moves on", cwd=repo)


def test_a_merge_from_the_target_is_not_held_against_the_claim(repo: Path) -> None:
    _, place = claimed(repo)
    stage(place, "a/one")
    git("commit", "-q", "-m", "one", cwd=place)
    moved_target(repo)
    done = attempt("merge", "--no-edit", "main", cwd=place)
    assert done.returncode == 0, done.stderr
    assert message(place).endswith("Gitcoord-Task: a\nGitcoord-Attempt: 1")


def test_a_conflict_may_be_resolved_inside_and_nothing_else_slips_in_with_it(repo: Path) -> None:
    stage(repo, "a/both")
    git("commit", "-q", "-m", "both", cwd=repo)
    _, place = claimed(repo)
    stage(place, "a/both", text="mine\n")
    git("commit", "-q", "-m", "one", cwd=place)
    stage(repo, "a/both", text="theirs\n")
    moved_target(repo)
    assert attempt("merge", "--no-edit", "main", cwd=place).returncode == 1
    stage(place, "a/both", text="mine and theirs\n")
    stage(place, "README.md", text="evil\n")
    done = attempt("commit", "-m", "merge", cwd=place)
    assert done.returncode == 1
    assert "README.md" in done.stderr
    assert "a/both" not in done.stderr
    stage(place, "README.md", text="from the target\n")
    done = attempt("commit", "-m", "merge", cwd=place)
    assert done.returncode == 0, done.stderr


def test_rebase_and_cherry_pick_work_and_keep_one_pair_of_trailers(repo: Path) -> None:
    _, place = claimed(repo)
    for name in ("one", "two"):
        stage(place, f"a/{name}")
        git("commit", "-q", "-m", name, cwd=place)
    tip = git("rev-parse", "HEAD", cwd=place)
    moved_target(repo)
    git("rebase", "-q", "main", cwd=place)
    git("reset", "-q", "--hard", "HEAD^", cwd=place)
    git("cherry-pick", tip, cwd=place)
    assert message(place) == "two\n\nGitcoord-Task: a\nGitcoord-Attempt: 1"
    git(
        "-c",
        "sequence.editor=sed -i s/pick/reword/",
        "-c",
        "core.editor=true",
        "rebase",
        "-q",
        "-i",
        "main",
        cwd=place,
    )
    assert message(place).count("Gitcoord-Task") == 1


def test_an_empty_message_still_calls_a_commit_off(repo: Path) -> None:
    _, place = claimed(repo)
    stage(place, "a/one")
    for flags in ([], ["-v"]):
        assert attempt("-c", "core.editor=true", "commit", *flags, cwd=place).returncode == 1
    assert git("log", "--format=%s", "-1", cwd=place) == "first"


def test_where_nobody_claims_the_hooks_do_nothing(repo: Path) -> None:
    claimed(repo)
    stage(repo, "README.md", "anything")
    done = attempt("commit", "-m", "by a person", cwd=repo)
    assert (done.returncode, done.stderr) == (0, "")
    assert message(repo) == "by a person"
    git("branch", "side", cwd=repo)
    git("commit", "-q", "--allow-empty", "-m", "more", cwd=repo)
    git("merge", "-q", "--no-ff", "-m", "merge", "side", cwd=repo)
    other = repo.parent / "other"
    git("worktree", "add", "-q", str(other), "side", cwd=repo)
    stage(other, "README.md", text="side\n")
    assert attempt("commit", "-m", "side", cwd=other).stderr == ""


def test_a_claim_that_is_over_is_told_and_stops_nobody(repo: Path) -> None:
    work, place = claimed(repo)
    stage(place, "a/one")
    git("commit", "-q", "-m", "one", cwd=place)
    results.complete(work, "x", "a", work.tokens("x").all()[0]["token"])
    stage(place, "README.md")
    done = attempt("commit", "-m", "late", cwd=place)
    assert (done.returncode, done.stderr) == (
        0,
        "gitcoord: the claim on task a is over: no task takes this commit\n",
    )


def test_an_agent_without_a_worktree_is_held_to_its_boundary_where_it_says_who_it_is(
    repo: Path,
) -> None:
    work, _ = claimed(repo)
    agents.add(work, "y", no_worktree=True)
    held = claims.claim(work, "y", "b", checkout=False)
    git("checkout", "-q", "-b", held.claim["branch"], cwd=repo)
    stage(repo, "README.md")
    for env in ({"GITCOORD_AGENT": "y"}, {"GITCOORD_CLAIM": held.claim["token"]}):
        assert attempt("commit", "-m", "x", cwd=repo, **env).returncode == 1
    git("rm", "-q", "-f", "--cached", "README.md", cwd=repo)
    git("reset", "-q", cwd=repo)
    stage(repo, "b/one")
    git("commit", "-q", "-m", "one", cwd=repo)
    assert message(repo) == "one\n\nGitcoord-Task: b\nGitcoord-Attempt: 1"


# the target


def test_an_agent_does_not_commit_or_merge_on_the_target(repo: Path) -> None:
    _, place = claimed(repo)
    git("checkout", "-q", "--detach", cwd=repo)
    stage(place, "a/one")
    git("commit", "-q", "-m", "one", cwd=place)
    branch = git("rev-parse", "--abbrev-ref", "HEAD", cwd=place)
    git("checkout", "-q", "main", cwd=place)
    tip = git("rev-parse", "main", cwd=place)
    done = attempt("merge", "--no-ff", "--no-edit", branch, cwd=place)
    assert done.returncode != 0
    assert (
        "main is checked out, and it moves by landing only\n  next: work on the claim's branch; "
        "`gitcoord phase land PHASE`" in done.stderr
    )
    git("merge", "--abort", cwd=place)
    stage(place, "a/two")
    assert "it moves by landing only" in attempt("commit", "-m", "two", cwd=place).stderr
    assert git("rev-parse", "main", cwd=place) == tip
    git("reset", "-q", "--hard", cwd=place)
    # A fast-forward asks neither hook: only reference-transaction sees it.
    assert attempt("merge", "--ff-only", branch, cwd=place).returncode == 0


def test_a_guarded_target_moves_by_landing_only(repo: Path) -> None:
    work, place = claimed(repo, guard=True)
    stage(place, "a/one")
    git("commit", "-q", "-m", "one", cwd=place)
    branch = git("rev-parse", "--abbrev-ref", "HEAD", cwd=place)
    tip = git("rev-parse", "main", cwd=repo)
    for args in (
        ["merge", "--ff-only", branch],
        ["merge", "--no-ff", "-m", "x", branch],
        ["commit", "--no-verify", "--allow-empty", "-m", "x"],
        ["reset", "-q", "--hard", branch],
        ["update-ref", "refs/heads/main", branch],
        ["rebase", branch],
        ["fetch", "-q", ".", f"+{branch}:main", "--update-head-ok"],
        ["update-ref", "-d", "refs/heads/main"],
    ):
        done = attempt(*args, cwd=repo)
        assert done.returncode != 0, args
        assert "gitcoord" in done.stderr, args
        # A rebase that was refused is still under way, and a target in one is not moved.
        attempt("rebase", "--quit", cwd=repo)
        git("reset", "-q", "--hard", "main", cwd=repo)
        assert git("rev-parse", "main", cwd=repo) == tip, args
    assert (
        "moves by gitcoord alone"
        in attempt("branch", "-f", "main", branch, cwd=place).stderr
        + attempt("update-ref", "refs/heads/main", branch, cwd=place).stderr
    )
    results.complete(work, "x", "a", work.tokens("x").all()[0]["token"])
    do(work, "x", "b")
    assert landings.land(work, "default").results == 2
    assert git("rev-parse", "main", cwd=repo) != tip
    git("pack-refs", "--all", cwd=repo)
    git("checkout", "-q", "-b", "free", cwd=repo)
    git("commit", "-q", "--allow-empty", "-m", "other branches are free", cwd=repo)


def test_what_newer_gits_rewrite_is_judged_too(repo: Path) -> None:
    if version() < (2, 54):
        pytest.skip("this git has no `history`, and its `replay` moves no ref")
    work, place = claimed(repo, guard=True)
    stage(place, "a/one")
    git("commit", "-q", "-m", "one", cwd=place)
    branch = git("rev-parse", "--abbrev-ref", "HEAD", cwd=place)
    tip, own = (git("rev-parse", name, cwd=repo) for name in ("main", branch))
    editor = {"GIT_EDITOR": "sed -i 1s/^/again-/"}
    for args in (
        ["history", "reword", "main"],
        ["replay", "--advance", "main", f"main..{branch}"],
    ):
        done = attempt(*args, cwd=repo, **editor)
        assert done.returncode != 0, args
        assert "moves by gitcoord alone" in done.stderr, args
        assert git("rev-parse", "main", cwd=repo) == tip, args
        assert git("rev-parse", branch, cwd=repo) == own, "it is one transaction"
    # No hook looks at what they put into a claim's branch: complete does.
    stage(place, "README.md")
    git("commit", "-q", "--no-verify", "-m", "outside", cwd=place)
    assert attempt("history", "reword", "HEAD", cwd=place, **editor).returncode == 0
    with pytest.raises(RefusedError) as caught:
        results.complete(work, "x", "a", work.tokens("x").all()[0]["token"])
    assert caught.value.reason == "boundary"


def test_the_target_is_pushed_as_it_landed(repo: Path, tmp_path: Path) -> None:
    work, place = claimed(repo)
    server = tmp_path / "server.git"
    git("init", "-q", "--bare", str(server), cwd=tmp_path)
    git("remote", "add", "origin", str(server), cwd=repo)
    git("push", "-q", "origin", "main", cwd=place)
    stage(place, "a/one")
    git("commit", "-q", "-m", "one", cwd=place)
    git("push", "-q", "origin", "HEAD:refs/heads/mine", cwd=place)
    for refspec in ("HEAD:main", "+HEAD:main", ":main"):
        done = attempt("push", "-q", "origin", refspec, cwd=place)
        assert done.returncode != 0, refspec
        assert "landed" in done.stderr or "delete" in done.stderr
    results.complete(work, "x", "a", work.tokens("x").all()[0]["token"])
    do(work, "x", "b")
    landings.land(work, "default")
    git("push", "-q", "origin", "main", cwd=place)
    back = attempt("push", "-q", "origin", "+main~1:main", cwd=place)
    assert "would take main back" in back.stderr
    rollbacks.rollback(work, rollbacks.choose(work, phase="default"), code=True)
    git("push", "-q", "origin", "+main", cwd=place)
    rollbacks.undo(work)
    # A person pushes what he likes, unless the target is guarded for all.
    git("commit", "-q", "--allow-empty", "-m", "mine", cwd=repo)
    assert attempt("push", "-q", "--dry-run", "origin", "main", cwd=repo).returncode == 0
    hooks.install(work, guard=True)
    assert "has not landed" in attempt("push", "-q", "origin", "main", cwd=repo).stderr


def test_a_target_of_two_ledgers_is_pushed_as_either_landed_it(repo: Path, tmp_path: Path) -> None:
    """The first by name has seen nothing of what the second landed, and the other way round."""
    git("init", "-q", "--bare", str(tmp_path / "server.git"), cwd=tmp_path)
    work = found(repo, tasks("a"), "x")
    for name in ("earlier", "other"):
        ledger = open_workspace(repo, name)
        setting_up.init(ledger)
        plans.apply_plan(ledger, tasks("a"), "plan.toml")
        agents.add(ledger, f"x-{name}")
    do(work, "x", "a")
    landings.land(work, "default")
    hooks.install(work, guard=True)
    for place in (
        repo,
        *(open_workspace(repo, name).worktree_of(f"x-{name}") for name in ("earlier", "other")),
    ):
        done = attempt("push", "-q", str(tmp_path / "server.git"), "main:main", cwd=place or repo)
        assert done.returncode == 0, done.stderr


# the refs of gitcoord


def test_others_do_not_move_the_ledger_and_gitcoord_does(repo: Path) -> None:
    work, place = claimed(repo)
    tip = git("rev-parse", "gitcoord/ledger", cwd=repo)
    for args in (
        ["branch", "-f", "gitcoord/ledger", "main"],
        ["update-ref", "-d", "refs/heads/gitcoord/ledger"],
        ["update-ref", "refs/gitcoord/ledger/results/a/x", "HEAD"],
        ["fetch", "-q", ".", "+main:gitcoord/ledger"],
        ["branch", "-D", "gitcoord/ledger"],
        *([] if keeps_tables(repo / ".git") else [["branch", "-m", "gitcoord/ledger", "gone"]]),
        ["push", "-q", ".", "+main:gitcoord/ledger"],
        ["update-ref", "refs/gitcoord/ledger/attic/x", "HEAD"],
    ):
        done = attempt(*args, cwd=repo)
        assert done.returncode != 0, args
        assert "moves by gitcoord alone" in done.stderr, args
    assert git("rev-parse", "gitcoord/ledger", cwd=repo) == tip
    git("pack-refs", "--all", cwd=repo)
    stage(place, "a/one")
    git("commit", "-q", "-m", "one", cwd=place)
    results.complete(work, "x", "a", work.tokens("x").all()[0]["token"])
    do(work, "x", "b")
    assert landings.land(work, "default").results == 2
    assert work.ledger.snapshot().settings()["pending"] is None


# a gitcoord that is broken


def test_a_run_with_hooks_and_a_guard_commits_names_tasks_and_lands(repo: Path) -> None:
    work = found(repo, tasks("a", "b", "c", head='[plan]\nlanding = "auto"\n'))
    hooks.install(work, guard=True)
    command = [
        "run",
        "-j",
        "2",
        "--",
        "sh",
        "-c",
        "mkdir -p $GITCOORD_TASK && echo x >$GITCOORD_TASK/f",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "gitcoord", "-C", str(repo), *command],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "warning" not in done.stderr
    assert sorted(
        git(
            "log",
            "--format=%(trailers:key=Gitcoord-Task,valueonly,separator=)",
            "--no-merges",
            "main",
            cwd=repo,
        ).split()
    ) == ["a", "b", "c"]
    assert git("rev-parse", "HEAD", cwd=repo) == git("rev-parse", "main", cwd=repo)
    assert git("status", "--porcelain", cwd=repo) == ""
