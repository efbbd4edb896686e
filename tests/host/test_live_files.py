"""A writer's life is told by a lock on its file, wherever it runs."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from gitcoord.host.live_files import LiveFile, has_living_writer

WRITE = """
import sys, time
from pathlib import Path
from gitcoord.host.live_files import LiveFile
LiveFile(Path(sys.argv[1])).write(b"{}")
print("written", flush=True)
time.sleep(60)
"""
CONTAINER = ("unshare", "--pid", "--fork", "--mount-proc", "--kill-child")


def writer(path: Path, *prefix: str) -> subprocess.Popen[str]:
    """Start a process that writes a live file, and goes on living."""
    process = subprocess.Popen(
        [*prefix, sys.executable, "-c", WRITE, str(path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "written\n"
    return process


def end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def is_unshare_allowed() -> bool:
    """Return whether this machine lets us make a pid namespace."""
    if shutil.which("unshare") is None:
        return False
    return subprocess.run([*CONTAINER, "true"], capture_output=True, check=False).returncode == 0


def test_a_writer_lives_until_it_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "file"
    process = writer(path)
    assert has_living_writer(path) is True
    os.kill(process.pid, signal.SIGSTOP)
    assert has_living_writer(path) is True, "a stopped writer lives"
    end(process)
    assert has_living_writer(path) is False
    assert path.read_text() == "{}", "what it wrote stays"


@pytest.mark.skipif(not is_unshare_allowed(), reason="no pid namespace can be made here")
def test_a_writer_in_a_container_lives_until_it_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "file"
    process = writer(path, *CONTAINER)
    assert has_living_writer(path) is True
    end(process)
    for _ in range(500):
        if has_living_writer(path) is False:
            return
        threading.Event().wait(0.01)
    pytest.fail("the writer was killed, and is believed to live")


def test_another_thread_of_this_process_is_a_living_writer(tmp_path: Path) -> None:
    path, found = tmp_path / "file", []
    file = LiveFile(path)
    file.write(b"1")
    thread = threading.Thread(target=lambda: found.append(has_living_writer(path)))
    thread.start()
    thread.join()
    assert found == [True]
    file.write(b"2")
    assert (has_living_writer(path), path.read_text()) == (True, "2")
    file.leave()
    assert (has_living_writer(path), path.exists()) == (False, True)
    file.remove()
    assert not path.exists()


def test_a_fork_does_not_live_on_for_its_parent(tmp_path: Path) -> None:
    path = tmp_path / "file"
    reading, writing = os.pipe()
    begun, begins = os.pipe()
    parent = os.fork()
    if parent == 0:
        LiveFile(path).write(b"x")
        if os.fork() == 0:
            # It outlives its parent until the test closes the other end.
            os.close(writing)
            os.write(begins, b"x")
            os.read(reading, 1)
        os._exit(0)
    os.waitpid(parent, 0)
    os.read(begun, 1)
    is_alive = has_living_writer(path)
    for handle in (writing, reading, begun, begins):
        os.close(handle)
    assert is_alive is False


def test_what_is_not_a_file_has_no_writer_that_can_be_told(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe")
    assert has_living_writer(tmp_path / "link") is None
    assert has_living_writer(tmp_path / "pipe") is None
    assert has_living_writer(tmp_path / "missing") is False
