"""Print the first rows of the budget table as ratios.

Every figure is taken in one run on one disk, durability ``full`` on both
sides. ``python -m benchmarks`` takes about a minute; ``--full`` adds the
row of 100,000 tasks.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

import pygit2

from benchmarks.assistant_hook import hook_ratios
from benchmarks.disk import sqlite_commit, syncs_alone
from benchmarks.plans import many_tasks
from gitcoord.features.setup import agents, hooks, ledger, plans
from gitcoord.features.work import claims, results
from gitcoord.features.workspace import Workspace, open_workspace

ROUNDS = 150
SOURCE = str(Path(__file__).parents[1])

RACER = """
import sys, time
from pathlib import Path
from gitcoord.features.maintain import upkeep
from gitcoord.features.work import claims, results
from gitcoord.features.workspace import open_workspace
repo, agent, start, seconds = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]), float(sys.argv[4])
work = open_workspace(repo)
(start / agent).touch()
while not (start / "go").exists():
    time.sleep(0.002)
end = time.monotonic() + seconds
while time.monotonic() < end:
    before = time.monotonic()
    held = claims.claim(work, agent, checkout=False)
    print(time.monotonic() - before)
    results.release(work, agent, held.task["id"], held.claim["token"])
    # As the Python interface does after each entry.
    upkeep.maybe(work)
"""


def repository(folder: Path, *formats: str) -> Path:
    folder.mkdir()
    making = ["init", "-q", "-b", "main", *formats]
    for args in (making, ["commit", "-q", "--allow-empty", "-m", "first"]):
        subprocess.run(
            ["git", "-c", "user.name=b", "-c", "user.email=b@localhost", *args],
            cwd=folder,
            check=True,
        )
    return folder


def world(folder: Path, tasks: int, count: int = 1, formats: tuple[str, ...] = ()) -> Workspace:
    work = open_workspace(repository(folder, *formats))
    ledger.init(work)
    plans.apply_plan(work, many_tasks(tasks), "plan.toml")
    for number in range(count):
        agents.add(work, f"x{number}", no_worktree=True)
    return work


def timed(act: Callable[[], None], rounds: int = ROUNDS) -> list[float]:
    found = []
    for _ in range(rounds):
        before = time.perf_counter()
        act()
        found.append(time.perf_counter() - before)
    return found


def bare_loop(folder: Path) -> Callable[[], None]:
    """Write one blob, three trees and one commit, and swap the ref: nothing else."""
    pygit2.settings.enable_fsync_gitdir(True)
    repo = pygit2.Repository(str(repository(folder) / ".git"))
    who = pygit2.Signature("b", "b@localhost")
    number = 0
    repo.references.create("refs/heads/bare", repo.head.target)

    def once() -> None:
        nonlocal number
        number += 1
        oid = repo.create_blob(f"{number}\n".encode() * 40)
        mode = pygit2.enums.FileMode.BLOB
        for _ in range(3):
            builder = repo.TreeBuilder()
            builder.insert("x", oid, mode)
            oid, mode = builder.write(), pygit2.enums.FileMode.TREE
        reference = repo.references["refs/heads/bare"]
        commit = repo.create_commit(None, who, who, f"{number}", oid, [str(reference.target)])
        reference.set_target(commit)

    return once


def claiming(work: Workspace) -> Callable[[], float]:
    def once() -> float:
        before = time.perf_counter()
        held = claims.claim(work, "x0", checkout=False)
        took = time.perf_counter() - before
        results.release(work, "x0", held.task["id"], held.claim["token"])
        return took

    return once


def alternating(
    one: Callable[[], float], other: Callable[[], float], rounds: int = ROUNDS
) -> tuple[float, float, float]:
    """Run two things in turn; give both medians and the median of the ratios."""
    pairs = [(one(), other()) for _ in range(rounds)]
    ratio = statistics.median(a / b for a, b in pairs)
    return statistics.median(a for a, _ in pairs), statistics.median(b for _, b in pairs), ratio


def claim_against_bare(top: Path) -> None:
    bare = bare_loop(top / "bare")

    def bare_once() -> float:
        before = time.perf_counter()
        bare()
        return time.perf_counter() - before

    claim_s, bare_s, ratio = alternating(claiming(world(top / "one", 100)), bare_once)
    show(
        "claim against a bare loop",
        f"{claim_s * 1000:.2f} ms / {bare_s * 1000:.2f} ms",
        ratio,
        "<= 1.5",
    )


def claim_against_disk(top: Path) -> None:
    work = world(top / "synced", 100)
    others = {
        "its syncs alone": syncs_alone(top / "syncs"),
        "one commit of SQLite, WAL": sqlite_commit(top / "wal", "WAL"),
        "one commit of SQLite, DELETE": sqlite_commit(top / "delete", "DELETE"),
    }
    for name, other in others.items():
        claim_s, other_s, ratio = alternating(claiming(work), other)
        show(
            f"claim against {name}",
            f"{claim_s * 1000:.2f} ms / {other_s * 1000:.2f} ms",
            ratio,
            "none",
        )


def flat(top: Path, many: int) -> None:
    before = time.perf_counter()
    large = world(top / "large", many)
    print(f"  ({many:,} tasks parsed, applied and indexed in {time.perf_counter() - before:.1f} s)")
    claims.claim(large, "x0", checkout=False)
    large_s, small_s, ratio = alternating(
        claiming_again(large), claiming(world(top / "small", 100))
    )
    show(
        f"claim with {many:,} tasks against 100",
        f"{large_s * 1000:.2f} ms / {small_s * 1000:.2f} ms",
        ratio,
        "<= 1.3",
    )


def claiming_again(work: Workspace) -> Callable[[], float]:
    held = claims.claim(work, "x0", checkout=False)
    results.release(work, "x0", held.task["id"], held.claim["token"])
    return claiming(work)


def racing(top: Path, seconds: float = 8.0) -> None:
    rates = {}
    p99 = {}
    for count in (1, 32):
        work = world(top / f"race{count}", 200, count)
        start = top / f"start{count}"
        start.mkdir()
        command = [sys.executable, "-c", RACER, str(top / f"race{count}")]
        env = {**os.environ, "PYTHONPATH": SOURCE}
        racers = [
            subprocess.Popen(
                [*command, f"x{number}", str(start), str(seconds)],
                stdout=subprocess.PIPE,
                text=True,
                env=env,
            )
            for number in range(count)
        ]
        while sum(1 for _ in start.glob("x*")) < count:
            time.sleep(0.01)
        (start / "go").touch()
        took = [float(line) for racer in racers for line in racer.communicate()[0].split()]
        rates[count] = len(took) / seconds
        p99[count] = sorted(took)[int(len(took) * 0.99) - 1]
        work.close()
    show(
        "32 racing processes against one, rate",
        f"{rates[32]:.0f}/s / {rates[1]:.0f}/s",
        rates[32] / rates[1],
        ">= 0.8",
    )
    show(
        "their p99 against 32 / rate",
        f"{p99[32] * 1000:.0f} ms",
        p99[32] / (32 / rates[32] / 2),
        "<= 4",
    )


def one_shot(top: Path) -> None:
    work = world(top / "shot", 100)
    work.close()
    base = [sys.executable, "-m", "gitcoord", "-C", str(top / "shot"), "--agent", "x0"]
    env = installed(top)
    ours, click, ratios = [], [], []
    for command in (
        [*base, "claim", "--no-checkout"],
        [*base, "release"],
        [sys.executable, "-c", "import click"],
    ):
        cpu(command, env=env)
    for _ in range(15):
        ours.append(cpu([*base, "claim", "--no-checkout"], env=env))
        subprocess.run([*base, "release"], check=True, capture_output=True, env=env)
        click.append(cpu([sys.executable, "-c", "import click"], env=env))
        ratios.append(ours[-1] / click[-1])
    show(
        "one-shot claim against `import click`, CPU",
        f"{statistics.median(ours) * 1000:.0f} ms / {statistics.median(click) * 1000:.0f} ms",
        statistics.median(ratios),
        "<= 2",
    )


def installed(top: Path) -> dict[str, str]:
    """Return an environment for commands that are compiled, as an installer does.

    Else each start compiles what it imports, and that is what is measured.
    """
    env = {
        **os.environ,
        "PYTHONPATH": SOURCE,
        "PYTHONPYCACHEPREFIX": str(top / "compiled"),
        "GITCOORD_UPKEEP": "off",
    }
    env.pop("PYTHONDONTWRITEBYTECODE", None)
    return env


def cpu(
    command: list[str],
    *,
    env: dict[str, str],
    cwd: Path | None = None,
    stdin: IO[str] | None = None,
) -> float:
    """Run a command; give the CPU seconds that it and its children took."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, capture_output=True, env=env, cwd=cwd, stdin=stdin)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def hooked(top: Path, rounds: int = 25) -> None:
    """Commit in a claimed worktree, in turn with the hooks and without any."""
    work = open_workspace(repository(top / "hooked"))
    ledger.init(work)
    plans.apply_plan(work, many_tasks(100), "plan.toml")
    agents.add(work, "x0")
    hooks.install(work)
    held = claims.claim(work, "x0")
    place = Path(held.worktree or "")
    work.close()
    env = installed(top)
    name = (held.task["spec"]["paths"] or ["."])[0].rstrip("/")
    who = ["git", "-c", "user.name=b", "-c", "user.email=b@localhost", "-c", "gc.auto=0"]

    def commit(number: int, *flags: str) -> float:
        path = place / name / f"{number}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{number} {flags}")
        subprocess.run(["git", "add", "-A"], cwd=place, check=True)
        return cpu([*who, *flags, "commit", "-q", "-m", "more"], env=env, cwd=place)

    extra, alone, click = [], [], []
    commit(2 * rounds)
    for number in range(rounds):
        with_hooks, without = (
            commit(2 * number),
            commit(2 * number + 1, "-c", "core.hooksPath=/dev/null"),
        )
        click.append(cpu([sys.executable, "-c", "import click"], env=env))
        extra.append((with_hooks - without) / click[-1])
        git_dir = str(top / "hooked" / ".git" / "worktrees" / place.name)
        alone.append(
            cpu(
                [sys.executable, "-P", "-m", "gitcoord", "hook", "pre-commit"],
                env={**env, "GIT_DIR": git_dir},
                cwd=place,
            )
            / click[-1]
        )
    each = f"(import click: {statistics.median(click) * 1000:.0f} ms)"
    show("commit with hooks over a plain one, CPU", each, statistics.median(extra), "<= 2")
    show("`gitcoord hook pre-commit`, CPU", each, statistics.median(alone), "<= 1")


def assisted(top: Path) -> None:
    """Judge an edit of an assistant's, with the ledger as it was and with it moved."""
    click, still, moved = hook_ratios(repository(top / "assisted"), installed(top), cpu)
    each = f"(import click: {click * 1000:.0f} ms)"
    show("an assistant's hook at a tool call, CPU", each, still, "<= 1")
    show("the same, when others have written since", each, moved, "<= 1")


def show(what: str, figures: str, ratio: float, budget: str) -> None:
    print(f"{what:<48} {figures:<26} {ratio:5.2f}   budget {budget}", flush=True)


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="gitcoord-bench-") as folder:
        top = Path(folder)
        claim_against_bare(top)
        claim_against_disk(top)
        flat(top, 100_000 if "--full" in sys.argv else 10_000)
        racing(top)
        one_shot(top)
        hooked(top)
        assisted(top)


if __name__ == "__main__":
    main()
