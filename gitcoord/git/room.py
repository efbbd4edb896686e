"""Look whether a checkout fits on the disk before it is begun.

A disk that fills up in mid-checkout stops every agent of the machine, and
the ledger with them.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from gitcoord.core.errors import UnavailableError
from gitcoord.core.ids import Oid
from gitcoord.git.program import LONG_S, Git

__all__ = ["checkout_bytes", "require_room"]

RESERVE_BYTES = 256 * 1024 * 1024
"""What has to stay free: the ledger, its logs and whoever works need some."""
BLOCK_BYTES = 4096


def require_room(git: Git, place: Path, commit: Oid) -> None:
    """Refuse a worktree that would not fit, before anything is written.

    Where blobs are fetched on demand their sizes are not asked for, as that
    would fetch them: then only the reserve is looked at.

    Raises:
        UnavailableError: It would not leave the reserve free.

    """
    folder = place
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    wanted = RESERVE_BYTES
    if not _is_partial(git):
        wanted += checkout_bytes(git, commit)
    if free < wanted:
        raise UnavailableError(
            f"{folder} has {_megabytes(free)} free, and a worktree needs {_megabytes(wanted)}, "
            f"{_megabytes(RESERVE_BYTES)} of it as a reserve",
            hint="free some space, or name another place with `agent add --worktree`",
        )


def checkout_bytes(git: Git, commit: Oid) -> int:
    """Return about how much the files of a commit take, in whole blocks; 0 where there is none."""
    words = ("ls-tree", "-r", "-l", "--full-tree", commit)
    listing = git.run(*words, check=False, timeout_s=LONG_S).text
    total = 0
    for line in listing.splitlines():
        size = line.partition("\t")[0].split()[3]
        if size.isdecimal():
            total += -(-int(size) // BLOCK_BYTES) * BLOCK_BYTES
    return total


def _is_partial(git: Git) -> bool:
    promisors = ("config", "--get-regexp", r"^remote\..*\.promisor$")
    return git.run(*promisors, check=False).status == 0


def _megabytes(count: int) -> str:
    return f"{-(-count // 2**20)} MB"
