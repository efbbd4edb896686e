"""Make a ledger in which every operation occurs, and the odd ways they go.

On one machine the commits that it names are imagined. A server is sent what its entries
name, so that there they are real.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from gitcoord.core import codec
from gitcoord.core.events import Event
from gitcoord.core.ids import ORCHESTRATOR
from gitcoord.core.operations.gates import check_of, definition_of
from gitcoord.core.operations.landings import merge_order, wholeness
from gitcoord.core.operations.rollbacks import survivors
from gitcoord.core.operations.widenings import question
from gitcoord.core.sentences import given, said
from gitcoord.features.run.batches import batch, parse_lines
from gitcoord.features.setup import agents, ledger, machines, plans
from gitcoord.features.workspace import Workspace, open_workspace
from gitcoord.host.clock import Clock
from tests.support.world import git, write

LAST = """
[[task]]
id = "4"
title = "Do the last"
phase = "p"
paths = ["4/"]
"""
PLAN = """
[plan]
lease = "10s"
heartbeat = "3s"
max_attempts = 3
[[phase]]
name = "p"
gates = [{ name = "g", run = "true" }]
[[phase]]
name = "s"
stream = true
batch = { max = 4 }
[[task]]
id = "a"
title = "Build [the] {lexer}"
phase = "p"
paths = ["a/"]
check = "true"
[[task]]
id = "b"
title = "Build the parser"
phase = "p"
paths = ["b/"]
needs = ["a"]
[[tasks]]
ids = "1-3"
title = "Do {id}"
phase = "p"
paths = ["{id}/"]
[[tasks]]
ids = "s1-s4"
title = "Do {id} of a stream"
phase = "s"
paths = ["{id}/"]
result = "optional"
[[task]]
id = "r"
title = "Write the manual"
phase = "p"
paths = ["r/"]
verify_by = "default"
"""
CHANGED = (
    PLAN.replace("gates =", "title = 'Part one'\nreviews = 1\ngates =")
    + """
[[task]]
id = "4"
title = "Do the last otherwise"
phase = "p"
paths = ["4/"]
[[task]]
id = "later"
title = "Do one more"
phase = "p"
paths = ["later/"]
"""
)
TREE = "d" * 40
CHOSEN, BATCHED, LANDED = "c", "f", "e"
"""The names of the commits that the target is at, one after another."""
LEASE_NS = 11 * 10**9


class Ahead(Clock):
    """A clock that a test sets forward."""

    __slots__ = ("ahead_ns",)

    def __init__(self) -> None:
        super().__init__()
        self.ahead_ns = 0

    def monotonic_ns(self) -> int:
        return super().monotonic_ns() + self.ahead_ns


class Script:
    """Run commands as they come, by whoever they name."""

    def __init__(self, work: Workspace, clock: Ahead, commit: Callable[[str], str]) -> None:
        self.work = work
        self.clock = clock
        self.commit = commit
        """Returns the oid of the commit of a name, which is one character."""
        self.tokens: dict[str, str] = {}

    def run(self, op: str, agent: str = ORCHESTRATOR, **keys: Any) -> Event:
        command = {"op": op, "agent": agent, "reason": "", **keys}
        return self.work.ledger.execute(command, agent=agent).event

    def blob(self, value: object) -> str:
        return self.work.store.write_blob(codec.dump(value))

    def held(self, op: str, agent: str, task: str, **keys: Any) -> Event:
        return self.run(op, agent, task=task, token=self.tokens[task], **keys)

    def claim(self, agent: str, task: str, **built_on: str) -> Event:
        keys = {"base": self.commit(CHOSEN), "built_on": self._commits(built_on)}
        event = self.run("claim", agent, task=task, session="s", **keys)
        self.tokens[task] = event["token"]
        return event

    def complete(self, agent: str, task: str, result: str | None, **built_on: str) -> None:
        facts = {"tree": TREE, "base": self.commit(CHOSEN), "commits": 1, "files": 1}
        oid = self.commit(result) if result else None
        facts |= {"oid": oid, "built_on": self._commits(built_on)}
        self.held("complete", agent, task, result=facts)

    def _commits(self, names: dict[str, str]) -> dict[str, str]:
        return {task: self.commit(name) for task, name in names.items()}

    def review(self, agent: str, task: str) -> None:
        self.tokens[task] = self.run("review", agent, task=task, session="s")["token"]

    def wait(self) -> None:
        """Let every lease and every delay run out."""
        self.clock.ahead_ns += LEASE_NS

    def passed(self, **more: Any) -> dict[str, Any]:
        return {
            "tree": TREE,
            "commit": self.commit(CHOSEN),
            "verdict": "passed",
            "millis": 7,
            "log": None,
            **more,
        }

    def entry(self) -> str:
        tip = self.work.ledger.tip()
        assert tip is not None
        return tip


def _imagined(name: str) -> str:
    return name * 40


def _made_in(repo: Path) -> Callable[[str], str]:
    """Return what makes commits, each on the target as it was in the beginning, or on the last.

    Each changes a file: what changes nothing counts as on the target already.
    """
    known = {CHOSEN: git("rev-parse", "HEAD", cwd=repo)}
    desk = repo.parent / "desk"
    git("worktree", "add", "--quiet", "--detach", str(desk), cwd=repo)

    def commit(name: str) -> str:
        if name not in known:
            parent = CHOSEN
            if name == LANDED:
                parent = BATCHED
            git("checkout", "--quiet", "--detach", commit(parent), cwd=desk)
            known[name] = write(desk, f"{name}.txt")
        return known[name]

    return commit


def every_operation(repo: Path, remote: str = "") -> Workspace:
    """Return the workspace of a ledger that every operation wrote to, on a remote if it is named.

    In the end the target is where it was in the beginning.
    """
    clock = Ahead()
    work = open_workspace(repo, clock=clock)
    if remote:
        machines.make(work, machines.home_for(work, remote))
        commit = _made_in(repo)
    else:
        ledger.init(work)
        commit = _imagined
    plans.apply_plan(work, PLAN + LAST, "plan.toml")
    for name in ("x", "y", "z"):
        agents.add(work, name, no_worktree=True)
    script = Script(work, clock, commit)
    _work(script)
    _widen(script)
    _expire(script)
    _orchestrate(script)
    _plan_in_passing(script)
    _review(script)
    _tell(script)
    chosen = script.entry()
    _stream(script)
    _land(script)
    _go_back(script, chosen)
    plans.apply_plan(work, CHANGED, "plan.toml")
    return work


def _work(script: Script) -> None:
    script.claim("x", "a")
    script.held("progress", "x", "a", message="half\nof it", percent=50)
    script.held("progress", "x", "a", message="on " + "é" * 400)
    old = script.tokens["a"]
    script.tokens["a"] = script.run("reissue", "x", task="a", session="t", old=old)["token"]
    script.held("lock", "x", "a", paths=["docs/", "x.md"], shared=False, for_ms=None)
    definition = _definition(script, "a")
    log = script.blob("a log")
    failed = {"verdict": "failed", "log": log}
    for why in given("one failed"), given(said("ended-with", status=1)):
        script.held("check", "x", "a", definition=definition, **script.passed(**failed, **why))
    script.held("check", "x", "a", definition=definition, **script.passed())
    script.complete("x", "a", "1")
    script.claim("y", "b", a="1")
    script.held("fail", "y", "b", kind="transient", reason="no parser\nyet", log=log)
    script.wait()
    script.claim("y", "b", a="1")
    script.held("release", "y", "b", reason="too large")
    script.claim("y", "b", a="1")
    script.held("release", "y", "b", said=said("interrupted"))
    script.claim("y", "b", a="1")
    script.held("release", "y", "b", **_at_limit())
    script.wait()
    script.claim("y", "b", a="1")
    script.complete("y", "b", "2", a="1")
    script.run("reopen", task="a", kind="conflict", reason="it conflicts", log=log)
    script.claim("x", "a")
    script.held("check", "x", "a", definition=definition, **script.passed())
    script.complete("x", "a", "3")
    script.claim("y", "b", a="3")
    script.complete("y", "b", "4", a="3")
    usage = {"assistant": "codex", "output_tokens": 20, "source": "reported"}
    script.held("usage", "y", "b", usage=usage)


def _at_limit() -> dict[str, Any]:
    resume = {"assistant": "claude", "session": "s-1"}
    why = said("usage-limit", assistant="claude")
    return {"kind": "limit", "delay_ms": 1000, "resume": resume, "said": why}


def _definition(script: Script, task: str) -> str:
    spec = check_of(script.work.ledger.snapshot().require_task(task)["spec"])
    assert spec is not None
    return definition_of(spec)


def _widen(script: Script) -> None:
    """Widen over what is over; it is kept until the task is retried."""
    script.claim("x", "1")
    script.run("lock", "z", task="", token="", paths=["w/"], shared=False, for_ms=1000)
    script.wait()
    script.claim("y", "2")
    wanted = ["1/", "w/x.py"]
    task = script.work.ledger.snapshot().require_task("2")
    asked = script.run("escalate", "y", task="2", kind="widening", said=question(task, wanted))
    script.run("resolve", escalation=asked["id"][:8], answer="yes", granted=True)
    event = script.held("widen", "y", "2", paths=wanted)
    assert event["expired"]
    assert event["lapsed"]
    script.held("fail", "y", "2", kind="permanent", reason="no use")
    script.run("retry", task="2")


def _expire(script: Script) -> None:
    script.wait()
    script.claim("x", "1")
    script.wait()
    assert script.claim("y", "1")["takeover"]
    script.held("lock", "y", "1", paths=["lib/"], shared=True, for_ms=None)
    script.wait()
    script.run("expire")
    script.claim("z", "2")
    script.wait()
    assert script.claim("z", "3")["expired"]
    script.held("release", "z", "3")
    script.run("lock", "z", task="", token="", paths=["q/"], shared=True, for_ms=1000)
    script.wait()
    assert script.run("lock", "y", task="", token="", paths=["q/"], shared=False, for_ms=None)[
        "lapsed"
    ]
    script.run("unlock", name="y", paths=["q/"], tokens=[])


def _plan_in_passing(script: Script) -> None:
    spec = script.work.ledger.snapshot().require_task("4")["spec"]
    added = {**spec, "id": "5", "title": "Do one more", "verify_by": "default"}
    script.run("task-add", spec=added)
    script.run("task-edit", spec={**added, "title": "Do one more otherwise", "verify_by": None})
    script.run("cancel", task="5")


def _orchestrate(script: Script) -> None:
    script.claim("x", "4")
    script.held("fail", "x", "4", kind="permanent", reason="impossible")
    script.run("retry", task="4", reason="possible after all")
    script.run("pause", task="4", reason="not yet\nnot now")
    script.run("unpause", task="4")
    script.run("assign", task="4", to="x")
    script.run("assign", task="4", to=None)
    script.run("cancel", task="b", reason="not wanted")
    script.run("retry", task="b")
    script.claim("y", "b", a="3")
    script.complete("y", "b", "5", a="3")


def _review(script: Script) -> None:
    script.claim("x", "r")
    script.complete("x", "r", "6")
    script.review("y", "r")
    script.held("review-release", "y", "r", reviewed=script.commit("6"))
    script.review("y", "r")
    script.wait()
    script.run("expire")
    script.review("z", "r")
    script.held("reject", "z", "r", reviewed=script.commit("6"), reason="too short")
    script.claim("x", "r")
    script.complete("x", "r", "7")
    script.review("y", "r")
    script.held("approve", "y", "r", reviewed=script.commit("7"), reason="good " * 200)


def _tell(script: Script) -> None:
    asked = script.run("escalate", "x", task="4", kind="question", reason="which one?\nthis?")
    script.run("resolve", escalation=asked["id"][:8], answer="that one")
    script.run("escalate", "x", task="", kind="question", reason="when?")
    note = script.run("note", "x", task="4", path=None, message="tabs are used")
    script.run("note", "y", task=None, path="lib/", message="so are spaces")
    script.run("note-drop", note=note["id"][:8])
    script.run("checkpoint", name="start")
    rows = ['{"op": "claim", "task": "2"}', '{"op": "lock", "path": "s/"}', '{"op": "release"}']
    rows += ['{"op": "cancel", "task": "4"}', '{"op": "note", "text": "all together"}']
    batch(script.work, parse_lines("\n".join(rows)), agent="y")


def _land(script: Script) -> None:
    phase = script.work.ledger.snapshot().phase("p")
    assert phase is not None
    definition = definition_of(phase["spec"]["gates"][0])
    script.run("gate", phase="p", gate="g", definition=definition, **script.passed())
    without = ["1", "2", "3"]
    order = merge_order(wholeness(script.work.ledger.snapshot(), "p", without).tasks)
    ends = {
        "phase": "p",
        "target": "refs/heads/main",
        "old": script.commit(BATCHED),
        "new": script.commit(LANDED),
    }
    begin: dict[str, Any] = {
        **ends,
        "results": script.blob(order),
        "count": len(order),
        "tree": TREE,
    }
    script.run("land-begin", **begin, without=without)
    script.run("land-abort", **ends, reason="main moved")
    script.run("land-begin", **begin, without=without)
    script.run("land-done", **ends)
    script.run("agent-remove", name="z")


def _stream(script: Script) -> None:
    """Land a batch of a stream, with one that has no commit; close it, and open it again."""
    for name in ("s1", "s2", "s3"):
        script.claim("x", name)
        script.complete("x", name, None if name == "s2" else name[1])
    ends = {
        "phase": "s",
        "target": "refs/heads/main",
        "old": script.commit(CHOSEN),
        "new": script.commit(BATCHED),
    }
    order = merge_order(wholeness(script.work.ledger.snapshot(), "s", ["s3"]).tasks)
    begin: dict[str, Any] = {**ends, "results": script.blob(order), "count": len(order)}
    script.run("land-begin", **begin, without=["s3"])
    script.run("land-done", **ends)
    script.run("phase-close", phase="s", reason="enough\nfor now")
    script.run("phase-open", phase="s")
    script.claim("x", "s4")
    script.held("release", "x", "s4")
    script.run("phase-close", phase="s")
    script.run("cancel", task="s4")
    script.run("phase-open", phase="s")


def _go_back(script: Script, chosen: str) -> None:
    for end, agent, task in (("rollback-done", "x", "2"), ("rollback-abort", "y", "3")):
        moved: dict[str, Any] = {
            "target": "refs/heads/main",
            "old": script.commit(LANDED),
            "new": script.commit(CHOSEN),
        }
        abandoned = script.work.ledger.snapshot()
        onto = script.work.ledger.snapshot(chosen)
        script.run(
            "rollback",
            onto=chosen,
            abandoned=abandoned.oid,
            epoch=abandoned.settings()["epoch"] + 1,
            surviving=survivors(onto, abandoned),
            carried={agent["id"]: script.blob(agent) for agent in abandoned.agents()},
            code={"kind": "rollback", "phase": None, **moved},
            reverts=[],
            forward=False,
        )
        keys = moved
        if end == "rollback-abort":
            keys = {**moved, **given(said("target-gone", target="main"))}
        script.run(end, **keys)
        script.claim(agent, task)
        chosen = script.entry()
