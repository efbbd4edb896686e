"""One writer at a time: the queue, and who is next on deck."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from gitcoord.core.errors import UnavailableError
from gitcoord.host.clock import Clock
from gitcoord.host.processes import identity
from gitcoord.store.queue import Bell, QueueLock, Turns

HOLD = """
import sys, time
from pathlib import Path
from gitcoord.store.queue import QueueLock
with QueueLock(Path(sys.argv[1])).hold(5) as held:
    print(held, flush=True)
    time.sleep(60)
"""


def holder(path: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "True\n"
    return process


def end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def test_the_queue_is_free_again_when_its_holder_is_killed(tmp_path: Path) -> None:
    process = holder(tmp_path / "q")
    lock = QueueLock(tmp_path / "q")
    assert not lock.acquire(0)
    assert lock.holder() == identity(process.pid)
    threading.Timer(0.2, process.kill).start()
    assert lock.acquire(10)
    lock.release()
    process.communicate()


def test_a_stopped_holder_does_not_wedge_the_queue(tmp_path: Path) -> None:
    process = holder(tmp_path / "q")
    os.kill(process.pid, signal.SIGSTOP)
    lock = QueueLock(tmp_path / "q")
    assert not lock.acquire(0.2)
    end(process)
    time.sleep(0.1)
    # The wait that was given up must not have taken the lock behind our back.
    assert lock.acquire(2)
    lock.release()


def test_threads_of_one_process_exclude_each_other(tmp_path: Path) -> None:
    with QueueLock(tmp_path / "q").hold(1) as first, QueueLock(tmp_path / "q").hold(0.05) as second:
        assert (first, second) == (True, False)


def turns(folder: Path) -> Turns:
    return Turns(QueueLock(folder / "queue"), folder / "deck", folder / "bell", Clock())


def test_who_is_alone_prepares_nothing(tmp_path: Path) -> None:
    prepared: list[str] = []
    for _ in range(2):
        with turns(tmp_path).take(1, lambda: prepared.append("x")) as is_held:
            assert is_held
            assert not QueueLock(tmp_path / "queue").acquire(0)
    assert prepared == []


def test_who_is_next_prepares_while_another_has_its_turn(tmp_path: Path) -> None:
    first, deck, ours = QueueLock(tmp_path / "queue"), QueueLock(tmp_path / "deck"), turns(tmp_path)
    assert first.acquire(1)

    def prepare() -> None:
        assert not deck.acquire(0), "nobody else prepares"
        first.release()

    with ours.take(10, prepare) as is_held:
        assert is_held
        assert not deck.acquire(0), "nobody takes the processor from us"
        ours.let_next()
        assert deck.acquire(0), "the next one may prepare"
        ours.let_next()
    assert QueueLock(tmp_path / "queue").acquire(0)


def test_what_is_refused_on_deck_waits_for_no_turn(tmp_path: Path) -> None:
    def refuse() -> None:
        raise UnavailableError("no", hint="")

    with (
        QueueLock(tmp_path / "queue").hold(1),
        pytest.raises(UnavailableError),
        turns(tmp_path).take(10, refuse),
    ):
        pytest.fail("it had its turn")
    with turns(tmp_path).take(0, refuse) as is_held:
        assert is_held, "nothing is left held"


def test_a_stopped_process_on_deck_does_not_wedge_the_queue(tmp_path: Path) -> None:
    process = holder(tmp_path / "deck")
    os.kill(process.pid, signal.SIGSTOP)
    with turns(tmp_path).take(0.2, lambda: None) as is_held:
        assert not is_held
    end(process)


def never() -> bool:
    return False


def test_who_finds_the_turn_free_has_it_at_once(tmp_path: Path) -> None:
    with turns(tmp_path).take_unless(0, never) as is_held:
        assert is_held
        with turns(tmp_path).take_unless(0, never) as is_other:
            assert not is_other
    assert not (tmp_path / "bell").exists()


def test_nobody_passes_the_one_on_deck(tmp_path: Path) -> None:
    with (
        QueueLock(tmp_path / "deck").hold(1),
        turns(tmp_path).take_unless(0.1, never) as is_held,
    ):
        assert not is_held


def test_who_looks_holds_and_opens_nothing_between_two_looks(tmp_path: Path) -> None:
    first, looks = QueueLock(tmp_path / "queue"), []
    assert first.acquire(0)
    open_before = len(list(Path("/dev/fd").iterdir()))

    def is_answered() -> bool:
        with QueueLock(tmp_path / "deck").hold(0) as is_free:
            looks.append(is_free)
        if len(looks) == 3:
            first.release()
        return False

    with turns(tmp_path).take_unless(30, is_answered) as is_held:
        assert is_held
        assert not QueueLock(tmp_path / "queue").acquire(0)
    assert all(looks)
    assert len(list(Path("/dev/fd").iterdir())) < open_before, (
        "ours are closed, and the first one's is too"
    )
    assert QueueLock(tmp_path / "queue").acquire(0)


def test_an_answer_ends_the_wait_for_a_turn(tmp_path: Path) -> None:
    answered = threading.Event()
    first = turns(tmp_path)

    def answer() -> None:
        answered.set()

    with first.take(1, lambda: None):
        threading.Timer(0.1, answer).start()
        with turns(tmp_path).take_unless(30, answered.is_set) as is_held:
            assert not is_held


def test_who_is_answered_takes_no_turn_that_is_free(tmp_path: Path) -> None:
    with turns(tmp_path).take_unless(30, lambda: True) as is_held:
        assert not is_held
        assert QueueLock(tmp_path / "queue").acquire(0)


class Ending(Turns):
    """Whoever has these ends another's turn as soon as it has found it taken."""

    end: Callable[[], None] = staticmethod(lambda: None)

    def _is_ours(self) -> bool:
        is_held = super()._is_ours()
        if not is_held:
            self.end()
        return is_held


def test_an_end_that_comes_after_our_look_is_heard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever begins to listen only after its look would wait for another end."""
    wait, heard = Bell.is_rung, []

    def is_rung(listening: int, timeout_s: float) -> bool:
        heard.append(wait(listening, timeout_s))
        return heard[-1]

    monkeypatch.setattr(Bell, "is_rung", staticmethod(is_rung))
    first = QueueLock(tmp_path / "queue")
    assert first.acquire(0)
    waiting = Ending(QueueLock(tmp_path / "queue"), tmp_path / "deck", tmp_path / "bell", Clock())

    def end() -> None:
        first.release()
        Bell(tmp_path / "bell").ring()

    waiting.end = end
    with waiting.take_unless(30, never) as is_held:
        assert is_held
    assert heard == [False, True, False]


def test_the_wait_begins_anew_as_long_as_others_get_on(tmp_path: Path) -> None:
    told = [True, True, False]
    with (
        QueueLock(tmp_path / "queue").hold(1),
        turns(tmp_path).take_unless(0.02, never, lambda: told.pop(0)) as is_held,
    ):
        assert not is_held
    assert told == []


def test_the_end_of_a_turn_wakes_all_who_wait(tmp_path: Path) -> None:
    """Each gets the turn in the end, and no pipe is left."""
    had: list[int] = []

    def wait(number: int) -> None:
        with turns(tmp_path).take_unless(30, never) as is_held:
            assert is_held
            had.append(number)

    waiting = [threading.Thread(target=wait, args=(number,)) for number in range(5)]
    with turns(tmp_path).take(1, lambda: None):
        for one in waiting:
            one.start()
        while not (tmp_path / "bell").exists():
            time.sleep(0.005)
    for one in waiting:
        one.join(30)
    assert sorted(had) == list(range(5))
    assert not (tmp_path / "bell").exists()


def test_a_killed_holder_is_noticed_without_a_bell(tmp_path: Path) -> None:
    process = holder(tmp_path / "queue")
    threading.Timer(0.1, process.kill).start()
    with turns(tmp_path).take_unless(30, never) as is_held:
        assert is_held
    process.communicate()


@pytest.mark.parametrize("kind", ["file", "folder", "link"])
def test_what_is_no_pipe_is_left_alone_and_nobody_is_wedged(tmp_path: Path, kind: str) -> None:
    bell, goal = tmp_path / "bell", tmp_path / "goal"
    goal.write_text("theirs")
    if kind == "file":
        bell.write_text("theirs")
    elif kind == "folder":
        bell.mkdir()
    else:
        bell.symlink_to(goal)
    lock = QueueLock(tmp_path / "queue")
    assert lock.acquire(1)
    threading.Timer(0.1, lock.release).start()
    with turns(tmp_path).take_unless(30, never) as is_held:
        assert is_held
    assert bell.is_symlink() or bell.exists()
    assert goal.read_text() == "theirs"
