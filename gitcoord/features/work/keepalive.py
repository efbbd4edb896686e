"""Keep a claim alive while a command runs, and end the command if it is lost.

The lease is renewed by the process that works, not by an agent that has
to remember it: one long step never loses a claim.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO, Any

from gitcoord.core.errors import ClaimLostError, GitcoordError, UsageError
from gitcoord.features.workspace import Workspace, open_workspace, plan_of
from gitcoord.git.program import GitError
from gitcoord.host.clock import Deadline

__all__ = ["Child", "beat_every_s", "beating", "keepalive"]

GRACE_S = 5.0
_PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


def beat_every_s(work: Workspace) -> float:
    """Give the interval between beats: well within the lease."""
    plan = plan_of(work.ledger.snapshot())
    return max(0.1, min(plan["heartbeat_ms"], plan["lease_ms"] / 3, 60_000) / 1000)


class Child:
    """A command in a process group of its own."""

    def __init__(
        self,
        command: list[str],
        cwd: Path | None,
        env: Mapping[str, str],
        output: IO[Any] | None,
        *,
        own_group: bool = True,
    ) -> None:
        self._own_group = own_group
        try:
            self.process = subprocess.Popen(
                command,
                cwd=cwd,
                env=dict(env),
                stdout=output,
                stdin=subprocess.DEVNULL if output else None,
                stderr=subprocess.STDOUT if output else None,
                start_new_session=own_group,
            )
        except OSError as error:
            raise UsageError(
                f"{command[0]!r} cannot be run: {error.strerror}",
                hint="name a program that exists, after `--`",
            ) from None

    def wait(self, seconds: float) -> int | None:
        """Wait for the end; None while it runs."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def signal(self, number: int) -> None:
        """Pass a signal on to the whole group."""
        try:
            if self._own_group:
                os.killpg(self.process.pid, number)
            else:
                self.process.send_signal(number)
        except (ProcessLookupError, PermissionError):
            return

    def end(self) -> int:
        """End the command: SIGTERM, and after a grace period SIGKILL."""
        self.signal(signal.SIGTERM)
        status = self.wait(GRACE_S)
        if status is None or self._own_group:
            self.signal(signal.SIGKILL)
        return self.process.wait()


def keepalive(work: Workspace, agent: str, task: str, token: str, command: list[str]) -> int:
    """Run a command and beat while it lives; return its status.

    Raises:
        ClaimLostError: The claim was taken: the command was ended.

    """
    work.ledger.beat(agent, token)
    every_s = beat_every_s(work)
    env = {**os.environ, "GITCOORD_AGENT": agent, "GITCOORD_TASK": task, "GITCOORD_CLAIM": token}
    child = Child(command, None, env, None, own_group=False)
    old = {
        number: signal.signal(number, lambda got, _frame: child.signal(got))
        for number in _PASSED_ON
    }
    try:
        next_beat = Deadline(work.clock, every_s)
        while True:
            status = child.wait(max(0.05, min(1.0, next_beat.remaining())))
            if status is not None:
                return 128 - status if status < 0 else status
            if next_beat.expired:
                next_beat = Deadline(work.clock, every_s)
                try:
                    work.ledger.beat(agent, token)
                except ClaimLostError:
                    child.end()
                    raise
                except GitcoordError:
                    # The ledger was busy: the next beat comes well before
                    # the lease is over.
                    next_beat = Deadline(work.clock, every_s / 4)
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)


@contextmanager
def beating(work: Workspace, agent: str, token: str) -> Iterator[threading.Event]:
    """Beat beside what is done here; the event says that the claim is lost.

    The beats come from a thread with a workspace of its own.
    """
    lost, done = threading.Event(), threading.Event()
    work.ledger.beat(agent, token)
    every_s = beat_every_s(work)
    start = work.place.worktree or work.place.common_dir

    def beat() -> None:
        wait_s = every_s
        while not done.wait(wait_s):
            wait_s = every_s
            try:
                with closing(open_workspace(start, work.ledger.name)) as own:
                    own.ledger.beat(agent, token)
            except ClaimLostError:
                lost.set()
                return
            except (GitcoordError, GitError, OSError):
                # Busy, or in a sandbox: the next one comes well before the
                # lease is over, and nobody wants a traceback from beside.
                wait_s = every_s / 4

    thread = threading.Thread(target=beat, name="gitcoord-beat", daemon=True)
    thread.start()
    try:
        yield lost
    finally:
        done.set()
        thread.join()
