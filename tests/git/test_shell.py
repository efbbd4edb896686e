"""A trusted command of the plan's: its output kept, its time bounded."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitcoord.git.shell import run_shell
from gitcoord.host.clock import Clock
from gitcoord.host.files import IrregularFileError
from tests.support.irregular import IRREGULAR, hard_link_to_theirs, is_theirs_whole


def test_the_status_is_told_and_all_output_is_kept(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "x.log"
    assert run_shell("pwd; echo oops >&2; exit 7", tmp_path, log, 60) == 7
    assert log.read_text() == f"{tmp_path}\noops\n"
    assert log.parent.stat().st_mode & 0o077 == 0
    assert run_shell("true", tmp_path, log, 60) == 0
    assert log.read_text() == "", "a log is of one run"


def test_a_command_that_hangs_is_ended_with_its_children(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    assert run_shell(f"sleep 600 & echo $! > {pid}; wait", tmp_path, tmp_path / "log", 1.0) == 124
    process = Path("/proc") / pid.read_text().strip() / "stat"
    for _ in range(500):
        if not process.exists() or process.read_text().rpartition(")")[2].split()[0] == "Z":
            return
        Clock().sleep(0.02)
    pytest.fail("the child lives on")


def test_it_reads_nothing_and_sees_nothing_of_git(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    log = tmp_path / "log"
    assert run_shell("cat; echo ${GIT_DIR-unset}", tmp_path, log, 60) == 0
    assert log.read_text() == "unset\n"


@pytest.mark.parametrize("kind", IRREGULAR)
def test_where_the_log_is_no_file_nothing_is_run(kind: str, tmp_path: Path) -> None:
    log = tmp_path / "logs" / "x.log"
    log.parent.mkdir()
    IRREGULAR[kind](log)
    with pytest.raises(IrregularFileError):
        run_shell(f"touch {tmp_path}/ran", tmp_path, log, 60)
    assert not (tmp_path / "ran").exists()
    assert is_theirs_whole(log)


def test_a_log_that_is_a_hard_link_becomes_a_file_of_its_own(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "x.log"
    hard_link_to_theirs(log)
    assert run_shell("echo ours", tmp_path, log, 60) == 0
    assert log.read_text() == "ours\n"
    assert is_theirs_whole(log)
