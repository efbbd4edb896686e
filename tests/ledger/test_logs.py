"""What commands print is kept: bounded, private, the oldest goes first."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from gitcoord.host.files import IrregularFileError
from gitcoord.ledger import logs
from gitcoord.ledger.logs import LogFile, Logs
from tests.support.irregular import IRREGULAR, hard_link_to_theirs, is_theirs_whole


@pytest.fixture
def here(tmp_path: Path) -> Logs:
    return Logs(tmp_path / "gitcoord", "ledger")


def _written(here: Logs, path: Path, content: bytes, age: int = 0) -> Path:
    log = here.open(path)
    log.file.write(content)
    log.close()
    os.utime(path, (1_700_000_000 - age, 1_700_000_000 - age))
    return path


def test_a_log_lies_where_the_design_says_and_is_its_owners_alone(
    here: Logs, tmp_path: Path
) -> None:
    path = here.of_attempt("25", 2, "abcdef0123", "run")
    assert path == tmp_path / "gitcoord/logs/ledger/tasks/25/2-abcdef/run.log"
    assert here.of_gate("build", "tests", "0123456789abcdef").name == "tests-0123456789ab.log"
    _written(here, path, b"x")
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_a_long_log_keeps_its_beginning_and_its_end(
    here: Logs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "MAX_LOG_BYTES", 1000)
    monkeypatch.setattr(logs, "_HALF", 100)
    path = here.of_attempt("25", 1, "abcdef", "run")
    log = here.open(path)
    child = "for i in $(seq 1 1000); do echo line $i; done"
    subprocess.run(["sh", "-c", child], stdout=log.file, check=True)
    log.close()
    kept = path.read_text()
    assert kept.startswith("line 1\n")
    assert kept.endswith("line 1000\n")
    assert "bytes cut here" in kept
    assert len(kept) < 300


def test_a_child_goes_on_writing_at_the_end_of_a_log_that_was_cut(
    here: Logs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "MAX_LOG_BYTES", 1000)
    monkeypatch.setattr(logs, "_HALF", 100)
    log = here.open(here.of_attempt("25", 1, "abcdef", "run"))
    child = subprocess.Popen(
        ["sh", "-c", "seq 1 1000; read x; echo last"], stdout=log.file, stdin=subprocess.PIPE
    )
    while not log.tail(5).endswith(b"1000\n"):
        pass
    log.bound()
    child.communicate(b"\n")
    assert log.tail(5) == b"last\n"
    assert log.file.seek(0, os.SEEK_END) < 300
    log.close()


def test_the_oldest_logs_make_room_and_those_being_written_stay(
    here: Logs, monkeypatch: pytest.MonkeyPatch
) -> None:
    oldest = _written(here, here.of_attempt("1", 1, "aaaaaa", "run"), b"x" * 400, age=30)
    older = _written(here, here.of_attempt("2", 1, "bbbbbb", "check"), b"x" * 400, age=20)
    newer = _written(here, here.of_gate("p", "tests", "cccccc"), b"x" * 400, age=10)
    monkeypatch.setattr(logs, "MAX_TOTAL_BYTES", 1000)
    monkeypatch.setattr(logs, "MAX_LOG_BYTES", 100)
    held = LogFile(here.of_attempt("9", 1, "dddddd", "run"))
    held.file.write(b"x" * 400)
    os.utime(held.path, (0, 0))
    here.make_room()
    assert held.path.exists()
    assert not oldest.exists()
    assert not older.exists()
    assert newer.exists()
    held.close()


def test_the_logs_of_a_task_come_in_the_order_of_its_attempts(here: Logs) -> None:
    names = []
    for attempt in (1, 2, 10):
        names.append(
            _written(here, here.of_attempt("25", attempt, "abcdef", "run"), b"x", age=attempt)
        )
    assert here.attempts_of("25") == names
    assert here.attempts_of("26") == []


def test_what_is_written_through_the_log_is_bounded_as_it_comes(
    here: Logs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "MAX_LOG_BYTES", 1000)
    monkeypatch.setattr(logs, "_HALF", 100)
    path = here.of_attempt("25", 1, "abcdef", "check")
    with here.open(path) as log:
        for number in range(1000):
            log.write(b"line %d\n" % number)
            assert path.stat().st_size < 2200
    assert path.read_bytes().startswith(b"line 0\n")
    assert path.read_bytes().endswith(b"line 999\n")


@pytest.mark.parametrize("kind", IRREGULAR)
def test_what_is_planted_in_a_logs_place_is_not_written_and_no_other_log_waits_for_it(
    kind: str, here: Logs, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = here.of_attempt("25", 1, "abcdef", "run")
    path.parent.mkdir(parents=True)
    IRREGULAR[kind](path)
    with pytest.raises(IrregularFileError):
        here.open(path)
    assert is_theirs_whole(path)
    monkeypatch.setattr(logs, "MAX_TOTAL_BYTES", 0)
    _written(here, here.of_gate("p", "tests", "cccccc"), b"x")


def test_a_log_is_added_to_if_it_is_there_and_a_file(here: Logs) -> None:
    path = here.of_attempt("25", 1, "abcdef", "run")
    here.append(path, b"more\n")
    assert not path.exists()
    _written(here, path, b"first\n")
    here.append(path, b"more\n")
    assert path.read_text() == "first\nmore\n"
    linked = here.of_attempt("25", 2, "abcdef", "run")
    linked.parent.mkdir()
    linked.symlink_to(path)
    here.append(linked, b"evil\n")
    assert path.read_text() == "first\nmore\n"


def test_a_log_that_is_a_hard_link_becomes_a_file_of_its_own(here: Logs) -> None:
    path = here.of_attempt("25", 1, "abcdef", "check")
    hard_link_to_theirs(path)
    with here.open(path) as log:
        log.write(b"ours\n")
    assert path.read_text() == "ours\n"
    assert is_theirs_whole(path)
