"""Let commits be signed with a key that is made for one test."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.world import git

__all__ = ["sign_with_a_new_key"]


def sign_with_a_new_key(repo: Path, folder: Path) -> None:
    """Configure a repository so that git signs by ssh, and knows whose key that is."""
    if shutil.which("ssh-keygen") is None:
        pytest.skip("there is no ssh-keygen")
    key = folder / "signing key"
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(key)], check=True
    )
    allowed = folder / "allowed_signers"
    allowed.write_text(f"tester@example.invalid {key.with_suffix('.pub').read_text()}")
    for name, value in {
        "gpg.format": "ssh",
        "user.signingKey": str(key),
        "gpg.ssh.allowedSignersFile": str(allowed),
        "commit.gpgSign": "true",
    }.items():
        git("config", name, value, cwd=repo)
