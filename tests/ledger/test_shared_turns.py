"""Turns that writers share: one move of the ref, an entry each, and nothing applied twice."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from gitcoord.core.errors import ClaimLostError, GitcoordError, UnknownError
from gitcoord.core.ids import AgentId, Oid, TaskId, Token
from gitcoord.core.messages import parse
from gitcoord.features.doors import begin_as_agent
from gitcoord.features.maintain import verify
from gitcoord.features.work import claims, results
from gitcoord.features.workspace import Workspace, open_workspace
from gitcoord.git.places import discover
from gitcoord.host.clock import Clock, Deadline
from gitcoord.host.live_files import LiveFile
from gitcoord.ledger import shared_turns
from gitcoord.ledger.files import write_json
from gitcoord.ledger.ledger import Done
from gitcoord.ledger.pending import chain
from gitcoord.store.open import open_store
from gitcoord.store.queue import QueueLock
from tests.ledger.test_crash_points import Death, Dying
from tests.support.builders import tasks
from tests.support.world import SHORT, environment, found, git

LONGEST_S = 60

ASKER = """
import sys
from pathlib import Path
from gitcoord.features.work import claims
from gitcoord.features.workspace import open_workspace
work = open_workspace(Path(sys.argv[1]))
claims.claim(work, sys.argv[2], checkout=False, session="s")
"""


class Watched:
    """A store that counts its swaps of the ledger, and calls what it is given before each."""

    def __init__(self, store: Any, before: Callable[[], None] = lambda: None) -> None:
        self._store = store
        self._before = before
        self.swaps = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def swap(self, ref: str, *args: Any, **more: Any) -> None:
        if ref.startswith("refs/heads/gitcoord/"):
            self._before()
            self.swaps += 1
        self._store.swap(ref, *args, **more)


class DyingLeader(Dying):
    """A leader's store, which notes when it dies whether it took what others asked for by then."""

    def __init__(self, work: Workspace) -> None:
        super().__init__(open_store(work.place, is_durable=True), 0)
        self._work = work
        self.has_taken: bool | None = None

    def die(self) -> None:
        self.has_taken = asked(self._work, "taken") != []
        super().die()


def watched(
    repo: Path,
    before: Callable[[], None] = lambda: None,
    timeout_s: float = 30,
    *,
    has_index: bool = True,
) -> Any:
    place = discover(repo)
    store = Watched(open_store(place, is_durable=True), before)
    work: Any = Workspace(place, store, "ledger", Clock(), timeout_s=timeout_s)
    if has_index:
        # So that it chooses for others.
        assert work.index is not None
    return work


class Caller(threading.Thread):
    """One call in a thread; what it returned or raised."""

    def __init__(self, act: Callable[[], Any]) -> None:
        super().__init__(daemon=True)
        self._act = act
        self.result: Any = None
        self.error: BaseException | None = None
        self.start()

    def run(self) -> None:
        try:
            self.result = self._act()
        except (Exception, Death) as error:  # noqa: BLE001 - it is raised where it is waited for
            self.error = error

    def end(self) -> Any:
        self.join(LONGEST_S)
        assert not self.is_alive()
        if self.error is not None:
            raise self.error
        return self.result


def wait_for(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + LONGEST_S
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.005)


@contextmanager
def turn_taken(work: Workspace) -> Iterator[QueueLock]:
    """Have the turn, as another writer has it."""
    lock = QueueLock(work.ledger.files.queue_lock)
    with lock.hold(5) as is_held:
        assert is_held
        yield lock


def asked(work: Workspace, kind: str = "json") -> list[Path]:
    return sorted(work.ledger.files.asked.glob(f"*.{kind}"))


def entries(work: Workspace) -> list[str]:
    return [message.partition("\n")[0] for _, message in chain(work.store, work.ledger.tip(), None)]


def claiming(repo: Path, agent: str) -> tuple[Any, Callable[[], claims.Claimed]]:
    work = watched(repo)
    return work, lambda: claims.claim(work, agent, checkout=False, session="s")


@pytest.fixture(autouse=True)
def _is_never_hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """A turn takes what waits, however slow the machine is."""
    monkeypatch.setattr(shared_turns, "COMPANY_S", LONGEST_S)


@pytest.fixture
def six(repo: Path) -> Workspace:
    """A ledger of eight tasks and six agents."""
    return found(repo, tasks(*"abcdefgh"), *(f"x{n}" for n in range(6)), worktrees=False)


def test_what_waits_is_published_in_one_move_an_entry_each(six: Workspace, repo: Path) -> None:
    before = len(entries(six))
    doors = [claiming(repo, f"x{number}") for number in range(6)]
    with turn_taken(six):
        callers = [Caller(act) for _, act in doors]
        wait_for(lambda: len(asked(six)) == 6)
    won = [caller.end() for caller in callers]
    assert sum(work.store.swaps for work, _ in doors) == 1
    assert len({one.task["id"] for one in won}) == 6
    assert len(entries(six)) == before + 6
    for number, one in enumerate(won):
        assert git("log", "-1", "--format=%an", one.entry, cwd=repo) == f"x{number}"
        kept = six.tokens(f"x{number}").all()
        assert [(own["task"], own["token"]) for own in kept] == [
            (one.task["id"], one.claim["token"])
        ]
    assert list(six.ledger.files.asked.iterdir()) == []
    assert not six.ledger.files.bell.exists()
    verify.verify(six)


def test_whose_claim_another_chose_chooses_for_others(six: Workspace, repo: Path) -> None:
    doors = [watched(repo, has_index=False) for _ in range(2)]
    with turn_taken(six):
        callers = [
            Caller(partial(claims.claim, work, AgentId(f"x{number}"), checkout=False))
            for number, work in enumerate(doors)
        ]
        wait_for(lambda: len(asked(six)) == 2)
    won = [caller.end() for caller in callers]
    number = [work.store.swaps for work in doors].index(0)
    file = laid(six, "x3", ANY_TASK)
    results.release(
        doors[number],
        AgentId(f"x{number}"),
        won[number].task["id"],
        Token(won[number].claim["token"]),
    )
    assert json.loads(asked(six, "answer")[0].read_text())["entry"] == six.ledger.tip()
    file.leave()


def test_turns_are_not_shared_where_the_setting_says_so(
    six: Workspace, repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITCOORD_TURNS", "single")
    doors = [claiming(repo, f"x{number}") for number in range(3)]
    with turn_taken(six):
        callers = [Caller(act) for _, act in doors]
    assert len({caller.end().task["id"] for caller in callers}) == 3
    assert sum(work.store.swaps for work, _ in doors) == 3
    assert not six.ledger.files.asked.exists()


def test_a_refusal_is_told_to_its_owner_alone(six: Workspace, repo: Path) -> None:
    held = claims.claim(six, "x0", "a", checkout=False)
    first, second, third = (watched(repo) for _ in range(3))
    with turn_taken(six):
        told = Caller(lambda: results.progress(first, "x0", "a", held.claim["token"], "on"))
        stale = Caller(lambda: results.progress(second, "x1", "a", "0" * 32, "stale"))
        other = Caller(lambda: claims.claim(third, "x2", checkout=False))
        wait_for(lambda: len(asked(six)) == 3)
    assert isinstance(told.end(), Done)
    assert other.end().task["id"] != "a"
    with pytest.raises(ClaimLostError) as caught:
        stale.end()
    assert caught.value.hint
    assert first.store.swaps + second.store.swaps + third.store.swaps <= 2


def test_each_is_decided_on_what_those_before_it_left(repo: Path) -> None:
    work = found(repo, tasks("a", "b"), "x", "y", "z", worktrees=False)
    doors = [claiming(repo, agent) for agent in "xyz"]
    with turn_taken(work):
        callers = [Caller(act) for _, act in doors]
        wait_for(lambda: len(asked(work)) == 3)
    won, refused = [], []
    for caller in callers:
        try:
            won.append(caller.end().task["id"])
        except GitcoordError as error:
            refused.append(error.code)
    assert sorted(won) == ["a", "b"]
    assert refused == ["nothing-ready"]
    verify.verify(work)


def test_a_claim_that_takes_a_task_over_is_published_alone(repo: Path) -> None:
    work = found(repo, SHORT + tasks("a", "b"), "x", "y", "z", worktrees=False)
    claims.claim(work, "x", "a", checkout=False, session="gone")
    time.sleep(1.2)
    held = claims.claim(work, "y", "b", checkout=False)
    progressing, taking = watched(repo), watched(repo)
    with turn_taken(work):
        told = Caller(lambda: results.progress(progressing, "y", "b", held.claim["token"], "on"))
        taken = Caller(lambda: claims.claim(taking, "z", checkout=False))
        wait_for(lambda: len(asked(work)) == 2)
    told.end()
    over = taken.end()
    assert over.task["id"] == "a"
    assert progressing.store.swaps + taking.store.swaps == 2
    assert "taken over" in git("log", "-1", "--format=%s", over.entry, cwd=repo)
    verify.verify(work)


def test_a_request_of_a_dead_process_is_left_and_settled(six: Workspace, repo: Path) -> None:
    with turn_taken(six):
        process = subprocess.Popen(
            [sys.executable, "-c", ASKER, str(repo), "x1"],
            env=environment(),
            stderr=subprocess.DEVNULL,
        )
        wait_for(lambda: len(asked(six)) == 1)
        process.kill()
        process.wait()
    claims.claim(watched(repo), "x2", checkout=False)
    assert len(asked(six)) == 1
    settled = six.ledger.settle("x1")
    assert [(one.op, one.is_applied) for one in settled] == [("claim", False)]
    assert list(six.ledger.files.asked.iterdir()) == []
    assert claims.claim(six, "x1", checkout=False).task["id"]
    assert six.ledger.settle("x1") == []


def test_a_dead_process_whose_request_was_taken_is_told_by_its_heir(
    six: Workspace, repo: Path
) -> None:
    process: list[subprocess.Popen[bytes]] = []

    def kill() -> None:
        # After it was taken, before the swap.
        process[0].kill()
        process[0].wait()

    leader = watched(repo, kill)
    with turn_taken(six):
        command = [sys.executable, "-c", ASKER, str(repo), "x1"]
        process.append(subprocess.Popen(command, env=environment()))
        wait_for(lambda: len(asked(six)) == 1)
        process[0].send_signal(signal.SIGSTOP)
    claims.claim(leader, "x0", checkout=False, session="s")
    assert [path.name[:2] for path in asked(six, "taken")] == ["x1"]
    tasks_held: Any = six.ledger.snapshot().live()
    live = {str(task["claim"]["agent"]): task for task in tasks_held}
    assert live.keys() == {"x0", "x1"}
    settled = six.ledger.settle("x1")
    task = live["x1"]
    assert [(one.op, one.task, one.token, one.is_applied) for one in settled] == [
        ("claim", task["id"], task["claim"]["token"], True)
    ]
    again = claims.claim(six, "x1", checkout=False, session="s")
    assert again.already
    assert not again.reissued, "its token is known here"
    assert list(six.ledger.files.asked.iterdir()) == []
    verify.verify(six)


def test_the_token_of_what_others_chose_gets_its_task(six: Workspace, repo: Path) -> None:
    """Who died after it would have chosen another one by itself left that one's name."""
    held = claims.claim(six, "x1", "a", checkout=False, session="s")
    token = held.claim["token"]
    event = parse(six.store.read_entry(held.entry).message, held.entry)
    tokens = six.tokens("x1")
    tokens.write(token, {**tokens.read(token), "task": "b"})
    place = six.ledger.files.pending / "x1" / f"{event['id']}.json"
    facts = {"op": "claim", "task": "b", "token": token, "tip": event_before(six, held.entry)}
    write_json(place, facts)
    notices = begin_as_agent(six, AgentId("x1"))
    assert [one.text for one in notices] == ["an earlier claim a that was cut off was done"]
    assert tokens.read(token)["task"] == "a"


def event_before(work: Workspace, entry: Oid) -> Oid:
    return work.store.read_entry(entry).parents[0]


def test_who_asks_twice_at_once_holds_once(six: Workspace, repo: Path) -> None:
    doors = [claiming(repo, "x1") for _ in range(3)]
    with turn_taken(six):
        callers = [Caller(act) for _, act in doors]
        wait_for(lambda: len(asked(six)) == 3)
    told = [caller.end() for caller in callers]
    assert len({one.task["id"] for one in told}) == 1
    assert sorted(one.already for one in told) == [False, True, True]
    verify.verify(six)


def test_a_turn_takes_no_more_once_its_time_is_over(
    six: Workspace, repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_turns, "COMPANY_S", 0)
    file = laid(six, "x1", ANY_TASK)
    assert claims.claim(watched(repo), "x0", checkout=False).task["id"]
    assert asked(six) == [file.path]
    file.leave()


def test_others_get_on_where_the_ledger_moves_and_time_is_left(six: Workspace) -> None:
    seen = six.ledger.snapshot().oid
    get_on = shared_turns.others_get_on(six.ledger.tip, seen, Deadline(Clock(), 60))
    hurried = shared_turns.others_get_on(six.ledger.tip, seen, Deadline(Clock(), 0))
    assert not get_on()
    claims.claim(six, "x0", checkout=False)
    assert get_on()
    assert not get_on(), "nobody did since"
    assert not hurried()


def has_begun(work: Workspace, reached: threading.Event) -> bool:
    return reached.is_set() or not asked(work)


def is_asked(work: Workspace) -> bool:
    return len(asked(work)) == 1


def is_asked_or_over(work: Workspace, caller: Caller) -> bool:
    return is_asked(work) or not caller.is_alive()


@contextmanager
def stopped_turn(
    work: Workspace, repo: Path, ask: Callable[[Workspace], Any]
) -> Iterator[tuple[Caller, Workspace]]:
    """Stop a turn of x0 between taking what is asked for and its swap; who asks waits a second."""
    for _ in range(50):
        reached, go_on = threading.Event(), threading.Event()

        def stop(reached: threading.Event = reached, go_on: threading.Event = go_on) -> None:
            reached.set()
            assert go_on.wait(LONGEST_S)

        leader, waiter = watched(repo, stop), watched(repo, timeout_s=1)
        with turn_taken(work):
            patient = Caller(partial(ask, waiter))
            # On a slow machine its second may be over before it asks.
            wait_for(partial(is_asked_or_over, work, patient))
        leading = Caller(partial(claims.claim, leader, AgentId("x0"), checkout=False))
        wait_for(partial(has_begun, work, reached))
        if asked(work, "taken"):
            yield patient, waiter
            go_on.set()
            leading.end()
            return
        # Who waited had the turn by itself: once more, and without what it got by that.
        go_on.set()
        with suppress(GitcoordError):
            mine = patient.end()
            if isinstance(mine, claims.Claimed):
                results.release(work, "x1", mine.task["id"], Token(mine.claim["token"]))
        held = leading.end()
        results.release(work, "x0", held.task["id"], held.claim["token"])
    raise AssertionError("the turn was never the leader's")


def test_who_waits_too_long_writes_by_itself_and_no_turn_applies_it_again(
    six: Workspace, repo: Path
) -> None:
    with stopped_turn(six, repo, lambda work: claims.claim(work, "x1", checkout=False)) as (
        patient,
        _,
    ):
        mine = patient.end()
    messages = [message for _, message in chain(six.store, six.ledger.tip(), None)]
    assert sum(f"Gitcoord-Claim: {mine.claim['token']}\n" in one for one in messages) == 1
    assert list(six.ledger.files.asked.iterdir()) == []
    verify.verify(six)


def test_no_refusal_is_told_while_another_may_still_publish_what_was_asked(
    six: Workspace, repo: Path
) -> None:
    def stale(work: Workspace) -> Done:
        return results.progress(work, "x1", "a", "0" * 32, "stale")

    with stopped_turn(six, repo, stale) as (patient, _):
        with pytest.raises(UnknownError):
            patient.end()
        assert six.ledger.settle("x1") == []
    assert [(one.op, one.is_applied) for one in six.ledger.settle("x1")] == [("progress", False)]
    verify.verify(six)


def test_nothing_is_settled_while_a_turn_may_go_on_with_it(six: Workspace, repo: Path) -> None:
    file = laid(six, "x1", {"op": "progress"})
    file.rename(file.path.with_suffix(".taken"))
    file.leave()
    six.ledger.timeout_s = 0.1
    claims.claim(six, "x0", checkout=False)
    with turn_taken(six):
        assert six.ledger.settle("x1") == []
    assert asked(six, "taken") == []
    six.ledger.timeout_s = 30
    assert [(one.op, one.is_applied) for one in six.ledger.settle("x1")] == [("progress", False)]
    assert six.ledger.settle("x1") == []


@pytest.mark.parametrize("asks", ["claim", "progress"])
def test_a_leader_that_dies_at_any_call_delays_nobody_and_applies_nothing_twice(
    repo: Path, tmp_path: Path, asks: str
) -> None:
    work = found(repo, tasks("a", "b", "c"), "x", "y", worktrees=False)
    told = Token("")
    if asks == "progress":
        told = claims.claim(work, "y", "b", checkout=False).claim["token"]
    claims.claim(work, "x", "c", checkout=False, session="s")
    results.release(work, "x", "c", next(iter(work.tokens("x").names())))
    work.close()
    saved = tmp_path / "saved"
    shutil.copytree(repo / ".git", saved, symlinks=True)
    led_whole = False
    at = 0
    died: list[bool | None] = []
    for _ in range(200):
        at += 1
        shutil.rmtree(repo / ".git")
        shutil.copytree(saved, repo / ".git", symlinks=True)
        work = open_workspace(repo)
        before = len(entries(work))
        dying: Any = DyingLeader(work)
        leader = Workspace(work.place, dying, "ledger", Clock(), timeout_s=10)
        assert leader.index is not None
        waiter = watched(repo)
        held = QueueLock(work.ledger.files.queue_lock)
        assert held.acquire(5)
        act: Callable[[], Any] = partial(claims.claim, waiter, AgentId("y"), checkout=False)
        if told:
            act = partial(results.progress, waiter, AgentId("y"), TaskId("b"), told, "half of it")
        asking = Caller(act)
        wait_for(partial(is_asked, work))
        # The deck is the leader's, so that the one that waits does not begin.
        deck = QueueLock(work.ledger.files.deck_lock)
        assert deck.acquire(5)
        held.release()
        dying.left = at
        deck.release()
        try:
            claims.claim(leader, "x", checkout=False, session="s")
            led_whole = "swap" in dying.begun
            if not led_whole:
                # Who waited had the turn by itself: the same call once more.
                at -= 1
        except Death:
            died.append(dying.has_taken)
        one = asking.end()
        ids = [message for _, message in chain(work.store, work.ledger.tip(), None)]
        assert sum("Gitcoord-Agent: y\n" in message for message in ids) == 1 + bool(told)
        assert before + 1 <= len(ids) <= before + 2
        task = "b"
        if not told:
            task = one.task["id"]
        held_now: Any = work.ledger.snapshot().require_task(task)["claim"]
        assert held_now["agent"] == "y"
        work.ledger.settle("x")
        verify.verify(work)
        work.close()
        if led_whole:
            break
    assert led_whole
    assert at > 10
    assert {True, False} == set(died), "before it took what was asked for, and after"


def test_what_is_no_request_of_this_version_is_left_alone(six: Workspace, repo: Path) -> None:
    folder = six.ledger.files.asked
    folder.mkdir(parents=True)
    newer = folder / f"x1.{'1' * 32}.json"
    newer.write_text(json.dumps({"version": 99, "id": "1" * 32, "agent": "x1", "request": {}}))
    (folder / f"x2.{'2' * 32}.json").write_text("[")
    unknown = laid(six, "x5", {"op": []})
    (folder / f"x3.{'3' * 32}.json").mkdir()
    (folder / f"x4.{'4' * 32}.json").symlink_to(repo / ".git" / "config")
    names = sorted(path.name for path in folder.iterdir())
    assert claims.claim(watched(repo), "x0", checkout=False).task["id"]
    assert sorted(path.name for path in folder.iterdir()) == names
    unknown.leave()
    verify.verify(six)


ANY_TASK: dict[str, Any] = {
    "op": "claim",
    "pool": None,
    "phases": [],
    "tasks": [],
    "session": "s",
    "asked_ns": None,
}
"""What a claim of any task asks for."""


def laid(work: Workspace, agent: str, request: dict[str, Any]) -> LiveFile:
    """Lay a request of a living process, as its file says it."""
    file = LiveFile(work.ledger.files.asked / f"{agent}.{'1' * 32}.json")
    facts = {
        "version": 1,
        "id": "1" * 32,
        "agent": agent,
        "token": "2" * 32,
        "machine": work.clock.machine_id(),
        "now_ns": work.clock.monotonic_ns(),
        "committer": ["Somebody", "somebody@example.invalid"],
        "tip": work.ledger.tip(),
        "op": request.get("op"),
    }
    file.write(json.dumps({**facts, "request": request}).encode())
    return file


def test_an_entry_is_committed_by_who_asked_for_it(six: Workspace, repo: Path) -> None:
    file = laid(six, "x1", ANY_TASK)
    claims.claim(watched(repo), "x0", checkout=False)
    entry = json.loads(asked(six, "answer")[0].read_text())["entry"]
    said = git("log", "-1", "--format=%an %cn %ce %(trailers:key=Gitcoord-Id)", entry, cwd=repo)
    assert said == f"x1 Somebody somebody@example.invalid Gitcoord-Id: {'1' * 32}"
    file.leave()
    verify.verify(six)


@pytest.mark.parametrize(
    "request_",
    [
        {"op": "claim"},
        ANY_TASK | {"session": 3},
        ANY_TASK | {"pool": []},
        ANY_TASK | {"asked_ns": "x"},
        ANY_TASK | {"phases": "default"},
        ANY_TASK | {"tasks": ["../a"]},
        {"op": "progress"},
        {"op": "progress", "task": 4, "token": None, "message": {}},
        {"op": "complete", "task": "a", "token": "t", "result": [1]},
        {"op": "rollback", "onto": "1" * 40},
        {"op": "init"},
    ],
)
def test_a_leader_survives_any_request(
    six: Workspace, repo: Path, request_: dict[str, Any]
) -> None:
    before = len(entries(six))
    file = laid(six, "x1", request_)
    assert claims.claim(watched(repo), "x0", checkout=False).task["id"]
    assert len(entries(six)) == before + 1
    assert json.loads(asked(six, "answer")[0].read_text())["entry"] is None
    file.leave()
    verify.verify(six)
