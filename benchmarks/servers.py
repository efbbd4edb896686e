"""Real servers on loopback: an ssh daemon, and a web server with passwords before git's backend.

Each listens on a free port and is ended with the block that it was started for.
"""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

__all__ = [
    "Served",
    "free_port",
    "make_key",
    "running",
    "ssh_program",
    "sshd",
    "web_programs",
    "web_server",
]

_SSHD = """
ListenAddress 127.0.0.1
Port {port}
HostKey {folder}/host
AuthorizedKeysFile {keys}
PidFile none
UsePAM no
StrictModes no
PasswordAuthentication no
MaxStartups 200:30:400
AcceptEnv GIT_PROTOCOL
SetEnv HOME={home}
"""
_LIGHTTPD = """
server.modules = ("mod_auth", "mod_authn_file", "mod_cgi", "mod_alias", "mod_setenv")
server.document-root = "{folder}"
server.bind = "127.0.0.1"
server.port = {port}
server.errorlog = "{folder}/web.log"
auth.backend = "plain"
auth.backend.plain.userfile = "{folder}/users"
auth.require = ("/" => ("method" => "basic", "realm" => "git", "require" => "valid-user"))
alias.url = ("/git" => "{backend}")
cgi.assign = ("" => "")
setenv.add-environment = ("GIT_PROJECT_ROOT" => "{root}", "GIT_HTTP_EXPORT_ALL" => "1")
"""


class Served(NamedTuple):
    """A server: the start of its URLs, its process, and the command that reaches it over ssh."""

    start: str
    pid: int
    ssh_command: str = ""


def ssh_program() -> str | None:
    """Return the ssh daemon, if one can be run here (Debian: openssh-server)."""
    program = shutil.which("sshd") or "/usr/sbin/sshd"
    if not Path(program).exists() or not shutil.which("ssh-keygen"):
        return None
    return program


@contextmanager
def sshd(
    folder: Path, program: str, *, keys: Path | None = None, home: Path | None = None
) -> Iterator[Served]:
    """Run an ssh daemon.

    ``keys`` is who may come in, if not the one key that is made. ``home`` is
    where their shell looks for its files: else for none, since what the user's own does
    at each start may take a second.
    """
    folder.mkdir(exist_ok=True)
    for name in ("host", "key"):
        make_key(folder / name)
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    port = free_port()
    config = folder / "sshd_config"
    config.write_text(
        _SSHD.format(port=port, folder=folder, keys=keys or folder / "key.pub", home=home or folder)
    )
    options = "-o UserKnownHostsFile=/dev/null -o StrictHostKeyChecking=no -o LogLevel=ERROR"
    command = f"ssh -F none -i {folder}/key -o BatchMode=yes {options}"
    with running([program, "-D", "-e", "-f", str(config)], port, folder) as pid:
        yield Served(f"ssh://{getpass.getuser()}@127.0.0.1:{port}", pid, command)


def make_key(place: Path) -> None:
    """Make a pair of keys, unless it is there."""
    if not place.exists():
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(place)]
        subprocess.run(command, check=True)


def web_programs() -> tuple[str, str] | None:
    """Return the web server and git's backend, if both are here (Debian: lighttpd)."""
    program = shutil.which("lighttpd") or "/usr/sbin/lighttpd"
    told = subprocess.run(["git", "--exec-path"], check=True, capture_output=True, text=True)
    backend = Path(told.stdout.strip()) / "git-http-backend"
    if not Path(program).exists() or not backend.exists():
        return None
    return program, str(backend)


@contextmanager
def web_server(folder: Path, root: Path, programs: tuple[str, str]) -> Iterator[Served]:
    """Run a web server that asks for a password before it shows what is in ``root``."""
    program, backend = programs
    folder.mkdir()
    port = free_port()
    (folder / "users").write_text("builder:secret\n")
    config = folder / "lighttpd.conf"
    config.write_text(_LIGHTTPD.format(port=port, folder=folder, backend=backend, root=root))
    with running([program, "-D", "-f", str(config)], port, folder) as pid:
        yield Served(f"http://builder:secret@127.0.0.1:{port}/git", pid)


@contextmanager
def running(command: list[str], port: int, folder: Path) -> Iterator[int]:
    """Run a server until the block is over, which begins when the port answers; yields its pid."""
    log = folder / "server.log"
    with log.open("wb") as told:
        server = subprocess.Popen(
            command, stdout=told, stderr=told, stdin=subprocess.DEVNULL, start_new_session=True
        )
    try:
        _wait_for(port, server, log)
        yield server.pid
    finally:
        with suppress(ProcessLookupError):
            os.killpg(server.pid, 15)
        server.wait(10)


def _wait_for(port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(400):
        assert server.poll() is None, log.read_text("utf-8", "replace")
        with socket.socket() as trial:
            if trial.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError(log.read_text("utf-8", "replace"))


def free_port() -> int:
    """Return a port of loopback that nobody listens on."""
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        port: int = trial.getsockname()[1]
        return port
