"""Look at worktrees, branches and lock files for leftovers of dead processes."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

from gitcoord.core import ids
from gitcoord.core.ids import NO_OID, AgentId, Oid, TaskId
from gitcoord.core.refs import branch_name, branch_ref, own_refs
from gitcoord.core.snapshot import Snapshot
from gitcoord.features.maintain.findings import Finding, fine, problem
from gitcoord.features.maintain.litter import clear_litter
from gitcoord.features.prepared import failed_setup
from gitcoord.features.setup.agents import IGNORE_HINT, exposed
from gitcoord.features.workspace import Workspace
from gitcoord.git.places import TABLES, discover
from gitcoord.host.open_files import is_open_for_writing
from gitcoord.host.strays import git_standing_in
from gitcoord.ledger.files import read_json
from gitcoord.ledger.pending import HINTS
from gitcoord.store.protocol import MissingObjectError
from gitcoord.store.queue import QueueLock
from gitcoord.store.stale_locks import remove_stale_lock

__all__ = ["broken_refs", "hooks", "leftovers", "orphans", "worktrees"]

OLD_S = 60.0


def worktrees(work: Workspace, snapshot: Snapshot | None, fix: bool) -> Iterator[Finding]:
    """Compare the agents' worktrees with what is there."""
    from gitcoord.git.local_changes import exposed_in
    from gitcoord.git.worktrees import hidden_checkout, is_half_made, list_all

    listed = {os.path.realpath(one.path) for one in list_all(work.git)}
    count = 0
    for agent in snapshot.agents() if snapshot else ():
        known = read_json(work.agent_folder(agent["id"]) / "worktree.json")
        if known is None:
            continue
        place = work.worktree_of(agent["id"]) or Path(str(known.get("path", "")))
        count += 1
        if is_half_made(work.git, place):
            yield problem(
                "worktrees",
                f"the worktree of {agent['id']} at {place} was never finished",
                f"gitcoord agent remove {agent['id']}, and add it again",
            )
        elif not (place / ".git").exists():
            yield problem(
                "worktrees",
                f"the worktree of {agent['id']} at {place} is gone",
                f"move it back there, or gitcoord agent remove {agent['id']} and add it again",
            )
        elif failed_setup(work, agent["id"]):
            yield problem(
                "worktrees",
                f"the setup of {agent['id']}'s worktree failed: it is offered no task",
                f"gitcoord agent setup {agent['id']} (the log: {failed_setup(work, agent['id'])})",
            )
        elif work.worktree_of(agent["id"]) is None:
            yield problem(
                "worktrees",
                f"{place}, where {agent['id']} is said to work, is not its worktree in this "
                "repository: one of the two was copied or moved",
                f"gitcoord agent add {agent['id']} makes one here; a worktree that was moved is "
                "found again by git worktree repair PATH",
            )
        elif os.path.realpath(place) not in listed:
            yield problem(
                "worktrees",
                f"git does not know the worktree of {agent['id']} at {place}",
                "git worktree repair, run in the main worktree, with that path",
            )
        elif (around := exposed_in(place)) is not None:
            yield problem("worktrees", exposed(agent["id"], place, around), IGNORE_HINT)
    hidden = hidden_checkout(work.git)
    if hidden is not None:
        yield problem(
            "worktrees",
            f"core.bare is set, and {hidden} looks like a checkout: landings cannot bring it along",
            "if it is one: git config core.bare false",
        )
    yield fine("worktrees", f"{count} of agents, {len(listed)} in all")
    yield from _index_locks(work, fix)


def hooks(work: Workspace, _snapshot: Snapshot | None, _fix: bool) -> Iterator[Finding]:
    """Yield which hooks git would really run in each worktree."""
    from gitcoord.features.setup.hooks import status

    told: dict[tuple[str, ...], dict[str, list[str]]] = {}
    for row in status(work):
        told.setdefault((str(Path(row.path).parent), *row.worktrees), {}).setdefault(
            row.runs, []
        ).append(row.event)
        if row.problem:
            yield problem(
                "hooks", f"{row.event}: {row.problem}", "`gitcoord hooks status` shows all of them"
            )
    for (folder, *places), runs in told.items():
        names = ", ".join(Path(place).name for place in places[:3]) + (
            " ..." if len(places) > 3 else ""
        )
        yield fine(
            "hooks",
            f"in {names} git looks in {folder} and runs "
            + "; ".join(f"{what} for {', '.join(events)}" for what, events in runs.items()),
        )


def broken_refs(work: Workspace, snapshot: Snapshot | None, fix: bool) -> Iterator[Finding]:
    """Look for refs of ours whose files hold no oid, and fix what is known."""
    prefix = own_refs(work.ledger.name)
    for ref in work.store.broken_refs(prefix):
        oid = _oid_of(work, ref.removeprefix(prefix))
        if not fix or not oid:
            yield problem(
                "refs",
                f"the ref {ref} is broken",
                "--fix repairs it" if oid else "look at it, and remove its file",
            )
            continue
        work.ledger.hints.keep(ref, oid)
        yield fine("refs", f"the ref {ref} was broken", f"it is at {oid[:12]} again")
    for ref in work.store.broken_refs("refs/heads/gitcoord/"):
        yield problem(
            "refs", f"the ref {ref} is broken", f"`git reflog show {ref}` names its values"
        )
    if snapshot is not None:
        lock = work.place.common_dir / f"{work.target(snapshot)}.lock"
        yield from _foreign_lock(work, lock, work.place.worktree or work.place.common_dir, fix)


def _oid_of(work: Workspace, name: str) -> Oid:
    """Return the oid that a broken ref held, as far as its name or the history tells."""
    kind, _, rest = name.partition("/")
    last = Oid(rest.rpartition("/")[2])
    if kind == "beats":
        return work.store.write_blob(f"torn {work.clock.token()}\n".encode())
    if kind in {"results", "landing"} and ids.is_oid(last):
        if _is_there(work, last):
            return last
        return NO_OID
    if kind == "attic":
        from gitcoord.features.land.rollbacks import rollbacks

        short = last.rpartition("-")[2]
        for one in rollbacks(work):
            code = one["code"] or {}
            for oid in (one["abandoned"], code.get("old"), code.get("new")):
                if oid and short and oid.startswith(short) and _is_there(work, oid):
                    return Oid(oid)
    return NO_OID


def _is_there(work: Workspace, oid: Oid) -> bool:
    try:
        work.store.read_entry(oid)
    except MissingObjectError:
        return False
    return True


def _index_locks(work: Workspace, fix: bool) -> Iterator[Finding]:
    from gitcoord.git.refs import head_lock
    from gitcoord.git.worktrees import list_all

    for one in list_all(work.git):
        if not one.path.is_dir():
            continue
        for lock in (discover(one.path).git_dir / "index.lock", head_lock(one.path)):
            yield from _foreign_lock(work, lock, one.path, fix)


def _foreign_lock(work: Workspace, lock: Path, place: Path, fix: bool) -> Iterator[Finding]:
    """Report a lock of git's own; remove it only if no git can be at work."""
    try:
        age_s = work.clock.seconds() - lock.lstat().st_mtime
    except OSError:
        return
    if is_open_for_writing(lock):
        yield problem("locks", f"{lock} is there, and a living process holds it", "wait for it")
        return
    owner = git_standing_in(place)
    text = f"{lock} is {ids.show_duration(int(age_s * 1000))} old"
    if owner is not None:
        yield problem("locks", f"{text}, and process {owner} works there", "wait for it")
    elif age_s < OLD_S or not fix or sys.platform != "linux":
        yield problem(
            "locks",
            f"{text}, and no git seems to work there",
            "doctor --fix removes it once it is a minute old"
            if sys.platform == "linux"
            else "look who made it",
        )
    else:
        lock.unlink(missing_ok=True)
        yield fine("locks", text, "no git worked there: it was removed")


def leftovers(work: Workspace, _snapshot: Snapshot | None, fix: bool) -> Iterator[Finding]:
    """Look for operations and ref locks of dead processes."""
    found = 0
    for path, known in work.ledger.pending.of_dead():
        found += 1
        text = (
            f"a dead process left {known.get('op', 'an operation')} {known.get('task', '')} of "
            f"{path.parent.name}"
        ).rstrip()
        if not fix:
            yield problem("leftovers", text, "that agent's next command settles it; so does --fix")
        elif path.parent.name == HINTS:
            yield fine("leftovers", text, "it is forgotten once no lock of it is left")
        else:
            settled = work.ledger.settle(AgentId(path.parent.name))
            told = ", ".join(
                f"{one.op} {'was' if one.is_applied else 'was not'} done" for one in settled
            )
            yield fine("leftovers", text, told or "it stays until the ledger moves on")
    if fix:
        for name in clear_litter(work):
            found += 1
            yield fine("leftovers", name, "a dead process left it: it was removed")
    for lock in _ref_locks(work):
        found += 1
        if not fix:
            yield problem(
                "locks",
                f"{lock} stands in the way",
                "the next writer removes it if its maker is dead; so does --fix",
            )
            continue
        healing = QueueLock(work.ledger.files.healing_lock)
        if remove_stale_lock(lock, work.ledger.files.root / "pending", healing, work.clock):
            yield fine("locks", f"{lock} stood in the way", "its maker is dead: it was removed")
        else:
            yield problem(
                "locks", f"{lock} stands in the way, and its maker may live", "wait for it"
            )
    if not found:
        yield fine("leftovers", "none")


def _ref_locks(work: Workspace) -> list[Path]:
    common = work.place.common_dir
    folders = (
        common / "refs" / "heads" / "gitcoord",
        common / "refs" / "gitcoord" / work.ledger.name,
    )
    found = [path for folder in folders for path in folder.rglob("*.lock")]
    found += [path for path in [common / "packed-refs.lock"] if path.exists()]
    return [*found, *(common / TABLES).glob("*.lock")]


def orphans(work: Workspace, snapshot: Snapshot | None, _fix: bool) -> Iterator[Finding]:
    """Look for branches of tasks that are none, and agents' folders without agent."""
    if snapshot is None:
        return
    prefix = branch_ref(f"{snapshot.settings()['task_prefix']}/")
    lost = [
        ref
        for ref in work.store.list_refs(prefix)
        if snapshot.task(TaskId(ref.removeprefix(prefix).split("/")[0])) is None
    ]
    if lost:
        yield problem(
            "branches",
            f"{len(lost)} work branch(es) of tasks that the ledger has not: {branch_name(lost[0])}",
            "look at them, and keep what is worth it; a rollback leaves such branches on purpose",
        )
    agents = {agent["id"] for agent in snapshot.agents()}
    folder = work.agent_folder(AgentId("x")).parent
    for place in sorted(folder.glob("*")) if folder.is_dir() else ():
        known = read_json(place / "worktree.json")
        if place.name not in agents and known is not None and Path(str(known.get("path"))).exists():
            yield problem(
                "worktrees",
                f"{known['path']} was the worktree of {place.name}, which is not an agent any more",
                "look at it, and remove it with git worktree remove when nothing in it is needed",
            )
