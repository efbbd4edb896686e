"""Write many objects as one pack, not as a loose file each.

A plan of a hundred thousand tasks is some two hundred thousand objects:
one synced pack instead of as many synced files.
"""

from __future__ import annotations

import struct
import zlib

from gitcoord.core.hashing import hash_of
from gitcoord.core.ids import Oid

__all__ = ["PackedObjects"]

_TYPES = {"commit": 1, "tree": 2, "blob": 3}


class PackedObjects:
    """Collect objects, and return them as the stream of a pack."""

    def __init__(self, algorithm: str = "sha1") -> None:
        self._hash = hash_of(algorithm)
        self._objects: dict[Oid, bytes] = {}

    def add(self, kind: str, content: bytes) -> Oid:
        """Add an object once; return its oid."""
        raw = f"{kind} {len(content)}\0".encode() + content
        oid = Oid(self._hash(raw).hexdigest())
        if oid not in self._objects:
            self._objects[oid] = _header(_TYPES[kind], len(content)) + zlib.compress(content, 1)
        return oid

    def stream(self) -> bytes:
        """Return the pack: header, objects, checksum (gitformat-pack)."""
        body = b"".join(
            [b"PACK", struct.pack(">II", 2, len(self._objects)), *self._objects.values()]
        )
        return body + self._hash(body).digest()


def _header(kind: int, size: int) -> bytes:
    byte = (kind << 4) | (size & 15)
    size >>= 4
    encoded = bytearray()
    while size:
        encoded.append(byte | 0x80)
        byte = size & 0x7F
        size >>= 7
    encoded.append(byte)
    return bytes(encoded)
