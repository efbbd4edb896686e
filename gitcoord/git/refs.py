"""Move the refs that are not the ledger's through the git program."""

from __future__ import annotations

import os
from collections.abc import Mapping

from gitcoord.core.errors import RefusedError, UnavailableError
from gitcoord.git.program import DURABLE, Git, discover

__all__ = ["move_target"]

_CONTENDED = ("but expected", "cannot lock ref", "reference already exists", "unable to resolve reference")


def move_target(git: Git, target: str, old: str, new: str, verify: Mapping[str, str], env: Mapping[str, str]) -> bool:
    """Move the target branch in one transaction that verifies other refs.

    The user's hooks run. False: the target, or a verified ref, was not as
    expected; nothing moved.

    Raises:
        RefusedError: A hook of the user's forbids it (reason ``hook``).
        UnavailableError: git failed otherwise; whether it moved has to be
            read.

    """
    lines = ["start", f"update {target} {new} {old}", *(f"verify {ref} {oid}" for ref, oid in verify.items())]
    script = "\n".join([*lines, "prepare", "commit", ""])
    done = git.run(*DURABLE, "update-ref", "--stdin", stdin=script.encode(), check=False, env=env, hooks=True)
    if done.status == 0:
        _sync_folder(git, target)
        return True
    if "hook" in done.stderr:
        raise RefusedError(f"a hook forbids the move of {target}: {done.stderr.strip()[-300:]}", reason="hook",
                           hint="look at the repository's reference-transaction hook")  # fmt: skip
    if any(text in done.stderr for text in _CONTENDED):
        return False
    raise UnavailableError(f"{target} could not be moved: {done.stderr.strip()[-300:]}", hint="try again")


def _sync_folder(git: Git, ref: str) -> None:
    """Sync the ref's folder: git syncs the file, and not its name."""
    folder = (discover(git.cwd).common_dir / ref).parent
    if folder.is_dir():
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
