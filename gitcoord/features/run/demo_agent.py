"""Be one agent of the demo: claim, document, commit, complete, again."""

from __future__ import annotations

import importlib
import inspect
import json
import os
import sys
import threading
from pathlib import Path
from typing import Any

import gitcoord
from gitcoord.core.errors import (
    ClaimLostError,
    ConflictError,
    GitcoordError,
    NothingReadyError,
    PlanFinishedError,
    UnavailableError,
)
from gitcoord.core.ids import AgentId
from gitcoord.git.places import discover
from gitcoord.git.program import Git
from gitcoord.host.clock import Clock

__all__ = ["FAILING_TASK", "REJECTED_TASK", "THINK_S", "VICTIM", "main"]

VICTIM = AgentId("agent-2")
FAILING_TASK = "40"
REJECTED_TASK = "90"
THINK_S = 2.0
_CLOCK = Clock()


def _pages(task: dict[str, Any], root: Path) -> dict[str, str]:
    """Write what a task asks for: file names and their texts."""
    kind, _, name = task["spec"]["title"].rpartition(" ")
    if task["spec"]["pool"] == "builders":
        return _module_pages(name)
    docs = sorted(path.name for path in (root / "docs").iterdir())
    if task["spec"]["pool"] == "writers":
        lines = [
            f"# {name}",
            "",
            f"{len(docs)} modules are documented; those of this group first.",
            "",
        ]
        lines += [f"- [{module}](../docs/{module}/index.md)" for module in docs]
        return {f"overview/{name}.md": "\n".join(lines) + "\n"}
    page = (root / "overview" / f"{name}.md").read_text("utf-8")
    missing = [module for module in docs if f"(../docs/{module}/index.md)" not in page]
    return {f"checks/{name}.txt": f"{kind} {name}: {len(docs)} links, {len(missing)} missing\n"}


def _module_pages(name: str) -> dict[str, str]:
    module = importlib.import_module(name)
    about = (inspect.getdoc(module) or "").strip().split("\n\n")[0]
    lines = [f"# {name}", "", about, "", "| name | kind | about |", "|---|---|---|"]
    for public in sorted(one for one in dir(module) if not one.startswith("_")):
        value = getattr(module, public, None)
        first = (inspect.getdoc(value) or "").strip().split("\n")[0].replace("|", "\\|")
        if callable(value):
            lines.append(f"| `{public}` | {type(value).__name__} | {first[:80]} |")
    return {f"docs/{name}/index.md": "\n".join(lines) + "\n"}


def main(agent: AgentId) -> None:
    """Work until the plan is finished."""
    place = discover(Path.cwd())
    notes = place.common_dir / "gitcoord" / "demo"
    notes.mkdir(parents=True, exist_ok=True)
    totals = {"tasks": 0.0, "work_s": 0.0, "gitcoord_s": 0.0}
    with gitcoord.open(".") as coord:
        while True:
            before_ns = _CLOCK.monotonic_ns()
            try:
                claim = coord.claim(agent)
            except PlanFinishedError:
                return
            except (NothingReadyError, ConflictError, UnavailableError) as error:
                if _review(coord, agent):
                    continue
                _CLOCK.sleep(min(0.3, float(str(error.facts.get("retry_after") or 0.3))))
                continue
            claimed_ns = _CLOCK.monotonic_ns()
            try:
                _do(coord, claim, agent, notes, is_first=not totals["tasks"])
                worked_ns = _CLOCK.monotonic_ns()
                coord.complete(claim)
            except (ClaimLostError, _GaveUpError):
                continue
            totals["tasks"] += 1
            totals["work_s"] += (worked_ns - claimed_ns) / 1e9
            totals["gitcoord_s"] += (
                claimed_ns - before_ns + _CLOCK.monotonic_ns() - worked_ns
            ) / 1e9
            (notes / f"{agent}.json").write_text(json.dumps(totals), "ascii")


def _review(coord: gitcoord.Coordinator, agent: AgentId) -> bool:
    """Review another agent's overview, if one waits; say whether one did."""
    try:
        review = coord.review(agent)
    except (NothingReadyError, PlanFinishedError, ConflictError, UnavailableError):
        return False
    try:
        if review.task["id"] == REJECTED_TASK and review.task["failures"] == 0:
            coord.reject(review, reason="the first result of this task is rejected on purpose")
        elif review.diff is not None and [one["removed"] for one in review.diff["files"]] == [0]:
            coord.approve(
                review, f"{review.diff['files'][0]['added']} new lines, nothing else touched"
            )
        else:
            coord.reject(review, reason="an overview is one new file")
    except ClaimLostError:
        return True
    return True


class _GaveUpError(Exception):
    """Print that the task was given back."""


def _do(
    coord: gitcoord.Coordinator,
    claim: gitcoord.Held,
    agent: AgentId,
    notes: Path,
    *,
    is_first: bool,
) -> None:
    done = threading.Event()
    beater = threading.Thread(target=_beat, args=(claim, done), daemon=True)
    beater.start()
    try:
        task = claim.task
        if task["id"] == FAILING_TASK and task["failures"] == 0:
            coord.fail(claim, reason="the first attempt at this task fails on purpose")
            raise _GaveUpError
        root = Path(claim.worktree or ".")
        pages = _pages(dict(task), root)
        for name, text in pages.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
        if agent == VICTIM and not is_first and not (notes / "victim-at-work").exists():
            (notes / "victim-at-work").write_text(task["id"], "ascii")
            _CLOCK.sleep(60)
        _CLOCK.sleep(THINK_S)
        git = Git(root)
        git.run("add", "--", *pages)
        who = {
            "GIT_AUTHOR_NAME": agent,
            "GIT_AUTHOR_EMAIL": f"{agent}@localhost.invalid",
            "GIT_COMMITTER_NAME": agent,
            "GIT_COMMITTER_EMAIL": f"{agent}@localhost.invalid",
        }
        git.run("commit", "-q", "-m", task["spec"]["title"], env=who)
    finally:
        done.set()
        beater.join()


def _beat(claim: gitcoord.Held, done: threading.Event) -> None:
    """Beat beside the work, in a store of its own."""
    with gitcoord.open(".") as coord:
        while not done.wait(1.0):
            try:
                coord.beat(claim)
            except GitcoordError:
                return


if __name__ == "__main__":
    os.environ["GITCOORD_SESSION"] = f"demo-{os.getpid()}"
    main(AgentId(sys.argv[1]))
