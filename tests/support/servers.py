"""Servers on loopback for tests: those of the benchmarks, git's own daemon, and gitolite.

Each is started on a free port and ended with its test; where the program is
missing the test skips, and says so.
"""

from __future__ import annotations

import getpass
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmarks import servers

__all__ = ["git_daemon", "gitolite", "sshd", "web_server"]


@contextmanager
def sshd(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    keys: Path | None = None,
    home: Path | None = None,
) -> Iterator[str]:
    """Run an ssh daemon that git finds; yields what stands before a path in a URL."""
    program = servers.ssh_program()
    if program is None:
        pytest.skip("no sshd here (Debian: openssh-server)")
    with servers.sshd(folder, program, keys=keys, home=home) as daemon:
        monkeypatch.setenv("GIT_SSH_COMMAND", daemon.ssh_command)
        yield daemon.start


@contextmanager
def gitolite(folder: Path, rules: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Run gitolite behind an ssh daemon, with one user ``builder``; yields the start of URLs."""
    program = shutil.which("gitolite")
    if program is None or not shutil.which("ssh-keygen"):
        pytest.skip("no gitolite here (Debian: gitolite3)")
    home = folder / "gitolite"
    home.mkdir(parents=True)
    servers.make_key(folder / "key")
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
    with sshd(folder, monkeypatch, keys=keys, home=home) as start:
        yield start


@contextmanager
def git_daemon(root: Path) -> Iterator[str]:
    """Run git's own daemon, which lets everybody in; yields the start of URLs."""
    port = servers.free_port()
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
    with servers.running(command, port, root):
        yield f"git://127.0.0.1:{port}"


@contextmanager
def web_server(folder: Path, root: Path) -> Iterator[str]:
    """Run a web server that asks for a password before git's own backend answers."""
    programs = servers.web_programs()
    if programs is None:
        pytest.skip("no web server with git's backend here (Debian: lighttpd)")
    with servers.web_server(folder, root, programs) as served:
        yield served.start
