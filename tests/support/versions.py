"""Earlier versions of gitcoord, as this repository's own history has them."""

from __future__ import annotations

import io
import subprocess
import tarfile
from pathlib import Path

import pytest

__all__ = ["BEFORE", "BEFORE_PACKS", "NOW", "source_of"]

NOW = Path(__file__).parents[2]
BEFORE = "4961f5534ed7b5705cdeaebe1f31ccdca3c289d7"
"""The last commit with format 1; from the first release on, the last release."""
BEFORE_PACKS = "564d831e92e31cd7b214512310e1bad592a45b14"
"""A commit with format 2 that writes all that an entry holds as loose files."""


def source_of(commit: str, place: Path) -> Path:
    """Unpack a commit into a folder; the test skips where this clone does not have it."""
    packed = subprocess.run(["git", "archive", commit], cwd=NOW, capture_output=True, check=False)
    if packed.returncode != 0:
        pytest.skip("the commit of the earlier version is not in this clone")
    with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as archive:
        archive.extractall(place, filter="data")
    return place
