"""What gitcoord has in a repository is named, and goes when that is said."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from gitcoord.core.errors import RefusedError
from gitcoord.features.assist import setups
from gitcoord.features.assist.file_changes import apply_changes
from gitcoord.features.land import landings
from gitcoord.features.run import uninstall as uninstalling
from gitcoord.features.run.begun import runs_folder
from gitcoord.features.run.uninstall import Uninstalled, uninstall
from gitcoord.features.setup import agents, hooks, ledger, trust
from gitcoord.features.work import claims
from gitcoord.features.workspace import Workspace, open_workspace
from gitcoord.git.exclusions import exclude
from gitcoord.host.seats import take_seat
from tests.support.builders import tasks
from tests.support.gates import gated
from tests.support.world import do, found, git, write

TWO = (
    gated("a", run="true")
    + '[[phase]]\nname = "later"\n'
    + tasks("b").replace('id = "b"', 'id = "b"\nphase = "later"')
)


@pytest.fixture
def work(repo: Path) -> Workspace:
    """A ledger with all that gitcoord leaves: one phase landed, one result not."""
    work = found(repo, TWO, "x", "y")
    trust.trust(work, work.ledger.snapshot())
    hooks.install(work)
    planned = setups.plan_claude(work, "local", is_removal=False)
    exclude(repo, *setups.excluded("claude", planned))
    apply_changes(planned.changes)
    setups.remember(work, planned)
    git("config", "gitcoord.ledger.note", "ours", cwd=repo)
    do(work, "x", "a")
    do(work, "y", "b")
    landings.land(work, "default")
    return work


def everything(repo: Path) -> dict[str, str]:
    """Return each file of the repository and its surroundings, and each ref."""
    files = {
        str(path): path.read_text("utf-8", "replace")
        for path in sorted(repo.parent.rglob("*"))
        if path.is_file()
        and not any(part in str(path) for part in ("observed", "/index", "/runs/"))
    }
    return files | {"refs": git("for-each-ref", cwd=repo)}


def kinds(done: Uninstalled) -> set[str]:
    return {one.kind for one in done.items}


def test_what_would_go_is_said_and_nothing_goes(work: Workspace, repo: Path) -> None:
    before = everything(repo)
    done = uninstall(work, is_told=False, with_ledger=False)
    assert everything(repo) == before
    assert kinds(done) == {
        *("agent", "branch", "configuration", "folder", "hook", "ref", "settings", "trust"),
    }
    kept = {one.what for one in done.kept}
    assert "gitcoord/ledger" in kept
    assert any(what.startswith("task/b/") for what in kept)
    assert kinds(uninstall(work, is_told=False, with_ledger=True)) == kinds(done) | {"ledger"}


def test_when_told_all_goes_but_the_ledger_and_what_has_not_landed(
    work: Workspace, repo: Path
) -> None:
    ledger_before = git("rev-list", "gitcoord/ledger", cwd=repo).split()
    result = git("for-each-ref", "--format=%(objectname)", "refs/heads/task/b/", cwd=repo)
    uninstall(work, is_told=True, with_ledger=False)
    assert git("status", "--porcelain", "--ignored", cwd=repo) == ""
    assert not trust.is_recorded(work)
    assert not (repo / ".git" / "gitcoord").exists()
    assert not repo.with_name("repo.worktrees").exists()
    assert git("worktree", "list", "--porcelain", cwd=repo).count("worktree ") == 1
    left = git("for-each-ref", "--format=%(refname)", cwd=repo).split()
    assert left[:2] == ["refs/heads/gitcoord/ledger", "refs/heads/main"]
    assert [ref.rpartition("/")[0] for ref in left[2:]] == ["refs/heads/task/b"]
    assert git("rev-parse", left[2], cwd=repo) == result
    assert "gitcoord" not in (repo / ".git" / "config").read_text()
    assert not [one for one in (repo / ".git" / "hooks").glob("*") if one.suffix != ".sample"]
    assert git("merge-base", "--is-ancestor", ledger_before[0], "gitcoord/ledger", cwd=repo) == ""
    again = uninstall(open_workspace(repo), is_told=False, with_ledger=False)
    assert kinds(again) <= {"folder"}, "to look opens the index anew"


def test_the_ledger_left_behind_goes_on_where_it_stood(work: Workspace, repo: Path) -> None:
    uninstall(work, is_told=True, with_ledger=False)
    again = open_workspace(repo)
    agents.add(again, "z")
    trust.trust(again, again.ledger.snapshot())
    assert landings.land(again, "later").results == 1
    assert (repo / "b" / "file.txt").exists()


def test_with_the_ledger_only_work_that_has_not_landed_is_left(work: Workspace, repo: Path) -> None:
    uninstall(work, is_told=True, with_ledger=True)
    left = git("for-each-ref", "--format=%(refname)", cwd=repo).split()
    assert left[0] == "refs/heads/main"
    assert [ref.rpartition("/")[0] for ref in left[1:]] == ["refs/heads/task/b"]


def test_a_result_that_no_branch_holds_keeps_its_ref(work: Workspace, repo: Path) -> None:
    git("checkout", "-q", "--detach", cwd=repo.with_name("repo.worktrees") / "y")
    branch = git("for-each-ref", "--format=%(refname)", "refs/heads/task/b/", cwd=repo)
    git("update-ref", "-d", branch, cwd=repo)
    done = uninstall(work, is_told=True, with_ledger=True)
    left = git("for-each-ref", "--format=%(refname)", cwd=repo).split()
    assert [ref.rpartition("/")[0] for ref in left] == [
        "refs/gitcoord/ledger/results/b",
        "refs/heads",
    ]
    assert ("no branch holds its commits") in {one.why for one in done.kept}


@pytest.mark.parametrize(
    ("state", "reason"),
    [("changes", "uncommitted"), ("run", "state")],
)
def test_nothing_goes_while_an_agent_is_at_work(
    work: Workspace, repo: Path, state: str, reason: str
) -> None:
    place = repo.with_name("repo.worktrees") / "x"
    with contextlib.ExitStack() as stack:
        if state == "changes":
            (place / "new.txt").write_text("mine\n")
        else:
            agents.add(work, "run-1")
            stack.callback(take_seat(runs_folder(work), "run-", 1).leave)
        before = everything(repo)
        for is_told in (True, False):
            with pytest.raises(RefusedError) as caught:
                uninstall(work, is_told=is_told, with_ledger=True)
            assert caught.value.reason == reason
        assert everything(repo) == before


def test_nothing_goes_while_an_agent_here_holds_a_claim(repo: Path) -> None:
    work = found(repo, tasks("a"), "x", worktrees=False)
    claims.claim(work, "x", "a")
    with pytest.raises(RefusedError) as caught:
        uninstall(work, is_told=True, with_ledger=True)
    assert caught.value.reason == "holds-claims"
    assert work.ledger.snapshot().agent("x") is not None


@pytest.mark.parametrize("step", ["drop_refs", "_remove_the_rest"])
def test_what_was_cut_off_is_gone_on_with(
    work: Workspace, repo: Path, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_args: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(uninstalling, step, die)
        with pytest.raises(KeyboardInterrupt):
            uninstall(work, is_told=True, with_ledger=True)
    uninstall(open_workspace(repo), is_told=True, with_ledger=True)
    assert not (repo / ".git" / "gitcoord").exists()
    assert "gitcoord" not in git("for-each-ref", cwd=repo)
    assert git("status", "--porcelain", "--ignored", cwd=repo) == ""


def test_every_ledger_goes_and_what_git_could_not_commit_stays(repo: Path, tmp_path: Path) -> None:
    one = found(repo, tasks("a"), "x")
    other = open_workspace(repo, "other")
    ledger.init(other)
    agents.add(other, "q")
    left = one.kept_folder / "x" / "secret"
    left.parent.mkdir(parents=True)
    left.write_text("mine\n")
    done = uninstall(one, is_told=True, with_ledger=True)
    assert left.read_text() == "mine\n"
    assert [path.name for path in (repo / ".git" / "gitcoord").iterdir()] == ["kept"]
    assert git("for-each-ref", "--format=%(refname)", cwd=repo) == "refs/heads/main"
    assert str(repo / ".git" / "gitcoord" / "kept") in {kept.what for kept in done.kept}


def test_where_there_is_no_ledger_the_rest_goes(repo: Path) -> None:
    work = open_workspace(repo)
    hooks.install(work)
    assert "hook" in kinds(uninstall(work, is_told=True, with_ledger=False))
    assert not (repo / ".git" / "gitcoord").exists()
    assert uninstall(open_workspace(repo), is_told=False, with_ledger=False) == Uninstalled([], [])


def test_commits_of_a_worktree_that_no_branch_holds_are_not_lost(
    work: Workspace, repo: Path
) -> None:
    place = repo.with_name("repo.worktrees") / "x"
    git("checkout", "-q", "--detach", cwd=place)
    write(place, "a/more.txt")
    with pytest.raises(RefusedError) as caught:
        uninstall(work, is_told=True, with_ledger=True)
    assert caught.value.reason == "unmerged"
