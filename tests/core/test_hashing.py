"""The hashes that name objects are git's, whatever they are made with."""

from __future__ import annotations

import hashlib
import subprocess
import sys

import pytest

from gitcoord.core.hashing import hash_of


@pytest.mark.parametrize(
    ("algorithm", "known"), [("sha1", "sha1"), ("sha256", "sha256"), ("", "sha1")]
)
def test_a_hash_is_the_standard_librarys(algorithm: str, known: str) -> None:
    for content in (b"", b"blob 0\0", bytes(1 << 16)):
        assert hash_of(algorithm)(content).hexdigest() == hashlib.new(known, content).hexdigest()


def test_an_interpreter_without_hashes_built_in_has_them_all_the_same() -> None:
    script = (
        "import sys\n"
        "for name in ('_sha1', '_sha2', '_sha256'): sys.modules[name] = None\n"
        "from gitcoord.core import hashing\n"
        "print(hashing.hash_of('sha1')(b'x').hexdigest(), hashing.sha256(b'x').hexdigest())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == [
        hashlib.sha1(b"x", usedforsecurity=False).hexdigest(),
        hashlib.sha256(b"x").hexdigest(),
    ], done.stderr
