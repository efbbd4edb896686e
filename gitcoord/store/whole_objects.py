"""Read whole objects out of packs of ours, without a git.

What is put on the disk at once may be one pack (``own_packs``), a plan of a hundred tasks
for one. It holds no deltas, and its index tells where an object begins. So a command that
is over in a moment starts no git for it. What is not found here, deltas of a pack that
upkeep merged among it, is git's to read.
"""

from __future__ import annotations

import os
import zlib
from contextlib import suppress
from pathlib import Path

from gitcoord.core.hashing import hash_of
from gitcoord.core.ids import Oid, is_oid
from gitcoord.git.pack_folder import MARK
from gitcoord.host.files import open_file, read_file

__all__ = ["WholeObjects"]

MAX_INDEX_BYTES = 256 * 1024
MAX_OBJECT_BYTES = 1024 * 1024
_TYPES = {1: "commit", 2: "tree", 3: "blob"}
_INDEX = ".idx"
_MAGIC = b"\377tOc\0\0\0\2"
_NAMES = len(_MAGIC) + 256 * 4
_MAX_HEAD_BYTES = 16
_MORE_BYTES = 64
"""How much longer than its content what zlib writes may be, beside its share of it."""


class WholeObjects:
    """The packs of ours in one folder, as they were when the first object was asked for."""

    def __init__(self, folder: Path, algorithm: str) -> None:
        self._folder = folder
        self._hash = hash_of(algorithm)
        self._hash_bytes = self._hash(b"").digest_size
        self._indexes: dict[str, bytes] | None = None

    def forget(self) -> None:
        """Look anew which packs there are, when the next object is asked for."""
        self._indexes = None

    def read(self, oid: Oid) -> tuple[str, bytes] | None:
        """Return the kind and the bytes of an object; None where git has to be asked."""
        if not is_oid(oid):
            return None  # of a record or a ref that is torn
        if self._indexes is None:
            self._indexes = self._read_indexes()
        name = bytes.fromhex(oid)
        for pack, index in self._indexes.items():
            start = self._start_of(index, name)
            if start:
                return self._read_at(pack, start, oid)
        return None

    def _read_indexes(self) -> dict[str, bytes]:
        """Read the index of each pack of ours, of those that are small."""
        indexes = {}
        try:
            with os.scandir(self._folder) as entries:
                names = sorted(entry.name for entry in entries)
        except OSError:
            return {}
        for name in names:
            if name.startswith(MARK) and name.endswith(_INDEX):
                with suppress(OSError):
                    pack = name.removesuffix(_INDEX) + ".pack"
                    indexes[pack] = read_file(f"{self._folder}/{name}", MAX_INDEX_BYTES)
        return indexes

    def _start_of(self, index: bytes, name: bytes) -> int:
        """Return where an object begins in the pack of an index; 0 where it is not there.

        An index counts, for each first byte of a name, the names up to it; then come the
        names, a checksum of each object, and where each begins (gitformat-pack).
        """
        if len(index) < _NAMES or not index.startswith(_MAGIC):
            return 0
        first, size = 0, self._hash_bytes
        if name[0]:
            first = _number(index, len(_MAGIC) + (name[0] - 1) * 4)
        end = _number(index, len(_MAGIC) + name[0] * 4)
        count = _number(index, _NAMES - 4)
        for row in range(first, min(end, len(index) // size)):
            if index.startswith(name, _NAMES + row * size):
                return _number(index, _NAMES + count * (size + 4) + row * 4)
        return 0

    def _read_at(self, pack: str, start: int, oid: Oid) -> tuple[str, bytes] | None:
        """Read an object where it begins in a pack; None where it is not whole, or another."""
        try:
            handle = open_file(f"{self._folder}/{pack}")
        except OSError:
            return None  # merged into another meanwhile
        try:
            head = os.pread(handle, _MAX_HEAD_BYTES, start)
            kind, size, used = _header_of(head)
            if kind not in _TYPES or size > MAX_OBJECT_BYTES:
                return None
            packed = os.pread(handle, size + size // 512 + _MORE_BYTES, start + used)
            content = zlib.decompressobj().decompress(packed, size + 1)
        except (OSError, zlib.error, OverflowError):
            return None
        finally:
            os.close(handle)
        raw = b"%s %d\0%s" % (_TYPES[kind].encode(), len(content), content)
        if self._hash(raw).hexdigest() != oid:
            return None
        return _TYPES[kind], content


def _number(index: bytes, place: int) -> int:
    return int.from_bytes(index[place : place + 4], "big")


def _header_of(head: bytes) -> tuple[int, int, int]:
    """Return what an object begins with: its type, its size, and how many bytes that takes."""
    if not head:
        return 0, 0, 0
    kind, size, shift = head[0] >> 4 & 7, head[0] & 15, 4
    used = 1
    while head[used - 1] & 0x80 and used < len(head):
        size |= (head[used] & 0x7F) << shift
        shift += 7
        used += 1
    return kind, size, used
