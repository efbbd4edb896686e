"""Tell whether records of the ledger are the same at another tip, by their oids.

Most entries concern other tasks. So a hook compares what it judged by with a
few names in the new tip's trees, read from loose objects and from packs of ours;
where one is in a git's pack, or is not as it should be, the ledger is opened.
"""

from __future__ import annotations

import os
import zlib
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:  # at a tool call: nothing is imported for annotations alone
    from gitcoord.core.ids import Oid
    from gitcoord.store.whole_objects import WholeObjects

__all__ = ["record_oids"]

MAX_BYTES = 8 * 1024 * 1024
_NOTHING = cast("Oid", "")
_ALGORITHMS = {40: "sha1", 64: "sha256"}
_join = os.path.join


def record_oids(common_dir: str, tip: Oid, paths: tuple[str, ...]) -> dict[str, Oid] | None:
    """Return the oids of records at a tip; None where that cannot be told cheaply."""
    objects = _Objects(common_dir)
    try:
        kind, commit = objects.read(tip)
        if kind != "commit" or not commit.startswith(b"tree "):
            return None
        known = {"": cast("Oid", commit[5 : commit.index(b"\n")].decode("ascii"))}
        for path in paths:
            folder = path.rpartition("/")[0]
            for step in filter(None, (folder, path)):
                above, _, last = step.rpartition("/")
                if step not in known:
                    known[step] = _entry(objects, known[above], last)
    except (OSError, ValueError, KeyError, zlib.error):
        return None
    return {path: known[path] for path in paths}


def _entry(objects: _Objects, tree: Oid, name: str) -> Oid:
    """Return the oid that a tree has for a name; nothing where it has none."""
    if not tree:
        return _NOTHING
    kind, content = objects.read(tree)
    if kind != "tree":
        raise ValueError(f"{tree} is not a tree")
    size = len(tree) // 2
    at = 0
    wanted = name.encode()
    while at < len(content):
        space, end = content.index(b" ", at), content.index(b"\0", at)
        if content[space + 1 : end] == wanted:
            return cast("Oid", content[end + 1 : end + 1 + size].hex())
        at = end + 1 + size
    return _NOTHING


class _Objects:
    """The objects of a repository that are loose, or whole in a pack of ours."""

    def __init__(self, common_dir: str) -> None:
        self._common_dir = common_dir
        self._packs: WholeObjects | None = None

    def read(self, oid: Oid) -> tuple[str, bytes]:
        """Return the kind and the bytes of an object.

        Raises:
            OSError: It is not there.
            ValueError: It is larger than a tree of ours.
            KeyError: No oid has that length.

        """
        try:
            return _loose(self._common_dir, oid)
        except FileNotFoundError:
            found = self._opened(_ALGORITHMS[len(oid)]).read(oid)
            if found is None:
                raise
            return found

    def _opened(self, algorithm: str) -> WholeObjects:
        """Return the packs of ours; loaded for what is not loose."""
        if self._packs is None:
            from pathlib import Path

            from gitcoord.git.pack_folder import pack_folder
            from gitcoord.store.whole_objects import WholeObjects

            self._packs = WholeObjects(pack_folder(Path(self._common_dir)), algorithm)
        return self._packs


def _loose(common_dir: str, oid: Oid) -> tuple[str, bytes]:
    """Return the kind and the bytes of a loose object.

    Raises:
        OSError: It is not loose here.
        ValueError: It is larger than a tree of ours.

    """
    path = _join(common_dir, "objects", oid[:2], oid[2:])
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        packed = os.read(handle, MAX_BYTES)
    finally:
        os.close(handle)
    content = zlib.decompressobj().decompress(packed, MAX_BYTES)
    if len(content) == MAX_BYTES:
        raise ValueError(f"{oid} is too large")
    header, _, rest = content.partition(b"\0")
    return header.partition(b" ")[0].decode("ascii"), rest
