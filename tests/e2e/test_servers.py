"""The main job between two clones, and every operation, over each kind of server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gitcoord.core.errors import UnavailableError
from gitcoord.core.machine import operations
from gitcoord.features.land import landings, rollbacks
from gitcoord.features.maintain import verify
from gitcoord.features.work import claims, results
from gitcoord.features.workspace import open_workspace
from gitcoord.ledger import asking, shared_turns
from tests.ledger.test_shared_pushes import Scripted, Waiter, again, claiming
from tests.ledger.test_shared_turns import LONGEST_S
from tests.second import replay
from tests.support.builders import tasks
from tests.support.every_operation import every_operation
from tests.support.machines import joined, made, server
from tests.support.servers import git_daemon, sshd, web_server
from tests.support.world import do, git

LONGER = [pytest.param(over, marks=pytest.mark.long) for over in ("path", "ssh")]


@pytest.fixture(params=["file", "daemon", "http", *LONGER])
def url(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    bare = server(tmp_path)
    git("config", "http.receivepack", "true", cwd=bare)
    if request.param == "path":
        yield str(bare)
    elif request.param == "file":
        yield f"file://{bare}"
    elif request.param == "ssh":
        with sshd(tmp_path / "sshd", monkeypatch) as start:
            yield f"{start}{bare}"
    elif request.param == "daemon":
        with git_daemon(tmp_path) as start:
            yield f"{start}/{bare.name}"
    else:
        with web_server(tmp_path / "web", tmp_path) as start:
            yield f"{start}/{bare.name}"


def test_the_main_job_over_a_server(url: str, repo: Path, tmp_path: Path) -> None:
    bare = tmp_path / "server.git"
    one = made(repo, url, tasks("a", "b"), "x")
    start = one.ledger.snapshot().oid
    second = joined(url, tmp_path / "second" / "repo", "y")
    held = claims.claim(one, "x", "a")
    one.ledger.beat("x", held.claim["token"])
    results.progress(one, "x", "a", held.claim["token"], "half done")
    results.release(one, "x", "a", held.claim["token"])
    do(one, "x", "a")
    do(second, "y", "b")
    landed = landings.land(second, "default")
    assert git("rev-parse", "main", cwd=bare) == landed.new
    one.remote.ask_anew()  # type: ignore[union-attr]
    rollbacks.rollback(one, rollbacks.choose(one, to=start), code=True)
    assert git("rev-parse", "main", cwd=bare) == landed.old
    assert git("rev-parse", "gitcoord/ledger", cwd=bare) == one.ledger.tip()
    verify.verify(one)


@pytest.mark.long
def test_every_operation_over_a_server(url: str, repo: Path, tmp_path: Path) -> None:
    bare = tmp_path / "server.git"
    git("remote", "add", "origin", url, cwd=repo)
    work = every_operation(repo, "origin")
    tip = work.ledger.tip()
    assert git("rev-parse", "gitcoord/ledger", cwd=bare) == tip
    second = joined(url, tmp_path / "second" / "repo")
    assert verify.verify(second).tip == tip
    gone_back = rollbacks.rollbacks(second)
    assert len(gone_back) == 2
    for one in gone_back:
        verify.verify(second, until=one["abandoned"])
    found = list(replay.replay(bare))
    assert {one.event["op"] for one in found} == set(operations())
    assert not [one for one in found if one.computed != one.tree]
    assert git("rev-parse", "main", cwd=bare) == git("rev-parse", "main", cwd=repo)
    # What the entries name is there as well, or a reviewer of the second clone had nothing.
    for task in second.ledger.snapshot().tasks():
        if task["result"] and task["result"]["oid"]:
            assert (
                git("cat-file", "-t", task["result"]["oid"], cwd=second.place.common_dir)
                == "commit"
            )


def test_what_waits_in_one_clone_goes_with_one_push(
    url: str, repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_turns, "COMPANY_S", LONGEST_S)
    monkeypatch.setattr(asking, "REMOTE_PATIENCE_S", LONGEST_S)
    names = [f"x{number}" for number in range(4)]
    work = made(repo, url, tasks(*"abcd"), *names, worktrees=False)
    waiting = [Waiter(work, claiming(name)) for name in names[1:]]
    leader = again(work)
    talks = Scripted(leader)
    won = [claiming(names[0])(leader), *(waiter.end() for waiter in waiting)]
    assert talks.pushes == 1
    assert [waiter.talks.pushes for waiter in waiting] == [0] * 3
    assert len({one.task["id"] for one in won}) == 4
    verify.verify(again(work))


def test_a_password_that_is_wrong_changes_nothing_and_asks_nobody(
    repo: Path, tmp_path: Path
) -> None:
    bare = server(tmp_path)
    git("config", "http.receivepack", "true", cwd=bare)
    with web_server(tmp_path / "web", tmp_path) as start:
        work = made(repo, f"{start}/{bare.name}", tasks("a"), "x", worktrees=False)
        before = work.ledger.tip()
        wrong = f"{start}/{bare.name}".replace("secret", "expired")
        git("remote", "set-url", "origin", wrong, cwd=repo)
        with pytest.raises(UnavailableError, match="origin was not reached"):
            claims.claim(open_workspace(repo), "x", checkout=False)
    assert git("rev-parse", "gitcoord/ledger", cwd=bare) == before
