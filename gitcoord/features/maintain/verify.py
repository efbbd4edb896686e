"""Replay a history by the replay law, and name the first illegal entry.

For every entry: the message is what its event renders to, ``check`` passes
on the parent's state, and ``apply`` gives the entry's tree, byte for byte.
Nothing is written and nothing is repaired.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from gitcoord.core import codec
from gitcoord.core.bulk import uncollected
from gitcoord.core.errors import CorruptError, GitcoordError
from gitcoord.core.events import Event
from gitcoord.core.machine import apply, check
from gitcoord.core.messages import author_of, parse
from gitcoord.core.operations.rollbacks import survivors
from gitcoord.core.snapshot import Snapshot
from gitcoord.features.workspace import Workspace
from gitcoord.ledger.files import read_json, write_json
from gitcoord.ledger.ledger import encoded
from gitcoord.store.protocol import BlobRef, EntryObject, MissingObjectError, Store, TreeItem
from gitcoord.store.reader import RecordCache, TreeReader

__all__ = ["Verified", "verify", "verify_ledger"]

_ABANDONED = re.compile(r"^Gitcoord-Abandoned: ([0-9a-f]+)$", re.MULTILINE)


class Verified(NamedTuple):
    """A history that holds: how many entries were replayed, up to which."""

    entries: int
    tip: str
    since: str | None


@uncollected()
def verify(work: Workspace, *, since: str | None = None, until: str | None = None) -> Verified:
    """Replay the entries after ``since`` (default: from genesis) to ``until``.

    Raises:
        CorruptError: Names the first illegal entry and what is wrong.

    """
    tip = until or _readable_tip(work)
    oids = _chain(work.store, tip, since)
    cache = RecordCache()
    for number, oid in enumerate(reversed(oids), 1):
        work.tell("verifying entries", number, len(oids))
        _verify_entry(work, work.store.read_entry(oid), cache)
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
    since = None
    if isinstance(known, str):
        base = _link(work, tip, known)
        since = base if quick else None
    done = verify(work, since=since, until=tip)
    write_json(file, {"tip": tip})
    return done


def _readable_tip(work: Workspace) -> str:
    tip = work.ledger.tip()
    return tip if tip is not None else work.ledger.snapshot().oid


def _link(work: Workspace, tip: str, known: str) -> str:
    """Find the newest entry that both the tip and a verified tip descend from.

    Rollbacks link an abandoned history.
    """
    seen: dict[str, str] = {}
    starts = [(tip, "")]
    while starts:
        start, fork = starts.pop()
        oid: str | None = start
        while oid is not None and oid not in seen:
            seen[oid] = fork or oid
            if oid == known:
                return seen[oid]
            try:
                entry = work.store.read_entry(oid)
            except MissingObjectError:
                break
            parent = entry.parents[0] if entry.parents else None
            abandoned = _ABANDONED.search(entry.message)
            if abandoned and parent:
                starts.append((abandoned[1], fork or parent))
            oid = parent
    raise CorruptError(
        f"entry {known[:12]}, which was verified here before, is not in the history of {tip[:12]}, "
        "and no rollback says where "
        "it went",
        entry=known,
        hint="nothing was changed; the ledger was rewritten: compare with another clone of it",
    )


def _chain(store: Store, tip: str, since: str | None) -> list[str]:
    chain: list[str] = []
    oid: str | None = tip
    while oid is not None and oid != since:
        try:
            entry = store.read_entry(oid)
        except MissingObjectError as error:
            raise _corrupt(oid, f"it cannot be read: {error}") from None
        if len(entry.parents) > 1:
            raise _corrupt(oid, "it has more than one parent")
        chain.append(oid)
        oid = entry.parents[0] if entry.parents else None
    if since is not None and oid is None:
        raise CorruptError(f"entry {since[:12]} is not in the history of {tip[:12]}", entry=since)
    return chain


def _corrupt(oid: str, what: str) -> CorruptError:
    return CorruptError(
        f"entry {oid[:12]} is illegal: {what}",
        entry=oid,
        hint="nothing was changed; compare with another clone of the ledger",
    )


def _verify_entry(work: Workspace, entry: EntryObject, cache: RecordCache) -> None:
    event = parse(entry.message, entry.oid)
    parent = work.store.read_entry(entry.parents[0]) if entry.parents else None
    if (event["op"] == "init") != (parent is None):
        raise _corrupt(entry.oid, "a ledger begins with init, and with nothing else")
    if (entry.author, entry.author_email) != author_of(event["agent"], work.ledger.name):
        raise _corrupt(
            entry.oid, f"its author is {entry.author}, and its event says {event['agent']}"
        )
    if entry.time != event["time"] or (parent is not None and entry.time < parent.time):
        raise _corrupt(entry.oid, "its time is not its event's, or is before its parent's")
    before = Snapshot(
        TreeReader(work.store, parent.tree if parent else None, entry.oid, cache), entry.oid
    )
    if event["op"] == "rollback":
        _verify_rollback(work, entry, event, before)
    try:
        check(before, event)
        changes = encoded(apply(before, event))
    except CorruptError:
        raise
    except GitcoordError as error:
        raise _corrupt(entry.oid, f"{event['op']} was not allowed: {error.message}") from None
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise _corrupt(entry.oid, f"its event is malformed ({type(error).__name__})") from None
    try:
        wrong = _first_difference(work.store, parent.tree if parent else None, entry.tree, changes)
    except MissingObjectError as error:
        raise _corrupt(entry.oid, f"an object of its tree cannot be read: {error}") from None
    if wrong:
        raise _corrupt(entry.oid, f"{wrong} is not what its event makes of it")


def _verify_rollback(work: Workspace, entry: EntryObject, event: Event, chosen: Snapshot) -> None:
    """Compare a rollback with what it abandoned, while the attic keeps it."""
    if (event["onto"],) != entry.parents:
        raise _corrupt(entry.oid, "its parent is not the entry that it says it goes back to")
    try:
        tip = work.ledger.snapshot(event["abandoned"])
    except CorruptError:
        return
    carried = {agent["id"]: work.store.hash_blob(codec.dump(agent)) for agent in tip.agents()}
    if event["epoch"] != tip.settings()["epoch"] + 1 or event["carried"] != carried:
        raise _corrupt(entry.oid, "its epoch or its agents are not the abandoned tip's")
    if event["surviving"] != survivors(chosen, tip):
        raise _corrupt(entry.oid, "what survives it is not what both sides hold")


def _first_difference(
    store: Store, old: str | None, new: str, changes: Mapping[str, bytes | BlobRef | None]
) -> str | None:
    """Compare the tree with what ``apply`` says, without writing anything."""
    wanted: dict[str, str | None] = {
        path: None
        if change is None
        else change.oid
        if isinstance(change, BlobRef)
        else store.hash_blob(change)
        for path, change in changes.items()
    }
    found: dict[str, tuple[str | None, str | None]] = {}
    _collect(
        store, "", TreeItem(old, is_tree=True) if old else None, TreeItem(new, is_tree=True), found
    )
    for path, (_, after) in sorted(found.items()):
        if path not in wanted or wanted[path] != after:
            return path
    # The oid is right; a byte on the disk may not be.
    for blob in {after for _, after in found.values() if after is not None}:
        store.read_blob(blob)
    for path, oid in sorted(wanted.items()):
        if path not in found and _at(store, new, path) != oid:
            return path
    return None


def _at(store: Store, tree: str, path: str) -> str | None:
    for part in path.split("/"):
        item = store.read_tree(tree).get(part)
        if item is None:
            return None
        tree = item.oid
    return tree


def _collect(
    store: Store,
    path: str,
    old: TreeItem | None,
    new: TreeItem | None,
    found: dict[str, tuple[str | None, str | None]],
) -> None:
    olds = store.read_tree(old.oid) if old else {}
    news = store.read_tree(new.oid) if new else {}
    for name in olds.keys() | news.keys():
        before, after = olds.get(name), news.get(name)
        if before == after:
            continue
        here = f"{path}/{name}" if path else name
        trees = [item if item is not None and item.is_tree else None for item in (before, after)]
        if any(trees):
            _collect(store, here, trees[0], trees[1], found)
        if (before and not before.is_tree) or (after and not after.is_tree):
            blobs = [
                item.oid if item is not None and not item.is_tree else None
                for item in (before, after)
            ]
            found[here] = (blobs[0], blobs[1])
