"""Turns that the writers of one clone share over a server: one push for all of them."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from benchmarks.remote_racers import Counted
from gitcoord.core.errors import (
    GitcoordError,
    NothingReadyError,
    RefusedError,
    UnavailableError,
    UnknownError,
)
from gitcoord.core.ids import AgentId, TaskId, Token
from gitcoord.features.doors import begin_as_agent
from gitcoord.features.maintain import verify
from gitcoord.features.work import claims, results
from gitcoord.features.workspace import Workspace, open_workspace
from gitcoord.git.remotes import Pushed, Update
from gitcoord.host.clock import Clock
from gitcoord.ledger import asking, shared_turns
from gitcoord.store.contacts import Contacts
from gitcoord.store.queue import Turns
from tests.ledger.test_crash_points import Death
from tests.ledger.test_shared_turns import LONGEST_S, Caller, asked, turn_taken, wait_for
from tests.store.test_remote_store import KILL_THE_PUSHER, LEDGER, TAKEN, hook, ids_of, tip_of
from tests.support.builders import tasks
from tests.support.machines import joined, made, server
from tests.support.world import environment, git

CLAIMER = """
import sys
from pathlib import Path
from gitcoord.features.work import claims
from gitcoord.features.workspace import open_workspace
from gitcoord.ledger import shared_turns
shared_turns.COMPANY_S = 60.0
work = open_workspace(Path(sys.argv[1]), timeout_s=60)
assert work.index is not None
claims.claim(work, sys.argv[2], checkout=False, session="s")
"""
CUT_OFF = Pushed("cut-off", "the line is gone", {})
UNREACHED = Pushed("unreached", "no route", {})

Step = Callable[[list[Update]], Pushed | None]


class Scripted(Counted):
    """A server that is talked with as it is told: a step for each push, and the rest as usual."""

    def __init__(self, work: Workspace, *steps: Step) -> None:
        assert work.remote is not None
        super().__init__(work.remote.tracking)
        work.remote.tracking = self
        self.steps = list(steps)

    def push(self, updates: Any, **options: Any) -> Pushed:
        if self.steps:
            done = self.steps.pop(0)(updates)
            if done is not None:
                self.pushes += 1
                return done
        return super().push(updates, **options)


class Late:
    """A push whose process dies when it has been sent, and which arrives later, or never."""

    def __init__(self, work: Workspace) -> None:
        assert work.remote is not None
        self._remote = work.remote.remote
        self._updates: list[Update] = []

    def __call__(self, updates: list[Update]) -> Pushed | None:
        self._updates = updates
        raise Death

    def arrive(self) -> str:
        """Let the server have it; return what it says."""
        assert self._updates
        return self._remote.push(self._updates).end


class Patient(Turns):
    """Whoever has these asks others, and has no turn before it may."""

    def __init__(self, work: Workspace) -> None:
        files = work.ledger.files
        super().__init__(work.ledger.queue, files.deck_lock, files.bell, work.clock)
        self.may = threading.Event()

    def _is_ours(self) -> bool:
        return self.may.is_set() and super()._is_ours()


class Ahead(Clock):
    """A clock that can be put ahead, so that time is over."""

    def __init__(self) -> None:
        super().__init__()
        self.ahead_s = 0.0

    def monotonic_ns(self) -> int:
        return super().monotonic_ns() + int(self.ahead_s * 1e9)


class Waiter:
    """An agent that asks, as a process of its own would, and waits."""

    def __init__(
        self, work: Workspace, act: Callable[[Workspace], Any], timeout_s: float = LONGEST_S
    ) -> None:
        self.clock = Ahead()
        self.work = again(work, timeout_s, self.clock)
        self.talks = Scripted(self.work)
        self._turns = Patient(self.work)
        self.work.ledger._turns = self._turns
        before = len(asked(work))
        self._caller = Caller(partial(act, self.work))
        wait_for(lambda: len(asked(work)) > before or not self._caller.is_alive())

    def go_on(self) -> Any:
        """Let it have a turn of its own, if it needs one; return what it got."""
        self._turns.may.set()
        return self._caller.end()

    def end(self) -> Any:
        """Return what others did for it."""
        return self._caller.end()


def claiming(agent: str) -> Callable[[Workspace], claims.Claimed]:
    return lambda work: claims.claim(work, AgentId(agent), checkout=False, session="s")


def again(work: Workspace, timeout_s: float = LONGEST_S, clock: Clock | None = None) -> Workspace:
    """Open the same clone once more, as another process that chooses for others would."""
    opened = open_workspace(work.place.common_dir.parent, timeout_s=timeout_s, clock=clock)
    assert opened.index is not None
    return opened


def dying(work: Workspace, act: Callable[[], object]) -> None:
    with pytest.raises(Death):
        act()
    work.close()


def die_in_mid_push(work: Workspace, write: Callable[[Workspace], object]) -> Late:
    """Let a leader die when its push was sent; return that push."""
    leader = again(work)
    late = Late(leader)
    Scripted(leader, late)
    dying(leader, partial(write, leader))
    return late


def settled(work: Workspace, agent: str) -> list[str]:
    """Return what the next command of an agent is told of earlier ones."""
    told = begin_as_agent(again(work), AgentId(agent))
    return [one.text for one in told if one.kind == "settled"]


def count_of(bare: Path, agent: str) -> int:
    said = git("log", "--format=%an", LEDGER, cwd=bare).splitlines()
    return said.count(agent)


@pytest.fixture(autouse=True)
def _is_never_hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """A turn takes what waits, and nobody goes on without it, however slow the machine is."""
    monkeypatch.setattr(shared_turns, "COMPANY_S", LONGEST_S)
    monkeypatch.setattr(asking, "REMOTE_PATIENCE_S", LONGEST_S)


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    return server(tmp_path)


@pytest.fixture
def six(repo: Path, bare: Path) -> Workspace:
    """A ledger on a server, with eight tasks and six agents."""
    names = [f"x{number}" for number in range(6)]
    return made(repo, str(bare), tasks(*"abcdefgh"), *names, worktrees=False)


@pytest.fixture
def held(repo: Path, bare: Path) -> Workspace:
    """A ledger where x0 holds what the other task overlaps: nobody can have that one now."""
    plan = tasks("a", "b").replace('["b/"]', '["a/"]')
    work = made(repo, str(bare), plan, "x0", "x1", "x2", worktrees=False)
    claims.claim(work, AgentId("x0"), TaskId("a"), checkout=False, session="s")
    return work


def release(work: Workspace) -> object:
    token = next(iter(work.tokens(AgentId("x0")).names()))
    return results.release(work, AgentId("x0"), TaskId("a"), token)


def test_one_push_carries_all_that_waited(six: Workspace, bare: Path, repo: Path) -> None:
    before = len(ids_of(bare))
    waiting = [Waiter(six, claiming(f"x{number}")) for number in range(1, 6)]
    leader = again(six)
    talks = Scripted(leader)
    won = [claiming("x0")(leader), *(waiter.end() for waiter in waiting)]
    assert talks.pushes == 1
    assert [waiter.talks.pushes for waiter in waiting] == [0] * 5
    assert len({one.task["id"] for one in won}) == 6
    assert len(ids_of(bare)) == len(set(ids_of(bare))) == before + 6
    for number, one in enumerate(won):
        assert git("log", "-1", "--format=%an", one.entry, cwd=bare) == f"x{number}"
    assert git("rev-parse", LEDGER, cwd=repo) == tip_of(bare)
    assert list(six.ledger.files.asked.iterdir()) == []
    verify.verify(again(six))


def test_a_result_goes_along_in_another_s_push(six: Workspace, bare: Path, repo: Path) -> None:
    mine = claiming("x1")(again(six))
    git("checkout", "-q", "-b", mine.claim["branch"], cwd=repo)
    (repo / mine.task["id"]).mkdir()
    (repo / mine.task["id"] / "f").write_text("x")
    git("add", ".", cwd=repo)
    git("commit", "-q", "-m", "work", cwd=repo)
    result = git("rev-parse", "HEAD", cwd=repo)
    token = Token(mine.claim["token"])
    task = mine.task["id"]
    waiter = Waiter(six, lambda work: results.complete(work, AgentId("x1"), task, token))
    leader = again(six)
    talks = Scripted(leader)
    claiming("x0")(leader)
    waiter.end()
    assert (talks.pushes, waiter.talks.pushes) == (1, 0)
    assert git("rev-parse", f"refs/gitcoord/ledger/results/{task}/{result}", cwd=bare) == result
    verify.verify(again(six))


def test_what_a_lost_try_decided_is_told_to_nobody(repo: Path, bare: Path, tmp_path: Path) -> None:
    work = made(repo, str(bare), tasks("a", "b"), "x0", "x1", "y", worktrees=False)
    other = joined(str(bare), tmp_path / "second" / "repo")
    waiter = Waiter(work, claiming("x1"))
    leader = again(work)

    def faster(_updates: list[Update]) -> None:
        claims.claim(other, AgentId("y"), TaskId("b"), checkout=False)

    talks = Scripted(leader, faster)
    assert claiming("x0")(leader).task["id"] == "a"
    with pytest.raises(NothingReadyError):
        waiter.go_on()
    assert talks.pushes == 2
    assert count_of(bare, "x1") == 0
    verify.verify(again(work))


def test_a_server_that_refuses_is_quoted_to_each(six: Workspace, bare: Path) -> None:
    before = tip_of(bare)
    waiting = [Waiter(six, claiming(f"x{number}")) for number in (1, 2)]
    hook(bare, "pre-receive", "echo not on fridays; exit 1\n")
    with pytest.raises(RefusedError, match="not on fridays"):
        claiming("x0")(again(six))
    for waiter in waiting:
        with pytest.raises(RefusedError, match="not on fridays") as refused:
            waiter.go_on()
        assert refused.value.reason == "remote"
    assert tip_of(bare) == before
    assert [settled(six, name) for name in ("x0", "x1", "x2")] == [[], [], []]


def test_what_the_server_refuses_of_one_is_refused_to_nobody_else(
    six: Workspace, bare: Path
) -> None:
    before = len(ids_of(bare))
    forbidden = Waiter(six, claiming("x1"))
    allowed = Waiter(six, claiming("x2"))
    hook(
        bare,
        "update",
        'git log --format=%an "$2..$3" | grep -qx x1 && echo "x1 may not" && exit 1\nexit 0\n',
    )
    claiming("x0")(again(six))
    with pytest.raises(RefusedError, match="x1 may not"):
        forbidden.go_on()
    allowed.go_on()
    assert len(ids_of(bare)) == before + 2
    verify.verify(again(six))


def test_a_server_that_is_not_reached_is_unavailable_to_all_that_the_push_carried(
    six: Workspace, bare: Path
) -> None:
    before = tip_of(bare)
    waiting = [Waiter(six, claiming(f"x{number}")) for number in (1, 2)]
    leader = again(six)
    Scripted(leader, *[lambda _updates: UNREACHED] * 3)
    with pytest.raises(UnavailableError, match="no route"):
        claiming("x0")(leader)
    for waiter in waiting:
        with pytest.raises(UnavailableError, match="no route"):
            waiter.end()
        assert waiter.talks.pushes == 0
    assert tip_of(bare) == before
    assert list(six.ledger.files.asked.iterdir()) == []
    assert [settled(six, name) for name in ("x0", "x1", "x2")] == [[], [], []]


@pytest.mark.parametrize("is_taken", [True, False])
def test_a_line_that_is_cut_leaves_the_outcome_of_all_unknown(
    six: Workspace, bare: Path, is_taken: bool
) -> None:
    gone = bare.with_name("gone")
    waiting = [Waiter(six, claiming(f"x{number}")) for number in (1, 2)]
    leader = again(six)
    assert leader.remote is not None
    leader.remote.timeout_s = 2
    if is_taken:
        hook(bare, "reference-transaction", TAKEN + f'mv "{bare}" "{gone}"\n' + KILL_THE_PUSHER)
    else:
        hook(bare, "pre-receive", f'mv "{bare}" "{gone}"\n{KILL_THE_PUSHER}exit 1\n')
    errors = []
    acts: list[Callable[[], Any]] = [partial(claiming("x0"), leader)]
    for act in (*acts, *(waiter.end for waiter in waiting)):
        with pytest.raises(UnknownError) as unknown:
            act()
        errors.append(unknown.value.facts["entry_id"])
    assert len(set(errors)) == 3
    gone.rename(bare)
    (bare / "hooks" / "pre-receive").unlink(missing_ok=True)
    assert sum(one in ids_of(bare) for one in errors) == 3 * is_taken
    told = [settled(six, name) for name in ("x0", "x1", "x2")]
    became = "was done"
    if not is_taken:
        # A push that was sent may be carried out yet, as long as nobody else wrote.
        assert told == [[], [], []]
        claiming("x3")(again(six))
        told = [settled(six, name) for name in ("x0", "x1", "x2")]
        became = "was not done"
    assert [len(one) for one in told] == [1, 1, 1]
    assert all(one[0].endswith(became) for one in told)
    assert [settled(six, name) for name in ("x0", "x1", "x2")] == [[], [], []]
    verify.verify(again(six))


def test_who_asked_a_leader_that_dies_finds_what_its_push_brought(
    six: Workspace, bare: Path
) -> None:
    waiter = Waiter(six, claiming("x1"))
    late = die_in_mid_push(six, claiming("x0"))
    assert len(asked(six, "taken")) == 1
    assert late.arrive() == "accepted"
    mine = waiter.go_on()
    assert waiter.talks.pushes == 0
    assert count_of(bare, "x1") == 1
    assert mine.claim["agent"] == "x1"
    assert settled(six, "x0") == [
        f"an earlier claim {task_of(six, 'x0')} that was cut off was done"
    ]
    verify.verify(again(six))


def task_of(work: Workspace, agent: str) -> str:
    opened = again(work)
    live = opened.ledger.snapshot().live()
    return next(task["id"] for task in live if task["claim"] and task["claim"]["agent"] == agent)


def test_a_push_of_a_dead_leader_that_comes_too_late_writes_nothing_twice(
    six: Workspace, bare: Path
) -> None:
    waiter = Waiter(six, claiming("x1"))
    late = die_in_mid_push(six, claiming("x0"))
    waiter.go_on()
    assert late.arrive() == "rejected"
    assert count_of(bare, "x1") == 1
    assert count_of(bare, "x0") == 0
    verify.verify(again(six))


def test_a_push_of_a_dead_leader_that_comes_before_our_own_is_found(
    six: Workspace, bare: Path
) -> None:
    waiter = Waiter(six, claiming("x1"))
    late = die_in_mid_push(six, claiming("x0"))

    def arrives(_updates: list[Update]) -> None:
        assert late.arrive() == "accepted"

    # Between its look at the server and its push.
    waiter.talks.steps = [arrives]
    mine = waiter.go_on()
    assert waiter.talks.pushes == 1
    assert count_of(bare, "x1") == 1
    assert git("log", "-1", "--format=%an", mine.entry, cwd=bare) == "x1"
    verify.verify(again(six))


def test_no_refusal_is_told_while_a_dead_leader_s_push_may_arrive(
    held: Workspace, bare: Path
) -> None:
    waiter = Waiter(held, claiming("x1"))
    late = die_in_mid_push(held, release)
    assert len(asked(held, "taken")) == 1
    # Without what the dead one would have given back there is nothing for it.
    with pytest.raises(UnknownError):
        waiter.go_on()
    assert settled(held, "x1") == []
    assert late.arrive() == "accepted"
    assert settled(held, "x1") == ["an earlier claim b that was cut off was done"]
    assert settled(held, "x1") == []
    assert count_of(bare, "x1") == 1
    again_ = claiming("x1")(again(held))
    assert again_.already
    assert not again_.reissued, "its token is known here"
    verify.verify(again(held))


def test_a_refusal_is_told_once_the_ledger_has_moved_on_from_a_dead_leader_s_tip(
    held: Workspace, tmp_path: Path, bare: Path
) -> None:
    other = joined(str(bare), tmp_path / "second" / "repo")
    waiter = Waiter(held, claiming("x1"))
    late = die_in_mid_push(held, release)
    token = next(iter(held.tokens(AgentId("x0")).names()))
    results.progress(other, AgentId("x0"), TaskId("a"), token, "still at it")
    with pytest.raises(NothingReadyError):
        waiter.go_on()
    assert late.arrive() == "rejected"
    assert settled(held, "x1") == []
    verify.verify(again(held))


@pytest.mark.parametrize("is_late", [True, False])
def test_what_a_dead_process_asked_of_a_dead_one_is_not_said_to_be_undone_too_early(
    six: Workspace, bare: Path, is_late: bool
) -> None:
    with turn_taken(six):
        asker = subprocess.Popen(
            [sys.executable, "-c", CLAIMER, str(six.place.common_dir.parent), "x1"],
            env=environment(),
        )
        wait_for(lambda: len(asked(six)) == 1)
        asker.send_signal(signal.SIGSTOP)
    # The tip that it saw is not the one that its leader goes by.
    six.ledger.shares_turns = False
    claiming("x2")(six)
    late = die_in_mid_push(six, claiming("x0"))
    assert len(asked(six, "taken")) == 1
    asker.kill()
    asker.wait()
    assert settled(six, "x1") == []
    if is_late:
        assert late.arrive() == "accepted"
    else:
        claiming("x3")(again(six))
    told = settled(six, "x1")
    assert len(told) == 1
    assert told[0].endswith("was done" if is_late else "was not done")
    assert settled(six, "x1") == []
    assert count_of(bare, "x1") == is_late
    verify.verify(again(six))


def test_an_agent_s_next_try_is_settled_by_the_tip_of_that_try(
    six: Workspace, bare: Path, tmp_path: Path
) -> None:
    """Else it would be said to be undone while its push may still arrive."""
    other = joined(str(bare), tmp_path / "second" / "repo")
    work = again(six)
    late = Late(work)

    def faster(_updates: list[Update]) -> None:
        claims.claim(other, AgentId("x5"), TaskId("h"), checkout=False)

    Scripted(work, faster, late)
    dying(work, lambda: claims.claim(work, AgentId("x0"), TaskId("a"), checkout=False))
    assert settled(six, "x0") == []
    assert late.arrive() == "accepted"
    assert settled(six, "x0") == ["an earlier claim a that was cut off was done"]


def test_who_waits_does_not_give_up_while_a_push_is_under_way(
    six: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[bool] = []
    reached, go_on = threading.Event(), threading.Event()
    is_busy = Contacts.is_busy

    def looked(contacts: Contacts) -> bool:
        if not reached.is_set():
            return True  # until the leader has begun
        looks.append(is_busy(contacts))
        return looks[-1]

    def slowly(_updates: list[Update]) -> None:
        reached.set()
        assert go_on.wait(LONGEST_S)

    monkeypatch.setattr(asking, "REMOTE_PATIENCE_S", 0.02)
    monkeypatch.setattr(Contacts, "is_busy", looked)
    waiter = Waiter(six, claiming("x1"))
    leader = again(six)
    Scripted(leader, slowly)
    leading = Caller(partial(claiming("x0"), leader))
    wait_for(lambda: len(looks) > 3)
    assert len(asked(six, "taken")) == 1
    go_on.set()
    leading.end()
    assert waiter.end().claim["agent"] == "x1"
    assert waiter.talks.pushes == 0
    assert all(looks[:3])


def test_who_waits_has_a_limit_of_its_own(six: Workspace, bare: Path) -> None:
    reached, go_on = threading.Event(), threading.Event()

    def slowly(_updates: list[Update]) -> None:
        reached.set()
        assert go_on.wait(LONGEST_S)

    taken = Waiter(six, claiming("x1"), timeout_s=30)
    not_taken = Waiter(six, claiming("x2"))
    leader = again(six, timeout_s=30)
    Scripted(leader, slowly)
    leading = Caller(partial(claiming("x0"), leader))
    wait_for(reached.is_set)
    taken.clock.ahead_s = not_taken.clock.ahead_s = 100.0
    with pytest.raises(UnknownError) as unknown:
        taken.end()
    with pytest.raises(UnavailableError, match="others have been writing"):
        not_taken.end()
    go_on.set()
    leading.end()
    assert unknown.value.facts["entry_id"] in ids_of(bare)
    assert len(settled(six, "x1")) == 1
    assert settled(six, "x2") == []
    assert count_of(bare, "x2") == 0
    verify.verify(again(six))


def test_a_leader_that_is_killed_in_mid_push_delays_the_others_by_its_push_alone(
    six: Workspace, bare: Path, tmp_path: Path, repo: Path
) -> None:
    began, may = tmp_path / "began", tmp_path / "may"
    waiter = Waiter(six, claiming("x1"))
    hook(
        bare,
        "pre-receive",
        f'[ -e "{began}" ] && exit 0\ntouch "{began}"\n'
        f'while [ ! -e "{may}" ]; do sleep 0.05; done\n',
    )
    leader = subprocess.Popen([sys.executable, "-c", CLAIMER, str(repo), "x0"], env=environment())
    wait_for(began.exists)
    assert len(asked(six, "taken")) == 1
    leader.send_signal(signal.SIGKILL)
    leader.wait()
    may.touch()
    mine = waiter.go_on()
    assert waiter.talks.pushes == 0
    assert mine.claim["agent"] == "x1"
    assert asked(six) == []
    assert (count_of(bare, "x0"), count_of(bare, "x1")) == (1, 1)
    verify.verify(again(six))


def test_what_an_older_version_does_not_see_is_written_by_its_owner(
    six: Workspace, bare: Path
) -> None:
    waiter = Waiter(six, claiming("x1"))
    older = again(six)
    older.ledger.shares_turns = False
    claiming("x0")(older)
    assert len(asked(six)) == 1
    waiter.go_on()
    assert waiter.talks.pushes == 1
    assert (count_of(bare, "x0"), count_of(bare, "x1")) == (1, 1)


def test_who_only_reads_asks_nobody_else_to_write(six: Workspace) -> None:
    offline = open_workspace(six.place.common_dir.parent, is_offline=True, timeout_s=1)
    with turn_taken(six), pytest.raises(UnavailableError, match="--offline"):
        claiming("x1")(offline)
    assert asked(six) == []


def test_an_impatient_leader_takes_nothing_of_who_would_wait_longer(
    six: Workspace, bare: Path
) -> None:
    patient = Waiter(six, claiming("x1"))
    claiming("x0")(again(six, timeout_s=30))
    assert len(asked(six)) == 1
    patient.go_on()
    assert count_of(bare, "x1") == 1


def test_a_refusal_by_a_rule_is_told_after_the_push(six: Workspace) -> None:
    def stale(work: Workspace) -> object:
        return results.progress(work, AgentId("x1"), TaskId("a"), Token("0" * 32), "stale")

    waiter = Waiter(six, stale)
    leader = again(six)
    talks = Scripted(leader)
    claiming("x0")(leader)
    with pytest.raises(GitcoordError) as lost:
        waiter.end()
    assert lost.value.code == "claim-lost"
    assert (talks.pushes, waiter.talks.pushes) == (1, 0)
