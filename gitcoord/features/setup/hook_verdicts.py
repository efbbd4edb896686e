"""Judge what git is about to do: the verdicts behind the hooks.

A verdict is early advice. ``complete`` and the landing decide the same
again from objects, whatever hooks ran; so what cannot be judged here is let
through. Nothing is written: neither the ledger nor a file.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path

from gitcoord.core import ids
from gitcoord.core.boundary import boundary_of
from gitcoord.core.errors import RefusedError
from gitcoord.core.ids import AgentId, Oid, TaskId, Token
from gitcoord.core.model import TaskRecord
from gitcoord.core.refs import HEADS, ledger_ref
from gitcoord.core.shapes import NamedTuple
from gitcoord.core.snapshot import Snapshot
from gitcoord.git.places import Place
from gitcoord.git.program import Git, GitError
from gitcoord.ledger.files import TokenFiles, read_json
from gitcoord.store.open import open_store
from gitcoord.store.protocol import Store
from gitcoord.store.reader import RecordCache, open_snapshot

__all__ = ["EVENTS", "look"]

LANDS = "`gitcoord phase land PHASE` moves it"


class _Kept(NamedTuple):
    """A claim that this place keeps a token of; ``agent`` is its holder."""

    ledger: str
    agent: AgentId
    task: TaskId
    token: Token


class _Held(NamedTuple):
    """A kept claim that is current, with the state that says so."""

    snapshot: Snapshot
    task: TaskRecord
    branch: str


class _Repository:
    """What the hooks read of a repository."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.git = Git(place.worktree or place.git_dir, place.git_dir)
        self._store: Store | None = None
        self._snapshots: dict[str, Snapshot | None] = {}

    def close(self) -> None:
        """End what was started for reading."""
        if self._store is not None:
            self._store.close()

    @cached_property
    def head(self) -> str:
        """The branch that is checked out, in full; nothing if none is.

        Asked of git once: a process for each look is a tenth of what a hook takes.
        """
        return self.git.ask("symbolic-ref", "-q", "HEAD").text

    def snapshot(self, ledger: str) -> Snapshot | None:
        """Open a ledger's newest state, or None where it is gone."""
        if ledger not in self._snapshots:
            if self._store is None:
                self._store = open_store(self.place, is_durable=False, is_one_shot=True)
            tip = self._store.read_ref(ledger_ref(ledger))
            if tip:
                self._snapshots[ledger] = open_snapshot(self._store, tip, RecordCache())
            else:
                self._snapshots[ledger] = None
        return self._snapshots[ledger]

    def ledgers(self) -> list[str]:
        """Return the ledgers whose target counts here.

        In an agent's worktree that is the agent's, elsewhere each.
        """
        marker = read_json(self.place.git_dir / "gitcoord" / "agent.json") or {}
        if ids.is_id(marker.get("ledger")):
            return [str(marker["ledger"])]
        return self.all_ledgers()

    def all_ledgers(self) -> list[str]:
        """Return every ledger."""
        if self._store is None:
            self._store = open_store(self.place, is_durable=False, is_one_shot=True)
        return [ref.removeprefix(ledger_ref("")) for ref in self._store.list_refs(ledger_ref(""))]

    def targets(self) -> list[str]:
        """Return each target as a full ref."""
        snapshots = map(self.snapshot, self.ledgers())
        return [snapshot.target() for snapshot in snapshots if snapshot is not None]

    def landed(self, target: str) -> list[Oid]:
        """Return a target's tip after the last landing of each ledger that lands there."""
        snapshots = map(self.snapshot, self.all_ledgers())
        return [
            one.settings()["target_tip"]
            for one in snapshots
            if one is not None and one.target() == target
        ]


def look(event: str, place: Place, lines: Iterable[str] = ()) -> str:
    """Judge one event of git; return what is worth saying, or nothing.

    ``lines`` are those of the hook's standard input.

    Raises:
        RefusedError: ``boundary``, or ``target``: it moves by landing only.

    """
    repository = _Repository(place)
    try:
        if event == "pre-commit":
            return _look_at_commit(repository)
        if event == "pre-merge-commit":
            _refuse_on_target(repository, repository.targets())
        elif event == "pre-push":
            _look_at_push(repository, lines)
    finally:
        repository.close()
    return ""


EVENTS = ("pre-commit", "commit-msg", "pre-merge-commit", "pre-push", "reference-transaction")
"""What there is a hook for; ``commit-msg`` and the last decide by themselves."""


def _look_at_commit(repository: _Repository) -> str:
    """Hold a commit to the boundary of the claim that it belongs to."""
    kept = list(_kept(repository.place, repository.head))
    held = [found for one in kept if (found := _held(repository, one)) is not None]
    branch = repository.head
    if len(held) > 1:
        # Which of them it is for only its branch can tell.
        held = [one for one in held if one.branch == branch]
    if not held:
        over = [one for one in kept if branch.endswith(f"-{one.token[:6]}")]
        if not over:
            return ""
        return f"the claim on task {over[0].task} is over: no task takes this commit"
    snapshot, task, _ = held[0]
    of = [one for one in kept if one.task == task["id"]]
    _refuse_on_target(repository, [snapshot.target()])
    from gitcoord.git.results import inspect_staged

    claim = task["claim"]
    boundary = boundary_of(snapshot, task, snapshot.agent(claim["agent"]) if claim else None)
    index = Path(
        os.path.realpath(os.environ.get("GIT_INDEX_FILE") or repository.place.git_dir / "index")
    )
    try:
        inspect_staged(repository.git, index, _merging(repository.place), boundary)
    except RefusedError as error:
        plan = snapshot.plan()
        if plan is not None and plan.get("widening") == "free":
            # Whoever may write asks with these whether the claim is widened.
            own = {"ledger": of[0].ledger, "agent": of[0].agent, "token": of[0].token}
            error.facts |= {**own, "task": task["id"]}
        raise
    return ""


def _kept(place: Place, branch: str) -> Iterator[_Kept]:
    """Find the claims that somebody at work in this place may hold.

    An agent without a worktree keeps its tokens beside the repository; they
    count for it where it says who it is, and on the claim's own branch.
    """
    own = [(path.name, "") for path in (place.git_dir / "gitcoord" / "claims").glob("*")]
    named, token = os.environ.get("GITCOORD_AGENT", ""), os.environ.get("GITCOORD_CLAIM", "")
    others = place.common_dir / "gitcoord" / "agents"
    for ledger, agent in own + [(path.parent.name, path.name) for path in others.glob("*/*")]:
        if agent:
            folder = others / ledger / agent
        else:
            folder = place.git_dir / "gitcoord"
        for one in TokenFiles(folder, ledger).all():
            found = _Kept(
                ledger,
                AgentId(str(one.get("agent", ""))),
                TaskId(one["task"]),
                Token(one["token"]),
            )
            is_meant = not agent or agent == named or branch.endswith(f"-{found.token[:6]}")
            if found.token == token or (is_meant and not token):
                yield found


def _held(repository: _Repository, kept: _Kept) -> _Held | None:
    """Open a kept claim, if its token is the task's current one."""
    snapshot = None
    if ids.is_id(kept.ledger):
        snapshot = repository.snapshot(kept.ledger)
    task = None
    if snapshot is not None and ids.is_id(kept.task):
        task = snapshot.task(kept.task)
    if (
        snapshot is None
        or task is None
        or task["claim"] is None
        or task["claim"]["token"] != kept.token
    ):
        return None
    return _Held(snapshot, task, HEADS + task["claim"]["branch"])


def _merging(place: Place) -> Oid | None:
    """Return the commit that a merge is about to bring in, if one is made."""
    try:
        heads = (place.git_dir / "MERGE_HEAD").read_text("ascii").split()
    except OSError:
        return None
    if len(heads) > 1:
        raise RefusedError(
            "a claim's commit may merge one other commit, and this one merges several",
            reason="boundary",
            hint="merge only the target or results of needed tasks, one at a time",
        )
    if not heads:
        return None
    return Oid(heads[0])


def _refuse_on_target(repository: _Repository, targets: Iterable[str]) -> None:
    for target in targets:
        if target == repository.head:
            raise _target_error(
                f"{target.removeprefix(HEADS)} is checked out, and it moves by landing only"
            )


def _target_error(text: str) -> RefusedError:
    return RefusedError(text, reason="target", hint=f"work on the claim's branch; {LANDS}")


def _look_at_push(repository: _Repository, lines: Iterable[str]) -> None:
    """Let a target be pushed as far as it has landed, and nothing else."""
    from gitcoord.git.merges import is_ancestor

    targets = repository.targets()
    for line in lines:
        words = line.split()
        if len(words) != 4 or words[2] not in targets:
            continue
        oid, goal = Oid(words[1]), words[2].removeprefix(HEADS)
        if not oid.strip("0"):
            raise _target_error(f"this push would delete the target {goal}")
        tips = repository.landed(words[2])
        if not any(is_ancestor(repository.git, oid, tip) for tip in tips):
            raise _target_error(f"this push would move {goal} to {oid[:12]}, which has not landed")
        if oid not in tips and not _goes_forward(repository, Oid(words[3]), oid):
            # Only a rollback takes it back, and then the older tip is the ledger's.
            raise _target_error(f"this push would take {goal} back to {oid[:12]}")


def _goes_forward(repository: _Repository, there: Oid, oid: Oid) -> bool:
    """Return whether a push keeps all that a remote has; what is unknown here it does not."""
    from gitcoord.git.merges import is_ancestor

    try:
        return not there.strip("0") or is_ancestor(repository.git, there, oid)
    except GitError:
        return False
