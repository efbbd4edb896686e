"""Keep the repository small by itself: no daemon, no delay, nothing dropped silently.

Now and then a command that wrote starts a process of its own, which packs
what our refs reach, drops refs that protect nothing any more, and expires
the attic as configured. Whatever it takes away it writes to its log.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from gitcoord.core import ids
from gitcoord.core.errors import GitcoordError
from gitcoord.core.ids import NO_OID, NO_TASK, Oid, TaskId
from gitcoord.core.refs import attic_refs, landing_refs, result_ref
from gitcoord.core.snapshot import Snapshot
from gitcoord.core.streams import has_landed
from gitcoord.features.workspace import Workspace
from gitcoord.host.files import read_file, replace_file
from gitcoord.ledger.files import read_json, write_json
from gitcoord.store.protocol import ContendedError, FailedError, LockedError, MissingObjectError
from gitcoord.store.queue import QueueLock

__all__ = ["ATTIC_KEEP", "SAMPLE", "attic_keep_ms", "maybe", "upkeep"]

SAMPLE = 1 / 32
LOOSE_LIMIT = 6_000
ATTIC_KEEP = "90d"
MAX_LOGS = 50
MAX_LOG_LINES = 2_000
MAX_LOG_BYTES = 4 * 1024 * 1024


def maybe(work: Workspace, *, sample: float = SAMPLE) -> bool:
    """Start the upkeep beside us if it is due; say whether it was started.

    Looked at on a sample of the calls: listing two folders is all it costs.
    """
    if work.clock.random() >= sample or os.environ.get("GITCOORD_UPKEEP", "") == "off":
        return False
    import subprocess

    from gitcoord.git.maintenance import is_merging_due

    if not (_is_much_loose(work) or is_merging_due(work.place.common_dir)):
        return False
    command = [
        sys.executable,
        "-m",
        "gitcoord",
        "-C",
        str(work.place.common_dir),
        "--ledger",
        work.ledger.name,
        "upkeep",
        "--auto",
    ]
    folder = str(Path(__file__).parents[3])
    path = os.pathsep.join([folder, *filter(None, [os.environ.get("PYTHONPATH")])])
    try:
        # The shell ends at once, and init adopts what it started: a caller
        # that lives for long keeps no zombie.
        subprocess.run(
            ["/bin/sh", "-c", '"$@" &', "sh", *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            check=False,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            cwd="/",
            env={**os.environ, "PYTHONPATH": path},
        )
    except OSError:
        return False
    return True


def _is_much_loose(work: Workspace) -> bool:
    from gitcoord.git.maintenance import loose_estimate

    return loose_estimate(work.place.common_dir) >= LOOSE_LIMIT


def upkeep(work: Workspace, *, by_itself: bool = False) -> dict[str, Any]:
    """Pack, drop and expire; return what was done.

    One at a time: where another is at it this one does nothing. Killed at
    any point it leaves more than is needed, and never less. Where it runs
    ``by_itself`` for packs alone, it does nothing but merge them: while many
    write at once there are enough of them every few seconds.
    """
    from gitcoord.git.maintenance import is_merging_due

    lock = QueueLock(work.ledger.files.root / "locks" / f"{work.ledger.name}.upkeep")
    with lock.hold(0) as is_held:
        if not is_held:
            return {"busy": True}
        done: dict[str, Any] = {
            "busy": False,
            "results": [],
            "candidates": [],
            "attic": [],
            "kept": [],
            "leftovers": 0,
            "packed": 0,
        }
        if by_itself and is_merging_due(work.place.common_dir) and not _is_much_loose(work):
            return {**done, "merged": _merge(work)}
        snapshot = work.ledger.snapshot()
        done["results"] = _drop_landed_results(work, snapshot)
        done["candidates"] = _drop_candidates(work)
        done["attic"] = _expire_attic(work)
        done["kept"] = _clear_kept(work)
        done["leftovers"] = _clear_leftovers(work)
        done |= _pack(work, snapshot)
        _note(work, done)
        return done


def _pack(work: Workspace, snapshot: Snapshot) -> dict[str, Any]:
    from gitcoord.git.maintenance import pack_reachable

    file = work.ledger.files.root / "upkeep" / f"{work.ledger.name}.json"
    packed_tip = Oid(str((read_json(file) or {}).get("packed", "")))
    tips = [
        snapshot.oid,
        *work.store.list_refs(attic_refs(work.ledger.name)).values(),
    ]
    exclude: list[Oid] = []
    if ids.is_oid(packed_tip) and _is_there(work, packed_tip):
        exclude = [packed_tip]
    packed = pack_reachable(work.git, tips, exclude)
    merged = _merge(work)
    write_json(file, {"packed": snapshot.oid})
    return {"packed": packed.objects if packed else 0, "merged": merged}


def _merge(work: Workspace) -> int:
    """Merge small packs, which all ledgers of a repository share; return how many."""
    from gitcoord.git.maintenance import merge_packs
    from gitcoord.git.pack_folder import clear_dead_packs, pack_folder

    merged = 0
    with QueueLock(work.ledger.files.root / "locks" / "packs").hold(0) as is_held:
        if is_held:
            clear_dead_packs(pack_folder(work.place.common_dir), work.clock.seconds())
            merged = merge_packs(work.git)
    work.store.refresh()
    return merged


def _is_there(work: Workspace, oid: Oid) -> bool:
    try:
        work.store.read_entry(oid)
    except MissingObjectError:
        return False
    return True


def _drop(work: Workspace, refs: Mapping[str, Oid]) -> list[str]:
    """Drop refs, on the ledger's server too; return those that are gone."""
    if work.remote is not None:
        try:
            work.remote.drop(refs)
        except (GitcoordError, ContendedError, FailedError, LockedError):
            return []  # the server is away, or keeps them: the next upkeep tries again
        return [*refs]
    gone = []
    for ref, oid in refs.items():
        with suppress(ContendedError, FailedError, LockedError):
            work.store.delete_ref(ref, oid)
            gone.append(ref)
    return gone


def _drop_landed_results(work: Workspace, snapshot: Snapshot) -> list[str]:
    """Drop the refs of results that the target holds: it keeps them now.

    Superseded results of a landed phase that the target does not hold stay.
    """
    from gitcoord.git.merges import contains

    prefix = result_ref(work.ledger.name, NO_TASK, NO_OID).removesuffix("/")
    refs = work.store.list_refs(prefix)
    landed = {phase["id"] for phase in snapshot.phases() if phase["state"] == "landed"}
    if not refs:
        return []
    of_landed = {}
    for ref, oid in refs.items():
        task = snapshot.task(TaskId(ref.split("/")[-2]))
        if task is not None and has_landed(task, landed):
            of_landed[ref] = oid
    held = contains(work.git, work.target_tip(snapshot), of_landed.values())
    return _drop(work, {ref: oid for ref, oid in of_landed.items() if oid in held})


def _drop_candidates(work: Workspace) -> list[str]:
    """Drop candidates of moves that are over, while nobody lands."""
    with QueueLock(work.ledger.files.landing_lock).hold(0) as is_free:
        if not is_free or work.ledger.snapshot().settings()["pending"] is not None:
            return []
        return _drop(work, work.store.list_refs(landing_refs(work.ledger.name)))


def attic_keep_ms(work: Workspace) -> int | None:
    """Return for how long the attic keeps what was abandoned; None is for ever.

    ``git config gitcoord.<ledger>.atticKeep`` is a duration, or ``never``
    for what never expires.
    """
    from gitcoord.git.maintenance import config_value

    text = config_value(work.git, f"gitcoord.{work.ledger.name}.atticKeep") or ATTIC_KEEP
    if text == "never":
        return None
    return ids.duration_ms(text)


def _expire_attic(work: Workspace) -> list[str]:
    from datetime import UTC, datetime

    keep_ms = attic_keep_ms(work)
    if keep_ms is None:
        return []
    refs, old = work.store.list_refs(attic_refs(work.ledger.name)), {}
    for ref, oid in refs.items():
        try:
            made = datetime.strptime(
                ref.rpartition("/")[2].partition("-")[0], "%Y%m%dT%H%M%SZ"
            ).replace(tzinfo=UTC)
        except ValueError:
            continue
        if work.clock.seconds() - made.timestamp() > keep_ms / 1000:
            old[ref] = oid
    expired = [f"{ref} {old[ref]}" for ref in _drop(work, old)]
    if expired:
        # What was verified may have been abandoned and be gone with it.
        (work.ledger.files.root / "verified" / f"{work.ledger.name}.json").unlink(missing_ok=True)
    return expired


def _clear_kept(work: Workspace) -> list[str]:
    """Remove what was moved aside as long ago as the attic forgets."""
    from gitcoord.features.maintain.kept import clear_kept

    keep_ms = attic_keep_ms(work)
    keep_s = None
    if keep_ms is not None:
        keep_s = keep_ms / 1000
    return [str(path) for path in clear_kept(work.kept_folder, work.clock.seconds(), keep_s)]


def _clear_leftovers(work: Workspace) -> int:
    """Remove what dead processes left, and old logs."""
    from gitcoord.features.maintain.litter import clear_litter

    count = len(clear_litter(work))
    logs = sorted(
        (work.ledger.files.root / "logs").glob("*.log"), key=lambda path: path.lstat().st_mtime_ns
    )
    for path in logs[:-MAX_LOGS]:
        path.unlink(missing_ok=True)
        count += 1
    return count


def _note(work: Workspace, done: dict[str, Any]) -> None:
    """Write what was taken away to the log, the newest lines kept."""
    lines = [f"dropped {name}" for name in (*done["results"], *done["candidates"])]
    lines += [f"expired {name}" for name in (*done["attic"], *done["kept"])]
    if not lines:
        return
    from gitcoord.core.times import instant

    file = work.ledger.files.root / "upkeep" / f"{work.ledger.name}.log"
    old: list[str] = []
    with suppress(OSError):  # none yet, or what lies there is not ours
        old = read_file(file, MAX_LOG_BYTES).decode("utf-8", "replace").splitlines()
    now = instant(work.clock.seconds())
    kept = [*old, *(f"{now} {line}" for line in lines)][-MAX_LOG_LINES:]
    replace_file(file, ("\n".join(kept) + "\n").encode())
