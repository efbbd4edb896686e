"""Keep a claim alive while a command runs, and end the command if it is lost.

The lease is renewed by the process that works, not by an agent that has
to remember it: one long step never loses a claim.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from gitcoord.core.errors import ClaimLostError, GitcoordError, UsageError
from gitcoord.core.ids import AgentId, TaskId, Token
from gitcoord.features.work.beating import Silence, beat_every_s
from gitcoord.features.workspace import Workspace
from gitcoord.git.program import GitError
from gitcoord.host.clock import Deadline

__all__ = ["Child", "keepalive"]

GRACE_S = 5.0
_PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


# It is told whom it watches, a process or, with a minus sign, a group. Then it waits
# for the end of its input, which comes when nobody holds the other end any more.
_WATCH = """
read -r watched || exit
read -r _
kill -TERM "$watched" 2>/dev/null
tries=50
while [ $tries -gt 0 ] && kill -0 "$watched" 2>/dev/null; do sleep 0.1; tries=$((tries - 1)); done
kill -KILL "$watched" 2>/dev/null
"""
# The command begins when it is watched; if we die before that it never does.
_BEGIN = 'read -r gitcoord_go || exit 125; exec "$@" </dev/null'


class Child:
    """A command that ends with us: in a process group of its own, or in ours.

    Whatever kills this process, a watcher beside the command sees that we are gone,
    and ends it with its whole group; a command with a group of its own does not begin
    before it is watched. The kernel's own signal for that
    (``PR_SET_PDEATHSIG``) reaches one process alone, and comes as soon as the thread
    ends that started it.
    """

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
        self._watcher = _start_watcher()
        self._is_held = own_group and self._watcher is not None
        try:
            self.process = self._start(command, cwd, env, output)
        except OSError as error:
            self._dismiss_watcher()
            raise UsageError(
                f"{command[0]!r} cannot be run: {error.strerror}",
                hint="name a program that exists, after `--`",
            ) from None
        named = str(self.process.pid)
        if own_group:
            named = f"-{named}"
        self._tell(self._watcher, named)
        if self._is_held:
            self._tell(self.process, "begin")
            assert self.process.stdin is not None
            self.process.stdin.close()

    def _start(
        self, command: list[str], cwd: Path | None, env: Mapping[str, str], output: IO[Any] | None
    ) -> subprocess.Popen[bytes]:
        stdin, argv = None, command
        if self._is_held:
            stdin, argv = subprocess.PIPE, ["/bin/sh", "-c", _BEGIN, "sh", *command]
        elif output:
            stdin = subprocess.DEVNULL
        return subprocess.Popen(
            argv,
            cwd=cwd,
            env=dict(env),
            stdout=output,
            stdin=stdin,
            stderr=subprocess.STDOUT if output else None,
            start_new_session=self._own_group,
        )

    @staticmethod
    def _tell(process: subprocess.Popen[bytes] | None, text: str) -> None:
        """Write a line to a process, which may be gone already."""
        if process is not None and process.stdin is not None:
            with suppress(OSError):
                os.write(process.stdin.fileno(), f"{text}\n".encode())

    def _dismiss_watcher(self) -> None:
        watcher, self._watcher = self._watcher, None
        if watcher is not None:
            watcher.kill()
            watcher.communicate()

    def wait(self, seconds: float) -> int | None:
        """Wait for the end; None while it runs."""
        try:
            status = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None
        self._dismiss_watcher()
        return status

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
        status = self.process.wait()
        self._dismiss_watcher()
        return status


def _start_watcher() -> subprocess.Popen[bytes] | None:
    """Start a watcher; without a shell to run it the command goes unwatched."""
    with suppress(OSError):
        return subprocess.Popen(
            ["/bin/sh", "-c", _WATCH, "gitcoord-watch"],
            cwd="/",
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    return None


def keepalive(
    work: Workspace,
    agent: AgentId,
    task: TaskId,
    token: Token,
    command: list[str],
    tell: Callable[[str], None],
) -> int:
    """Run a command and beat while it lives; return its status.

    ``tell`` is called if no beat was taken for half of the lease.

    Raises:
        ClaimLostError: The claim was taken: the command was ended.

    """
    work.ledger.beat(agent, token)
    every_s = beat_every_s(work)
    silence = Silence(work, token, tell)
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
                if status < 0:
                    return 128 - status
                return status
            if next_beat.expired:
                next_beat = Deadline(work.clock, every_s)
                began_ns = work.clock.monotonic_ns()
                try:
                    work.ledger.beat(agent, token)
                    silence.heard(began_ns)
                except ClaimLostError:
                    child.end()
                    raise
                except (GitcoordError, GitError, OSError) as error:
                    # The ledger was busy, or the disk: the next beat comes
                    # well before the lease is over.
                    silence.failed(error)
                    next_beat = Deadline(work.clock, every_s / 4)
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
