"""Race agents of several clones for one ledger, or loops of git commands for one branch.

One process imports what all need, and forks a racer for each line that it
is given. A racer writes what it did as JSON when the time is over.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from gitcoord.core.errors import GitcoordError
from gitcoord.features.doors import begin_as_agent
from gitcoord.features.work import claims, results
from gitcoord.features.workspace import open_workspace
from gitcoord.git.remotes import Pushed
from gitcoord.store.tracking import Tracking

BRANCH = "refs/heads/loop"
COPY = "refs/remotes/origin/loop"
READY_S = 240.0
"""How long the start is waited for: who would start them may be gone."""
NO_LUCK_S = 30.0
"""After how long a claim gives up, by hand as in gitcoord."""


class Racer(Protocol):
    """Who races: a round begins with a claim and may have an end."""

    ends_claims: bool
    """Whether a claim is given back before the next one."""

    @property
    def talks(self) -> tuple[int, int]:
        """How often it has pushed, and how often it has fetched."""

    def claim(self) -> None:
        """Publish one claim."""

    def finish(self) -> None:
        """End what was claimed, by one more entry."""


class Counted(Tracking):
    """What a server holds, with a count of how often it was talked with."""

    def __init__(self, of: Tracking) -> None:
        vars(self).update(vars(of))
        self.pushes = self.fetches = 0

    def push(self, *args: Any, **options: Any) -> Pushed:
        self.pushes += 1
        return super().push(*args, **options)

    def fetch(self, *args: Any, **options: Any) -> None:
        self.fetches += 1
        super().fetch(*args, **options)


class Agent:
    """An agent that claims a task and gives it back, through Python."""

    ends_claims = True

    def __init__(self, clone: Path, name: str) -> None:
        self._work = open_workspace(clone)
        self._name = name
        assert self._work.remote is not None
        self._tracking = self._work.remote.tracking = Counted(self._work.remote.tracking)
        self._work.ledger.snapshot()

    @property
    def talks(self) -> tuple[int, int]:
        return self._tracking.pushes, self._tracking.fetches

    def claim(self) -> None:
        begin_as_agent(self._work, self._name)
        self._held = claims.claim(self._work, self._name, checkout=False, session=self._name)

    def finish(self) -> None:
        begin_as_agent(self._work, self._name)
        held = self._held
        results.release(self._work, self._name, held.task["id"], held.claim["token"])


class Loop:
    """Fetch, commit and push, again until the push is taken: what one writes by hand."""

    ends_claims = False

    def __init__(self, clone: Path, name: str) -> None:
        self._clone, self._name = clone, name
        self._pushes = self._fetches = 0

    @property
    def talks(self) -> tuple[int, int]:
        return self._pushes, self._fetches

    def _git(self, *args: str) -> str | None:
        """Return what git printed; None: it failed."""
        done = subprocess.run(
            ["git", *args], cwd=self._clone, capture_output=True, text=True, check=False
        )
        return done.stdout.strip() if done.returncode == 0 else None

    def fetch(self) -> bool:
        """Fetch the branch; return whether that worked."""
        self._fetches += 1
        return self._git("fetch", "-q", "origin", f"+{BRANCH}:{COPY}") is not None

    def push(self) -> bool:
        """Commit on what was fetched, and push; return whether it was taken."""
        tip = self._git("rev-parse", COPY)
        made = self._git("commit-tree", "-p", f"{tip}", "-m", self._name, f"{tip}^{{tree}}")
        lease = f"--force-with-lease={BRANCH}:{tip}"
        self._pushes += 1
        return self._git("push", "-q", lease, "origin", f"{made}:{BRANCH}") is not None

    def claim(self) -> None:
        give_up = time.monotonic() + NO_LUCK_S
        while time.monotonic() < give_up:
            if self.fetch() and self.push():
                return
        raise TimeoutError(f"no luck for {NO_LUCK_S:.0f} seconds")

    def finish(self) -> None:
        """Leave it claimed."""


KINDS: dict[str, Callable[[Path, str], Racer]] = {"agent": Agent, "loop": Loop}


def race(racer: Racer, end: float) -> dict[str, Any]:
    """Claim and finish until the deadline; what is under way then is waited for."""
    took: list[float] = []
    failed: list[str] = []
    entries, last = 0, time.monotonic()
    pushes, fetches = racer.talks
    while time.monotonic() < end:
        begun = time.monotonic()
        is_claimed = tried(racer.claim, failed)
        # One that was given up took its agent's time as well.
        took.append(time.monotonic() - begun)
        if is_claimed:
            entries += 1
            if racer.ends_claims and tried(racer.finish, failed):
                entries += 1
        last = time.monotonic()
    return {
        "took": took,
        "entries": entries,
        "failed": failed,
        "pushes": racer.talks[0] - pushes,
        "fetches": racer.talks[1] - fetches,
        "last": last,
    }


def tried(act: Callable[[], None], failed: list[str]) -> bool:
    """Return whether something worked; what it said else is kept."""
    try:
        act()
    except (GitcoordError, TimeoutError) as error:
        failed.append(f"{type(error).__name__}: {error}"[:200])
        return False
    return True


def run_one(kind: str, clone: str, name: str, run: Path) -> None:
    """Be ready, wait for the start, race, and write what came of it."""
    racer = KINDS[kind](Path(clone), name)
    (run / f"{name}.ready").touch()
    nobody_starts = time.monotonic() + READY_S
    while not (run / "go").exists():
        if time.monotonic() > nobody_starts:
            return
        time.sleep(0.005)
    done = race(racer, float((run / "go").read_text()))
    (run / f"{name}.part").write_text(json.dumps(done))
    (run / f"{name}.part").rename(run / f"{name}.json")


def main() -> None:
    """Fork a racer for each line: kind, clone, name. The argument is the folder of the run."""
    run = Path(sys.argv[1])
    pids = []
    for line in sys.stdin.read().splitlines():
        kind, clone, name = line.split("\t")
        pid = os.fork()
        if pid == 0:
            run_one(kind, clone, name, run)
            os._exit(0)
        pids.append(pid)
    sys.exit(any(os.waitpid(pid, 0)[1] for pid in pids))


if __name__ == "__main__":
    main()
