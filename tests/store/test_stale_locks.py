"""Locks that dead writers left are removed, and no others."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import pytest

from gitcoord.core.errors import UnavailableError
from gitcoord.host.clock import Clock
from gitcoord.host.live_files import LiveFile
from gitcoord.host.processes import identity
from gitcoord.store.queue import QueueLock
from gitcoord.store.stale_locks import living_writers, record_files, remove_stale_lock


def record(folder: Path, name: str) -> LiveFile:
    """Record a writer; it lives until its file is left."""
    file = LiveFile(folder / "ledger" / "x" / f"{name}.json")
    file.write(json.dumps({"process": identity()}).encode())
    return file


@pytest.mark.parametrize(
    ("writer", "is_healed"), [("dead", True), ("none", True), ("living", False)]
)
def test_a_lock_is_broken_only_when_no_recorded_writer_lives(
    tmp_path: Path, writer: str, is_healed: bool
) -> None:
    lock = tmp_path / "ref.lock"
    lock.touch()
    if writer != "none":
        file = record(tmp_path / "pending", "one")
        if writer == "dead":
            file.leave()
    healing = QueueLock(tmp_path / "h")
    assert remove_stale_lock(lock, tmp_path / "pending", healing, Clock()) is is_healed
    assert lock.exists() is not is_healed


def test_a_writer_breaks_no_lock_of_another_thread_of_its_process(tmp_path: Path) -> None:
    lock, healing = tmp_path / "ref.lock", QueueLock(tmp_path / "h")
    lock.touch()
    ours, theirs = (record(tmp_path / "pending", name) for name in ("ours", "theirs"))
    assert not remove_stale_lock(lock, tmp_path / "pending", healing, Clock(), own={ours.path})
    theirs.remove()
    assert remove_stale_lock(lock, tmp_path / "pending", healing, Clock(), own={ours.path})
    ours.remove()


def test_a_living_writer_that_tried_again_meanwhile_did_not_make_the_lock(tmp_path: Path) -> None:
    lock = tmp_path / "ref.lock"
    lock.touch()
    waiting, maker = (record(tmp_path / "pending", name) for name in ("waiting", "maker"))
    for is_maker_dead in (False, True):
        if is_maker_dead:
            maker.leave()
        timer = threading.Timer(0.2, waiting.touch)
        timer.start()
        is_healed = remove_stale_lock(
            lock, tmp_path / "pending", QueueLock(tmp_path / "h"), Clock()
        )
        assert is_healed is is_maker_dead
        timer.join()
    assert not lock.exists()
    waiting.remove()


@pytest.mark.parametrize("kind", ["folder", "link", "pipe"])
def test_what_is_no_lock_file_is_told_and_stays(tmp_path: Path, kind: str) -> None:
    lock = tmp_path / "ref.lock"
    if kind == "folder":
        lock.mkdir()
    elif kind == "link":
        lock.symlink_to("nowhere")
    else:
        os.mkfifo(lock)
    with pytest.raises(UnavailableError, match="is not a lock file of git"):
        remove_stale_lock(lock, tmp_path / "pending", QueueLock(tmp_path / "h"), Clock())
    assert os.path.lexists(lock)


def test_records_are_sought_behind_no_link(tmp_path: Path) -> None:
    (tmp_path / "elsewhere" / "x").mkdir(parents=True)
    (tmp_path / "elsewhere" / "x" / "one.json").write_text("{}")
    (tmp_path / "pending").mkdir()
    (tmp_path / "pending" / "ledger").symlink_to(tmp_path / "elsewhere")
    assert list(record_files(tmp_path / "pending", depth=2)) == []
    assert [path.name for path in record_files(tmp_path, depth=2)] == ["one.json"]


def test_a_lock_that_changes_is_not_broken(tmp_path: Path) -> None:
    lock = tmp_path / "ref.lock"
    lock.touch()
    timer = threading.Timer(0.2, lambda: lock.write_text("busy"))
    timer.start()
    assert not remove_stale_lock(lock, tmp_path / "pending", QueueLock(tmp_path / "h"), Clock())
    assert lock.read_text() == "busy"
    timer.join()


@pytest.mark.parametrize(
    "content",
    [
        b"[" * 100_000,
        b'{"process":' + b"1" * 5000 + b"}",
        b"[]",
        b"",
        b"\xff",
        b'{"process":{}}',
        b'"x"',
    ],
)
def test_whatever_a_writer_wrote_it_lives_while_it_holds_its_record(
    tmp_path: Path, content: bytes
) -> None:
    file = LiveFile(tmp_path / "ledger" / "x" / "bad.json")
    file.write(content)
    assert list(living_writers(tmp_path)) == [file.path]
    file.leave()
    assert living_writers(tmp_path) == {}
