"""The link goes down in mid-work, and names that nobody resolves, in a network of our own.

What is run here is run in a network namespace: nobody else's link goes down.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gitcoord.core.errors import UnavailableError
from gitcoord.features.doors import begin_as_agent
from gitcoord.features.workspace import open_workspace
from tests.support.builders import tasks
from tests.support.machines import made, server
from tests.support.world import environment, git

NOBODY_ANSWERS = """
import socket, sys
from pathlib import Path
from gitcoord.core.errors import UnavailableError
from gitcoord.features.doors import begin_as_agent
from gitcoord.features.workspace import open_workspace

resolver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
resolver.bind(("127.0.0.1", 53))
resolver.setblocking(False)
try:
    begin_as_agent(open_workspace(Path(sys.argv[1]), timeout_s=1.0), "x")
except UnavailableError as error:
    print(error.message)
print("asked for it:", b"shop" in resolver.recv(512))
"""
LINK_DOWN = """
import subprocess, sys
from pathlib import Path
from gitcoord.core.errors import GitcoordError
from gitcoord.features.doors import begin_as_agent
from gitcoord.features.maintain import verify
from gitcoord.features.work import claims
from gitcoord.features.workspace import open_workspace
from tests.support.servers import git_daemon
from tests.support.world import git

repo, bare, moment = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]

def link(state):
    subprocess.run(["ip", "link", "set", "lo", state], check=True)

def entries():
    return int(git("rev-list", "--count", "gitcoord/ledger", cwd=bare))

with git_daemon(bare.parent) as start:
    git("remote", "set-url", "origin", f"{start}/{bare.name}", cwd=repo)
    before = entries()
    hook = bare / "hooks" / "pre-receive"
    if moment == "before":
        link("down")
    else:
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(f"#!/bin/sh\\nip link set lo down\\nexit {int(moment == 'refused')}\\n")
        hook.chmod(0o755)
    try:
        claims.claim(open_workspace(repo, timeout_s=3.0), "x", checkout=False)
        print("claimed")
    except GitcoordError as error:
        print(type(error).__name__)
    hook.unlink(missing_ok=True)
    link("up")
    print(entries() - before)
    work = open_workspace(repo)
    begin_as_agent(work, "x")
    print(sum(claim["agent"] == "x" for _, claim in work.ledger.snapshot().claims()))
    claims.claim(work, "x", checkout=False)
    print(entries() - before)
    verify.verify(work)
"""
LONGER = [pytest.param(scheme, marks=pytest.mark.long) for scheme in ("http", "ssh")]


def in_own_network(script: str, *args: object, resolver: str = "") -> str:
    """Run a Python script where there is a loopback and no other link; return what it prints.

    With a ``resolver`` it is a folder with the files that say who resolves names.
    """
    flags = "-nm" if os.geteuid() == 0 else "-rnm"
    prepare = "ip link set lo up"
    if resolver:
        for name in ("resolv.conf", "nsswitch.conf"):
            if Path("/etc", name).exists():
                prepare += f" && mount --bind {resolver}/{name} /etc/{name}"
    enter = ["unshare", flags, "sh", "-c", f'{prepare} || exit 99; exec "$@"', "sh"]
    if shutil.which("unshare") is None or shutil.which("ip") is None:
        pytest.skip("no unshare or no ip here (Debian: util-linux, iproute2)")
    if subprocess.run([*enter, "true"], check=False, capture_output=True).returncode != 0:
        pytest.skip("no network namespace can be made here")
    done = subprocess.run(
        [*enter, sys.executable, "-c", script, *map(str, args)],
        env=environment(GITCOORD_UPKEEP="off"),
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def bare(repo: Path, tmp_path: Path) -> Path:
    place = server(tmp_path)
    git("config", "daemon.receivepack", "true", cwd=place)
    made(repo, str(place), tasks("a", "b", "c"), "x", worktrees=False).close()
    return place


def tip_of(bare: Path) -> str:
    return git("rev-parse", "gitcoord/ledger", cwd=bare)


@pytest.mark.parametrize("scheme", ["git", *LONGER])
def test_a_name_that_nobody_resolves_is_left_when_the_time_is_up(
    repo: Path, bare: Path, tmp_path: Path, scheme: str
) -> None:
    before = tip_of(bare)
    git("remote", "set-url", "origin", f"{scheme}://shop.example/s.git", cwd=repo)
    (tmp_path / "resolv.conf").write_text("nameserver 127.0.0.1\n")
    (tmp_path / "nsswitch.conf").write_text("hosts: files dns\n")
    said = in_own_network(NOBODY_ANSWERS, repo, resolver=str(tmp_path))
    assert "git fetch took longer than 1 seconds" in said
    assert "asked for it: True" in said
    assert tip_of(bare) == before


def test_a_proxy_that_says_nothing_is_left_when_the_time_is_up(
    repo: Path, bare: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if shutil.which("ssh") is None:
        pytest.skip("no ssh here (Debian: openssh-client)")
    before, pid = tip_of(bare), tmp_path / "pid"
    proxy = f"sh -c 'echo $$ > {pid}; exec sleep 60'"
    monkeypatch.setenv("GIT_SSH_COMMAND", f'ssh -F none -o BatchMode=yes -o ProxyCommand="{proxy}"')
    git("remote", "set-url", "origin", "ssh://shop.example/s.git", cwd=repo)
    with pytest.raises(UnavailableError, match="longer than 1 seconds"):
        begin_as_agent(open_workspace(repo, timeout_s=1.0), "x")
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)
    assert tip_of(bare) == before


@pytest.mark.parametrize(
    ("moment", "told", "made_there"),
    [
        ("taken", "UnknownError", 1),
        pytest.param("before", "UnavailableError", 0, marks=pytest.mark.long),
        pytest.param("refused", "UnknownError", 0, marks=pytest.mark.long),
    ],
)
def test_a_link_that_goes_down_in_mid_work_leaves_nothing_half_done(
    repo: Path, bare: Path, moment: str, told: str, made_there: int
) -> None:
    said = in_own_network(LINK_DOWN, repo, bare, moment).split()
    # The server and this agent's next command agree on what became of it; done again it is once.
    assert said == [told, f"{made_there}", f"{made_there}", "1"]
