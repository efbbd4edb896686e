"""Move refs through the git program, and tell what came of it by what is there.

libgit2 creates refs non-atomically; git does not, and it alone runs the
user's hooks. git's messages change from version to version: so an outcome
is told by the steps that git reported, the refs, and the lock files. What
git leaves unsynced, the folders, is synced here.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from gitcoord.core.errors import RefusedError, UnavailableError, UsageError
from gitcoord.core.ids import Oid
from gitcoord.core.shapes import NamedTuple
from gitcoord.git.places import TABLES, discover, keeps_tables
from gitcoord.git.program import DURABLE, LONG_S, Git
from gitcoord.host.clock import Clock, Deadline
from gitcoord.host.open_files import is_open_for_writing

__all__ = [
    "Attempt",
    "CutOffError",
    "clear_dead_lock",
    "clear_locks",
    "clear_table_locks",
    "create_ref",
    "has_expected",
    "head_lock",
    "lock_in_the_way",
    "locks_of",
    "move_target",
    "prepares",
    "ref_line",
    "sync_folders",
    "transact",
]

LOCK_WAIT_S = 5.0
PATIENCE_S = 0.5
_STEP_S = 0.01
MAX_UNEXPLAINED = 2
LIST_LOCK = "tables.list.lock"
_REF = re.compile(r"refs/[^\x00-\x20\x7f~^:?*\[\\]+")
_OID = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")


class CutOffError(Exception):
    """Raised when a git of ours was killed: its locks may have stayed.

    Whether the ref moved has to be read.
    """


class Attempt(NamedTuple):
    """How far git came with one ref transaction.

    Where it was not prepared nothing moved; where it was prepared and not
    committed, the refs have to be read.
    """

    is_prepared: bool
    is_committed: bool
    is_killed: bool
    said: str

    @classmethod
    def of(cls, steps: Iterable[bytes], status: int = 0, said: str = "") -> Attempt:
        """Read what ``git update-ref --stdin`` reports of its steps."""
        told = {step.strip() for step in steps}
        return cls(b"prepare: ok" in told, b"commit: ok" in told, status < 0, said.strip())


Expected = Mapping[str, Oid | None]
"""The oid that each ref has to hold; None: the ref has to be absent."""


# one transaction


def ref_line(verb: str, ref: str, *oids: Oid) -> str:
    """Write one line of a ref transaction.

    Raises:
        UsageError: It is not a full ref name, or not a full oid.

    """
    if not _REF.fullmatch(ref) or not all(_OID.fullmatch(oid) for oid in oids):
        raise UsageError(
            f"{verb} {ref!r} {' '.join(oids)} names no ref or no oid",
            hint="give a full ref and full oids",
        )
    return f"{verb} {ref} {' '.join(oids)}"


def transact(
    git: Git,
    lines: Iterable[str],
    *,
    end: str = "commit",
    hooks: bool = False,
    env: Mapping[str, str] | None = None,
    keep: tuple[int, ...] = (),
    options: tuple[str, ...] = (),
    is_durable: bool = True,
) -> Attempt:
    """Run one ref transaction; ``end="abort"`` only tries whether it can be prepared.

    ``options`` are git's own, before the command. If it fails before it is
    prepared, nothing moved; afterwards the refs have to be read.
    """
    script = "\n".join(["start", *lines, "prepare", end, ""]).encode()
    done = git.run(
        *(DURABLE if is_durable else ()),
        *options,
        "update-ref",
        "--stdin",
        stdin=script,
        check=False,
        env=env,
        hooks=hooks,
        timeout_s=LONG_S,
        keep=keep,
    )
    return Attempt.of(done.stdout.splitlines(), done.status, done.stderr)


def prepares(git: Git, lines: Iterable[str]) -> bool:
    """Return whether a transaction could be made now, were it not for hooks."""
    return transact(git, lines, end="abort").is_prepared


def has_expected(git: Git, expected: Expected) -> bool:
    """Return whether every ref holds what is expected of it.

    A broken ref, which git passes over, is not taken for an absent one.
    """
    for ref, oid in expected.items():
        now = _value(git, ref)
        if now == oid:
            continue
        if now is not None:
            return False
        zero = Oid("0" * len(oid or ""))
        if prepares(git, [ref_line("verify", ref, zero)]):
            return False
    return True


def _value(git: Git, ref: str) -> Oid | None:
    done = git.run("for-each-ref", "--format=%(objectname) %(refname)", "--", ref, check=False)
    for line in done.text.splitlines():
        oid, _, name = line.partition(" ")
        if name == ref:
            return Oid(oid)
    return None


# locks


def locks_of(git: Git, refs: Iterable[str]) -> list[Path]:
    """Return the lock files that a transaction on these refs takes."""
    place = discover(git.cwd)
    private = git.git_dir or place.git_dir
    if keeps_tables(place.common_dir):
        folders = dict.fromkeys((place.common_dir, private))
        return [folder / TABLES / LIST_LOCK for folder in folders]
    return [*(place.common_dir / f"{ref}.lock" for ref in refs), private / "HEAD.lock"]


def lock_in_the_way(git: Git, refs: Iterable[str]) -> Path | None:
    """Return a lock file that is there and keeps these refs from moving."""
    packed = discover(git.cwd).common_dir / "packed-refs.lock"
    for path in (*locks_of(git, refs), packed):
        if os.path.lexists(path):
            return path
    return None


def head_lock(worktree: Path) -> Path:
    """Return the lock file that a worktree's HEAD is moved under."""
    place = discover(worktree)
    if keeps_tables(place.common_dir):
        return place.git_dir / TABLES / LIST_LOCK
    return place.git_dir / "HEAD.lock"


def clear_dead_lock(lock: Path) -> bool:
    """Remove the lock of a list of tables that a dead git left; False if it stays.

    git keeps it open for as long as it needs it, so that the kernel can
    tell. If it fails, or this process dies, the file is still there.
    """
    if lock.name != LIST_LOCK or not os.path.lexists(lock):
        return False
    if is_open_for_writing(lock) is not False:
        return False
    clear_locks([lock])
    return not os.path.lexists(lock)


def clear_locks(locks: Iterable[Path], unless: Callable[[], bool] | None = None) -> None:
    """Remove lock files that stand still and that no process has open.

    The caller knows that a git of ours was at work on them, and that none
    is now; or ``unless`` tells, once they stood still, that one may be, and
    then they stay. If it fails, or this process dies, they are still there.
    """
    seen = {path: found for path in locks if (found := _look(path)) is not None}
    if not seen:
        return
    Clock().sleep(PATIENCE_S)
    if unless is not None and unless():
        return
    for path, found in seen.items():
        if _is_idle(path) and _look(path) == found:
            path.unlink(missing_ok=True)


def _is_idle(lock: Path) -> bool:
    """Return whether no process has a lock open.

    The lock of a list of tables is any git's: where it cannot be told, it is not idle.
    """
    is_open = is_open_for_writing(lock)
    if lock.name == LIST_LOCK:
        return is_open is False
    return not is_open


def clear_table_locks(folder: Path) -> list[Path]:
    """Remove the locks that dead gits left in a folder of tables; return them.

    The lock of the list stops every writer, and that of one table later
    compactions only. A git that is at work has one of its files open, but
    for moments: so they go when nothing is open and they stand still. If it
    fails, or this process dies, they are still there.
    """
    seen = _locks_below(folder)
    if not seen or _is_written(folder):
        return []
    clock = Clock()
    deadline = Deadline(clock, PATIENCE_S)
    while _has_young(seen, clock.seconds()) and not deadline.expired:
        clock.sleep(_STEP_S)
        seen = {path: found for path, found in seen.items() if _look(path) == found}
    if _is_written(folder):
        return []
    gone = [path for path, found in seen.items() if _look(path) == found]
    for path in gone:
        path.unlink(missing_ok=True)
    return gone


def _locks_below(folder: Path) -> dict[Path, tuple[int, int, int]]:
    return {path: found for path in folder.glob("*.lock") if (found := _look(path)) is not None}


def _has_young(seen: Mapping[Path, tuple[int, int, int]], now_s: float) -> bool:
    """Return whether a lock may have been made, or written, just now."""
    ages_s = [now_s - changed_ns / 1e9 for _, changed_ns, _ in seen.values()]
    return any(age_s < PATIENCE_S for age_s in ages_s)


def _is_written(folder: Path) -> bool:
    """Return whether a git may be at work on tables: on a lock, the list or a new table."""
    at_rest = (".ref", ".list")
    others = [path for path in folder.iterdir() if path.suffix not in at_rest]
    return any(is_open_for_writing(path) is not False for path in others)


def _look(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


# moves


def create_ref(git: Git, ref: str, oid: Oid, *, is_durable: bool = True) -> bool:
    """Create a ref; False if it exists, even at this oid.

    Raises:
        UnavailableError: git failed otherwise; whether it was created has
            to be read.

    """
    lines = [ref_line("create", ref, oid)]
    patience = _Patience()
    while True:
        done = transact(git, lines, is_durable=is_durable)
        if done.is_committed:
            if is_durable:
                sync_folders(git, ref)
            return True
        if not done.is_prepared and _value(git, ref) is not None:
            return False
        if done.is_prepared or not patience.wait(lock_in_the_way(git, [ref])):
            raise UnavailableError(
                f"{ref} could not be created: {done.said[-300:]}", hint="try again"
            )


class _Patience:
    """How long a transaction that was not prepared is tried again.

    A lock that someone holds is waited for; where nothing is to be seen it
    may have been one that is gone by now, or what git has words for.
    """

    def __init__(self) -> None:
        self._clock = Clock()
        self._deadline = Deadline(self._clock, LOCK_WAIT_S)
        self._attempt = 0
        self._unexplained = 0

    def wait(self, lock: Path | None) -> bool:
        """Wait for the next try; False if there is to be none."""
        if lock is None:
            self._unexplained += 1
        if self._deadline.expired or self._unexplained > MAX_UNEXPLAINED:
            return False
        if lock is not None and clear_dead_lock(lock):
            return True
        self._attempt += 1
        self._clock.sleep(self._clock.backoff(self._attempt))
        return True


def move_target(
    git: Git,
    target: str,
    old: Oid,
    new: Oid,
    verify: Mapping[str, Oid],
    env: Mapping[str, str],
    keep: tuple[int, ...] = (),
) -> bool:
    """Move the target branch in one transaction that verifies other refs.

    The user's hooks run. ``keep`` are handles that git holds on to. False:
    the target, or a verified ref, was not as expected; nothing moved. A
    lock that someone holds is waited for.

    Raises:
        RefusedError: A hook of the user's forbids it (reason ``hook``);
            nothing moved.
        CutOffError: It was killed.
        UnavailableError: git failed otherwise; whether it moved has to be
            read.

    """
    expected = {target: old, **verify}
    lines = [
        ref_line("update", target, new, old),
        *(ref_line("verify", ref, oid) for ref, oid in verify.items()),
    ]
    patience = _Patience()
    was_forbidden = False
    while True:
        done = transact(git, lines, hooks=True, env=env, keep=keep)
        if done.is_committed:
            sync_folders(git, target)
            return True
        if done.is_killed:
            raise CutOffError
        if not done.is_prepared and not has_expected(git, expected):
            return False
        is_forbidden = not done.is_prepared and prepares(git, lines)
        if is_forbidden and was_forbidden:
            raise _forbidden(target, done.said)
        # Once may have been a lock that is gone by now.
        was_forbidden = is_forbidden
        if done.is_prepared or not patience.wait(lock_in_the_way(git, expected)):
            raise UnavailableError(
                f"{target} could not be moved: {done.said[-300:]}", hint="try again"
            )


def _forbidden(target: str, said: str) -> RefusedError:
    return RefusedError(
        f"a hook forbids the move of {target}: {said[-1000:]}",
        reason="hook",
        hint="look at the repository's reference-transaction hook",
    )


# the disk


def sync_folders(git: Git, ref: str) -> None:
    """Sync the folders that hold the name of a ref, or of its table.

    git syncs the file, and not its name. If it fails the ref has moved,
    and a power cut may undo that.
    """
    place = discover(git.cwd)
    if keeps_tables(place.common_dir):
        for folder in dict.fromkeys((place.common_dir, git.git_dir or place.git_dir)):
            _sync_folder(folder / TABLES)
        return
    for folder in (place.common_dir / ref).parents:
        if folder == place.common_dir:
            return
        _sync_folder(folder)


def _sync_folder(folder: Path) -> None:
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except (FileNotFoundError, NotADirectoryError):
        return
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
