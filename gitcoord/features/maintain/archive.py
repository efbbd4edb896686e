"""Close a finished ledger: a tag keeps its entries, and everything else of it goes.

On a server one push makes the tag and removes the ledger's refs, all or none.
Whoever is killed after that finds the tag there, and ends here what is left.
"""

from __future__ import annotations

import shutil
from contextlib import suppress

from gitcoord.core.errors import RefusedError, UnavailableError
from gitcoord.core.ids import Oid
from gitcoord.core.refs import archive_ref, archive_refs, ledger_ref, own_refs, tracking_ref
from gitcoord.core.shapes import NamedTuple
from gitcoord.core.snapshot import Snapshot
from gitcoord.core.streams import has_landed, is_stream
from gitcoord.features.land.branches import reclaim_branches
from gitcoord.features.setup import agents
from gitcoord.features.workspace import Workspace
from gitcoord.git.homes import forget_home, home_of
from gitcoord.git.merges import is_ancestor
from gitcoord.git.remotes import Update
from gitcoord.ledger.ending import end_refs
from gitcoord.store.protocol import ContendedError, Store
from gitcoord.store.remote_store import RemoteStore

__all__ = ["Archived", "archive", "followed"]

MAX_NAMED = 5


class Archived(NamedTuple):
    """A ledger that is closed: its tag, its last entry, and the work branches that went."""

    tag: str
    entry: Oid
    branches: list[str]


def archive(work: Workspace) -> Archived:
    """Close a ledger whose phases have all landed.

    Its agents go first, with their worktrees, where nothing in them would be
    lost. If it fails before the tag is made, the ledger stands.

    Raises:
        NotFoundError: There is no ledger.
        RefusedError: A phase has not landed (reason ``not-whole``), an agent
            holds something or has work that would be lost, or the server
            forbids it (reason ``remote``).
        UnavailableError: The server was not reached, or somebody wrote meanwhile.

    """
    snapshot = work.ledger.snapshot()
    _require_over(snapshot)
    names = [agent["id"] for agent in snapshot.agents()]
    for name in names:
        agents.require_removable(work, snapshot, name)
    for name in names:
        agents.remove(work, name, "archived")
    branches = reclaim_branches(work, work.ledger.snapshot())
    snapshot = work.ledger.snapshot()
    tip = snapshot.oid
    tag = archive_ref(work.ledger.name, work.store.read_entry(tip).time, tip)
    if work.remote is not None:
        _end_on_server(work, work.remote, tag, tip)
    _end_here(work, tag, tip)
    return Archived(tag, tip, branches)


def followed(work: Workspace) -> Archived | None:
    """End in this clone a ledger that was archived on its server; None: it was not.

    Raises:
        UnavailableError: The server was not reached.

    """
    remote = work.remote
    if remote is None:
        return None
    known = remote.tracking.read(work.ledger.ref) or remote.inner.read_ref(work.ledger.ref)
    home = home_of(work.place.common_dir, work.ledger.name)
    if known is None or home is None:
        return None
    server, timeout_s = remote.remote, work.ledger.timeout_s
    place, tags = home.place or work.ledger.ref, f"{archive_refs(work.ledger.name)}*"
    there = server.refs([place, tags], timeout_s=timeout_s)
    if place in there:
        return None
    for tag, tip in sorted(there.items(), reverse=True):
        server.fetch([f"+{tag}:{tag}"], timeout_s=timeout_s)
        if is_ancestor(work.git, known, tip):
            _end_here(work, tag, tip)
            return Archived(tag, tip, [])
    return None


def _end_on_server(work: Workspace, remote: RemoteStore, tag: str, tip: Oid) -> None:
    updates = [Update(work.ledger.ref, tip, None), Update(tag, None, tip)]
    dropped = remote.tracking.list(own_refs(work.ledger.name))
    updates += [Update(ref, oid, None) for ref, oid in dropped.items()]
    try:
        remote.push(updates, work.ledger.ref)
    except ContendedError:
        raise UnavailableError(
            "somebody wrote to the ledger meanwhile",
            hint="look at `gitcoord status`, and try again",
        ) from None


def _require_over(snapshot: Snapshot) -> None:
    """Refuse to close a ledger whose work has not landed.

    Raises:
        RefusedError: Names the phases (reason ``not-whole``).

    """
    phases = snapshot.phases()
    landed = {phase["id"] for phase in phases if phase["state"] == "landed"}
    streams = {phase["id"] for phase in phases if is_stream(phase["spec"])}
    waiting = {phase["id"] for phase in phases} - landed - streams
    for task in snapshot.tasks():
        if not has_landed(task, landed) and task["state"] != "cancelled":
            waiting.add(task["spec"]["phase"])
    if waiting:
        named = ", ".join(sorted(waiting)[:MAX_NAMED])
        raise RefusedError(
            f"these phases have not landed: {named}",
            reason="not-whole",
            hint="land them, or cancel their tasks: `gitcoord status` shows what is left",
        )


def _end_here(work: Workspace, tag: str, tip: Oid) -> None:
    """Remove what this clone keeps of a ledger, and forget where it lived."""
    store: Store = work.store
    if isinstance(store, RemoteStore):
        store = store.inner
    ref, prefix = work.ledger.ref, own_refs(work.ledger.name)
    gone = store.list_refs(prefix)
    here = store.read_ref(ref)
    if here is not None:
        gone[ref] = here
    if work.remote is not None:
        gone |= _copies(store, work.remote.remote.name, work.ledger.name)
    end_refs(work.git, tag, tip, gone)
    forget_home(work.git, work.ledger.name)
    files, name = work.ledger.files, work.ledger.name
    files.observed.unlink(missing_ok=True)
    for folder in ("verified", "upkeep", "remote"):
        (files.root / folder / f"{name}.json").unlink(missing_ok=True)
    for place in files.index.parent.glob(f"{files.index.name}*"):
        with suppress(OSError):
            place.unlink()
    shutil.rmtree(files.pending, ignore_errors=True)


def _copies(store: Store, remote: str, ledger: str) -> dict[str, Oid]:
    """List the copies of what a server holds; those of targets if no other ledger needs them."""
    top = tracking_ref(remote, "")
    ours = tracking_ref(remote, ledger_ref(ledger))
    copies = store.list_refs(top)
    branches = tracking_ref(remote, ledger_ref(""))
    if not any(ref.startswith(branches) and ref != ours for ref in copies):
        return copies
    prefixes = (tracking_ref(remote, own_refs(ledger)), tracking_ref(remote, archive_refs(ledger)))
    return {ref: oid for ref, oid in copies.items() if ref == ours or ref.startswith(prefixes)}
