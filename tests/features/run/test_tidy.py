"""What finished runs and landed work leave behind goes, and nothing that is unmerged."""

from __future__ import annotations

from pathlib import Path

from gitcoord.features.land import landings
from gitcoord.features.run.begun import Begun
from gitcoord.features.run.runner import run
from gitcoord.features.run.tidy import tidy
from gitcoord.features.setup import trust
from gitcoord.features.work import claims, results
from gitcoord.features.work import tasks as task_changes
from tests.support.builders import tasks
from tests.support.world import do, found, git, write

COMMAND = ["sh", "-c", 'mkdir -p "$GITCOORD_PATHS" && date > "$GITCOORD_PATHS/x"']


def branches(repo: Path) -> list[str]:
    return git("for-each-ref", "--format=%(refname:short)", "refs/heads", cwd=repo).splitlines()


def test_what_a_run_made_is_gone_and_what_it_landed_stays(repo: Path) -> None:
    work = found(repo, tasks("a", "b"), "ada")
    assert run(work, repo, COMMAND, 2, lambda _note: None).is_landed
    tip = git("rev-parse", "main", cwd=repo)
    done = tidy(work)
    assert sorted(done.agents) == ["run-1", "run-2"]
    assert done.kept == []
    assert branches(repo) == ["gitcoord/ledger", "main"]
    assert git("rev-parse", "main", cwd=repo) == tip
    assert [path.name for path in (repo.parent / "repo.worktrees").iterdir()] == ["ada"]
    assert [agent["id"] for agent in work.ledger.snapshot().agents()] == ["ada"]
    assert tidy(work) == ([], [], [], {})


def test_uncommitted_work_a_claim_and_a_living_run_keep_their_agents(repo: Path) -> None:
    work = found(repo, tasks("a", "b", "c"), "run-1", "run-2", "run-3", "runner")
    place = work.worktree_of("run-1")
    assert place is not None
    (place / "notes.txt").write_text("precious\n")
    held = claims.claim(work, "run-2", "b")
    write(Path(held.worktree or ""), "b/x")
    living = Begun(work)
    assert [living.name() for _ in range(3)] == ["run-1", "run-2", "run-3"]
    assert {one.why for one in tidy(work).kept} == {"a run that goes on has it"}
    living.end()
    done = tidy(work)
    assert done.agents == ["run-3"]
    assert ["notes.txt" in one.why for one in done.kept] == [True, False]
    assert (place / "notes.txt").read_text() == "precious\n"
    assert held.task["id"] == "b"
    assert any(name.startswith("task/b/") for name in branches(repo))


def test_a_branch_of_landed_work_that_stays_is_named_with_why(repo: Path) -> None:
    work = found(repo, tasks("a", "b"), "ada", "bob")
    failed = claims.claim(work, "bob", "b")
    write(Path(failed.worktree or ""), "b/half")
    results.fail(work, "bob", "b", failed.claim["token"], reason="broken", kind="permanent")
    task_changes.change(work, "retry", "b")
    do(work, "ada", "a")
    do(work, "bob", "b")
    landings.land(work, "default")
    done = tidy(work)
    assert done.branches == []
    whys = {branch.rpartition("-")[0]: why for branch, why in done.left.items()}
    places = repo.with_name("repo.worktrees")
    assert whys == {
        "task/a/1": f"it is checked out in {places}/ada",
        "task/b/1": "it has commits that main lacks, of an attempt that was not handed in",
        "task/b/2": f"it is checked out in {places}/bob",
    }
    # The next task takes the worktree off its branch.
    git("switch", "-q", "--detach", cwd=places / "ada")
    assert [branch.rpartition("-")[0] for branch in tidy(work).branches] == ["task/a/1"]


def test_a_worktree_is_warm_and_clean_for_the_next_task(repo: Path, tmp_path: Path) -> None:
    write(repo, ".gitignore", "built/\n")
    head = f"[worktree]\nsetup = 'echo x >> \"{tmp_path}/setups\"; mkdir built; date > built/env'\n"
    work = found(repo, tasks("a", "b", head=head, b=["a"]))
    trust.trust(work, work.ledger.snapshot())
    seen = tmp_path / "seen"
    note = f'git status --porcelain --ignored >> "{seen}"; pwd -P >> "{seen}"'
    body = 'mkdir "$GITCOORD_TASK"; date > "$GITCOORD_TASK/x"; date > "built/of-$GITCOORD_TASK"'
    done = run(work, repo, ["sh", "-c", f"{note}; {body}"], 1, lambda _note: None)
    assert done.is_landed
    place = repo.with_name("repo.worktrees") / "run-1"
    # Nothing is left of the first but what git ignores, and the setup ran once.
    assert seen.read_text().splitlines() == ["!! built/", str(place)] * 2
    assert (tmp_path / "setups").read_text() == "x\n"
    assert {path.name for path in (place / "built").iterdir()} == {"env", "of-a", "of-b"}


def test_a_failed_attempt_leaves_its_worktree_clean_for_the_next(
    repo: Path, tmp_path: Path
) -> None:
    write(repo, ".gitignore", "built/\n")
    work = found(repo, tasks("a", "b"))
    seen = tmp_path / "seen"
    note = f'git status --porcelain >> "{seen}"; ls >> "{seen}"; echo . >> "{seen}"'
    body = 'mkdir "$GITCOORD_TASK" built; date > built/x; date > "$GITCOORD_TASK/x"'
    mess = 'if ! [ -e "%s/once" ]; then touch "%s/once" astray; echo y > README.md; exit 1; fi'
    command = f"{note}; {body}; {mess.replace('%s', str(tmp_path))}"
    run(work, repo, ["sh", "-c", command], 1, lambda _note: None)
    first, second, *_ = seen.read_text().split(".\n")
    assert first.splitlines() == ["README.md"]
    # What the task may write may come back from its branch; what it may not is gone.
    assert set(second.split()) - {"a", "b"} == {"README.md", "built"}
