"""The target is pushed after a landing where the plan says so, or it is said why not."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitcoord.features.doors import landed_by_itself
from gitcoord.features.land import landings
from gitcoord.features.setup import trust
from gitcoord.features.workspace import Workspace
from gitcoord.git.remotes import Pushed, Remote
from tests.support.builders import tasks
from tests.support.world import do, found, git, write

PLAN = '[plan]\nlanding_push = "origin"\n'
TWO = (
    tasks("a", "b", head=f'{PLAN}[[phase]]\nname = "p"\n[[phase]]\nname = "q"\n')
    .replace('id = "a"', 'id = "a"\nphase = "p"')
    .replace('id = "b"', 'id = "b"\nphase = "q"')
)


@pytest.fixture
def bare(repo: Path, tmp_path: Path) -> Path:
    """A remote ``origin`` that has main."""
    bare = tmp_path / "origin.git"
    git("init", "-q", "--bare", "-b", "main", str(bare), cwd=tmp_path)
    git("remote", "add", "origin", str(bare), cwd=repo)
    git("push", "-q", "origin", "main", cwd=repo)
    return bare


def whole(repo: Path, plan: str = PLAN + tasks("a"), *names: str) -> Workspace:
    """Make a ledger whose tasks are done, and whose commands are trusted."""
    work = found(repo, plan, "x")
    trust.trust(work, work.ledger.snapshot())
    for name in names or ("a",):
        do(work, "x", name)
    return work


def land(work: Workspace, phase: str = "default") -> tuple[str, str]:
    """Land, and return the new tip and the problem of the push."""
    landed = landings.land(work, phase)
    assert landed.push is not None
    assert landed.push.remote == "origin"
    return landed.new, landed.push.problem


def test_the_target_is_pushed_with_the_user_s_hooks(repo: Path, bare: Path, tmp_path: Path) -> None:
    work = whole(repo)
    hook = repo / ".git" / "hooks" / "pre-push"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ncat > '{tmp_path}/asked'\n")
    hook.chmod(0o755)
    new, problem = land(work)
    assert problem == ""
    assert git("rev-parse", "main", cwd=bare) == new
    assert (
        f"refs/heads/main {git('rev-parse', 'main^', cwd=bare)}" in (tmp_path / "asked").read_text()
    )
    assert git("rev-parse", "origin/main", cwd=repo) == new
    assert land(work) == (new, ""), "what is there is not pushed again"


def test_a_branch_that_is_not_there_is_made(repo: Path, bare: Path) -> None:
    git("update-ref", "-d", "refs/heads/main", cwd=bare)
    new, problem = land(whole(repo))
    assert problem == ""
    assert git("rev-parse", "main", cwd=bare) == new


def test_commits_of_others_there_stay_and_the_next_landing_takes_along_what_was_not_pushed(
    repo: Path, bare: Path, tmp_path: Path
) -> None:
    work = whole(repo, TWO, "a", "b")
    git("clone", "-q", str(bare), "theirs", cwd=tmp_path)
    theirs = write(tmp_path / "theirs", "theirs.txt")
    git("push", "-q", cwd=tmp_path / "theirs")
    new, problem = land(work, "p")
    assert "has commits there that the landing has not" in problem
    assert git("rev-parse", "main", cwd=repo) == new, "the landing stands"
    assert git("rev-parse", "main", cwd=bare) == theirs
    git("pull", "-q", "--no-rebase", "--no-edit", "origin", "main", cwd=repo)
    new, problem = land(work, "q")
    assert problem == ""
    assert git("rev-parse", "main", cwd=bare) == new


def test_what_moved_there_between_look_and_push_is_not_overwritten(
    repo: Path, bare: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = whole(repo)
    git("clone", "-q", str(bare), "theirs", cwd=tmp_path)
    theirs = write(tmp_path / "theirs", "theirs.txt")
    push = Remote.push

    def overtaken(remote: Remote, *args: object, **more: object) -> Pushed:
        git("push", "-q", cwd=tmp_path / "theirs")
        return push(remote, *args, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(Remote, "push", overtaken)
    _, problem = land(work)
    assert "has commits there" in problem
    assert git("rev-parse", "main", cwd=bare) == theirs


@pytest.mark.parametrize(
    ("why", "told"),
    [
        ("untrusted", "not trusted on this machine: push after a landing: origin"),
        ("no remote", "there is no remote 'origin'"),
        ("gone", "origin was not reached"),
        ("forbidden", "the push was refused: no pushes today"),
    ],
)
def test_what_keeps_a_push_from_being_made_is_told_and_it_is_tried_again(
    repo: Path, bare: Path, why: str, told: str
) -> None:
    work = found(repo, PLAN + tasks("a"), "x")
    if why != "untrusted":
        trust.trust(work, work.ledger.snapshot())
    do(work, "x", "a")
    before = git("rev-parse", "main", cwd=bare)
    hook = bare / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    away = bare.with_name("away.git")
    if why == "no remote":
        git("remote", "rename", "origin", "other", cwd=repo)
    elif why == "gone":
        bare.rename(away)
    elif why == "forbidden":
        hook.write_text("#!/bin/sh\necho 'no pushes today' >&2\nexit 1\n")
        hook.chmod(0o755)
    new, problem = land(work)
    assert told in problem
    assert git("rev-parse", "main", cwd=repo) == new
    if why == "no remote":
        git("remote", "rename", "other", "origin", cwd=repo)
    elif why == "gone":
        away.rename(bare)
    assert git("rev-parse", "main", cwd=bare) == before
    trust.trust(work, work.ledger.snapshot())
    hook.unlink(missing_ok=True)
    assert land(work) == (new, "")
    assert git("rev-parse", "main", cwd=bare) == new


def test_who_completes_the_last_task_is_told_what_was_not_pushed(repo: Path) -> None:
    work = found(repo, PLAN + 'landing = "auto"\n' + tasks("a"), "x")
    do(work, "x", "a")
    told = [notice.text for notice in landed_by_itself(work, "default")]
    assert told[0].startswith("phase default landed: main is at ")
    assert told[1].startswith("the target was not pushed to origin: not trusted on this machine")
