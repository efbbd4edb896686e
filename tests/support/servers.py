"""Real servers on loopback: an ssh daemon, git's own daemon, a web server with passwords.

Each is started on a free port and ended with its test; where the program is
missing the test skips, and says so.
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

import pytest

__all__ = ["git_daemon", "gitolite", "sshd", "web_server"]

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


@contextmanager
def sshd(
    folder: Path, monkeypatch: pytest.MonkeyPatch, *, keys: Path | None = None, more: str = ""
) -> Iterator[str]:
    """Run an ssh daemon; yields what stands before a path in a URL.

    ``keys`` is who may come in, if not the one key that is made; ``more``
    is added to its configuration.
    """
    program = shutil.which("sshd") or "/usr/sbin/sshd"
    if not Path(program).exists() or not shutil.which("ssh-keygen"):
        pytest.skip("no sshd here (Debian: openssh-server)")
    folder.mkdir(exist_ok=True)
    for name in ("host", "key"):
        _make_key(folder / name)
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    port = _free_port()
    config = folder / "sshd_config"
    config.write_text(
        _SSHD.format(port=port, folder=folder, keys=keys or folder / "key.pub") + more
    )
    options = "-o UserKnownHostsFile=/dev/null -o StrictHostKeyChecking=no -o LogLevel=ERROR"
    monkeypatch.setenv("GIT_SSH_COMMAND", f"ssh -F none -i {folder}/key -o BatchMode=yes {options}")
    with _running([program, "-D", "-e", "-f", str(config)], port, folder):
        yield f"ssh://{getpass.getuser()}@127.0.0.1:{port}"


def _make_key(place: Path) -> None:
    if not place.exists():
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(place)]
        subprocess.run(command, check=True)


@contextmanager
def gitolite(folder: Path, rules: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Run gitolite behind an ssh daemon, with one user ``builder``; yields the start of URLs."""
    program = shutil.which("gitolite")
    if program is None or not shutil.which("ssh-keygen"):
        pytest.skip("no gitolite here (Debian: gitolite3)")
    home = folder / "gitolite"
    home.mkdir(parents=True)
    _make_key(folder / "key")
    shutil.copy(folder / "key.pub", home / "builder.pub")
    environment = {**os.environ, "HOME": str(home), "USER": getpass.getuser()}
    subprocess.run(
        [program, "setup", "-pk", "builder.pub"],
        cwd=home,
        env=environment,
        check=True,
        capture_output=True,
    )
    with (home / ".gitolite/conf/gitolite.conf").open("a") as file:
        file.write(rules)
    subprocess.run([program, "compile"], cwd=home, env=environment, check=True, capture_output=True)
    keys = home / ".ssh" / "authorized_keys"
    with sshd(folder, monkeypatch, keys=keys, more=f"SetEnv HOME={home}\n") as start:
        yield start


@contextmanager
def git_daemon(root: Path) -> Iterator[str]:
    """Run git's own daemon, which lets everybody in; yields the start of URLs."""
    port = _free_port()
    command = [
        "git",
        "daemon",
        "--reuseaddr",
        "--listen=127.0.0.1",
        f"--port={port}",
        "--export-all",
        "--enable=receive-pack",
        f"--base-path={root}",
        str(root),
    ]
    with _running(command, port, root):
        yield f"git://127.0.0.1:{port}"


@contextmanager
def web_server(folder: Path, root: Path) -> Iterator[str]:
    """Run a web server that asks for a password before git's own backend answers."""
    program = shutil.which("lighttpd") or "/usr/sbin/lighttpd"
    backend = (
        Path(
            subprocess.run(
                ["git", "--exec-path"], check=True, capture_output=True, text=True
            ).stdout.strip()
        )
        / "git-http-backend"
    )
    if not Path(program).exists() or not backend.exists():
        pytest.skip("no web server with git's backend here (Debian: lighttpd)")
    folder.mkdir()
    port = _free_port()
    (folder / "users").write_text("builder:secret\n")
    config = folder / "lighttpd.conf"
    config.write_text(_LIGHTTPD.format(port=port, folder=folder, backend=backend, root=root))
    with _running([program, "-D", "-f", str(config)], port, folder):
        yield f"http://builder:secret@127.0.0.1:{port}/git"


@contextmanager
def _running(command: list[str], port: int, folder: Path) -> Iterator[None]:
    log = folder / "server.log"
    with log.open("wb") as told:
        server = subprocess.Popen(
            command, stdout=told, stderr=told, stdin=subprocess.DEVNULL, start_new_session=True
        )
    try:
        _wait_for(port, server, log)
        yield
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


def _free_port() -> int:
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        port: int = trial.getsockname()[1]
        return port
