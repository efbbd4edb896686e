"""Check what was acknowledged against the order that the ledger gives.

Each entry names the one before it, and a rollback the tip that it left:
so the order in which the ref moved is known, and whether some order would
explain what the workers saw needs no search. It is linear in time.
"""

from __future__ import annotations

import contextlib
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from gitcoord.core.events import Event
from gitcoord.core.ids import NO_TASK, TaskId, Token
from gitcoord.core.messages import parse
from gitcoord.features.workspace import Workspace, open_workspace

__all__ = ["Facts", "acknowledged_in", "attempts_in", "check_chain", "order_of"]


class Facts(NamedTuple):
    """What a soak came to."""

    acks: int
    attempts: int
    entries: int
    unacked: int
    rollbacks: int
    stale: int
    claims: Counter[str]
    """The acknowledged claims of each engine."""
    versions: Counter[str]
    """Those of each version, by the folder that it lies in."""


def order_of(work: Workspace, tip: str) -> list[tuple[str, Event]]:
    """List every entry that the ref ever had, in the order of its moves."""
    found: list[tuple[str, Event]] = []
    oid: str | None = tip
    while oid is not None:
        entry = work.store.read_entry(oid)
        event = parse(entry.message, oid)
        found.append((oid, event))
        before = entry.parents[0] if entry.parents else None
        oid = event["abandoned"] if event["op"] == "rollback" else before
    return found[::-1]


def _steps(event: Event) -> Iterator[Event]:
    yield from event["events"] if event["op"] == "batch" else [event]


class _Holders:
    """Follow every token along the order."""

    def __init__(self, work: Workspace) -> None:
        self.work = work
        self.now: dict[TaskId, Token] = {}
        self.ever: set[str] = set()

    def see(self, event: Event) -> None:
        """Apply one operation; assert that its token is current."""
        for gone in event.get("expired", []):
            assert self.now.pop(gone["task"], None) == gone["token"]
        op, task = event["op"], event.get("task", NO_TASK)
        if op == "claim":
            taken = event["takeover"]
            assert self.now.get(task) == (taken["token"] if taken else None), "one holder"
            self._give(event)
        elif op == "reissue":
            assert self.now[task] == event["old"]
            self._give(event)
        elif op == "rollback":
            self._back(event)
        elif op in {"cancel", "assign"}:
            self.now.pop(task, None)
        elif op in {"progress", "complete", "fail", "release"}:
            assert self.now[task] == event["token"], "no stale token does anything"
            if op != "progress":
                del self.now[task]

    def _give(self, event: Event) -> None:
        assert event["token"] not in self.ever, "no token lives twice"
        self.ever.add(event["token"])
        self.now[event["task"]] = event["token"]

    def _back(self, event: Event) -> None:
        chosen = self.work.ledger.snapshot(event["onto"])
        then = {task["id"]: task["claim"]["token"] for task in chosen.live() if task["claim"]}
        kept = {task: token for task, token in then.items() if self.now.get(task) == token}
        assert {
            one["name"]: one["token"] for one in event["surviving"] if one["kind"] == "claim"
        } == kept
        self.now = kept


def check_chain(tip: str, repo: Path, top: Path) -> Facts:
    """Compare what was acknowledged with the order, and the order with time."""
    work = open_workspace(repo)
    entries = order_of(work, tip)
    ids = [one["id"] for _, event in entries for one in (event, *event.get("events", []))]
    assert len(ids) == len(set(ids)), "no operation is applied twice"
    holders = _Holders(work)
    for _, event in entries:
        for step in _steps(event):
            holders.see(step)
    place = {oid: number for number, (oid, _) in enumerate(entries)}
    acks, stale = _acknowledged(top, place)
    latest = 0
    for ack in sorted(acks, key=lambda ack: place[ack["entry"]]):
        # An operation that was over before another began is before it.
        assert not ack.get("at") or ack["at"] >= latest, "the order of entries is the order of time"
        latest = max(latest, int(ack.get("begun", 0)))
    acked = {ack["entry"] for ack in acks}
    assert len(acked) == len(acks)
    count = sum(event["op"] == "rollback" for _, event in entries)
    claims = [ack for ack in acks if ack["op"] == "claim"]
    return Facts(
        len(acked),
        attempts_in(top),
        len(entries),
        len(entries) - len(acked),
        count,
        stale,
        Counter(ack["engine"] for ack in claims),
        Counter(ack["version"] for ack in claims),
    )


def attempts_in(top: Path) -> int:
    """Count the claims that were tried so far."""
    tried = {"conflict", "nothing-ready"}
    return sum(
        ack.get("count", 1)
        for ack in _answers(top)
        if ack["op"] == "claim" or ack.get("code") in tried
    )


def acknowledged_in(top: Path) -> int:
    """Count the entries that were acknowledged so far."""
    return sum("entry" in ack for ack in _answers(top))


def _answers(top: Path) -> Iterator[dict[str, Any]]:
    for path in top.glob("acks-*.jsonl"):
        yield from _answers_of(path)


def _answers_of(path: Path) -> Iterator[dict[str, Any]]:
    """Read what a worker was answered; the last line of a killed one is left out."""
    for line in path.read_text().splitlines():
        with contextlib.suppress(ValueError):
            yield json.loads(line)


def _acknowledged(top: Path, place: dict[str, int]) -> tuple[list[dict[str, Any]], int]:
    acks, stale = [], 0
    for path in top.glob("acks-*.jsonl"):
        last = -1
        for ack in _answers_of(path):
            stale += ack["op"] == "fenced"
            if ack["op"] in {"refused", "fenced"}:
                assert ack.get("code") != "internal", ack
                continue
            assert ack["op"] != "stale", "a stale token was accepted"
            assert ack["entry"] in place, (
                f"what was acknowledged is in the chain or the attic: {ack}"
            )
            assert place[ack["entry"]] > last, "an agent's later answer is a later entry"
            last = place[ack["entry"]]
            acks.append(ack)
    return acks, stale
