"""Race one contestant; runs in the contestant's own interpreter.

It uses the standard library alone. A driver module says how tasks are made,
claimed and finished, and who holds what; the race is the same for all.
"""

from __future__ import annotations

import importlib
import json
import os
import random
import signal
import sys
import time
from pathlib import Path
from typing import Any

WINDOW = 16


def race(driver: Any, top: Path, run: Path, agent: str, names: list[str]) -> None:
    """Claim one task after the other until the deadline that ``go`` holds."""
    one = driver.Driver(top, agent)
    log = os.open(run / f"{agent}.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def note(**facts: Any) -> None:
        os.write(log, (json.dumps(facts) + "\n").encode())

    (run / f"{agent}.ready").touch()
    while not (run / "go").exists():
        time.sleep(0.002)
    end = float((run / "go").read_text())
    chance = random.Random(agent)
    left = list(names)
    while time.monotonic() < end and (left or driver.CHOOSES):
        # Who names a task takes one of the next few, as everybody does.
        wanted = "" if driver.CHOOSES else chance.choice(left[:WINDOW])
        begun = time.monotonic()
        try:
            task = one.claim(wanted)
        except Exception as error:  # noqa: BLE001 - whatever a contestant says is counted
            note(failed=f"{type(error).__name__}: {error}"[:300], begun=begun, at=time.monotonic())
            continue
        at = time.monotonic()
        if task is None:
            note(refused=wanted, begun=begun, at=at)
        else:
            note(task=task, begun=begun, at=at)
            try:
                one.finish(task)
            except Exception as error:  # noqa: BLE001 - as above
                note(
                    unfinished=f"{type(error).__name__}: {error}"[:300],
                    begun=at,
                    at=time.monotonic(),
                )
        if wanted:
            left.remove(wanted)


def nursery(driver: Any, top: Path) -> None:
    """Fork a racer for each line: its run's folder, its name, first and last task."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        run, agent, first, last = line.split()
        pid = os.fork()
        if pid:
            print(pid, flush=True)
            continue
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setsid()
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(2, 1)
        race(
            driver, top, Path(run), agent, [f"t{number}" for number in range(int(first), int(last))]
        )
        os._exit(0)


def main() -> None:
    """Run what the first arguments name: DRIVER, what to do, its folder."""
    driver = importlib.import_module(f"benchmarks.contestants.drive_{sys.argv[1]}")
    what, top = sys.argv[2], Path(sys.argv[3])
    if what == "prepare":
        driver.prepare(top, int(sys.argv[4]), [f"w{number}" for number in range(int(sys.argv[5]))])
    elif what == "held":
        print(json.dumps(sorted(driver.held(top))))
    else:
        nursery(driver, top)


if __name__ == "__main__":
    main()
