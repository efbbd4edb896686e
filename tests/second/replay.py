"""A second implementation of the format: it replays a ledger with plain git.

Written from docs/format.md, and from nothing else: no line of the package
is used. It knows ``apply`` alone, so it tells whether every entry's tree
follows from its parent's tree and its event, byte for byte.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

Json = dict[str, Any]
Changes = dict[str, Any]

MAX_SETBACKS = 5
DEFAULTS: Json = {
    "bare": [],
    "boot_id": "",
    "built_on": {},
    "capacity": 1,
    "carried": {},
    "code": None,
    "delay_ms": 0,
    "expired": [],
    "for_ms": None,
    "forward": False,
    "gates": [],
    "granted": False,
    "kind": "",
    "lapsed": [],
    "log": None,
    "monotonic_ns": 0,
    "old": "",
    "path": None,
    "paths": None,
    "percent": None,
    "pools": [],
    "reason": "",
    "redone": [],
    "resume": None,
    "reverts": [],
    "reviewed": None,
    "said": None,
    "shared": False,
    "spent_ms": None,
    "surviving": [],
    "takeover": None,
    "task": None,
    "to": None,
    "token": None,
    "tokens": [],
    "tree": None,
    "wait_ms": None,
    "without": [],
    "worktree": None,
}
"""What a key means that an event leaves out; no two operations differ in it."""


class Blob(NamedTuple):
    """A file of the tree that an event names by its oid."""

    oid: str


class Git:
    """The objects of a repository, read by one process of git."""

    def __init__(self, repo: Path) -> None:
        self.repo = repo
        self.made: dict[str, bytes] = {}
        self.algorithm = self.run("rev-parse", "--show-object-format").strip()
        self.process = subprocess.Popen(
            ["git", "cat-file", "--batch"], cwd=repo, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def run(self, *args: str) -> str:
        done = subprocess.run(["git", *args], cwd=self.repo, capture_output=True, check=True)
        return done.stdout.decode()

    def read(self, oid: str) -> bytes:
        if oid in self.made:
            return self.made[oid]
        asked, answers = self.process.stdin, self.process.stdout
        assert asked is not None
        assert answers is not None
        asked.write(oid.encode() + b"\n")
        asked.flush()
        header = answers.readline().split()
        assert header[1:2] == [b"blob"] or header[1:2] == [b"commit"], (oid, header)
        content = answers.read(int(header[2]))
        answers.read(1)
        return content

    def close(self) -> None:
        self.process.communicate()


class State:
    """The files of one entry's tree, by path: the oid of each."""

    def __init__(self, git: Git, files: Mapping[str, str]) -> None:
        self.git = git
        self.files = files

    def get(self, path: str) -> Any:
        oid = self.files.get(path)
        return None if oid is None else json.loads(self.git.read(oid))

    def at(self, path: str) -> Json:
        record = self.get(path)
        assert isinstance(record, dict), path
        return record

    def folder(self, name: str) -> list[Json]:
        return [self.at(path) for path in sorted(self.files) if path.startswith(f"{name}/")]

    def task(self, name: str) -> Json:
        return self.at(task_path(name))

    def settings(self) -> Json:
        return self.at("settings.json")

    def with_changes(self, changes: Changes) -> State:
        files = dict(self.files)
        for path, value in changes.items():
            if value is None:
                files.pop(path, None)
            elif isinstance(value, Blob):
                files[path] = value.oid
            else:
                content = canonical(value)
                oid = hashed(self.git.algorithm, b"blob", content)
                self.git.made[oid] = content
                files[path] = oid
        return State(self.git, files)


def canonical(value: Any) -> bytes:
    text = json.dumps(value, sort_keys=True, indent=2, ensure_ascii=True)
    return (text + "\n").encode()


def hashed(algorithm: str, kind: bytes, content: bytes) -> str:
    header = kind + b" " + str(len(content)).encode() + b"\0"
    return hashlib.new(algorithm, header + content, usedforsecurity=False).hexdigest()


def tree_of(algorithm: str, files: Mapping[str, str]) -> str:
    """The oid of the tree that holds these files."""
    below: dict[str, dict[str, str]] = {}
    rows: list[tuple[bytes, bytes]] = []
    for path, oid in files.items():
        name, slash, rest = path.partition("/")
        if slash:
            below.setdefault(name, {})[rest] = oid
        else:
            rows.append((name.encode(), b"100644 " + name.encode() + b"\0" + bytes.fromhex(oid)))
    for name, inner in below.items():
        oid = tree_of(algorithm, inner)
        rows.append((name.encode() + b"/", b"40000 " + name.encode() + b"\0" + bytes.fromhex(oid)))
    return hashed(algorithm, b"tree", b"".join(row for _, row in sorted(rows)))


def task_path(task: str) -> str:
    first, second = shard(task)
    return f"tasks/{first}/{second}/{task}.json"


def shard(task: str) -> tuple[str, str]:
    digest = hashlib.sha256(task.casefold().encode()).hexdigest()
    return digest[:2], digest[2:4]


# shared parts of several operations


def some(event: Json, *keys: str) -> Json:
    return {key: event[key] for key in keys}


def put_task(changes: Changes, task: Json) -> None:
    changes[task_path(task["id"])] = task
    is_live = task["claim"] is not None or any(one["verdict"] is None for one in task["reviews"])
    changes[f"live/{task['id']}.json"] = task if is_live else None


def why_of(event: Json) -> Any:
    return event["said"] or event["reason"]


def cut(value: Any, limit: int) -> Any:
    if isinstance(value, dict) and "code" in value:
        return {**value, "values": told(limit, value["values"])}
    if not isinstance(value, str):
        return value
    raw = value.encode("utf-8", "replace")
    if len(raw) <= limit:
        return raw.decode()
    return raw[: limit - len(" [cut]")].decode("utf-8", "ignore") + " [cut]"


def told(limit: int, values: Json) -> Json:
    """Values of a code: without what is empty, texts cut to a number of bytes."""
    kept = {}
    for key, value in values.items():
        short = cut(value, limit)
        if short is not None and short != "":
            kept[key] = short
    return kept


def setbacks(task: Json, event: Json, code: str, agent: str, values: Json) -> list[Json]:
    one = {"attempt": task["attempt"], "agent": agent, "at": event["time"]}
    one |= {"code": code, "values": told(600, values)}
    return [*task["setbacks"], one][-MAX_SETBACKS:]


def without(record: Json, left_out: str) -> Json:
    return {key: value for key, value in record.items() if key != left_out}


def without_session(task: Json) -> Json:
    """A task whose next attempt begins anew."""
    return without(task, "resume")


def emptied(task: Json, state: str) -> Json:
    """A task that nobody holds or reviews, and that has no result."""
    return {**task, "state": state, "claim": None, "reviews": [], "result": None}


def set_back(
    state: State,
    event: Json,
    changes: Changes,
    task: Json,
    code: str,
    agent: str,
    values: Json,
    *,
    is_final: bool = False,
    **more: Any,
) -> None:
    plan = state.get("plan.json")
    failures = task["failures"] + 1
    is_over = is_final or (plan is not None and failures >= plan["max_attempts"])
    after = {
        **without_session(task),
        "state": "failed" if is_over else "open",
        "claim": None,
        "failures": failures,
        "reviews": [],
        "setbacks": setbacks(task, event, code, agent, values),
        **more,
    }
    put_task(changes, after)
    if is_over:
        last = {"code": code, "values": told(600, values)}
        about = {"task": task["id"], "failures": failures, "last": last}
        escalate(changes, event, "task-failed", task["id"], about)


def escalate(changes: Changes, event: Json, code: str, task: str | None, values: Json) -> None:
    number = sum(path.startswith("escalations/") for path in changes)
    name = event["id"][:8] + (f"-{number}" if number else "")
    changes[f"escalations/{name}.json"] = {
        "id": name,
        "task": task,
        "agent": event["agent"],
        "code": code,
        "values": told(1024, values),
        "state": "open",
        "at": event["time"],
    }


def close_escalations(state: State, event: Json, changes: Changes, code: str) -> None:
    answer = {"code": code, "values": told(1024, {"reason": event["reason"]})}
    for one in state.folder("escalations"):
        is_about = one["task"] == event["task"] and one["code"] in {"task-failed", "base-conflict"}
        if is_about and one["state"] == "open":
            closed = {**one, "state": "resolved", "answer": answer}
            changes[f"escalations/{one['id']}.json"] = closed


def redo(state: State, event: Json, changes: Changes) -> None:
    for redone in event["redone"]:
        task = state.task(redone["task"])
        agent = task["result"]["agent"] if task["result"] else event["agent"]
        why = {"task": event["task"], "by": event["op"]}
        again = setbacks(task, event, "base-redone", agent, why)
        put_task(changes, {**emptied(task, "open"), "setbacks": again})


def end_reviews(state: State, event: Json, changes: Changes) -> set[str]:
    gone = {one["token"] for one in event["expired"]}
    ended: set[str] = set()
    for name in sorted({one["task"] for one in event["expired"]}):
        task = state.task(name)
        running = {one["token"] for one in task["reviews"] if one["verdict"] is None}
        if running & gone:
            kept = [one for one in task["reviews"] if one["token"] not in running & gone]
            put_task(changes, {**task, "reviews": kept})
            ended |= running & gone
    return ended


def end_expired(state: State, event: Json, changes: Changes) -> None:
    reviewing = end_reviews(state, event, changes)
    for gone in event["expired"]:
        if gone["token"] not in reviewing:
            task, holder = state.task(gone["task"]), gone["agent"]
            set_back(state, event, changes, task, "expired", holder, {"holder": holder})
    for lapse in event.get("lapsed", ()):
        changes[f"locks/{lapse['lock']}.json"] = None


def put_lock(changes: Changes, lock: Json) -> None:
    changes[f"locks/{lock['id']}.json"] = lock if lock["paths"] else None


def give_back(state: State, agent: str, wanted: list[str], changes: Changes) -> None:
    for lock in state.folder("locks"):
        left = [path for path in lock["paths"] if path not in wanted]
        if lock["agent"] == agent and len(left) < len(lock["paths"]):
            put_lock(changes, {**lock, "paths": left})


def end_locks_with_claims(state: State, changes: Changes) -> None:
    """Locks of a claim end with it; under a new token they go on."""
    for path in [path for path in changes if path.startswith("live/")]:
        name = path.removeprefix("live/").removesuffix(".json")
        before, after = state.get(task_path(name)), changes[path]
        old, new = before and before["claim"], after and after["claim"]
        if not old or (new and new["token"] == old["token"]):
            continue
        for lock in state.folder("locks"):
            if lock["token"] != old["token"]:
                continue
            goes_on = new and (new["agent"], new["attempt"]) == (old["agent"], old["attempt"])
            follows = {"token": new["token"]} if goes_on else {"paths": []}
            put_lock(changes, {**lock, **follows})


# the beginning, plans, agents


def init(_state: State, event: Json, changes: Changes) -> None:
    changes["settings.json"] = {
        **some(event, "format", "ledger", "task_prefix", "target", "target_tip"),
        "epoch": 0,
        "next_order": 0,
        "pending": None,
    }


def approvals_of(reviews: int, spec: Json) -> int:
    return max(reviews, 1 if spec["verify_by"] else 0)


def approvals_in(state: State, spec: Json) -> int:
    return approvals_of(state.at(f"phases/{spec['phase']}.json")["spec"]["reviews"], spec)


def plan(state: State, event: Json, changes: Changes) -> None:
    document = json.loads(state.git.read(event["input"]))
    settings = state.settings()
    order = settings["next_order"]
    reviews = {one["id"]: one["spec"]["reviews"] for one in state.folder("phases")}
    for phase in document["phases"]:
        reviews[phase["id"]] = phase["reviews"]
        known = state.get(f"phases/{phase['id']}.json")
        if known is None:
            known = {"id": phase["id"], "order": order, "state": "open", "landing": None}
            order += 1
        changes[f"phases/{phase['id']}.json"] = {**known, "spec": phase}
    for spec in document["tasks"]:
        task = state.get(task_path(spec["id"]))
        approvals = approvals_of(reviews[spec["phase"]], spec)
        if task is None:
            changes[task_path(spec["id"])] = new_task(spec, order, approvals)
            order += 1
        elif task["spec"] != spec:
            put_task(changes, {**task, "spec": spec, "approvals": approvals})
    earlier = (state.get("plan.json") or {"pools": {}})["pools"]
    pools = {**earlier, **document["plan"]["pools"]}
    changes["plan.json"] = {**document["plan"], "pools": pools}
    changes["inputs/plan.json"] = Blob(event["input"])
    changes["settings.json"] = {**settings, "next_order": order}


def new_task(spec: Json, order: int, approvals: int) -> Json:
    task = {"id": spec["id"], "order": order, "spec": spec, "approvals": approvals}
    task |= {"attempt": 0, "failures": 0, "setbacks": []}
    task |= {"assigned": None, "branch": None, "retry": None}
    return emptied(task, "open")


def agent_add(_state: State, event: Json, changes: Changes) -> None:
    changes[f"agents/{event['name']}.json"] = {
        "id": event["name"],
        **some(event, "pools", "capacity", "paths", "worktree"),
        "at": event["time"],
    }


def agent_remove(state: State, event: Json, changes: Changes) -> None:
    for lock in state.folder("locks"):
        if lock["agent"] == event["name"]:
            changes[f"locks/{lock['id']}.json"] = None
    changes[f"agents/{event['name']}.json"] = None


# claims


def claim_of(event: Json, base: str, built_on: Json) -> Json:
    return {
        **some(event, "token", "agent", "attempt", "session", "branch"),
        **some(event, "boot_id", "monotonic_ns", "lease_ms"),
        "at": event["time"],
        "since": event["time"],
        "base": base,
        "built_on": built_on,
        "progress": None,
    }


def claim(state: State, event: Json, changes: Changes) -> None:
    end_expired(state, event, changes)
    task = state.task(event["task"])
    after = {
        **task,
        "state": "claimed",
        "claim": claim_of(event, event["base"], event["built_on"]),
        "attempt": event["attempt"],
        "branch": event["branch"],
        "retry": None,
    }
    if event["takeover"]:
        holder = event["takeover"]["agent"]
        why = {"holder": holder, "by": event["agent"]}
        after["failures"] = task["failures"] + 1
        after["setbacks"] = setbacks(task, event, "expired", holder, why)
        after = without_session(after)
    put_task(changes, after)


def reissue(state: State, event: Json, changes: Changes) -> None:
    task = state.task(event["task"])
    old = task["claim"]
    fresh = {**claim_of(event, old["base"], old["built_on"]), **some(old, "since", "progress")}
    put_task(changes, {**task, "claim": fresh})


def progress(state: State, event: Json, changes: Changes) -> None:
    task = state.task(event["task"])
    last = task["claim"]["progress"]
    percent = event["percent"]
    if percent is None and last is not None:
        percent = last["percent"]
    said = {"message": cut(event["message"], 500), "percent": percent, "at": event["time"]}
    renewed = {**task["claim"], **some(event, "boot_id", "monotonic_ns"), "at": event["time"]}
    put_task(changes, {**task, "claim": {**renewed, "progress": said}})


def release(state: State, event: Json, changes: Changes) -> None:
    task = state.task(event["task"])
    after = {**without_session(task), "state": "open", "claim": None}
    if event["delay_ms"]:
        after["retry"] = some(event, "boot_id", "monotonic_ns", "delay_ms")
    if event["resume"]:
        after["resume"] = event["resume"]
    if why_of(event):
        why = {"reason": why_of(event)}
        after["setbacks"] = setbacks(task, event, "released", event["agent"], why)
    put_task(changes, after)


# results


def complete(state: State, event: Json, changes: Changes) -> None:
    task = state.task(event["task"])
    approvals = approvals_in(state, task["spec"])
    after = emptied(without_session(task), "review" if approvals else "done")
    put_task(changes, {**after, "result": event["result"], "approvals": approvals})


def fail(state: State, event: Json, changes: Changes) -> None:
    is_final = event["kind"] == "permanent"
    delay = some(event, "boot_id", "monotonic_ns", "delay_ms")
    retry = None if is_final else delay
    task, why = state.task(event["task"]), {"reason": why_of(event)}
    ends = {"is_final": is_final, "retry": retry}
    set_back(state, event, changes, task, "failed", event["agent"], why, **ends)
    if event["log"]:
        changes[f"logs/{event['task']}-{event['attempt']}.txt"] = Blob(event["log"])


def reopen(state: State, event: Json, changes: Changes) -> None:
    redo(state, event, changes)
    task = state.task(event["task"])
    agent = task["result"]["agent"] if task["result"] else event["agent"]
    why = {"reason": why_of(event)}
    set_back(state, event, changes, task, event["kind"], agent, why, result=None)
    if event["log"]:
        changes[f"logs/{event['task']}-{task['attempt']}.txt"] = Blob(event["log"])


# reviews


def review(state: State, event: Json, changes: Changes) -> None:
    task = state.task(event["task"])
    agent = state.at(f"agents/{event['agent']}.json")
    pool = task["spec"]["verify_by"]
    over = end_reviews(state, event, changes) | {event["old"]}
    one = {
        **some(event, "token", "agent", "session"),
        "result": event["reviewed"],
        "verdict": None,
        "message": "",
        "is_verifier": pool is not None and (not agent["pools"] or pool in agent["pools"]),
        **some(event, "boot_id", "monotonic_ns", "lease_ms"),
        "at": event["time"],
    }
    others = [other for other in task["reviews"] if other["token"] not in over]
    put_task(changes, {**task, "reviews": [*others, one]})


def review_release(state: State, event: Json, changes: Changes) -> None:
    task = state.task(event["task"])
    kept = [one for one in task["reviews"] if one["token"] != event["token"]]
    put_task(changes, {**task, "reviews": kept})


def approve(state: State, event: Json, changes: Changes) -> None:
    task = state.task(event["task"])
    verdict = {"verdict": "approved", "message": cut(event["reason"], 500)}
    reviews = [
        {**one, **verdict} if one["token"] == event["token"] else one for one in task["reviews"]
    ]
    count = sum(one["verdict"] == "approved" for one in reviews)
    state_after = "done" if count >= task["approvals"] else "review"
    put_task(changes, {**task, "reviews": reviews, "state": state_after})


def reject(state: State, event: Json, changes: Changes) -> None:
    task = state.task(event["task"])
    why = {"by": event["agent"], "reason": why_of(event)}
    set_back(state, event, changes, task, "rejected", task["result"]["agent"], why, result=None)


# what the orchestrator does to a task


def pause(state: State, event: Json, changes: Changes) -> None:
    why = {"agent": event["agent"], "reason": event["reason"], "at": event["time"]}
    put_task(changes, {**state.task(event["task"]), "paused": why})


def unpause(state: State, event: Json, changes: Changes) -> None:
    put_task(changes, without(state.task(event["task"]), "paused"))


def task_add(state: State, event: Json, changes: Changes) -> None:
    spec, settings = event["spec"], state.settings()
    approvals = approvals_in(state, spec)
    put_task(changes, new_task(spec, settings["next_order"], approvals))
    changes.pop(f"live/{spec['id']}.json")
    changes["settings.json"] = {**settings, "next_order": settings["next_order"] + 1}


def task_edit(state: State, event: Json, changes: Changes) -> None:
    spec = event["spec"]
    approvals = approvals_in(state, spec)
    put_task(changes, {**state.task(event["task"]), "spec": spec, "approvals": approvals})


def widen(state: State, event: Json, changes: Changes) -> None:
    end_expired(state, event, changes)
    task = state.task(event["task"])
    widened = [*task.get("widened", []), *event["paths"]]
    put_task(changes, {**task, "widened": list(dict.fromkeys(widened))})


def usage(_state: State, _event: Json, _changes: Changes) -> None:
    """The history alone tells it."""


def retry(state: State, event: Json, changes: Changes) -> None:
    close_escalations(state, event, changes, "retried")
    task = without(state.task(event["task"]), "widened")
    put_task(changes, {**without_session(task), "state": "open", "failures": 0, "retry": None})


def cancel(state: State, event: Json, changes: Changes) -> None:
    close_escalations(state, event, changes, "cancelled")
    redo(state, event, changes)
    task = emptied(without_session(state.task(event["task"])), "cancelled")
    put_task(changes, task)
    end_stream(state, changes, task["spec"]["phase"])


def assign(state: State, event: Json, changes: Changes) -> None:
    task = state.task(event["task"])
    freed = {"state": "open", "claim": None, "assigned": event["to"]}
    put_task(changes, {**without_session(task), **freed})


# checks, gates, landings


def run_of(event: Json, gate: str) -> Json:
    run = some(event, "definition", "tree", "commit", "verdict", "millis", "log", "agent")
    return {**run, "gate": gate, "at": event["time"], "reason": why_of(event)}


def gate(_state: State, event: Json, changes: Changes) -> None:
    name = f"{event['phase']}/{event['gate']}"
    changes[f"gates/{name}.json"] = run_of(event, event["gate"])
    changes[f"logs/gates/{name}.txt"] = Blob(event["log"]) if event["log"] else None


def check(_state: State, event: Json, changes: Changes) -> None:
    first, second = shard(event["task"])
    path = f"checks/{first}/{second}/{event['task']}"
    changes[f"{path}.json"] = run_of(event, "check")
    changes[f"{path}.txt"] = Blob(event["log"]) if event["log"] else None


def land_begin(state: State, event: Json, changes: Changes) -> None:
    phase = state.at(f"phases/{event['phase']}.json")
    landing = some(event, "old", "new", "tree", "results", "count", "gates", "without")
    landing["at"] = event["time"]
    if event["bare"]:
        landing["bare"] = event["bare"]
    changes[f"phases/{phase['id']}.json"] = {**phase, "state": "landing", "landing": landing}
    changes[f"landings/{phase['id']}.json"] = Blob(event["results"])
    moved = some(event, "phase", "target", "old", "new")
    changes["settings.json"] = {**state.settings(), "pending": {"kind": "landing", **moved}}


def land_done(state: State, event: Json, changes: Changes) -> None:
    phase = state.at(f"phases/{event['phase']}.json")
    for name in phase["landing"]["without"]:
        task = state.task(name)
        why = {"phase": phase["id"]}
        left = setbacks(task, event, "left-out", event["agent"], why)
        put_task(changes, {**emptied(task, "cancelled"), "setbacks": left})
    changes[f"phases/{phase['id']}.json"] = {**phase, "state": "landed"}
    if phase["spec"].get("stream"):
        end_batch(state, event, changes, phase)
    target_moved(state, event, changes)


def end_batch(state: State, event: Json, changes: Changes, phase: Json) -> None:
    """The tasks of a batch have landed; the stream goes on, unless it is closed."""
    listed = json.loads(state.git.read(phase["landing"]["results"]))
    for name in [*(row[0] for row in listed), *phase["landing"].get("bare", [])]:
        landed = {"oid": event["new"], "at": event["time"]}
        put_task(changes, {**state.task(name), "landed": landed})
    changes[f"phases/{phase['id']}.json"] = {**phase, "state": "open"}
    end_stream(state, changes, phase["id"])


def end_stream(state: State, changes: Changes, name: str) -> None:
    """A closed stream of which nothing is left to land has landed."""
    after = state.with_changes(changes)
    phase = after.at(f"phases/{name}.json")
    left = [
        task
        for task in (after.at(path) for path in after.files if path.startswith("tasks/"))
        if task["spec"]["phase"] == name and "landed" not in task and task["state"] != "cancelled"
    ]
    if phase.get("closed") and phase["state"] == "open" and not left:
        changes[f"phases/{name}.json"] = {**phase, "state": "landed"}


def phase_close(state: State, event: Json, changes: Changes) -> None:
    phase = state.at(f"phases/{event['phase']}.json")
    changes[f"phases/{phase['id']}.json"] = {**phase, "closed": True}
    end_stream(state, changes, phase["id"])


def phase_open(state: State, event: Json, changes: Changes) -> None:
    phase = state.at(f"phases/{event['phase']}.json")
    after = without(phase, "closed")
    if phase["state"] == "landed":
        after["state"] = "open"
    changes[f"phases/{phase['id']}.json"] = after


def land_abort(state: State, event: Json, changes: Changes) -> None:
    phase = state.at(f"phases/{event['phase']}.json")
    changes[f"phases/{phase['id']}.json"] = {**phase, "state": "open", "landing": None}
    changes[f"landings/{phase['id']}.json"] = None
    changes["settings.json"] = {**state.settings(), "pending": None}
    why = {"phase": phase["id"], "reason": why_of(event)}
    escalate(changes, event, "landing-aborted", None, why)


# rollbacks


def rollback(state: State, event: Json, changes: Changes) -> None:
    kept = {(one["kind"], one["name"], one["token"]) for one in event["surviving"]}
    for task in state.folder("live"):
        end_what_did_not_survive(task, kept, changes)
    for lock in state.folder("locks"):
        if ("lock", lock["id"], lock["id"]) not in kept:
            changes[f"locks/{lock['id']}.json"] = None
    for agent in state.folder("agents"):
        changes[f"agents/{agent['id']}.json"] = None
    for name, oid in event["carried"].items():
        changes[f"agents/{name}.json"] = Blob(oid)
    back = {"epoch": event["epoch"], "pending": event["code"]}
    changes["settings.json"] = {**state.settings(), **back}


def end_what_did_not_survive(task: Json, kept: set[tuple[str, str, str]], changes: Changes) -> None:
    after = dict(task)
    if task["claim"] and ("claim", task["id"], task["claim"]["token"]) not in kept:
        after["claim"], after["state"] = None, "open"
    after["reviews"] = [
        one
        for one in task["reviews"]
        if one["verdict"] is not None or ("review", task["id"], one["token"]) in kept
    ]
    if after != task:
        put_task(changes, after)


def target_moved(state: State, event: Json, changes: Changes) -> None:
    closed = {"pending": None, "target_tip": event["new"]}
    changes["settings.json"] = {**state.settings(), **closed}


def rollback_abort(state: State, event: Json, changes: Changes) -> None:
    escalate(changes, event, "rollback-aborted", None, {"reason": why_of(event)})
    changes["settings.json"] = {**state.settings(), "pending": None}


# locks, escalations, notes


def lock(state: State, event: Json, changes: Changes) -> None:
    end_expired(state, event, changes)
    give_back(state, event["agent"], event["paths"], changes)
    record = {
        **some(event, "agent", "paths", "shared", "reason", "task", "token"),
        **some(event, "boot_id", "monotonic_ns", "for_ms"),
        "id": event["id"][:12],
        "at": event["time"],
    }
    put_lock(changes, record)


def unlock(state: State, event: Json, changes: Changes) -> None:
    give_back(state, event["name"], event["paths"], changes)


def asked(_state: State, event: Json, changes: Changes) -> None:
    why = {"reason": why_of(event)}
    escalate(changes, event, event["kind"], event["task"], why)


def resolve(state: State, event: Json, changes: Changes) -> None:
    path = f"escalations/{event['escalation']}.json"
    code = "granted" if event["granted"] else "answered"
    answer = {"code": code, "values": {"reason": event["answer"]}}
    changes[path] = {**state.at(path), "state": "resolved", "answer": answer}


def note(_state: State, event: Json, changes: Changes) -> None:
    name = event["id"][:8]
    changes[f"notes/{name}.json"] = {
        "id": name,
        **some(event, "task", "path", "agent"),
        "text": event["message"],
        "at": event["time"],
    }


def note_drop(_state: State, event: Json, changes: Changes) -> None:
    changes[f"notes/{event['note']}.json"] = None


def checkpoint(_state: State, event: Json, changes: Changes) -> None:
    named = {"name": event["name"], "agent": event["agent"], "at": event["time"]}
    changes[f"checkpoints/{event['name']}.json"] = named


def batch(state: State, event: Json, changes: Changes) -> None:
    for one in event["events"]:
        changes |= apply(state.with_changes(changes), one)


APPLY: dict[str, Callable[[State, Json, Changes], None]] = {
    "init": init,
    "plan": plan,
    "agent-add": agent_add,
    "agent-remove": agent_remove,
    "claim": claim,
    "reissue": reissue,
    "progress": progress,
    "release": release,
    "expire": end_expired,
    "complete": complete,
    "fail": fail,
    "reopen": reopen,
    "review": review,
    "review-release": review_release,
    "approve": approve,
    "reject": reject,
    "retry": retry,
    "pause": pause,
    "widen": widen,
    "usage": usage,
    "task-add": task_add,
    "task-edit": task_edit,
    "unpause": unpause,
    "cancel": cancel,
    "assign": assign,
    "gate": gate,
    "check": check,
    "land-begin": land_begin,
    "land-done": land_done,
    "land-abort": land_abort,
    "phase-close": phase_close,
    "phase-open": phase_open,
    "rollback": rollback,
    "rollback-done": target_moved,
    "rollback-abort": rollback_abort,
    "lock": lock,
    "unlock": unlock,
    "escalate": asked,
    "resolve": resolve,
    "note": note,
    "note-drop": note_drop,
    "checkpoint": checkpoint,
    "batch": batch,
}


def apply(state: State, line: Json) -> Changes:
    """The records that an event changes, by path."""
    event = {**DEFAULTS, **line}
    changes: Changes = {}
    APPLY[event["op"]](state, event, changes)
    end_locks_with_claims(state, changes)
    return changes


class Replayed(NamedTuple):
    """One entry: its operation, the tree that it has and the one that follows."""

    entry: str
    event: Json
    tree: str
    computed: str


def event_of(message: str) -> Json:
    last = message.rstrip("\n").rpartition("\n")[2]
    event: Json = json.loads(last.removeprefix("Gitcoord-Event: "))
    return event


def replay(repo: Path, ledger: str = "ledger") -> Iterator[Replayed]:
    """Replay every entry that the ledger's branch and its attic reach."""
    git = Git(repo)
    attic = git.run("for-each-ref", "--format=%(refname)", f"refs/gitcoord/{ledger}/attic")
    tips = [f"refs/heads/gitcoord/{ledger}", *attic.split()]
    listed = git.run("rev-list", "--reverse", "--topo-order", "--parents", *tips)
    states: dict[str, State] = {}
    for row in listed.splitlines():
        entry, *parents = row.split()
        header, _, message = git.read(entry).decode().partition("\n\n")
        tree = header.split("\n", 1)[0].removeprefix("tree ")
        if "Gitcoord-Event: " not in message:
            continue
        event = event_of(message)
        if event.get("forward"):
            parents = [event["onto"]]
        before = states[parents[0]] if parents else State(git, {})
        after = before.with_changes(apply(before, event))
        states[entry] = after
        yield Replayed(entry, event, tree, tree_of(git.algorithm, after.files))
    git.close()
