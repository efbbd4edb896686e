"""Agents and their worktrees come and go; each is added once, and given what it lacks."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gitcoord.core.errors import GitcoordError, NotFoundError, RefusedError
from gitcoord.core.messages import parse
from gitcoord.core.sentences import said
from gitcoord.features.inspect import facts
from gitcoord.features.maintain import doctor
from gitcoord.features.setup import agents, ledger, trust
from gitcoord.features.workspace import open_workspace
from gitcoord.git.places import discover
from gitcoord.git.program import GitError
from tests.support.builders import tasks
from tests.support.world import environment, found, git


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


POOLS = '[[pool]]\nname = "default"\n[[pool]]\nname = "builders"\n'


def test_a_second_add_of_one_id_says_that_it_is_there_already(repo: Path) -> None:
    work = found(repo, tasks("a"), "ada")
    tip = work.ledger.tip()
    with pytest.raises(
        RefusedError, match=r"agent ada is there already, with worktree .*/ada"
    ) as caught:
        agents.add(work, "ada")
    assert caught.value.reason == "exists"
    assert "agent show ada" in caught.value.hint
    with pytest.raises(RefusedError, match="with other capacity"):
        agents.add(work, "ada", capacity=3)
    with pytest.raises(RefusedError, match="with other worktree"):
        agents.add(work, "ada", worktree=repo.parent / "elsewhere")
    assert work.ledger.tip() == tip


def test_several_are_added_by_one_call_each_with_its_worktree(repo: Path) -> None:
    work = found(repo, tasks("a"))
    added = list(agents.add_each(work, ["x", "y"], agents.Asked(capacity=2)))
    assert [one.agent["id"] for one in added] == ["x", "y"]
    assert [one.agent["capacity"] for one in added] == [2, 2]
    assert [one.worktree for one in added] == [str(work.worktree_of(name)) for name in "xy"]


@pytest.mark.parametrize(
    ("names", "asked", "problem"),
    [
        (["x", "y", "x"], agents.Asked(), "x is named twice"),
        (["x", "X"], agents.Asked(), "X is named twice"),
        (["x", "no/id"], agents.Asked(), "no/id"),
        (["x", "orchestrator"], agents.Asked(), "reserved"),
        (["x", "ada"], agents.Asked(), "ada is there already"),
        (["x", "ada"], agents.Asked(capacity=2), "with other capacity"),
        (["x", "taken"], agents.Asked(), "taken exists and is not empty"),
        (["x", "y"], agents.Asked(pools=["none"]), "no pool 'none'"),
        (["x", "y"], agents.Asked(capacity=0), "capacity is between"),
    ],
)
def test_where_one_of_several_is_refused_none_is_added(
    repo: Path, names: list[str], asked: agents.Asked, problem: str
) -> None:
    work = found(repo, tasks("a"), "ada")
    (repo.parent / f"{repo.name}.worktrees" / "taken").mkdir()
    (repo.parent / f"{repo.name}.worktrees" / "taken" / "file").touch()
    tip = work.ledger.tip()
    with pytest.raises(GitcoordError, match=problem):
        list(agents.add_each(work, names, asked))
    assert work.ledger.tip() == tip


def test_what_one_of_several_lacks_is_given_to_it(repo: Path) -> None:
    work = found(repo, tasks("a"), "ada")
    place = work.worktree_of("ada")
    assert place is not None
    shutil.rmtree(place)
    added = list(agents.add_each(work, ["ada", "x"], agents.Asked()))
    assert [one.worktree for one in added] == [str(place), str(work.worktree_of("x"))]


def test_an_agent_whose_worktree_cannot_be_made_is_taken_away_again(repo: Path) -> None:
    work = found(repo, tasks("a"))
    (repo / "taken").write_text("a file")
    with pytest.raises((GitcoordError, GitError, OSError)):
        agents.add(work, "x", worktree=repo / "taken" / "x")
    assert work.ledger.snapshot().agent("x") is None
    message = git("log", "-1", "--format=%B", "gitcoord/ledger", cwd=repo)
    assert "  its worktree could not be made\n" in message
    assert parse(message + "\n")["said"] == said("no-worktree")


def test_one_who_was_cut_off_before_its_chosen_worktree_was_noted_is_added_again(
    repo: Path,
) -> None:
    work, chosen = found(repo, tasks("a")), repo.parent / "elsewhere"
    agents.add(work, "x", worktree=chosen)
    # Killed then, these were not there yet.
    (discover(chosen).git_dir / "gitcoord" / "agent.json").unlink()
    shutil.rmtree(work.agent_folder("x"))
    heir = open_workspace(repo)
    assert heir.worktree_of("x") is None
    assert agents.add(heir, "x", worktree=chosen).worktree == str(chosen)
    assert heir.worktree_of("x") == chosen


def test_the_worktree_of_another_agent_is_given_to_nobody_else(repo: Path) -> None:
    work, chosen = found(repo, tasks("a"), "y"), repo.parent / "elsewhere"
    agents.add(work, "x", worktree=chosen)
    shutil.rmtree(work.agent_folder("x"))
    work.record_worktree("y", chosen)
    with pytest.raises(RefusedError, match="with other worktree"):
        agents.add(open_workspace(repo), "x", worktree=chosen)


def test_a_worktree_that_was_deleted_is_made_again(repo: Path) -> None:
    work = found(repo, tasks("a"), "ada")
    place = work.worktree_of("ada")
    assert place is not None
    shutil.rmtree(place)
    assert work.worktree_of("ada") is None
    added = agents.add(work, "ada")
    assert added.worktree == str(place)
    assert work.worktree_of("ada") == place


def test_a_setup_that_failed_runs_again_when_the_agent_is_added_again(repo: Path) -> None:
    ready = repo.parent / "ready"
    work = found(repo, tasks("a", head=f'[worktree]\nsetup = "test -e {ready}"\n'))
    trust.trust(work, work.ledger.snapshot())
    assert agents.add(work, "ada").setup == "failed"
    assert agents.add(work, "ada").setup == "failed"
    ready.touch()
    assert agents.add(work, "ada").setup == "done"
    with pytest.raises(RefusedError, match="there already"):
        agents.add(work, "ada")


def test_a_pool_that_the_plan_lacks_is_not_found(repo: Path) -> None:
    work = found(repo, tasks("a", head=POOLS))
    with pytest.raises(NotFoundError, match="there is no pool 'buidlers'") as caught:
        agents.add(work, "ada", pools=["buidlers"], no_worktree=True)
    assert "builders" in caught.value.hint


def test_pools_may_be_named_before_there_is_a_plan(repo: Path) -> None:
    work = open_workspace(repo)
    ledger.init(work)
    assert agents.add(work, "ada", pools=["later"], no_worktree=True).agent["pools"] == ["later"]


def test_a_worktree_inside_a_checkout_that_nothing_ignores_is_told(repo: Path) -> None:
    work = found(repo, tasks("a"))
    inside = agents.add(work, "x", worktree=repo / ".worktrees" / "x")
    assert f"lies inside {repo}" in inside.notice
    shown = [one.text for one in doctor.examine(work).problems if one.check == "worktrees"]
    assert any("nothing ignores it" in text for text in shown)
    (repo / ".git" / "info" / "exclude").write_text(".worktrees/\n")
    assert not [one for one in doctor.examine(work).problems if one.check == "worktrees"]
    assert agents.add(work, "y", worktree=repo / ".worktrees" / "y").notice == ""
    assert agents.add(work, "z").notice == ""
