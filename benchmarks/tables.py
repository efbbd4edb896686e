"""Measure a claim where refs are kept in tables, against one where they are files.

Both are taken in turn within one run, through Python and as a command; the
figures are medians, and the median of the ratios within a turn. It needs a git
that knows reftable (2.45 or newer) first on the path. ``--profile`` tells what
a claim in tables does through Python.
"""

from __future__ import annotations

import cProfile
import pstats
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.__main__ import alternating, claiming, cpu, installed, world
from gitcoord.features.workspace import Workspace
from gitcoord.git.program import version

FORMATS = ("reftable", "files")
COMMANDS = 25
AGENT = "x0"


def commanding(work: Workspace, env: dict[str, str], *, counts_cpu: bool) -> Callable[[], float]:
    """Return what claims as a command, and gives its seconds: on the clock, or of CPU."""
    words = [sys.executable, "-m", "gitcoord", "-C", str(work.place.common_dir.parent)]

    def once() -> float:
        before = time.perf_counter()
        used = cpu([*words, "--agent", AGENT, "claim", "--no-checkout"], env=env)
        took = time.perf_counter() - before
        cpu([*words, "--agent", AGENT, "release"], env=env)
        return used if counts_cpu else took

    return once


def show(what: str, figures: tuple[float, float, float], budget: str) -> None:
    tables_s, files_s, ratio = figures
    row = f"{tables_s * 1000:7.2f} ms / {files_s * 1000:6.2f} ms"
    print(f"{what:<28} {row} {ratio:8.2f}   {budget}", flush=True)


def main() -> None:
    if version() < (2, 45):
        sys.exit("this git keeps no refs in tables: put a git from 2.45 on first on the path")
    with tempfile.TemporaryDirectory(prefix="gitcoord-bench-") as folder:
        top = Path(folder)
        tables, files = (world(top / one, 100, formats=(f"--ref-format={one}",)) for one in FORMATS)
        if "--profile" in sys.argv:
            profile(tables)
            return
        said = subprocess.run(["git", "--version"], capture_output=True, check=True, text=True)
        print(f"{said.stdout.strip()}: a claim with refs in tables / in files")
        show("through Python", alternating(claiming(tables), claiming(files)), "2.5")
        env = installed(top)
        for counts_cpu, what in ((False, "as a command"), (True, "as a command, CPU")):
            one, other = (commanding(each, env, counts_cpu=counts_cpu) for each in (tables, files))
            one(), other()  # the first ones compile
            show(what, alternating(one, other, COMMANDS), "1.5")


def profile(work: Workspace) -> None:
    """Print where a hundred claims in tables spend their time."""
    once = claiming(work)
    profiler = cProfile.Profile()
    profiler.enable()
    for _ in range(100):
        once()
    profiler.disable()
    pstats.Stats(profiler).sort_stats("tottime").print_stats(15)


if __name__ == "__main__":
    main()
