"""Show the main job on real input, with the faults that it is made for.

Eight agents, each a process of its own, document the standard library of
the Python that runs them. One of them is killed in mid-task, one task
fails at first, one result is rejected by its reviewer, and all of them
race for the same tasks.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gitcoord.core.errors import RefusedError
from gitcoord.core.ids import AgentId, Oid
from gitcoord.core.stats import CONDITIONS
from gitcoord.features.inspect import facts
from gitcoord.features.inspect.statistics import statistics
from gitcoord.features.land import landings
from gitcoord.features.maintain import verify
from gitcoord.features.maintain.report import FORMATS, report_facts
from gitcoord.features.run.demo_agent import FAILING_TASK, THINK_S, VICTIM
from gitcoord.features.setup import agents, ledger, plans, trust
from gitcoord.features.workspace import Workspace, open_workspace
from gitcoord.git.program import Git, require_git, scrubbed
from gitcoord.host.clock import Clock, Deadline

__all__ = ["demo", "plan_text"]

TIMEOUT_S = 150.0
POLL_S = 0.1
MODULES = [
    "argparse",
    "ast",
    "asyncio",
    "base64",
    "bisect",
    "calendar",
    "codecs",
    "collections",
    "configparser",
    "contextlib",
    "copy",
    "csv",
    "dataclasses",
    "datetime",
    "decimal",
    "difflib",
    "email",
    "enum",
    "fnmatch",
    "fractions",
    "functools",
    "glob",
    "gzip",
    "hashlib",
    "heapq",
    "html",
    "inspect",
    "io",
    "ipaddress",
    "itertools",
    "json",
    "logging",
    "operator",
    "os",
    "pathlib",
    "pickle",
    "queue",
    "random",
    "re",
    "shutil",
    "socket",
    "sqlite3",
    "string",
    "subprocess",
    "textwrap",
]
GROUPS = {
    "text": "codecs csv difflib fnmatch html json re string textwrap",
    "data": "bisect collections copy dataclasses decimal enum fractions heapq operator pickle",
    "files": "configparser glob gzip io logging os pathlib shutil sqlite3",
    "time-and-chance": "calendar datetime random queue",
    "network": "asyncio base64 email hashlib ipaddress socket subprocess",
    "programs": "argparse ast contextlib functools inspect itertools",
}


GATE = """import pathlib
import re
import unittest


class Pages(unittest.TestCase):
    def test_every_page_has_its_heading(self):
        pages = sorted(pathlib.Path("docs").glob("*/index.md"))
        self.assertTrue(pages)
        for page in pages:
            self.assertTrue(page.read_text("utf-8").startswith(f"# {page.parent.name}\\n"), page)

    def test_every_link_leads_somewhere(self):
        for page in pathlib.Path("overview").glob("*.md"):
            for link in re.findall(r"\\]\\(([^)]+)\\)", page.read_text("utf-8")):
                self.assertTrue((page.parent / link).exists(), f"{page}: {link}")
"""


_PLAN_HEAD = """
[plan]
name = "stdlib"
lease = "3s"
heartbeat = "1s"
selection = "random"

[[pool]]
name = "builders"
selection = "directory"

[[pool]]
name = "writers"
selection = "round-robin"

[[pool]]
name = "checkers"

[[phase]]
name = "build"
gates = [GATES]

[[phase]]
name = "overview"
after = ["build"]
gates = [GATES]

[[phase]]
name = "check"
after = ["overview"]
gates = [GATES]

[template.module]
title = "Document the module {module}"
phase = "build"
pool = "builders"
paths = ["docs/{module}/"]

[template.overview]
title = "Write the overview {group}"
phase = "overview"
pool = "writers"
paths = ["overview/{group}.md"]
reads = ["docs/"]
verify_by = "checkers"

[template.check]
title = "Check the pages of {group}"
phase = "check"
pool = "checkers"
paths = ["checks/{group}.txt"]
reads = ["docs/", "overview/"]
"""


def plan_text() -> str:
    """Write the demo's plan: directory division, next available, checkers."""
    rows = [_row(25 + index, "module", f'module = "{name}"') for index, name in enumerate(MODULES)]
    rows += [
        _row(88 + index, "overview", f'group = "{group}"') for index, group in enumerate(GROUPS)
    ]
    rows += [_row(94 + index, "check", f'group = "{group}"') for index, group in enumerate(GROUPS)]
    run = json.dumps(f"{shlex.quote(sys.executable)} -m unittest -v test_pages")
    gate = f'{{ name = "pages", run = {run}, timeout = "2m" }}'
    return _PLAN_HEAD.replace("GATES", gate) + "".join(rows)


def _row(number: int, template: str, values: str) -> str:
    return f'\n[[task]]\nid = "{number}"\nuse = "{template}"\nwith = {{ {values} }}\n'


def demo(keep: Path | None, count: int, tell: Callable[[str], None]) -> dict[str, Any]:
    """Run the demo; return what came of it. The repository stays."""
    require_git()
    if keep is not None:
        top = keep.absolute()
    else:
        top = Path(tempfile.mkdtemp(prefix="gitcoord-demo-")) / "stdlib"
    _make_repository(top)
    with _trust_of_its_own(top):
        return _demo(top, count, tell)


@contextmanager
def _trust_of_its_own(top: Path) -> Iterator[None]:
    """Keep what the demo trusts inside its repository, not with the user's."""
    before = os.environ.get("XDG_CONFIG_HOME")
    os.environ["XDG_CONFIG_HOME"] = str(top / ".git" / "gitcoord" / "demo" / "config")
    try:
        yield
    finally:
        os.environ.pop("XDG_CONFIG_HOME")
        if before is not None:
            os.environ["XDG_CONFIG_HOME"] = before


def _demo(top: Path, count: int, tell: Callable[[str], None]) -> dict[str, Any]:
    clock = Clock()
    work = open_workspace(top)
    tell(f"A scratch repository: {top}")
    ledger.init(work)
    plan = top / "plan.toml"
    plans.apply_plan(work, plan.read_text("utf-8"), plan.name)
    for command in trust.record(work, work.ledger.snapshot()):
        tell(f"Trusted, in this demo alone: {command}")
    tell(
        f"A plan: {len(MODULES)} modules to document (25-69), {len(GROUPS)} overviews (88-93), "
        f"{len(GROUPS)} checks."
    )
    names = [AgentId(f"agent-{number}") for number in range(1, count + 1)]
    for number, name in enumerate(names):
        pools = ["builders", "writers"] + (["checkers"] if number != 1 else [])
        agents.add(work, name, pools=pools)
    tell(
        f"{count} agents, each with a worktree of its own, start at the same moment and race for "
        "the tasks.\n"
    )
    start_ns = clock.monotonic_ns()
    processes = {name: _start(work, name) for name in names}
    try:
        outcome = _watch(work, processes, clock, tell)
    finally:
        for process in processes.values():
            if process.poll() is None:
                process.kill()
            process.wait()
    outcome["seconds"] = round((clock.monotonic_ns() - start_ns) / 1e9, 1)
    verified = verify.verify(work)
    _report(work, top, outcome, verified.entries, tell)
    outcome |= {"repository": str(top), "entries": verified.entries}
    work.close()
    return outcome


def _make_repository(top: Path) -> None:
    top.mkdir(parents=True, exist_ok=True)
    git = Git(top)
    git.run("init", "-q", "-b", "main")
    (top / "README.md").write_text("# The standard library, documented by agents\n", "utf-8")
    (top / "plan.toml").write_text(plan_text(), "utf-8")
    (top / "test_pages.py").write_text(GATE, "utf-8")
    git.run("add", "--", "README.md", "plan.toml", "test_pages.py")
    who = {
        "GIT_AUTHOR_NAME": "demo",
        "GIT_AUTHOR_EMAIL": "demo@localhost.invalid",
        "GIT_COMMITTER_NAME": "demo",
        "GIT_COMMITTER_EMAIL": "demo@localhost.invalid",
    }
    git.run("commit", "-q", "-m", "Begin", env=who)


def _start(work: Workspace, name: AgentId) -> subprocess.Popen[bytes]:
    folder = work.worktree_of(name)
    log = work.ledger.files.root / "logs" / f"{name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "gitcoord.features.run.demo_agent", name],
            cwd=folder,
            stdout=output,
            stderr=output,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            env=scrubbed(_python_path()),
        )


def _python_path() -> dict[str, str]:
    source = str(Path(__file__).parents[3])
    return {
        "PYTHONPATH": os.pathsep.join([source, *filter(None, [os.environ.get("PYTHONPATH", "")])])
    }


def _watch(
    work: Workspace,
    processes: dict[AgentId, subprocess.Popen[bytes]],
    clock: Clock,
    tell: Callable[[str], None],
) -> dict[str, Any]:
    """Kill the victim in mid-task, land what is whole, tell what happens."""
    outcome: dict[str, Any] = {
        "ok": False,
        "killed": None,
        "taken_over": None,
        "failed_once": False,
        "approved": 0,
        "rejected": None,
    }
    deadline = Deadline(clock, TIMEOUT_S)
    tip = work.ledger.tip()
    marker = work.ledger.files.root / "demo" / "victim-at-work"
    while not deadline.expired:
        if outcome["killed"] is None and marker.exists():
            os.killpg(processes[VICTIM].pid, signal.SIGKILL)
            outcome["killed"] = marker.read_text("ascii")
            tell(
                f"  *  {VICTIM} is killed with SIGKILL in the middle of task {outcome['killed']}; "
                "nobody cleans up"
            )
        tip = _tell_news(work, tip, outcome, tell)
        status = facts.status(work)
        for phase in status["phases"]:
            if phase["is_landable"]:
                try:
                    done = landings.land(work, phase["id"])
                    tell(
                        f"  *  phase {phase['id']} landed: {done.results} results at once, main is "
                        f"at {done.new[:10]}; "
                        f"passed before: {', '.join(done.gates)}"
                    )
                except RefusedError as error:
                    tell(f"  *  phase {phase['id']} did not land: {error.message}")
        if not set(facts.status(work)["counts"]) - {"landed"}:
            _tell_news(work, tip, outcome, tell)
            seen = (
                outcome["killed"],
                outcome["taken_over"],
                outcome["failed_once"],
                outcome["rejected"],
                outcome["approved"] == len(GROUPS),
            )
            outcome["ok"] = all(seen)
            return outcome
        if all(process.poll() is not None for process in processes.values()):
            return outcome
        clock.sleep(POLL_S)
    return outcome


def _tell_news(
    work: Workspace, tip: Oid | None, outcome: dict[str, Any], tell: Callable[[str], None]
) -> Oid | None:
    now = work.ledger.tip()
    fresh = []
    for entry in facts.history(work, now, limit=10_000):
        if entry["entry"] == tip:
            break
        fresh.append(entry)
    for entry in reversed(fresh):
        if "taken over" in entry["subject"]:
            outcome["taken_over"] = entry["tasks"][0]
            tell(f"  *  {entry['subject']}")
        elif entry["op"] == "fail":
            outcome["failed_once"] = FAILING_TASK in entry["tasks"]
            tell(f"  *  {entry['subject']}; it comes back after a second")
        elif entry["op"] == "reject":
            outcome["rejected"] = entry["tasks"][0]
            tell(f"  *  {entry['subject']}")
        elif entry["op"] == "approve":
            outcome["approved"] += 1
            tell(
                f"     {entry['agent']} approved {entry['tasks'][0]}: "
                f"{entry['subject'].partition(': ')[2]}"
            )
        elif entry["op"] == "complete":
            tell(
                f"     {entry['agent']} completed {entry['tasks'][0]}: "
                f"{entry['subject'].partition(': ')[2]}"
            )
    return now


def _judged(one: dict[str, Any]) -> str:
    """Return one of the four conditions of parallel work, and whether it is met."""
    verdict = {True: "met", False: "not met", None: "not known"}[one["is_met"]]
    return f"{verdict}: {CONDITIONS[one['name']].title}: {one['how']}"


def _report(
    work: Workspace, top: Path, outcome: dict[str, Any], entries: int, tell: Callable[[str], None]
) -> None:
    totals: dict[str, dict[str, float]] = {}
    for path in sorted((work.ledger.files.root / "demo").glob("*.json")):
        totals[path.stem] = json.loads(path.read_text("ascii"))
    busy_s = sum(one["work_s"] for one in totals.values())
    coordination_s = sum(one["gitcoord_s"] for one in totals.values())
    sequential_s = busy_s + coordination_s
    landed = facts.status(work)["counts"].get("landed", 0)
    outcome |= {"landed": landed, "sequential_seconds": round(sequential_s, 1)}
    tell(
        f"\nLanded: {landed} tasks in {len(facts.status(work)['phases'])} phases, nothing by "
        "halves."
    )
    for name, one in totals.items():
        tell(
            f"  {name}: {one['tasks']:.0f} tasks, {one['work_s']:.1f} s at work, "
            f"{one['gitcoord_s']:.1f} s in gitcoord"
        )
    tell(
        f"One after the other it would have been {sequential_s:.1f} s; in parallel it took "
        f"{outcome['seconds']} s"
        f" ({THINK_S} s of each task stand for an assistant that thinks)."
    )
    outcome["conditions"] = statistics(work)["conditions"]
    for one in outcome["conditions"]:
        tell(f"  {_judged(one)}")
    tell(f"verify: {entries} entries, every one follows from its parent.\n")
    if shutil.which("gitcoord"):
        program = "gitcoord"
    else:
        program = f"{sys.executable} -m gitcoord"
    page = work.ledger.files.root / "demo" / "report.html"
    page.write_text(FORMATS["html"](report_facts(work)), "utf-8")
    outcome["report"] = str(page)
    tell(f"Who did what, when, and what came of it: {page}\n")
    tell("Look around:")
    tell(f"  cd {top}")
    tell("  git log --oneline --graph main | head -40")
    tell("  git log --format='%h %an: %s' gitcoord/ledger | head -40")
    tell(f"  {program} show {outcome['taken_over'] or '25'}        # the task that changed hands")
    tell(f"  {program} show {FAILING_TASK}        # the task that failed first")
    tell(f"  {program} status")
    tell(f"  {program} verify")
