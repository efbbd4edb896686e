"""Work begins without a plan: its task, its claim and its agent are one entry."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitcoord.core.errors import ConflictError, NotFoundError, RefusedError, UnavailableError
from gitcoord.core.messages import parse
from gitcoord.features.land import landings
from gitcoord.features.maintain import verify
from gitcoord.features.setup import agents, ledger, plans
from gitcoord.features.work import claims, results, starts
from gitcoord.features.workspace import Workspace, open_workspace
from tests.support.builders import tasks as task_rows
from tests.support.world import found, git, write


def begun(repo: Path) -> Workspace:
    work = open_workspace(repo)
    ledger.init(work)
    plans.apply_adhoc(work)
    return work


def events_of(work: Workspace, entry: str) -> list[str]:
    event = parse(work.store.read_entry(entry).message, entry)
    return [one["op"] for one in event["events"]]


def test_a_start_is_one_entry_with_a_worktree_on_its_branch(repo: Path) -> None:
    work = begun(repo)
    started = starts.start(work, "Fix the Login-Form!", agent="ana", paths=["src/login.py"])
    assert events_of(work, started.entry) == ["agent-add", "task-add", "claim"]
    assert started.task["id"].startswith("fix-the-login-form-")
    worktree = Path(started.worktree or "")
    assert git("branch", "--show-current", cwd=worktree) == started.claim["branch"]
    write(worktree, "src/login.py")
    results.complete(work, "ana", started.task["id"], started.claim["token"])
    assert landings.land(work, "adhoc").results == 1
    verify.verify(work)


def test_an_agent_that_is_there_goes_on_in_its_worktree(repo: Path) -> None:
    work = begun(repo)
    first = starts.start(work, "First", agent="ana")
    results.release(work, "ana", first.task["id"], first.claim["token"])
    second = starts.start(work, "Second", agent="ana", name="second")
    assert events_of(work, second.entry) == ["task-add", "claim"]
    assert (second.task["id"], second.worktree) == ("second", first.worktree)
    with pytest.raises(RefusedError) as caught:
        starts.start(work, "Third", agent="ana")
    assert caught.value.reason == "capacity"
    assert not caught.value.message.startswith("line")


def test_without_an_agent_there_is_a_new_one_called_after_the_task(repo: Path) -> None:
    work = begun(repo)
    started = starts.start(work, "Write it")
    assert str(started.claim["agent"]) == str(started.task["id"])


@pytest.mark.parametrize("wanted", ["x.py", "src/"])
def test_a_path_that_another_holds_starts_nothing(repo: Path, wanted: str) -> None:
    work = begun(repo)
    starts.start(work, "First", agent="ana", paths=["x.py", "src/a.py"])
    tip = work.ledger.tip()
    with pytest.raises(ConflictError) as caught:
        starts.start(work, "Second", agent="ben", paths=[wanted])
    assert caught.value.facts["holder"] == "ana"
    assert work.ledger.tip() == tip
    assert not Path(f"{repo}.worktrees/ben").exists()


def test_an_id_that_is_taken_starts_nothing(repo: Path) -> None:
    work = begun(repo)
    starts.start(work, "First", agent="ana", name="one")
    with pytest.raises(RefusedError) as caught:
        starts.start(work, "Second", agent="ben", name="one")
    assert caught.value.reason == "exists"


def test_a_plan_without_the_stream_says_how_to_have_one(repo: Path) -> None:
    work = found(repo, task_rows("a"), worktrees=False)
    with pytest.raises(NotFoundError) as caught:
        starts.start(work, "First", agent="ana")
    assert "stream = true" in caught.value.hint


def test_here_checks_the_branch_out_where_the_target_is(repo: Path) -> None:
    work = begun(repo)
    started = starts.start(work, "Here", here=True)
    assert git("branch", "--show-current", cwd=repo) == started.claim["branch"]
    again = open_workspace(repo)
    assert again.holder_here() == started.claim["agent"]
    (repo / "new.txt").write_text("new\n")
    git("add", ".", cwd=repo)
    with pytest.raises(RefusedError) as caught:
        starts.start(again, "Over changes", agent="ben", here=True)
    assert caught.value.reason == "uncommitted"
    git("commit", "-qm", "New", cwd=repo)
    results.complete(work, started.claim["agent"], started.task["id"], started.claim["token"])
    landings.land(work, "adhoc")
    git("switch", "-qc", "other", cwd=repo)
    with pytest.raises(RefusedError) as other:
        starts.start(open_workspace(repo), "Elsewhere", agent="cy", here=True)
    assert other.value.reason == "branch"


@pytest.fixture
def cut_off(repo: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository in which a start was killed before it made its worktree."""

    def killed(*_args: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(agents, "equip", killed)
        with pytest.raises(KeyboardInterrupt):
            starts.start(begun(repo), "Fix it", agent="ana", name="fix", session="s")
    return repo


def test_a_start_that_was_cut_off_before_its_worktree_is_taken_up_by_claim(cut_off: Path) -> None:
    agents.add(open_workspace(cut_off), "ana")
    claimed = claims.claim(open_workspace(cut_off), "ana", session="s")
    assert (claimed.task["id"], claimed.checkout) == ("fix", "done")


def test_the_same_start_again_goes_on_with_one_that_was_cut_off(cut_off: Path) -> None:
    work = open_workspace(cut_off)
    again = starts.start(work, "Fix it", agent="ana", name="fix", session="s")
    assert (again.already, again.checkout) == (True, "done")
    assert git("branch", "--show-current", cwd=Path(again.worktree or "")) == again.claim["branch"]
    once_more = starts.start(work, "Fix it", agent="ana", name="fix", session="s")
    assert once_more.claim["token"] == again.claim["token"]
    verify.verify(work)


def test_a_start_whose_worktree_cannot_be_made_stands_and_says_so(repo: Path) -> None:
    work = begun(repo)
    blocked = repo / ".git" / "worktrees"
    blocked.write_text("in the way of git's own folder\n")
    started = starts.start(work, "Fix it", agent="ana", name="fix", session="s")
    assert (started.task["state"], started.checkout) == ("claimed", "failed")
    assert "could not be made" in started.problem
    blocked.unlink()
    again = starts.start(work, "Fix it", agent="ana", name="fix", session="s")
    assert (again.already, again.checkout) == (True, "done")
    assert again.claim["attempt"] == 1


def test_a_start_stands_and_says_so_where_its_token_cannot_be_moved(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = begun(repo)

    def full(*_args: object) -> None:
        raise UnavailableError("no space is left", hint="make room")

    with monkeypatch.context() as patched:
        patched.setattr(starts, "_move_token", full)
        started = starts.start(work, "Fix it", agent="ana", name="fix", session="s")
    assert (started.task["state"], started.checkout) == ("claimed", "failed")
    assert "no space is left" in started.problem
    again = starts.start(open_workspace(repo), "Fix it", agent="ana", name="fix", session="s")
    assert (again.already, again.checkout) == (True, "done")
    assert again.claim["token"] == started.claim["token"]


def test_a_start_that_stands_names_no_worktree_where_its_agent_has_none(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = begun(repo)
    agents.add(work, "ana", no_worktree=True)

    def full(*_args: object, **_options: object) -> None:
        raise UnavailableError("no space is left", hint="make room")

    monkeypatch.setattr(claims, "claim", full)
    started = starts.start(work, "Fix it", agent="ana", name="fix", session="s")
    assert (started.task["state"], started.checkout) == ("claimed", "failed")
    assert started.worktree is None
