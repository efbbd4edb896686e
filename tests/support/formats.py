"""The formats that a repository may have, and the one that a run is about.

``GITCOORD_TEST_REFS=reftable`` and ``GITCOORD_TEST_OBJECTS=sha256`` make
every repository of a test run in that format.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gitcoord.git.places import keeps_tables
from gitcoord.git.program import version

__all__ = [
    "SETTINGS",
    "is_for_libgit2",
    "keeps_tables",
    "lock_of",
    "needs_libgit2",
    "needs_ref_files",
    "needs_sha1",
    "require_reftable",
]

REFS = os.environ.get("GITCOORD_TEST_REFS", "files")
OBJECTS = os.environ.get("GITCOORD_TEST_OBJECTS", "sha1")
SETTINGS = f"\tdefaultRefFormat = {REFS}\n\tdefaultObjectFormat = {OBJECTS}\n"
"""What the section ``init`` of the configuration says of them."""

needs_ref_files = pytest.mark.skipif(REFS != "files", reason="it is about refs that are files")
needs_sha1 = pytest.mark.skipif(OBJECTS != "sha1", reason="it knows oids of SHA-1")
is_for_libgit2 = (REFS, OBJECTS) == ("files", "sha1")
needs_libgit2 = pytest.mark.skipif(not is_for_libgit2, reason="it is about what libgit2 can open")


def require_reftable() -> None:
    """Skip a test where git keeps no refs in tables."""
    if version() < (2, 45):
        pytest.skip("this git does not know reftable")


def lock_of(common_dir: Path, ref: str) -> Path:
    """Return the lock file that a ref is moved under."""
    if keeps_tables(common_dir):
        return common_dir / "reftable" / "tables.list.lock"
    return common_dir / f"{ref}.lock"
