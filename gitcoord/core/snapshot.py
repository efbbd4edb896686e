"""Read the state as of one entry, record by record, on demand.

A snapshot never changes and loads a record only when it is asked for, so
that a rule costs the same with a hundred tasks and a hundred thousand.
Where the bytes come from is the reader's affair: a tree of git, or a
dictionary in a test.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol, cast

from gitcoord.core import codec, ids
from gitcoord.core.errors import CorruptError, NotFoundError
from gitcoord.core.ids import NO_OID, AgentId, Oid, PhaseId, TaskId
from gitcoord.core.layout import (
    PLAN,
    SETTINGS,
    agent_path,
    escalation_path,
    live_path,
    phase_path,
    task_path,
)
from gitcoord.core.model import (
    MAX_PLAN_BYTES,
    AgentRecord,
    CheckpointRecord,
    Claim,
    Escalation,
    LockRecord,
    NoteRecord,
    PhaseRecord,
    PlanRecord,
    Settings,
    TaskRecord,
)
from gitcoord.core.refs import branch_ref

__all__ = ["BlobOid", "Changes", "Reader", "Snapshot", "put_task"]


class BlobOid(str):
    """Name a blob by its oid where a record could stand instead."""

    __slots__ = ()


Changes = dict[str, Mapping[str, Any] | list[Any] | BlobOid | None]
"""Paths of the tree with their new record; None removes the path."""


class Reader(Protocol):
    """Give access to the files of one tree."""

    def record(self, path: str) -> Any | None:
        """Return the parsed record at a path, or None where there is none."""

    def names(self, folder: str) -> list[str]:
        """List the names in a folder, sorted; empty where there is none."""

    def blob(self, oid: Oid) -> bytes:
        """Return a blob that an event names."""

    def file(self, path: str) -> bytes | None:
        """Return the bytes at a path, or None where there is nothing."""


def put_task(changes: Changes, task: TaskRecord) -> None:
    """Change a task's record, and its copy among those that a lease holds."""
    changes[task_path(task["id"])] = task
    is_live = task["claim"] is not None or any(
        review["verdict"] is None for review in task["reviews"]
    )
    changes[live_path(task["id"])] = None
    if is_live:
        changes[live_path(task["id"])] = task


class Snapshot:
    """The state of a ledger as of one entry."""

    __slots__ = ("_below", "_live", "_reader", "oid")

    def __init__(
        self,
        reader: Reader,
        oid: Oid = NO_OID,
        below: tuple[Snapshot, Changes] | None = None,
    ) -> None:
        self._reader = reader
        self.oid = oid
        self._below = below
        self._live: tuple[TaskRecord, ...] | None = None

    def settings(self) -> Settings:
        """Return the ledger's own settings."""
        return cast("Settings", self._require(SETTINGS))

    def plan(self) -> PlanRecord | None:
        """Return the plan's record, or None before the first plan."""
        return cast("PlanRecord | None", self._reader.record(PLAN))

    def target(self) -> str:
        """Return the target branch as a full ref."""
        plan = self.plan()
        if plan is None:
            return self.settings()["target"]
        return branch_ref(plan["target"])

    def task(self, task: TaskId) -> TaskRecord | None:
        """Return a task, or None where the ledger has none of that id."""
        return cast("TaskRecord | None", self._reader.record(task_path(task)))

    def require_task(self, task: TaskId) -> TaskRecord:
        """Return a task.

        Raises:
            NotFoundError: The ledger has no task of that id.

        """
        record = None
        if ids.is_id(task):
            record = self.task(task)
        if record is None:
            raise NotFoundError(
                f"there is no task {codec.printable(task)!r}",
                hint="`gitcoord tasks` lists them",
                task=task,
            )
        return record

    def held_task(self, task: TaskId) -> TaskRecord:
        """Return a task that a lease holds: it stands in one small folder with the others.

        Raises:
            NotFoundError: The ledger has no task of that id.

        """
        record = None
        if ids.is_id(task):
            record = cast("TaskRecord | None", self._reader.record(live_path(task)))
        return record or self.require_task(task)

    def twin(self, task: TaskId) -> str | None:
        """Return an existing id that differs from this one by case alone."""
        first, second = ids.shard(task)
        for name in self._reader.names(f"tasks/{first}/{second}"):
            other = name.removesuffix(".json")
            if other != task and other.casefold() == task.casefold():
                return other
        return None

    def tasks(self) -> Iterator[TaskRecord]:
        """Read every task; the only reads that grow with the plan."""
        for first in self._reader.names("tasks"):
            for second in self._reader.names(f"tasks/{first}"):
                for name in self._reader.names(f"tasks/{first}/{second}"):
                    yield cast("TaskRecord", self._require(f"tasks/{first}/{second}/{name}"))

    def tasks_of(self, phase: PhaseId) -> list[TaskRecord]:
        """Read every task, and return those of a phase."""
        return [task for task in self.tasks() if task["spec"]["phase"] == phase]

    def live(self) -> tuple[TaskRecord, ...]:
        """Return every task with a claim or a running review."""
        if self._live is None:
            # Asked for by every rule about capacity, paths and tokens.
            if self._below is None:
                self._live = tuple(self._folder("live"))
            else:
                self._live = _live_above(*self._below)
        return self._live

    def claims(self) -> list[tuple[TaskRecord, Claim]]:
        """Return every claimed task with its claim."""
        found = []
        for task in self.live():
            if task["claim"] is not None:
                found.append((task, task["claim"]))
        return found

    def agent(self, agent: AgentId) -> AgentRecord | None:
        """Return an agent's record, or None where it was not added."""
        return cast("AgentRecord | None", self._reader.record(agent_path(agent)))

    def agents(self) -> list[AgentRecord]:
        """Return every agent."""
        return [cast("AgentRecord", record) for record in self._folder("agents")]

    def phase(self, phase: PhaseId) -> PhaseRecord | None:
        """Return a phase, or None where the plan has none of that id."""
        return cast("PhaseRecord | None", self._reader.record(phase_path(phase)))

    def phases(self) -> list[PhaseRecord]:
        """Return every phase in plan order."""
        found = [cast("PhaseRecord", record) for record in self._folder("phases")]
        return sorted(found, key=lambda phase: phase["order"])

    def is_started(self, phase: PhaseRecord) -> bool:
        """Return whether every phase that this one comes after has landed."""
        befores = [self.phase(before) for before in phase["spec"]["after"]]
        return all(before is not None and before["state"] == "landed" for before in befores)

    def locks(self) -> list[LockRecord]:
        """Return every lock that was taken by hand."""
        return [cast("LockRecord", record) for record in self._folder("locks")]

    def escalations(self) -> list[Escalation]:
        """Return every escalation, open or resolved, oldest first."""
        found = [cast("Escalation", record) for record in self._folder("escalations")]
        return sorted(found, key=lambda escalation: (escalation["at"], escalation["id"]))

    def open_escalations(self) -> list[Escalation]:
        """Return the escalations that wait for an answer, oldest first."""
        return [one for one in self.escalations() if one["state"] == "open"]

    def escalation(self, name: str) -> Escalation | None:
        """Return an escalation, or None where there is none of that id."""
        return cast("Escalation | None", self._reader.record(escalation_path(name)))

    def notes(self) -> list[NoteRecord]:
        """Return every note, oldest first."""
        found = [cast("NoteRecord", record) for record in self._folder("notes")]
        return sorted(found, key=lambda note: (note["at"], note["id"]))

    def checkpoints(self) -> list[CheckpointRecord]:
        """Return every checkpoint, oldest first."""
        found = [cast("CheckpointRecord", record) for record in self._folder("checkpoints")]
        return sorted(found, key=lambda checkpoint: (checkpoint["at"], checkpoint["name"]))

    def names(self, folder: str) -> list[str]:
        """List the names in a folder of the tree, sorted."""
        return self._reader.names(folder)

    def json_blob(self, oid: Oid, what: str) -> Any:
        """Read a blob that an event names as JSON.

        Raises:
            CorruptError: The blob is missing, too large or no JSON.

        """
        return codec.load(self._reader.blob(oid), MAX_PLAN_BYTES * 2, what)

    def overlaid(self, changes: Changes) -> Snapshot:
        """Return this state with changes applied, as ``apply`` returns them."""
        return Snapshot(_Overlay(self._reader, changes), self.oid, (self, changes))

    def file(self, path: str) -> bytes | None:
        """Return the bytes of a file that is not a record, as of a log."""
        return self._reader.file(path)

    def record(self, path: str) -> Any | None:
        """Return the record at any path of the tree, for comparisons."""
        return self._reader.record(path)

    def _require(self, path: str) -> Any:
        record = self._reader.record(path)
        if record is None:
            raise CorruptError(f"{path} is missing in the ledger's tree", entry=self.oid)
        return record

    def _folder(self, folder: str) -> list[Any]:
        return [self._require(f"{folder}/{name}") for name in self._reader.names(folder)]


def _live_above(below: Snapshot, changes: Changes) -> tuple[TaskRecord, ...]:
    """Return every task that is live after changes, without reading the others again."""
    live: dict[str, Any] = {live_path(task["id"]): task for task in below.live()}
    live |= {path: change for path, change in changes.items() if path.startswith("live/")}
    return tuple(live[path] for path in sorted(live) if live[path] is not None)


class _Overlay:
    """A reader that sees changes above another reader."""

    __slots__ = ("_below", "_changes")

    def __init__(self, below: Reader, changes: Changes) -> None:
        self._below = below
        self._changes = changes

    def record(self, path: str) -> Any | None:
        if path not in self._changes:
            return self._below.record(path)
        change = self._changes[path]
        if isinstance(change, BlobOid):
            return codec.load(self._below.blob(Oid(change)), MAX_PLAN_BYTES * 2, path)
        return change

    def names(self, folder: str) -> list[str]:
        names = self._below.names(folder)
        prefix = folder + "/"
        touched = [path for path in self._changes if path.startswith(prefix)]
        if not touched:
            return names
        below = {path for path in touched if self._changes[path] is not None}
        found = set(names) - {path[len(prefix) :] for path in touched if path not in below}
        return sorted(found | {path[len(prefix) :].split("/", 1)[0] for path in below})

    def blob(self, oid: Oid) -> bytes:
        return self._below.blob(oid)

    def file(self, path: str) -> bytes | None:
        change = self._changes.get(path)
        if isinstance(change, BlobOid):
            return self._below.blob(Oid(change))
        return self._below.file(path)
