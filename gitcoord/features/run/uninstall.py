"""Take gitcoord out of a repository: show what would go, and remove it only when told.

Every ledger of the repository is looked at first. Where an agent of this machine is
at work, or something would be lost with its worktree, nothing goes at all. What is
cut off is gone on with by the same command.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Literal

from gitcoord.core.errors import RefusedError, UnavailableError
from gitcoord.core.ids import AgentId, Oid
from gitcoord.core.refs import HEADS, attic_refs, beat_refs, branch_name, ledger_ref, own_refs
from gitcoord.core.shapes import NamedTuple
from gitcoord.core.snapshot import Snapshot
from gitcoord.features.assist import more_setups, setups
from gitcoord.features.assist.file_changes import apply_changes
from gitcoord.features.assist.setups import Planned, Scope
from gitcoord.features.land.branches import landed_branches, reclaim_branches
from gitcoord.features.maintain.ledgers import ledger_names
from gitcoord.features.run.begun import is_of_run
from gitcoord.features.run.tidy import held_seat
from gitcoord.features.setup import agents, hooks, trust
from gitcoord.features.workspace import Workspace, open_workspace
from gitcoord.git.exclusions import include
from gitcoord.git.merges import rev_list
from gitcoord.ledger.ending import drop_refs
from gitcoord.store.protocol import Store
from gitcoord.store.remote_store import RemoteStore

__all__ = ["Item", "KeptItem", "Uninstalled", "uninstall"]

Kind = Literal[
    "agent", "branch", "configuration", "folder", "hook", "ledger", "ref", "settings", "trust"
]
_SCOPES: tuple[Scope, ...] = ("local", "project")
_COPIES = "refs/gitcoord-remotes/"
_KEPT = "kept"
"""The private folder of what commands left in worktrees and git could not commit."""


class Item(NamedTuple):
    """One thing that goes."""

    kind: Kind
    what: str


class KeptItem(NamedTuple):
    """One thing that stays, and why."""

    what: str
    why: str


class Uninstalled(NamedTuple):
    """What goes, or went, and what stays."""

    items: list[Item]
    kept: list[KeptItem]


def uninstall(work: Workspace, *, is_told: bool, with_ledger: bool) -> Uninstalled:
    """List what gitcoord has in the repository; with ``is_told`` remove it.

    The branch of each ledger, and what it needs of its refs, go only
    ``with_ledger``; on a server nothing is removed. A commit that nothing else
    holds stays with its ref or branch. What a user's own settings hold is left.

    Raises:
        RefusedError: An agent here holds a claim (``holds-claims``), its run goes on
            (``state``), or work of it would be lost (``uncommitted``, ``unmerged``,
            ``standing-here``): nothing was removed.
        UnavailableError: A file or a ref cannot be removed; what went is gone, and
            the same command goes on.

    """
    with ExitStack() as stack:
        ledgers = [stack.enter_context(closing(_opened(work, one))) for one in ledger_names(work)]
        seen = Uninstalled([], [])
        for one in ledgers:
            _look_at_ledger(one, seen, with_ledger=with_ledger)
        _look_at_the_rest(work, ledgers, seen)
        if is_told:
            for one in ledgers:
                _remove_ledger(one, with_ledger=with_ledger)
            _remove_the_rest(work, ledgers)
    return seen


def _opened(work: Workspace, name: str) -> Workspace:
    start = work.place.worktree or work.place.common_dir
    return open_workspace(start, name, clock=work.clock, timeout_s=work.ledger.timeout_s)


# ledgers


def _look_at_ledger(work: Workspace, seen: Uninstalled, *, with_ledger: bool) -> None:
    snapshot = work.ledger.snapshot()
    places = {}
    for agent in _agents_here(work, snapshot):
        _refuse_busy(work, snapshot, agent)
        place = work.worktree_of(agent)
        places[agent] = place
        seen.items.append(Item("agent", agent if place is None else f"{agent}, with {place}"))
    leaving = [place for place in places.values() if place is not None]
    branches = landed_branches(work, snapshot, leaving)
    seen.items.extend(Item("branch", branch_name(ref)) for ref in sorted(branches))
    of_tasks = f"{HEADS}{snapshot.settings()['task_prefix']}/"
    for ref in sorted(_store(work).list_refs(of_tasks).keys() - branches.keys()):
        seen.kept.append(KeptItem(branch_name(ref), "its work has not landed"))
    gone, held = _refs(work, branches, with_ledger=with_ledger)
    for ref in sorted(gone):
        if ref == work.ledger.ref:
            seen.items.append(Item("ledger", branch_name(ref)))
        else:
            seen.items.append(Item("ref", ref))
    seen.kept.extend(KeptItem(ref, why) for ref, why in sorted(held.items()))
    if work.remote is not None:
        name = work.remote.remote.name
        seen.kept.append(KeptItem(f"ledger {work.ledger.name} on {name}", "it is the server's"))


def _agents_here(work: Workspace, snapshot: Snapshot) -> list[AgentId]:
    """List the agents of a ledger that this machine knows."""
    names = [record["id"] for record in snapshot.agents()]
    return [
        name
        for name in names
        if work.worktree_of(name) is not None or work.agent_folder(name).is_dir()
    ]


def _refuse_busy(work: Workspace, snapshot: Snapshot, agent: AgentId) -> None:
    """Refuse to take an agent away that is at work, or whose work would be lost.

    Raises:
        RefusedError: As ``uninstall`` does.

    """
    tasks = [task["id"] for task, claim in snapshot.claims() if claim["agent"] == agent]
    if tasks:
        raise RefusedError(
            f"agent {agent} holds {', '.join(tasks[:5])}; nothing was removed",
            reason="holds-claims",
            hint="let it finish, or `gitcoord release` it as that agent",
        )
    if is_of_run(agent):
        with held_seat(work, agent) as is_free:
            if not is_free:
                raise RefusedError(
                    f"a run that goes on has {agent}; nothing was removed",
                    reason="state",
                    hint="end it with Ctrl-C, or wait until it is over",
                )
    agents.require_removable(work, snapshot, agent)


def _refs(
    work: Workspace, branches: dict[str, Oid], *, with_ledger: bool
) -> tuple[dict[str, Oid], dict[str, str]]:
    """Return the refs that go, and those that stay with the reason."""
    store, own = _store(work), own_refs(work.ledger.name)
    gone = store.list_refs(_COPIES)
    mine = store.list_refs(own)
    here = store.read_ref(work.ledger.ref)
    held: dict[str, str] = {}
    beats, attic = beat_refs(work.ledger.name), attic_refs(work.ledger.name)
    commits = {ref: oid for ref, oid in mine.items() if not ref.startswith((beats, attic))}
    ledgers = ledger_ref("")
    others = [
        oid
        for ref, oid in store.list_refs(HEADS).items()
        if ref not in branches and not ref.startswith(ledgers)
    ]
    lost = set(rev_list(work.git, sorted(set(commits.values())), others)) if commits else set()
    for ref, oid in mine.items():
        if ref in commits and oid in lost:
            held[ref] = "no branch holds its commits"
        elif ref.startswith(attic) and not with_ledger:
            held[ref] = "it is the ledger's"
        else:
            gone[ref] = oid
    if here is not None and with_ledger:
        gone[work.ledger.ref] = here
    elif here is not None:
        held[branch_name(work.ledger.ref)] = "--with-ledger removes it"
    return gone, held


def _remove_ledger(work: Workspace, *, with_ledger: bool) -> None:
    """Remove agents, branches and refs, in this order: each says what the next may take."""
    parents = set()
    for agent in _agents_here(work, work.ledger.snapshot()):
        parents.add(agents.default_worktree(work, agent).parent)
        _, left = agents.remove(work, agent, "uninstalled")
        if left:
            raise UnavailableError("; ".join(left), hint="look at it, and try again")
    for parent in parents:
        with suppress(OSError):
            parent.rmdir()
    reclaim_branches(work, work.ledger.snapshot())
    gone, _ = _refs(work, {}, with_ledger=with_ledger)
    drop_refs(work.git, gone)


def _store(work: Workspace) -> Store:
    """Return the store of this clone, whatever server its ledger is on."""
    store: Store = work.store
    if isinstance(store, RemoteStore):
        return store.inner
    return store


# everything else


def _setups(work: Workspace) -> Iterator[tuple[str, Scope, Planned]]:
    """Plan to take each assistant's settings away; each is looked at when its turn comes."""
    if work.place.main_worktree is None:
        return
    for scope in _SCOPES:
        yield "claude", scope, setups.plan_claude(work, scope, is_removal=True)
        yield "codex", scope, setups.plan_codex(work, scope, is_removal=True)
        yield "gemini", scope, more_setups.plan_gemini(work, scope, is_removal=True)
        yield "copilot", scope, more_setups.plan_copilot(work, scope, is_removal=True)
        yield "opencode", scope, more_setups.plan_opencode(work, scope, is_removal=True)
    yield "agents-md", "project", setups.plan_agents_md(work, is_removal=True)


def _look_at_the_rest(work: Workspace, ledgers: list[Workspace], seen: Uninstalled) -> None:
    for _, _, planned in _setups(work):
        named = [Item("settings", str(one.path)) for one in planned.changes if one.is_needed]
        seen.items.extend(one for one in named if one not in seen.items)
    for step in hooks.uninstall(work, dry_run=True):
        if step.act == "advise":
            seen.kept.append(KeptItem(step.text, "only a person takes these lines out"))
        else:
            seen.items.append(Item("hook", step.text))
    seen.items.extend(Item("configuration", key) for key in _configured(work))
    for one in ledgers:
        if trust.is_recorded(one):
            seen.items.append(Item("trust", f"the commands of ledger {one.ledger.name}"))
    folder = _folder(work)
    if folder.is_dir():
        seen.items.append(Item("folder", str(folder)))
    if _is_filled(folder / _KEPT):
        why = "what commands left there and git could not commit"
        seen.kept.append(KeptItem(str(folder / _KEPT), why))


def _remove_the_rest(work: Workspace, ledgers: list[Workspace]) -> None:
    main = work.place.main_worktree
    for assistant, scope, planned in _setups(work):
        apply_changes(planned.changes)
        if scope == "local" and main is not None:
            include(main, *setups.excluded(assistant, planned))
    hooks.uninstall(work)
    for key in _configured(work):
        work.git.run("config", "--local", "--unset-all", key)
    for one in ledgers:
        trust.forget(one)
    folder = _folder(work)
    for inner in sorted(folder.glob("*")):
        if inner.name == _KEPT and _is_filled(inner):
            continue
        if inner.is_dir() and not inner.is_symlink():
            shutil.rmtree(inner, ignore_errors=True)
        else:
            inner.unlink(missing_ok=True)
    with suppress(OSError):
        folder.rmdir()


def _configured(work: Workspace) -> list[str]:
    args = ("config", "--local", "--name-only", "-z", "--get-regexp", r"^gitcoord\.")
    listed = work.git.run(*args, check=False).stdout.decode("utf-8", "surrogateescape")
    return list(dict.fromkeys(filter(None, listed.split("\0"))))


def _folder(work: Workspace) -> Path:
    return work.place.common_dir / "gitcoord"


def _is_filled(folder: Path) -> bool:
    return any(path.is_file() or path.is_symlink() for path in folder.rglob("*"))
