"""Check one entry by the replay law.

Its message is what its event renders to, ``check`` passes on its parent's
state, and ``apply`` gives its tree, byte for byte. Nothing is written.
"""

from __future__ import annotations

from collections.abc import Mapping

from gitcoord.core import codec
from gitcoord.core.errors import CorruptError, GitcoordError, UnavailableError
from gitcoord.core.events import Event
from gitcoord.core.ids import Oid
from gitcoord.core.machine import apply, check
from gitcoord.core.messages import author_of, parse
from gitcoord.core.operations.rollbacks import survivors
from gitcoord.core.snapshot import Snapshot
from gitcoord.ledger.ledger import Ledger
from gitcoord.ledger.writing import encoded
from gitcoord.store.protocol import BlobRef, EntryObject, MissingObjectError, Store, TreeItem
from gitcoord.store.reader import RecordCache, TreeReader

__all__ = ["cut_off", "illegal", "replay_entry"]


def illegal(oid: Oid, what: str) -> CorruptError:
    """Return the error of an entry that breaks the rules."""
    return CorruptError(
        f"entry {oid[:12]} is illegal: {what}",
        entry=oid,
        hint="nothing was changed; compare with another clone of the ledger",
    )


def cut_off(oid: Oid) -> UnavailableError:
    """Return the error for what lies before the first entry of this clone."""
    return UnavailableError(
        f"the history in this clone begins with entry {oid[:12]}, and what was before it is needed",
        hint="`git fetch --unshallow` with the remote and the ledger's ref brings it",
        entry=oid,
    )


def replay_entry(ledger: Ledger, entry: EntryObject, cache: RecordCache) -> None:
    """Check one entry by the replay law.

    Raises:
        CorruptError: It is illegal, or an object of it cannot be read.
        UnavailableError: The history in this clone begins with it: what was before it is
            not known.

    """
    if entry.is_cut:
        raise cut_off(entry.oid)
    event = parse(entry.message, entry.oid)
    parent = None
    parent_tree = None
    if entry.parents:
        parent = ledger.store.read_entry(entry.parents[0])
        parent_tree = parent.tree
    if (event["op"] == "init") != (parent is None):
        raise illegal(entry.oid, "a ledger begins with init, and with nothing else")
    if (entry.author, entry.author_email) != author_of(event["agent"], ledger.name):
        raise illegal(
            entry.oid, f"its author is {entry.author}, and its event says {event['agent']}"
        )
    if entry.time != event["time"] or (parent is not None and entry.time < parent.time):
        raise illegal(entry.oid, "its time is not its event's, or is before its parent's")
    if event.get("forward") is True:
        parent_tree = _chosen_tree(ledger, entry, event)
    before = Snapshot(TreeReader(ledger.store, parent_tree, entry.oid, cache), entry.oid)
    if event["op"] == "rollback":
        _verify_rollback(ledger, entry, event, before)
    try:
        check(before, event)
        changes = encoded(apply(before, event))
    except CorruptError:
        raise
    except GitcoordError as error:
        raise illegal(entry.oid, f"{event['op']} was not allowed: {error.message}") from None
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise illegal(entry.oid, f"its event is malformed ({type(error).__name__})") from None
    try:
        wrong = _first_difference(ledger.store, parent_tree, entry.tree, changes)
    except MissingObjectError as error:
        raise illegal(entry.oid, f"an object of its tree cannot be read: {error}") from None
    if wrong:
        raise illegal(entry.oid, f"{wrong} is not what its event makes of it")


def _chosen_tree(ledger: Ledger, entry: EntryObject, event: Event) -> Oid:
    """Return the state that an appended rollback goes back to: an earlier entry's, of its chain."""
    if (event["abandoned"],) != entry.parents:
        raise illegal(entry.oid, "its parent is not the entry that it says it abandons")
    oid: Oid | None = entry.parents[0]
    while oid is not None:
        above = ledger.store.read_entry(oid)
        if oid == event["onto"]:
            return above.tree
        if above.is_cut:
            raise cut_off(oid)
        oid = above.parents[0] if above.parents else None
    raise illegal(entry.oid, "it goes back to what is not an entry before it")


def _verify_rollback(ledger: Ledger, entry: EntryObject, event: Event, chosen: Snapshot) -> None:
    """Compare a rollback with what it abandoned, while the attic keeps it."""
    if not event["forward"] and (event["onto"],) != entry.parents:
        raise illegal(entry.oid, "its parent is not the entry that it says it goes back to")
    try:
        tip = ledger.snapshot(event["abandoned"])
    except CorruptError:
        return
    carried = {agent["id"]: ledger.store.hash_blob(codec.dump(agent)) for agent in tip.agents()}
    if event["epoch"] != tip.settings()["epoch"] + 1 or event["carried"] != carried:
        raise illegal(entry.oid, "its epoch or its agents are not the abandoned tip's")
    if event["surviving"] != survivors(chosen, tip):
        raise illegal(entry.oid, "what survives it is not what both sides hold")


def _first_difference(
    store: Store, old: Oid | None, new: Oid, changes: Mapping[str, bytes | BlobRef | None]
) -> str | None:
    """Compare the tree with what ``apply`` says, without writing anything."""
    wanted = {path: _oid_of(store, change) for path, change in changes.items()}
    old_top = None
    if old is not None:
        old_top = TreeItem(old, is_tree=True)
    changed: dict[str, Oid | None] = {}
    _collect(store, "", old_top, TreeItem(new, is_tree=True), changed)
    for path, oid in sorted(changed.items()):
        if path not in wanted or wanted[path] != oid:
            return path
    # The oid is right; a byte on the disk may not be.
    for blob in {oid for oid in changed.values() if oid is not None}:
        store.read_blob(blob)
    for path, oid in sorted(wanted.items()):
        if path not in changed and _at(store, new, path) != oid:
            return path
    return None


def _oid_of(store: Store, change: bytes | BlobRef | None) -> Oid | None:
    """Return the oid that a changed record has; None where it is removed."""
    if change is None:
        return None
    if isinstance(change, BlobRef):
        return change.oid
    return store.hash_blob(change)


def _at(store: Store, tree: Oid, path: str) -> Oid | None:
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
    changed: dict[str, Oid | None],
) -> None:
    """Collect the blobs that differ between two folders, each with its new oid."""
    olds, news = _items_of(store, old), _items_of(store, new)
    for name in olds.keys() | news.keys():
        before, after = olds.get(name), news.get(name)
        if before == after:
            continue
        here = f"{path}/{name}" if path else name
        old_folder, new_folder = _folder(before), _folder(after)
        if old_folder or new_folder:
            _collect(store, here, old_folder, new_folder, changed)
        if after is not None and not after.is_tree:
            changed[here] = after.oid
        elif before is not None and not before.is_tree:
            changed[here] = None


def _items_of(store: Store, folder: TreeItem | None) -> Mapping[str, TreeItem]:
    if folder is None:
        return {}
    return store.read_tree(folder.oid)


def _folder(item: TreeItem | None) -> TreeItem | None:
    """Return an item that is a folder; None for anything else."""
    if item is None or not item.is_tree:
        return None
    return item
