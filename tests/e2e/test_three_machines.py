"""The tutorial from one machine to three, followed to the letter with a real ssh daemon."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from benchmarks.servers import make_key
from tests.support.pages import ROOT, run_page
from tests.support.servers import sshd

PAGE = ROOT / "docs/three-machines.md"


def _keys(folder: Path, home: Path) -> Path:
    """Write who may log in: in a home of this test's own, and not in the user's."""
    folder.mkdir()
    home.mkdir()
    make_key(folder / "key")
    keys = folder / "keys"
    command = f'cd {home} && exec sh -c \\"$SSH_ORIGINAL_COMMAND\\"'
    keys.write_text(f'command="{command}" {(folder / "key.pub").read_text()}')
    return keys


@pytest.mark.long
def test_the_tutorial_of_three_machines_does_what_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "sshd"
    with sshd(folder, monkeypatch, keys=_keys(folder, tmp_path / "server")) as start:
        user, _, address = start.removeprefix("ssh://").partition("@")
        host, _, port = address.partition(":")
        program = shutil.which("ssh")
        monkeypatch.delenv("GIT_SSH_COMMAND")
        config = folder / "ssh_config"
        config.write_text(
            f"Host server\nHostName {host}\nPort {port}\nUser {user}\nIdentityFile {folder}/key\n"
            "UserKnownHostsFile /dev/null\nStrictHostKeyChecking no\nLogLevel ERROR\n"
            "BatchMode yes\n"
        )
        reader = tmp_path / "reader"
        reader.mkdir()
        (reader / "ssh").write_text(f'#!/bin/sh\nexec {program} -F {config} "$@"\n')
        (reader / "ssh").chmod(0o755)
        monkeypatch.setenv("PATH", str(reader), prepend=":")
        assert run_page(PAGE, tmp_path / "world") == []
