"""Tell where a plan touches work of the repository's other ledgers.

Ledgers do not see each other's claims: two of them may give the same file to
two agents at once, and each lands on what it knows. So it is said while a plan
is looked at, before anybody works.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import islice

from gitcoord.core import paths
from gitcoord.core.boundary import paths_of
from gitcoord.core.ids import TaskId
from gitcoord.core.model import PlanDocument, TaskRecord
from gitcoord.core.refs import branch_name, ledger_ref
from gitcoord.core.snapshot import Snapshot
from gitcoord.core.streams import has_landed
from gitcoord.features.workspace import Workspace
from gitcoord.store.reader import RecordCache, open_snapshot

__all__ = ["ledger_notices", "shared_paths"]

MAX_NOTICES = 10
MAX_PAIRS = 200_000
"""How many pairs of tasks are compared: with very many in one folder not all of them."""

Writers = dict[str, list[tuple[TaskId, list[str]]]]
"""Tasks with what they may write, by the folder at the top that it lies in."""


def ledger_notices(work: Workspace) -> list[str]:
    """Return which other ledgers are at work in this repository."""
    told = []
    for name, snapshot in _others(work):
        held = sum(one["claim"] is not None for one in snapshot.live())
        told.append(
            f"ledger {name!r} works in this repository too, lands on "
            f"{branch_name(snapshot.target())} and has {held} live claim(s): ledgers do not see "
            "each other's claims"
        )
    return told


def shared_paths(work: Workspace, document: PlanDocument) -> list[str]:
    """Return which tasks of other ledgers may write what tasks of a plan may write."""
    mine: Writers = defaultdict(list)
    for spec in document["tasks"]:
        _put(mine, spec["id"], spec["paths"])
    told = []
    for name, snapshot in _others(work):
        theirs = sorted(_unlanded(snapshot), key=lambda task: task["order"])
        pairs = _shared(mine, theirs)
        for own, task, both in islice(pairs, MAX_NOTICES):
            claim = task["claim"]
            by = ""
            if claim is not None:
                by = f", held by {claim['agent']},"
            told.append(
                f"task {own}: task {task['id']} of ledger {name!r}{by} may write {both} too, and "
                "ledgers do not see each other's claims"
            )
        if next(pairs, None) is not None:
            told.append(f"and more tasks share paths with tasks of ledger {name!r}")
    return told


def _others(work: Workspace) -> Iterator[tuple[str, Snapshot]]:
    """Open every other ledger of the repository that has a plan."""
    top = ledger_ref("")
    for ref, tip in sorted(work.store.list_refs(top).items()):
        name = ref.removeprefix(top)
        if name == work.ledger.name:
            continue
        snapshot = open_snapshot(work.store, tip, RecordCache())
        if snapshot.plan() is not None:
            yield name, snapshot


def _unlanded(snapshot: Snapshot) -> Iterator[TaskRecord]:
    """Return the tasks whose work is still to come to the target."""
    landed = [phase["id"] for phase in snapshot.phases() if phase["state"] == "landed"]
    for task in snapshot.tasks():
        if task["state"] != "cancelled" and not has_landed(task, landed):
            yield task


def _shared(
    mine: Writers, others: Iterable[TaskRecord]
) -> Iterator[tuple[TaskId, TaskRecord, str]]:
    """Find pairs of tasks that may write the same path, and one such path."""
    left = MAX_PAIRS
    for task in others:
        theirs = paths_of(task)
        if theirs is None:
            continue
        for own, patterns in _near(mine, theirs):
            left -= 1
            if left < 0:
                return
            both = paths.overlaps(theirs, patterns)
            if both is not None:
                yield own, task, both[0]


def _put(writers: Writers, task: TaskId, patterns: list[str] | None) -> None:
    for top in {_top_of(pattern) for pattern in patterns or []}:
        writers[top].append((task, patterns or []))


def _near(writers: Writers, patterns: list[str]) -> Iterator[tuple[TaskId, list[str]]]:
    """Return the tasks that may write below the folders of some patterns, each once."""
    tops = {_top_of(pattern) for pattern in patterns}
    if "" in tops:
        tops = set(writers)
    seen = set()
    for top in sorted((tops | {""}) & writers.keys()):
        for task, own in writers[top]:
            if task not in seen:
                seen.add(task)
                yield task, own


def _top_of(pattern: str) -> str:
    """Return the first component that a pattern names, or nothing where it is a wildcard."""
    return paths.literal_prefix(pattern).partition("/")[0].casefold()
