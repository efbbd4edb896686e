"""Which terminal a session has whose assistant works through a server."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gitcoord.host.terminals import is_shared_server, terminal_in
from tests.support.terminals import SHARED_SERVER, Terminal, program_named

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
Start = Callable[..., int]


@pytest.fixture
def program(tmp_path: Path) -> Path:
    return program_named(tmp_path, "assistant")


@pytest.fixture
def start(program: Path) -> Iterator[Start]:
    """Start the program without a terminal, and name its process."""
    children = []

    def one(*words: str) -> int:
        child = subprocess.Popen(
            [program, "-c", "print('up', flush=True); input()", *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        children.append(child)
        assert child.stdout is not None
        assert child.stdout.readline() == b"up\n"
        return child.pid

    yield one
    for child in children:
        child.communicate(b"\n")


@pytest.fixture
def sit(program: Path) -> Iterator[Callable[[Path], Terminal]]:
    terminals = []

    def one(folder: Path) -> Terminal:
        folder.mkdir(exist_ok=True)
        terminals.append(Terminal(program, folder))
        return terminals[-1]

    yield one
    for terminal in terminals:
        terminal.kill()


def test_a_server_that_listens_for_many_is_shared(start: Start) -> None:
    assert is_shared_server(start(*SHARED_SERVER))
    assert is_shared_server(start("app-server", "--listen", "ws://127.0.0.1:4500"))


def test_a_server_of_one_program_and_a_session_without_server_are_not_shared(start: Start) -> None:
    assert not is_shared_server(start("app-server"))
    assert not is_shared_server(start("app-server", "--listen", "stdio://"))
    assert not is_shared_server(start("exec", "--listen", "unix://"))
    assert not is_shared_server(start("exec", "what does app-server --listen unix:// mean?"))


def test_the_terminal_is_the_one_in_the_folder(
    start: Start, sit: Callable[[Path], Terminal], tmp_path: Path
) -> None:
    server = start(*SHARED_SERVER)
    here, elsewhere = sit(tmp_path / "here"), sit(tmp_path / "elsewhere")
    assert terminal_in(str(tmp_path / "here"), server) == here.child.pid
    assert terminal_in(str(tmp_path / "elsewhere"), server) == elsewhere.child.pid
    assert terminal_in(str(tmp_path / "nowhere"), server) is None
    here.kill()
    assert terminal_in(str(tmp_path / "here"), server) is None


def test_a_folder_that_is_reached_through_a_link_is_the_same(
    start: Start, sit: Callable[[Path], Terminal], tmp_path: Path
) -> None:
    here = sit(tmp_path / "here")
    (tmp_path / "link").symlink_to(tmp_path / "here")
    assert terminal_in(str(tmp_path / "link"), start(*SHARED_SERVER)) == here.child.pid


def test_of_two_terminals_in_one_folder_none_is_taken(
    start: Start, sit: Callable[[Path], Terminal], tmp_path: Path
) -> None:
    server = start(*SHARED_SERVER)
    one, other = sit(tmp_path / "here"), sit(tmp_path / "here")
    assert terminal_in(str(tmp_path / "here"), server) is None
    one.kill()
    assert terminal_in(str(tmp_path / "here"), server) == other.child.pid


def test_another_program_at_a_terminal_is_not_taken(start: Start, tmp_path: Path) -> None:
    other = Terminal(program_named(tmp_path, "editor"), tmp_path)
    try:
        assert terminal_in(str(tmp_path), start(*SHARED_SERVER)) is None
    finally:
        other.kill()


def test_a_server_that_is_gone_has_no_terminal(tmp_path: Path) -> None:
    gone = 2**22 + 1
    assert not is_shared_server(gone)
    assert terminal_in(str(tmp_path), gone) is None
