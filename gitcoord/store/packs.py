"""Write many objects as one pack, not as a loose file each.

A plan of a hundred thousand tasks is some two hundred thousand objects:
one synced pack instead of as many synced files.
"""

from __future__ import annotations

import struct
import zlib
from binascii import crc32
from itertools import accumulate

from gitcoord.core.hashing import hash_of
from gitcoord.core.ids import Oid

__all__ = ["PackedObjects"]

_TYPES = {"commit": 1, "tree": 2, "blob": 3}
_LEVELS = {"commit": 1, "tree": 0, "blob": 1}
"""How much objects are compressed. A tree is mostly oids, of which nothing is saved: to try
takes a fifth of a large turn."""
_WINDOW_BITS, _MEMORY = 12, 5
"""What zlib looks back at, 4 KiB, and the room that it asks for anew at each object: small."""
_HEAD_BYTES = 12
_FAN_OUT = 256


class PackedObjects:
    """Collect objects, and return them as a pack, and its index (gitformat-pack)."""

    def __init__(self, algorithm: str = "sha1") -> None:
        self._hash = hash_of(algorithm)
        self.hash_bytes = self._hash(b"").digest_size
        self._objects: dict[Oid, bytes] = {}

    def add(self, kind: str, content: bytes) -> Oid:
        """Add an object once; return its oid."""
        raw = f"{kind} {len(content)}\0".encode() + content
        oid = Oid(self._hash(raw).hexdigest())
        if oid not in self._objects:
            self.put(oid, kind, content)
        return oid

    def put(self, oid: Oid, kind: str, content: bytes) -> None:
        """Add an object whose oid is known, and which was not added before."""
        self._objects[oid] = _header(_TYPES[kind], len(content)) + _deflated(kind, content)

    def stream(self) -> bytes:
        """Return the pack: header, objects, checksum."""
        head = struct.pack(">4sII", b"PACK", 2, len(self._objects))
        body = b"".join([head, *self._objects.values()])
        return body + self._hash(body).digest()

    def index(self, checksum: bytes) -> bytes:
        """Return the index, of version 2, of the pack whose stream ends in ``checksum``.

        Every object begins before the pack's 2 GiB.
        """
        starts = accumulate(map(len, self._objects.values()), initial=_HEAD_BYTES)
        places = zip(self._objects.items(), starts, strict=False)
        rows = sorted((bytes.fromhex(oid), crc32(row), start) for (oid, row), start in places)
        counts = [0] * _FAN_OUT
        for oid, _, _ in rows:
            counts[oid[0]] += 1
        body = b"".join(
            [
                struct.pack(">4sI256I", b"\377tOc", 2, *accumulate(counts)),
                *(oid for oid, _, _ in rows),
                *(struct.pack(">I", check) for _, check, _ in rows),
                *(struct.pack(">I", start) for _, _, start in rows),
                checksum,
            ]
        )
        return body + self._hash(body).digest()


def _deflated(kind: str, content: bytes) -> bytes:
    """Return an object's bytes as a pack holds them."""
    stream = zlib.compressobj(_LEVELS[kind], zlib.DEFLATED, _WINDOW_BITS, _MEMORY)
    return stream.compress(content) + stream.flush()


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
