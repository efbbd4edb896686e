"""Find what killed processes left behind that is in nobody's way, and remove it.

Each kind is told by what only a process of ours makes, and is removed when
its maker is dead, or where nothing names its maker, when it is so old that
whatever made it is over.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from gitcoord.features.setup.hook_plan import EVENTS
from gitcoord.features.workspace import Workspace
from gitcoord.git.index_copies import PREFIX
from gitcoord.git.places import TABLES, keeps_tables
from gitcoord.git.refs import clear_table_locks
from gitcoord.host.open_files import is_open_for_writing
from gitcoord.ledger.pending import HINTS, verified_refs
from gitcoord.store.queue import QueueLock
from gitcoord.store.stale_locks import is_empty_lock, remove_stale_lock

__all__ = ["clear_litter", "dead_hints", "old_files", "task_locks"]

OLD_S = 3600
LOCK_OLD_S = 60


def clear_litter(work: Workspace) -> list[str]:
    """Remove what dead processes left; return what was removed.

    If this is cut off the rest is still there, for the next one.
    """
    from gitcoord.git.scratch import clear_dead

    work.ledger.locks.clear_left()
    gone = [str(path) for path in _table_locks(work)]
    gone += [str(path) for path in dead_hints(work) if _removed(path)]
    gone += [str(path) for path in old_files(work) if _removed(path)]
    healing = QueueLock(work.ledger.files.healing_lock)
    for lock in task_locks(work):
        if remove_stale_lock(lock, work.ledger.files.root / "pending", healing, work.clock):
            gone.append(str(lock))
    count = clear_dead(work.git)
    if count:
        gone.append(f"{count} worktree(s) of killed checks")
    return gone


def _table_locks(work: Workspace) -> Iterator[Path]:
    """Remove the locks of tables that dead gits left, in every worktree; return them."""
    common = work.place.common_dir
    if keeps_tables(common):
        for folder in (common, *_folders(common / "worktrees")):
            yield from clear_table_locks(folder / TABLES)


def _removed(path: Path) -> bool:
    with suppress(OSError):
        path.unlink()
        return True
    return False


def dead_hints(work: Workspace) -> list[Path]:
    """Return the records of dead writers of hints that account for no lock any more."""
    found = []
    for path, facts in work.ledger.pending.of_dead(HINTS):
        locks = [work.place.common_dir / f"{ref}.lock" for ref in verified_refs(facts)]
        if not any(map(is_empty_lock, locks)):
            found.append(path)
    return found


def old_files(work: Workspace) -> Iterator[Path]:
    """Return temporary files of ours that are older than what makes them can last."""
    common, root = work.place.common_dir, work.ledger.files.root
    private = [common, *_folders(common / "worktrees")]
    for folder in private:
        yield from _old(work, folder.glob(f"{PREFIX}*"))
    for folder in (root, *(place / "gitcoord" for place in private[1:])):
        # What was moved aside is somebody's, whatever its name is.
        ours = (path for path in folder.rglob(".*.new") if root / "kept" not in path.parents)
        yield from _old(work, ours)
    for event in EVENTS:
        yield from _old(work, (common / "hooks").glob(f".{event}.????????.new"))


def _folders(folder: Path) -> list[Path]:
    return [path for path in folder.glob("*") if path.is_dir() and not path.is_symlink()]


def _old(work: Workspace, paths: Iterator[Path], age_s: float = OLD_S) -> Iterator[Path]:
    for path in paths:
        with suppress(OSError):
            known = path.lstat()
            if not path.is_dir() and work.clock.seconds() - known.st_mtime > age_s:
                yield path


def task_locks(work: Workspace) -> list[Path]:
    """Return the locks on work branches that no process is at work on."""
    if work.ledger.tip() is None:
        return []
    prefix = work.ledger.snapshot().settings()["task_prefix"]
    folder = work.place.common_dir / "refs" / "heads" / prefix
    locks = _old(work, folder.rglob("*.lock"), LOCK_OLD_S)
    return [lock for lock in locks if not is_open_for_writing(lock)]
