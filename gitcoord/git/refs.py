"""Move the refs that are not the ledger's through the git program.

libgit2 creates refs non-atomically; git does not, and it alone runs the
user's hooks. What git leaves unsynced, the folders, is synced here.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from gitcoord.core.errors import RefusedError, UnavailableError, UsageError
from gitcoord.git.program import DURABLE, LONG_S, Completed, Git, discover
from gitcoord.host.clock import Clock, Deadline

__all__ = [
    "CutOffError",
    "clear_locks",
    "create_ref",
    "is_moved",
    "locks_of",
    "move_target",
    "ref_line",
    "sync_folders",
]

LOCK_WAIT_S = 5.0
PATIENCE_S = 0.5
_REF = re.compile(r"refs/[^\x00-\x20\x7f~^:?*\[\\]+")
_OID = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_MOVED = ("but expected", "reference already exists", "unable to resolve reference")
_BROKEN = "reference broken"
_HELD = (".lock': File exists",)


class CutOffError(Exception):
    """Say that a git of ours was killed: its locks may have stayed.

    Whether the ref moved has to be read.
    """


def create_ref(git: Git, ref: str, oid: str) -> bool:
    """Create a ref, synced; False if it exists, even at this oid.

    Raises:
        UnavailableError: git failed otherwise; whether it was created has
            to be read.

    """
    done = _transact(git, [ref_line("create", ref, oid)])
    if done.status == 0:
        sync_folders(git, ref)
        return True
    if is_moved(done.stderr):
        return False
    raise UnavailableError(
        f"{ref} could not be created: {done.stderr.strip()[-300:]}", hint="try again"
    )


def locks_of(git: Git, refs: Iterable[str]) -> list[Path]:
    """Name the lock files that a transaction on these refs takes."""
    place = discover(git.cwd)
    return [
        *(place.common_dir / f"{ref}.lock" for ref in refs),
        (git.git_dir or place.git_dir) / "HEAD.lock",
    ]


def clear_locks(locks: Iterable[Path]) -> None:
    """Remove lock files that stand still.

    The caller knows that a git of ours was at work on them, and that none
    is now.
    """
    seen = [(path, found) for path in locks if (found := _look(path)) is not None]
    if seen:
        Clock().sleep(PATIENCE_S)
    for path, found in seen:
        if _look(path) == found:
            path.unlink(missing_ok=True)


def _look(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def move_target(
    git: Git,
    target: str,
    old: str,
    new: str,
    verify: Mapping[str, str],
    env: Mapping[str, str],
    keep: tuple[int, ...] = (),
) -> bool:
    """Move the target branch in one transaction that verifies other refs.

    The user's hooks run. ``keep`` are handles that git holds on to. False: the target, or a verified ref, was not as
    expected; nothing moved. A lock that someone holds is waited for.

    Raises:
        RefusedError: A hook of the user's forbids it (reason ``hook``);
            nothing moved.
        CutOffError: It was killed.
        UnavailableError: git failed otherwise; whether it moved has to be
            read.

    """
    lines = [
        ref_line("update", target, new, old),
        *(ref_line("verify", ref, oid) for ref, oid in verify.items()),
    ]
    done = _transact(git, lines, env=env, hooks=True, keep=keep)
    if done.status == 0:
        sync_folders(git, target)
        return True
    said = done.stderr.strip()
    if "ref updates aborted by hook" in said:
        raise RefusedError(
            f"a hook forbids the move of {target}: {said[-1000:]}",
            reason="hook",
            hint="look at the repository's reference-transaction hook",
        )
    if is_moved(said):
        return False
    if done.status < 0:
        raise CutOffError
    raise UnavailableError(f"{target} could not be moved: {said[-300:]}", hint="try again")


def is_moved(stderr: str) -> bool:
    """Say whether git found that a ref is not where it was expected."""
    return _BROKEN not in stderr and any(text in stderr for text in _MOVED)


def ref_line(verb: str, ref: str, *oids: str) -> str:
    """Write one line of a ref transaction."""
    if not _REF.fullmatch(ref) or not all(_OID.fullmatch(oid) for oid in oids):
        raise UsageError(
            f"{verb} {ref!r} {' '.join(oids)} names no ref or no oid",
            hint="give a full ref and full oids",
        )
    return f"{verb} {ref} {' '.join(oids)}"


def _transact(
    git: Git,
    lines: list[str],
    env: Mapping[str, str] | None = None,
    *,
    hooks: bool = False,
    keep: tuple[int, ...] = (),
) -> Completed:
    """Run one ref transaction; wait a while for the lock of another writer."""
    script = "\n".join(["start", *lines, "prepare", "commit", ""]).encode()
    clock = Clock()
    deadline = Deadline(clock, LOCK_WAIT_S)
    attempt = 0
    while True:
        done = git.run(
            *DURABLE,
            "update-ref",
            "--stdin",
            stdin=script,
            check=False,
            env=env,
            hooks=hooks,
            timeout_s=LONG_S,
            keep=keep,
        )
        is_held = done.status != 0 and any(text in done.stderr for text in _HELD)
        if not is_held or deadline.expired:
            return done
        attempt += 1
        clock.sleep(clock.backoff(attempt))


def sync_folders(git: Git, ref: str) -> None:
    """Sync the folders that lead to a ref: git syncs the file, not its name."""
    common_dir = discover(git.cwd).common_dir
    for folder in (common_dir / ref).parents:
        if folder == common_dir:
            return
        try:
            handle = os.open(folder, os.O_RDONLY)
        except FileNotFoundError:
            continue
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
