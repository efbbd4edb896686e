"""Read and move refs through the git program, whatever way it keeps them.

One ``git update-ref --stdin`` takes transaction after transaction. It ends
with the first that fails; the next one starts another. What came of it is
told by the steps that git reported, by the refs, and by the lock files.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, cast

from gitcoord.core.errors import UnavailableError
from gitcoord.core.ids import Oid
from gitcoord.git.program import DURABLE, Git, GitError
from gitcoord.git.refs import (
    Attempt,
    has_expected,
    lock_in_the_way,
    ref_line,
    sync_folders,
    transact,
)
from gitcoord.host.clock import Clock, Deadline
from gitcoord.store.disk_store import Wanted
from gitcoord.store.git_program import GitProgram, end_process
from gitcoord.store.protocol import ContendedError, FailedError, LockedError

if TYPE_CHECKING:
    import subprocess

__all__ = ["GitRefs"]

LOCK_WAIT_S = 1.0


class GitRefs:
    """The refs of a repository, as git reads and moves them."""

    def __init__(self, common_dir: Path, program: GitProgram, *, is_durable: bool = True) -> None:
        self._git = Git(common_dir, common_dir)
        self._program = program
        # Our own refs get no reflog, even where the user wants one for every
        # ref. git reads the setting once, when it starts.
        is_always = program.setting("core", "logallrefupdates").lower() == "always"
        self._options: tuple[str, ...] = ()
        if is_always:
            self._options = ("-c", "core.logAllRefUpdates=true")
        self._is_durable = is_durable
        self._updates: subprocess.Popen[bytes] | None = None
        self._owner = 0

    # reading

    def read(self, ref: str) -> Oid | None:
        """Return the oid that a ref holds, through symbolic ones; None: absent."""
        # A ref of that name is looked for before any other that could be meant.
        known = self._program.resolve(ref)
        # What a pattern names comes before the refs below it.
        return known or self._listed(ref, "--count=1").get(ref)

    def has(self, ref: str) -> bool:
        """Return whether a ref is there with its object; no git is started for it."""
        return self._program.resolve(ref) is not None

    def list(self, prefix: str) -> dict[str, Oid]:
        """Return every ref whose name starts with a prefix, sorted.

        Raises:
            UnavailableError: git cannot read them.

        """
        return self._listed(prefix)

    def _listed(self, pattern: str, *options: str) -> dict[str, Oid]:
        format_ = "--format=%(objectname) %(refname)"
        try:
            listed = self._git.run("for-each-ref", format_, *options, "--", pattern).text
        except GitError as error:
            raise UnavailableError(
                f"git cannot read the refs: {error.stderr.strip()[-200:]}",
                hint="see what `git for-each-ref` says; reftable needs git 2.45 or newer",
            ) from None
        rows = (line.partition(" ") for line in listed.splitlines())
        return cast("dict[str, Oid]", {name: oid for oid, _, name in rows})

    # moving

    def broken(self, _prefix: str) -> tuple[str, ...]:
        """Return no ref: a table is whole, or not there."""
        return ()

    def repair(self, ref: str, new: Oid) -> None:
        """Leave every ref as it is: none is broken here."""

    def swap(self, ref: str, wanted: Wanted, new: Oid) -> None:
        """Move a ref if every wanted one, itself among them, is as expected.

        Raises:
            ContendedError: One is not; nothing moved.
            LockedError: A lock file is in the way; nothing moved.
            FailedError: git failed otherwise; whether it moved has to be read.

        """
        zero = Oid("0" * len(new))
        lines = [ref_line("update", ref, new, wanted[ref] or zero)]
        lines += [
            ref_line("verify", name, oid or zero) for name, oid in wanted.items() if name != ref
        ]
        self._transact(ref, lines, wanted)

    def delete(self, ref: str, expected: Oid) -> None:
        """Remove a ref that holds ``expected``; raises as ``swap`` does."""
        self._transact(ref, [ref_line("delete", ref, expected)], {ref: expected})

    def _transact(self, ref: str, lines: Sequence[str], wanted: Wanted) -> None:
        clock = Clock()
        deadline = Deadline(clock, LOCK_WAIT_S)
        done = self._asked(lines)
        attempt = 0
        while not done.is_committed:
            if done.is_prepared or done.is_killed:
                raise FailedError(f"{ref}: git ended in the middle of it {done.said}".strip())
            if not has_expected(self._git, wanted):
                raise ContendedError(ref)
            lock = lock_in_the_way(self._git, wanted)
            if lock is not None:
                raise LockedError(lock)
            if deadline.expired:
                raise FailedError(f"{ref}: {done.said[-300:]}")
            # The lock is gone already, or git said what was wrong.
            clock.sleep(clock.backoff(attempt))
            attempt += 1
            done = transact(self._git, lines, options=self._options, is_durable=self._is_durable)
        try:
            if self._is_durable:
                sync_folders(self._git, ref)
        except OSError as error:
            raise FailedError(f"{ref}: {error}") from None

    def _asked(self, lines: Sequence[str]) -> Attempt:
        """Run a transaction in the process that takes one after another."""
        updates = self._running()
        assert updates.stdin is not None
        assert updates.stdout is not None
        # Where it died before it had read all of it, it still answers for what it did.
        with suppress(BrokenPipeError):
            updates.stdin.write("\n".join(["start", *lines, "prepare", "commit", ""]).encode())
            updates.stdin.flush()
        done = Attempt.of(islice(updates.stdout, 3))
        if not done.is_committed:
            self.end()
        return done

    def _running(self) -> subprocess.Popen[bytes]:
        if self._updates is not None and self._owner != os.getpid():
            self._updates = None  # a fork must not talk into its parent's pipes
        if self._updates is None:
            durable = DURABLE if self._is_durable else ()
            self._updates = self._git.start(*durable, *self._options, "update-ref", "--stdin")
            self._owner = os.getpid()
        return self._updates

    def end(self) -> None:
        """End the process that moves refs; the next move starts another one."""
        updates, self._updates = self._updates, None
        if updates is not None and self._owner == os.getpid():
            end_process(updates)

    def __del__(self) -> None:
        """End it also where the store was forgotten, and not closed."""
        self.end()
