"""Find what git is in the middle of in a worktree: a rebase, a merge and their like.

git keeps that in files of the worktree's private directory. Whoever moves a
branch, switches it or hands it in has to know of it: the branch of a rebase is
not checked out while its commits are being made anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from gitcoord.core.errors import RefusedError
from gitcoord.core.refs import branch_name
from gitcoord.core.shapes import NamedTuple
from gitcoord.git.local_changes import Change
from gitcoord.git.places import discover, keeps_tables
from gitcoord.git.program import Git

__all__ = [
    "Unfinished",
    "find_unfinished",
    "quit_unfinished",
    "rebased_in",
    "refuse_rebased",
    "refuse_unfinished",
]

_REBASES = ("rebase-merge", "rebase-apply")
_MAILBOX = "rebase-apply/applying"
_HEADS = (("MERGE_HEAD", "merge"), ("CHERRY_PICK_HEAD", "cherry-pick"), ("REVERT_HEAD", "revert"))
_SEQUENCER = "sequencer/todo"
_QUITS = {
    "rebase": ("rebase", "--quit"),
    "am": ("am", "--quit"),
    "merge": ("merge", "--quit"),
    "cherry-pick": ("cherry-pick", "--quit"),
    "revert": ("revert", "--quit"),
}
MAX_REF_BYTES = 4096


class Unfinished(NamedTuple):
    """An operation that git would go on with, and the branch that it is about.

    ``branch`` is a full name, or None where the operation has no branch of its own:
    it is about whatever is checked out.
    """

    operation: str
    branch: str | None = None

    @property
    def way_out(self) -> str:
        """How a person ends it, in words."""
        if self.operation == "conflict":
            return "resolve the conflicts and `git add` the files"
        return f"finish it with `git {self.operation} --continue`, or take it back with --abort"

    def __str__(self) -> str:
        """Return its name as git's own messages do."""
        if self.operation == "conflict":
            return "unresolved conflicts"
        return f"an unfinished {self.operation}"


def find_unfinished(worktree: Path, changes: Iterable[Change] | None = None) -> Unfinished | None:
    """Return what git is in the middle of in a worktree, or None.

    Conflicts that a stash or a patch left in the index count too. ``changes``
    are those of the worktree, where they are known already.
    """
    private = discover(worktree).git_dir
    for folder in _REBASES:
        if (private / folder).is_dir():
            if (private / _MAILBOX).exists():
                return Unfinished("am")
            return Unfinished("rebase", _line(private / folder / "head-name"))
    for head, operation in _HEADS:
        if _has_head(worktree, private, head):
            return Unfinished(operation)
    todo = _line(private / _SEQUENCER)
    if todo is not None:
        return Unfinished("revert" if todo.startswith("revert ") else "cherry-pick")
    if _has_conflict(worktree, changes):
        return Unfinished("conflict")
    return None


def _has_conflict(worktree: Path, changes: Iterable[Change] | None) -> bool:
    if changes is None:
        return bool(Git(worktree).run("ls-files", "-z", "--unmerged").stdout)
    return any(change.is_unmerged for change in changes)


def _has_head(worktree: Path, private: Path, name: str) -> bool:
    if (private / name).exists():
        return True
    if not keeps_tables(private):
        return False
    # There all but MERGE_HEAD are records of the table.
    asked = Git(worktree).run("rev-parse", "--verify", "--quiet", name, check=False)
    return asked.status == 0


def _line(path: Path) -> str | None:
    """Return the first line of one of git's small files, or None without it."""
    try:
        with path.open("rb") as file:
            first = file.readline(MAX_REF_BYTES)
    except OSError:
        return None
    return first.decode("utf-8", "surrogateescape").strip()


def refuse_unfinished(worktree: Path, changes: Iterable[Change]) -> None:
    """Refuse to switch a worktree, with these changes, in the middle of an operation of git's.

    Raises:
        RefusedError: Reason ``unfinished``, with the operation.

    """
    found = find_unfinished(worktree, changes)
    if found is not None:
        raise RefusedError(
            f"{worktree} is in the middle of something: {found}",
            reason="unfinished",
            hint=f"{found.way_out}; or claim with --no-checkout",
            operation=found.operation,
        )


def quit_unfinished(worktree: Path) -> None:
    """Forget an operation, and leave HEAD, the index and every file as they are.

    If it fails git still takes the operation for unfinished; nothing else changed.
    """
    git = Git(worktree)
    for _ in range(len(_QUITS)):
        found = find_unfinished(worktree)
        if found is None or found.operation not in _QUITS:
            return
        git.run(*_QUITS[found.operation])


def rebased_in(private_dirs: list[Path], ref: str) -> Path | None:
    """Return the private git directory of a worktree whose rebase moves a branch.

    That is the branch which is being rebased, or one that the rebase takes along
    (``--update-refs``): git writes it when the rebase ends, whatever was put there since.
    """
    for private in private_dirs:
        if ref in _moved_by_rebase(private):
            return private
    return None


def _moved_by_rebase(private: Path) -> Iterator[str]:
    for folder in _REBASES:
        name = _line(private / folder / "head-name")
        if name is not None and not (private / _MAILBOX).exists():
            yield name
    try:
        lines = (private / "rebase-merge" / "update-refs").read_text("utf-8", "surrogateescape")
    except OSError:
        return
    # Each ref has three lines: its name, where it was, where it will be.
    yield from lines.split("\n")[::3]


def refuse_rebased(git: Git, ref: str) -> None:
    """Refuse to move a branch that a rebase is going to write, as ``git branch -f`` does.

    Raises:
        RefusedError: Reason ``rebase``, with the worktree.

    """
    common_dir = discover(git.cwd).common_dir
    private = rebased_in([common_dir, *sorted((common_dir / "worktrees").glob("*"))], ref)
    if private is None:
        return
    place = _worktree_of(private)
    raise RefusedError(
        f"{branch_name(ref)} is being rebased in {place}",
        reason="rebase",
        hint="finish that rebase, or take it back with `git rebase --abort`, and try again",
        worktree=str(place),
    )


def _worktree_of(private: Path) -> Path:
    link = _line(private / "gitdir")
    if link is not None:
        return (private / link).parent
    return private.parent if private.name == ".git" else private
