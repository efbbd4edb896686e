"""Show what a result changes, within a bound, running nothing of its own."""

from __future__ import annotations

from collections.abc import Mapping

from gitcoord.core import codec
from gitcoord.core.ids import Oid, TaskId
from gitcoord.core.shapes import NamedTuple
from gitcoord.git.isolated import isolated
from gitcoord.git.merges import Conflict, fork_base, merge_tree
from gitcoord.git.program import Git

__all__ = ["Patch", "patch_of"]

_QUIET = (
    "--no-ext-diff",
    "--no-textconv",
    "--no-color",
    "--no-renames",
    "--ignore-submodules=none",
)


class Patch(NamedTuple):
    """A difference of two trees as text; ``is_cut`` where not all of it fits."""

    old: Oid
    new: Oid
    files: list[tuple[str, int | None, int | None]]
    text: str
    is_cut: bool


def patch_of(
    git: Git,
    result: Oid,
    target_tip: Oid,
    built_on: Mapping[TaskId, Oid],
    base: Oid,
    max_bytes: int,
) -> Patch:
    """Return what landing a result alone would change, as a patch.

    That is what its own commits do on top of the target and of what it is
    built on; where these now conflict, what it did since its base.
    ``files`` counts added and removed lines, None for what is not text.
    """
    old, new = fork_base(git, target_tip, list(built_on.values())), result
    merged = None if isinstance(old, Conflict) else merge_tree(git, old, result)
    if isinstance(old, Conflict) or merged is None or isinstance(merged, Conflict):
        old = base
    else:
        new = merged.tree
    with isolated(git) as alone:
        counted = alone.run(
            "diff-tree", "-r", "--numstat", "-z", *_QUIET, "--end-of-options", old, new
        ).stdout
        text, is_cut = _bounded(alone, old, new, max_bytes)
    return Patch(old, new, _counts(counted), text, is_cut)


def _counts(raw: bytes) -> list[tuple[str, int | None, int | None]]:
    counts = []
    for line in raw.decode("utf-8", "surrogateescape").split("\0"):
        added, _, rest = line.partition("\t")
        removed, _, path = rest.partition("\t")
        if path:
            counts.append((path, _number(added), _number(removed)))
    return counts


def _number(column: str) -> int | None:
    """Return a count of lines; None where git counts none, as of binary files."""
    if not column.isdecimal():
        return None
    return int(column)


def _bounded(git: Git, old: Oid, new: Oid, max_bytes: int) -> tuple[str, bool]:
    """Read a patch no further than it is shown: a result may be huge."""
    child = git.start("diff-tree", "-r", "-p", *_QUIET, "--end-of-options", old, new)
    with child:
        if child.stdin is not None:
            child.stdin.close()
        raw = child.stdout.read(max_bytes + 1) if child.stdout is not None else b""
        if len(raw) > max_bytes:
            child.kill()
    shown = codec.printable(raw.decode("utf-8", "replace"), lines=True).encode()
    if len(raw) <= max_bytes and len(shown) <= max_bytes:
        return shown.decode(), False
    return shown[: shown.rfind(b"\n", 0, max_bytes) + 1].decode(), True
