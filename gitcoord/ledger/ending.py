"""End a ledger: its branch and its other refs go, and a tag keeps what it said.

Beside ``execute``, which moves the ledger's ref on, this alone takes it away.
"""

from __future__ import annotations

from collections.abc import Mapping

from gitcoord.core.errors import UnavailableError
from gitcoord.core.ids import Oid
from gitcoord.git.program import Git
from gitcoord.git.refs import ref_line, transact

__all__ = ["drop_refs", "end_refs"]


def end_refs(git: Git, tag: str, tip: Oid, gone: Mapping[str, Oid]) -> None:
    """Make a tag of a ledger's tip and remove its refs here, all or none.

    Each goes only if it holds what is expected, so that an entry which was
    published meanwhile stops it. If it fails, nothing moved.

    Raises:
        UnavailableError: A ref was moved meanwhile, or is locked.

    """
    known = git.run("rev-parse", "--verify", "--quiet", tag, check=False).text
    lines = []
    if known != tip:
        lines.append(ref_line("create", tag, tip))
    _transact(git, lines, gone)


def drop_refs(git: Git, gone: Mapping[str, Oid]) -> None:
    """Remove refs of a ledger here, its branch among them where it is named, all or none.

    Each goes only if it holds what is expected. If it fails, nothing moved.

    Raises:
        UnavailableError: A ref was moved meanwhile, or is locked.

    """
    if gone:
        _transact(git, [], gone)


def _transact(git: Git, lines: list[str], gone: Mapping[str, Oid]) -> None:
    deleted = [ref_line("delete", ref, oid) for ref, oid in gone.items()]
    done = transact(git, [*deleted, *lines])
    if not done.is_committed:
        raise UnavailableError(
            f"the ledger's refs could not be removed: {done.said}",
            hint="try again; `gitcoord doctor` looks at what is in the way",
        )
