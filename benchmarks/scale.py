"""Measure what grows with the plan, the history, the agents and the needs.

Each row sets a large ledger against a small one in the same run, in turn;
the bulk rows are rates, sizes and seconds of one large plan. Run by
``make bench-full``; ``--quick`` takes a tenth of every size.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.__main__ import alternating, installed, repository, show
from gitcoord.core.ids import Oid
from gitcoord.features.inspect import facts
from gitcoord.features.setup import agents, plans
from gitcoord.features.setup import ledger as setting_up
from gitcoord.features.work import claims, results
from gitcoord.features.workspace import Workspace, open_workspace
from gitcoord.ledger.ledger import Ledger

ROUNDS = 60
SCALE = 10 if "--quick" in sys.argv else 1
PEAK = """
import os, sys
silent = (os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0)
child = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=[silent])
_, status, usage = os.wait4(child, 0)
print(usage.ru_maxrss)
sys.exit(os.waitstatus_to_exitcode(status))
"""
HEAD = '[plan]\nselection = "round-robin"\nlease = "30m"\n'


def plan(count: int, needs: Callable[[int], str] = lambda _number: "") -> str:
    """Write tasks that may hand in nothing, with a folder each."""
    return HEAD + "".join(
        f'[[task]]\nid = "t{number}"\ntitle = "Task {number}"\npaths = ["d{number}/"]\nresult = '
        f'"optional"\n{needs(number)}'
        for number in range(count)
    )


def ledger(folder: Path, text: str, count: int = 1) -> Workspace:
    """Make a ledger with a plan, agents, and an index."""
    work = open_workspace(repository(folder))
    setting_up.init(work)
    plans.apply_plan(work, text, "plan.toml")
    for number in range(count):
        agents.add(work, f"x{number}", no_worktree=True)
    work.index.update(work.store, Oid(str(work.ledger.tip())))
    return work


def timed(act: Callable[[], object]) -> float:
    before = time.perf_counter()
    act()
    return time.perf_counter() - before


class Load:
    """What is measured on a ledger: a claim, a completion, the status."""

    def __init__(self, work: Workspace) -> None:
        self.work = work

    def claim(self) -> float:
        """Claim the next task, and give it back."""
        before = time.perf_counter()
        held = claims.claim(self.work, "x0", checkout=False)
        took = time.perf_counter() - before
        results.release(self.work, "x0", held.task["id"], held.claim["token"])
        return took

    def complete(self) -> float:
        """Complete the next task without a commit."""
        held = claims.claim(self.work, "x0", checkout=False)
        return timed(
            lambda: results.complete(
                self.work, "x0", held.task["id"], held.claim["token"], no_result=True
            )
        )

    def status(self) -> float:
        """Sum the ledger up, which has moved since the last time."""
        self.claim()
        return timed(lambda: facts.status(self.work))


def against(what: str, large: Workspace, small: Workspace) -> None:
    """Show each of the three on a large ledger against a small one."""
    one, other = Load(large), Load(small)
    for name in ("claim", "complete", "status"):
        getattr(one, name)(), getattr(other, name)()
        large_s, small_s, ratio = alternating(getattr(one, name), getattr(other, name), ROUNDS)
        show(
            f"{name}: {what}", f"{large_s * 1000:.2f} ms / {small_s * 1000:.2f} ms", ratio, "<= 1.3"
        )


def with_history(work: Workspace, entries: int) -> Workspace:
    """Make a long history: progress on one task that is given back in the end."""
    held = claims.claim(work, "x0", checkout=False)
    fast = Ledger(work.store, work.ledger.name, work.ledger.clock)
    command = {
        "op": "progress",
        "agent": "x0",
        "task": held.task["id"],
        "token": held.claim["token"],
        "percent": None,
    }
    for number in range(entries):
        fast.execute({**command, "message": f"step {number}"}, agent="x0")
    results.release(work, "x0", held.task["id"], held.claim["token"])
    return work


def flat(top: Path) -> None:
    """Set every dimension against a small ledger of its own."""
    count = 100_000 // SCALE
    against(
        f"{count:,} tasks / 200", ledger(top / "tasks", plan(count)), ledger(top / "few", plan(200))
    )
    count = 1000 // SCALE
    against(
        f"{count:,} agents / 1",
        ledger(top / "agents", plan(200), count),
        ledger(top / "alone", plan(200)),
    )
    count = 10_000 // SCALE
    wide = plan(count, lambda number: 'needs = ["t0"]\n' if number else "")
    against_needs(
        f"t0 with {count:,} dependents / none",
        ledger(top / "wide", wide),
        ledger(top / "flat", plan(200)),
    )
    deep = plan(count, lambda number: f'needs = ["t{number - 1}"]\n' if number else "")
    against(
        f"a chain of {count:,} / none", ledger(top / "deep", deep), ledger(top / "short", plan(200))
    )
    entries = 100_000 // SCALE
    os.environ["GITCOORD_DURABILITY"] = "process"
    started = time.perf_counter()
    with_history(ledger(top / "long", plan(200)), entries).close()
    os.environ.pop("GITCOORD_DURABILITY")
    print(
        f"  ({entries:,} entries made in {time.perf_counter() - started:.0f} s, unsynced)",
        flush=True,
    )
    from gitcoord.features.maintain.upkeep import upkeep

    long = open_workspace(top / "long")
    upkeep(long)
    against(f"{entries:,} entries / few", long, ledger(top / "young", plan(200)))


def against_needs(what: str, large: Workspace, small: Workspace) -> None:
    """Complete the task that all need, and claim the first that it made ready."""
    one, other = Load(large), Load(small)
    show(f"complete: {what}", "", one.complete() / other.complete(), "<= 1.3")
    took = [
        timed(partial(work.index.update, work.store, Oid(str(work.ledger.tip()))))
        for work in (large, small)
    ]
    show(
        "  the index after it",
        f"{took[0] * 1000:.1f} ms / {took[1] * 1000:.1f} ms",
        took[0] / took[1],
        "linear, once",
    )
    against(what, large, small)


def bulk(top: Path) -> None:
    """Apply one large plan, and ask about it."""
    count = 100_000 // SCALE
    text = plan(count)
    work = open_workspace(repository(top / "bulk"))
    setting_up.init(work)
    parsed_s = timed(lambda: plans.check_plan(text, "plan.toml", work.ledger.snapshot()))
    git_dir = top / "bulk" / ".git"
    before = disk_bytes(git_dir)
    applied_s = timed(lambda: plans.apply_plan(work, text, "plan.toml")) - parsed_s
    show(
        f"apply {count:,} parsed tasks",
        f"{applied_s:.1f} s ({parsed_s:.1f} s to parse)",
        count / applied_s,
        ">= 10000 /s",
    )
    show("  disk for each", "bytes", (disk_bytes(git_dir) - before) / count, "<= 1500")
    show(
        "  memory of it all",
        "MB",
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "<= 500",
    )
    agents.add(work, "x0", no_worktree=True)
    work.close()
    (top / "plan.toml").write_text(text)
    for words in (
        ["--agent", "x0", "claim", "--no-checkout"],
        ["--agent", "x0", "claim", "--no-checkout"],
        ["status"],
        ["tasks"],
        ["plan", "check", str(top / "plan.toml")],
        ["verify"],
    ):
        seconds, megabytes = commanded(top, words)
        budget = "<= 60" if words[-1] == "--no-checkout" else "none"
        show(
            f"  gitcoord {' '.join(word for word in words if '/' not in word)}",
            f"{seconds:.1f} s, MB:",
            megabytes,
            budget,
        )


def disk_bytes(folder: Path) -> int:
    return sum(path.stat().st_blocks * 512 for path in folder.rglob("*"))


def commanded(top: Path, words: list[str]) -> tuple[float, float]:
    """Run a command; give its seconds, and the most memory it had in MB."""
    argv = [sys.executable, "-m", "gitcoord", "-C", str(top / "bulk"), *words]
    before = time.perf_counter()
    # A small process in between: a child begins with its parent's peak.
    done = subprocess.run(
        [sys.executable, "-S", "-c", PEAK, *argv],
        stdout=subprocess.PIPE,
        env=installed(top),
        check=True,
        text=True,
    )
    return time.perf_counter() - before, int(done.stdout) / 1024


def main() -> None:
    """Run all rows."""
    with tempfile.TemporaryDirectory(prefix="gitcoord-bench-") as folder:
        top = Path(folder)
        bulk(top)
        flat(top)


if __name__ == "__main__":
    main()
