"""Replay a history by the replay law, and name the first illegal entry.

For every entry: the message is what its event renders to, ``check`` passes
on the parent's state, and ``apply`` gives the entry's tree, byte for byte.
Nothing is written and nothing is repaired.
"""

from __future__ import annotations

import re
from contextlib import suppress

from gitcoord.core.bulk import uncollected
from gitcoord.core.errors import CorruptError, UnavailableError
from gitcoord.core.ids import NO_OID, Oid
from gitcoord.core.shapes import NamedTuple
from gitcoord.features.workspace import Workspace
from gitcoord.ledger.files import read_json, write_json
from gitcoord.ledger.replay import illegal, replay_entry
from gitcoord.store.protocol import MissingObjectError, Store
from gitcoord.store.reader import RecordCache

__all__ = ["Verified", "verify", "verify_ledger"]

_ABANDONED = re.compile(r"^Gitcoord-Abandoned: ([0-9a-f]+)$", re.MULTILINE)


class Verified(NamedTuple):
    """A history that holds: how many entries were replayed, after which and up to which.

    ``since`` is the entry that was taken as it is: where it was asked to begin, or where the
    history in this clone does; None: from genesis.
    """

    entries: int
    tip: Oid
    since: Oid | None


@uncollected()
def verify(work: Workspace, *, since: Oid | None = None, until: Oid | None = None) -> Verified:
    """Replay the entries after ``since`` (default: all that are here) to ``until``.

    Where this clone was made without the older entries, the oldest one that is here is
    taken as the server gave it, and those after it are replayed.

    Raises:
        CorruptError: Names the first illegal entry and what is wrong.

    """
    tip = until or _readable_tip(work)
    oids = _chain(work.store, tip, since)
    if since is None and work.store.read_entry(oids[-1]).is_cut:
        since = oids.pop()
    cache = RecordCache()
    for number, oid in enumerate(reversed(oids), 1):
        work.tell("verifying entries", number, len(oids))
        replay_entry(work.ledger, work.store.read_entry(oid), cache)
    return Verified(len(oids), tip, since)


def verify_ledger(work: Workspace, *, quick: bool = False) -> Verified:
    """Verify the whole ledger, or what is new since this machine last did.

    The last verified tip is remembered on this machine: a history that
    neither contains it nor says by a rollback where it went was rewritten.

    Raises:
        CorruptError: Names the entry that is illegal, or that is missing.

    """
    tip = _readable_tip(work)
    file = work.ledger.files.root / "verified" / f"{work.ledger.name}.json"
    known = (read_json(file) or {}).get("tip")
    base = None
    if isinstance(known, str):
        base = _link(work, tip, Oid(known))
    since = None
    if quick:
        since = base
    done = verify(work, since=since, until=tip)
    with suppress(UnavailableError):
        # Who may only read can verify, and goes without a memory.
        write_json(file, {"tip": tip})
    return done


def _readable_tip(work: Workspace) -> Oid:
    tip = work.ledger.tip()
    if tip is None:
        return work.ledger.snapshot().oid
    return tip


def _link(work: Workspace, tip: Oid, known: Oid) -> Oid | None:
    """Find the newest entry that both the tip and a verified tip descend from.

    Rollbacks link an abandoned history. None: the clone was made anew since, without the
    entries that were verified.
    """
    is_cut = False
    seen: dict[Oid, Oid] = {}
    starts = [(tip, NO_OID)]
    while starts:
        start, fork = starts.pop()
        oid: Oid | None = start
        while oid is not None and oid not in seen:
            seen[oid] = fork or oid
            if oid == known:
                return seen[oid]
            try:
                entry = work.store.read_entry(oid)
            except MissingObjectError:
                break
            is_cut = is_cut or entry.is_cut
            parent = None
            if entry.parents:
                parent = entry.parents[0]
            abandoned = _ABANDONED.search(entry.message)
            if abandoned and parent:
                starts.append((Oid(abandoned[1]), fork or parent))
            oid = parent
    if is_cut and not _is_here(work.store, known):
        return None
    raise CorruptError(
        f"entry {known[:12]}, which was verified here before, is not in the history of {tip[:12]}, "
        "and no rollback says where "
        "it went",
        entry=known,
        hint="nothing was changed; the ledger was rewritten: compare with another clone of it",
    )


def _is_here(store: Store, oid: Oid) -> bool:
    try:
        store.read_entry(oid)
    except MissingObjectError:
        return False
    return True


def _chain(store: Store, tip: Oid, since: Oid | None) -> list[Oid]:
    chain: list[Oid] = []
    oid: Oid | None = tip
    while oid is not None and oid != since:
        try:
            entry = store.read_entry(oid)
        except MissingObjectError as error:
            raise illegal(oid, f"it cannot be read: {error}") from None
        if len(entry.parents) > 1:
            raise illegal(oid, "it has more than one parent")
        chain.append(oid)
        oid = None
        if entry.parents:
            oid = entry.parents[0]
    if since is not None and oid is None:
        raise CorruptError(f"entry {since[:12]} is not in the history of {tip[:12]}", entry=since)
    return chain
