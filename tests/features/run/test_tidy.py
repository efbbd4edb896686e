"""What finished runs and landed work leave behind goes, and nothing that is unmerged."""

from __future__ import annotations

from pathlib import Path

from gitcoord.features.run.begun import Begun
from gitcoord.features.run.runner import run
from gitcoord.features.run.tidy import tidy
from gitcoord.features.work import claims
from tests.support.builders import tasks
from tests.support.world import found, git, write

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
    assert tidy(work) == ([], [], [])


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
