"""Note which command works in a worktree, and clear up after it.

The note lies in the worktree's private directory from before the command starts
until all that it left is kept. So whoever uses the worktree next knows, also after a
kill: what still runs there is ended, what was left is committed on the branch of that
attempt, and the worktree is clean.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from gitcoord.core.errors import RefusedError, UnavailableError
from gitcoord.core.ids import AgentId, TaskId, Token, is_id, is_ref
from gitcoord.core.refs import branch_ref, work_branch
from gitcoord.core.shapes import NamedTuple
from gitcoord.git.places import discover
from gitcoord.git.program import Git, GitError
from gitcoord.git.refs import clear_locks, locks_of
from gitcoord.git.salvage import Kept, salvage
from gitcoord.host.files import read_file, replace_file
from gitcoord.host.processes import identity, is_alive
from gitcoord.host.strays import end_strays, git_standing_in

__all__ = ["Attempt", "end_leftover_processes", "occupy", "recover", "vacate"]

_NOTE = "command.json"
MAX_NOTE_BYTES = 64 * 1024


class Attempt(NamedTuple):
    """The attempt at a task that a command works on."""

    agent: AgentId
    task: TaskId
    number: int
    token: Token
    branch: str

    @property
    def folder(self) -> Path:
        """The attempt's name, as a folder."""
        return Path(self.task) / f"{self.number}-{self.token[:6]}"

    @property
    def marks(self) -> set[bytes]:
        """What the environment of its command, and of its children, says."""
        return {os.fsencode(f"GITCOORD_CLAIM={self.token}")}


def _note_of(worktree: Path) -> Path:
    return discover(worktree).git_dir / "gitcoord" / _NOTE


def occupy(worktree: Path, attempt: Attempt) -> None:
    """Note that a command is about to start in a worktree.

    Raises:
        UnavailableError: The note cannot be written; nothing started.

    """
    note = _note_of(worktree)
    facts = {"process": identity(), **attempt._asdict()}
    try:
        replace_file(note, json.dumps(facts).encode())
    except OSError as error:
        raise UnavailableError(
            f"{note} cannot be written: {error.strerror}",
            hint="check whether .git can be written here, and try again",
        ) from None


def recover(worktree: Path, aside: Path) -> Kept | None:
    """Clear up after a command whose runner is gone; None where there is none.

    What cannot be committed is moved to a folder of the attempt's below ``aside``.
    If it fails the note stays, and the next use of the worktree tries again.

    Raises:
        RefusedError: Something of it does not end, or cannot be kept (reason
            ``uncommitted``).

    """
    note = _note_of(worktree)
    if not note.exists():
        return None
    facts = _read(note)
    process = str(facts.pop("process", ""))
    if process != identity() and is_alive(process) is not False:
        return None
    attempt = _attempt_of(facts)
    if attempt is None:
        # Torn or of another version: what it was about cannot be told.
        with suppress(OSError):
            note.unlink()
        return None
    try:
        return vacate(worktree, attempt, aside)
    except (GitError, OSError) as error:
        raise RefusedError(
            f"what a command left in {worktree} cannot be kept: {error}",
            reason="uncommitted",
            hint="look at it by hand: commit it on a branch, or move it away",
        ) from None


def _read(note: Path) -> dict[str, Any]:
    try:
        facts = json.loads(read_file(note, MAX_NOTE_BYTES))
    except (OSError, ValueError, RecursionError):
        return {}
    return facts if isinstance(facts, dict) else {}


def _attempt_of(facts: Mapping[str, Any]) -> Attempt | None:
    """Return the attempt that a note is about; None where it names what is none.

    Work is committed on the branch that it names, and moved to a folder
    that it names: neither leads anywhere but to an attempt's own place.
    """
    try:
        attempt = Attempt(**facts)
    except TypeError:
        return None
    if not (is_id(attempt.agent) and is_id(attempt.task) and is_id(attempt.token)):
        return None
    if type(attempt.number) is not int or not isinstance(attempt.branch, str):
        return None
    own = work_branch("", attempt.task, attempt.number, attempt.token)
    if not attempt.branch.endswith(own) or not is_ref(branch_ref(attempt.branch)):
        return None
    return attempt


def vacate(worktree: Path, attempt: Attempt, aside: Path) -> Kept:
    """End what a command left running, keep what it left lying, and forget the note.

    Raises:
        GitError: git refused, with what it said.
        OSError: A process does not end, or a file cannot be moved.
        UnavailableError: Another git is at work there.

    """
    end_leftover_processes(worktree, attempt)
    message = f"Keep what attempt {attempt.number} at task {attempt.task} left\n"
    author = (attempt.agent, f"{attempt.agent}@gitcoord.invalid")
    kept = salvage(worktree, attempt.branch, message, author, aside / attempt.folder)
    with suppress(FileNotFoundError):
        _note_of(worktree).unlink()
    return kept


def end_leftover_processes(worktree: Path, attempt: Attempt) -> list[int]:
    """End what outlived a command, and remove the locks of its gits that were killed.

    Nothing may write, and no lock may stand in the way, while its work is handed in.

    Raises:
        TimeoutError: Something does not end.

    """
    ended = end_strays(worktree, attempt.marks)
    locks = locks_of(Git(worktree), [branch_ref(attempt.branch)])
    index_lock = discover(worktree).git_dir / "index.lock"
    clear_locks([index_lock, *locks], unless=lambda: git_standing_in(worktree) is not None)
    return ended
