"""Build plans, snapshots and contexts for tests."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from gitcoord.core import codec
from gitcoord.core.events import Command, Event
from gitcoord.core.leases import Context
from gitcoord.core.machine import apply, check, decide
from gitcoord.core.messages import parse, render
from gitcoord.core.operations.rollbacks import survivors
from gitcoord.core.plan import parse as parse_plan
from gitcoord.core.snapshot import BlobOid, Snapshot
from gitcoord.ledger.writing import encoded
from tests.support.laws import assert_lawful

TARGET = "1" * 40
BOOT = "boot-a"
PLAN_HEAD = '[plan]\nname = "p"\n'
REVIEWED = (
    '[[pool]]\nname = "default"\n[[pool]]\nname = "checkers"\n[[phase]]\nname = "default"\nreviews '
    "= 1\n"
)


def oid_of(text: str) -> str:
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


class DictReader:
    """A tree in a dictionary of bytes."""

    def __init__(self, files: Mapping[str, bytes], blobs: Mapping[str, bytes]) -> None:
        self.files = files
        self.blobs = blobs

    def record(self, path: str) -> Any:
        return codec.load(self.files[path], 1 << 26, path) if path in self.files else None

    def names(self, folder: str) -> list[str]:
        prefix = folder + "/"
        return sorted(
            {path[len(prefix) :].split("/", 1)[0] for path in self.files if path.startswith(prefix)}
        )

    def blob(self, oid: str) -> bytes:
        return self.blobs[oid]

    def file(self, path: str) -> bytes | None:
        return self.files.get(path)


class PureLedger:
    """A whole ledger without a store: it replays what it decides."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.blobs: dict[str, bytes] = {}
        self.events: list[Event] = []
        self.past: list[dict[str, bytes]] = []
        self.now_ns = 1_000_000_000
        self.count = 0

    @property
    def snapshot(self) -> Snapshot:
        return Snapshot(DictReader(self.files, self.blobs))

    def context(self, **beats: Any) -> Context:
        self.count += 1
        return Context(
            id=oid_of(f"id{self.count}")[:32],
            token=oid_of(f"token{self.count}")[:32],
            time=1_700_000_000 + self.count,
            boot_id=BOOT,
            now_ns=self.now_ns,
            beats=beats,
        )

    def keep(self, value: object) -> str:
        raw = codec.dump(value)
        oid = oid_of(raw.decode())
        self.blobs[oid] = raw
        return oid

    def run(self, command: Command, context: Context | None = None) -> Event:
        event = decide(self.snapshot, command, context or self.context())
        self.publish(event)
        return event

    def publish(self, event: Event) -> None:
        # The replay law: the message is its event, check passes, apply says all.
        assert parse(render(event)) == event
        check(self.snapshot, event)
        assert_lawful(self.snapshot, event)
        self.past.append(dict(self.files))
        for path, change in encoded(apply(self.snapshot, event)).items():
            if change is None:
                self.files.pop(path, None)
            else:
                self.files[path] = change if isinstance(change, bytes) else self.blobs[change.oid]
        self.events.append(event)

    def rollback(self, number: int) -> Event:
        """Go back to the state that entry ``number`` left, as the feature does."""
        tip, chosen = self.snapshot, Snapshot(DictReader(self.past[number], self.blobs))
        command = {
            "op": "rollback",
            "onto": "1" * 40,
            "abandoned": "2" * 40,
            "epoch": tip.settings()["epoch"] + 1,
            "surviving": survivors(chosen, tip),
            "carried": {agent["id"]: self.keep(agent) for agent in tip.agents()},
            "reason": "back",
            "code": None,
            "reverts": [],
            "forward": False,
        }
        event = decide(chosen, command, self.context())
        before = self.files
        self.files = dict(self.past[number])
        try:
            self.publish(event)
        except BaseException:
            self.files = before
            raise
        self.past[-1] = before
        return event

    def init(self) -> None:
        self.run(
            {
                "op": "init",
                "ledger": "ledger",
                "task_prefix": "task",
                "target": "refs/heads/main",
                "target_tip": TARGET,
            }
        )

    def plan(self, text: str) -> None:
        document, _ = parse_plan(text)
        self.run({"op": "plan", "input": self.keep(document)})

    def agent(self, name: str, **more: Any) -> None:
        self.run(
            {
                "op": "agent-add",
                "name": name,
                "pools": [],
                "capacity": 1,
                "paths": None,
                "worktree": None,
                **more,
            }
        )

    def claim(
        self, agent: str, task: str, built_on: Mapping[str, str] | None = None, **beats: Any
    ) -> Event:
        return self.run(
            {
                "op": "claim",
                "agent": agent,
                "task": task,
                "session": "s",
                "base": TARGET,
                "built_on": dict(built_on or {}),
            },
            self.context(**beats),
        )

    def complete(
        self, claim: Event, built_on: Mapping[str, str] | None = None, result: str | None = ""
    ) -> Event:
        oid = oid_of(f"result{self.count}") if result == "" else result
        facts = {
            "oid": oid,
            "tree": oid,
            "base": TARGET,
            "built_on": dict(built_on or {}),
            "commits": 1,
            "files": 1,
        }
        return self.run(
            {
                "op": "complete",
                "agent": claim["agent"],
                "task": claim["task"],
                "token": claim["token"],
                "result": facts,
            }
        )

    def state(self, task: str) -> str:
        return self.snapshot.require_task(task)["state"]


def tasks(*names: str, head: str = "", **needs: list[str]) -> str:
    """Write a plan of tasks, each with a directory of its own."""
    rows = [
        f'[[task]]\nid = "{name}"\ntitle = "Do {name}"\npaths = ["{name}/"]\nneeds = '
        f"{needs.get(name, [])}"
        for name in names
    ]
    return head + "\n" + "\n".join(rows) + "\n"


def blob_oid(text: str) -> BlobOid:
    return BlobOid(oid_of(text))
