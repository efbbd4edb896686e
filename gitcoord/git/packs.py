"""Store a pack that we made through the git program."""

from __future__ import annotations

import os

from gitcoord.core.errors import UnavailableError
from gitcoord.git.program import DURABLE, LONG_S, Git, discover

__all__ = ["keep_pack"]


def keep_pack(git: Git, stream: bytes) -> None:
    """Store a pack, synced, with its index.

    Raises:
        UnavailableError: It could not be written; nothing was kept.
    """
    done = git.run(*DURABLE, "index-pack", "--stdin", stdin=stream, check=False, timeout_s=LONG_S)
    if done.status != 0:
        raise UnavailableError(
            f"a pack could not be written: {done.stderr.strip()[-300:]}",
            hint="check the space on the disk, and whether .git can be written here",
        )
    handle = os.open(discover(git.cwd).common_dir / "objects" / "pack", os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
