"""Compare trees, both sides of everything."""

from __future__ import annotations

from gitcoord.core.ids import NO_OID, Oid
from gitcoord.core.shapes import NamedTuple
from gitcoord.git.program import Git

__all__ = ["DIFF", "Change", "diff_raw", "parse_raw"]

DIFF = (
    "diff-tree",
    "-r",
    "-z",
    "--raw",
    "--no-renames",
    "--no-abbrev",
    "--no-ext-diff",
    "--no-textconv",
    "--ignore-submodules=none",
)


class Change(NamedTuple):
    """One path that differs, with its mode on both sides."""

    path: str
    old_mode: str
    new_mode: str
    oid: Oid


def parse_raw(raw: bytes) -> dict[Oid, list[Change]]:
    """Read ``diff-tree -z``; the commit's line, if any, heads its changes.

    Raises:
        ValueError: That is not what git prints.

    """
    found: dict[Oid, list[Change]] = {}
    fields = iter(raw.decode("utf-8", "surrogateescape").split("\0"))
    commit = NO_OID
    for field in fields:
        if field.startswith(":"):
            old_mode, new_mode, _, oid, _ = field[1:].split(" ")
            path = next(fields, "")
            if not path:
                raise ValueError("git's list of changes is cut off")
            found.setdefault(commit, []).append(Change(path, old_mode, new_mode, Oid(oid)))
        elif field:
            commit = Oid(field)
    return found


def diff_raw(git: Git, old: Oid, new: Oid, *paths: str) -> list[Change]:
    """Compare two trees or commits, both sides of everything."""
    return parse_raw(git.run(*DIFF, "--end-of-options", old, new, "--", *paths).stdout).get(
        NO_OID, []
    )
