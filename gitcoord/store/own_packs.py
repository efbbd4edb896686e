"""Write the objects of a large turn as one pack, and keep it until a ref reaches it.

A pack and its index have their names only after their bytes are on the disk, the index
last: without it nobody reads the pack. What nothing reaches yet would be taken by a
``git repack -a -d`` beside us, so a ``.keep`` file stands beside it before it has its
name, as git's own ``index-pack --keep`` does, and goes when the ref has moved.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from gitcoord.core.ids import Oid
from gitcoord.git.pack_folder import KEEP, MARK, count_packs, pack_folder
from gitcoord.host.live_files import LiveFile
from gitcoord.host.processes import identity
from gitcoord.store.loose import Shared, begun_file, sync_path
from gitcoord.store.packs import PackedObjects

__all__ = ["MAX_PACKS", "OwnPacks"]

MAX_PACKS = 40
"""Where a repository has as many packs, whoever made them, no further one is written: git
looks into each for an object that it does not find, and its ``gc --auto`` begins at 50."""


class OwnPacks:
    """The packs that this process writes into one repository."""

    def __init__(
        self, common_dir: Path, algorithm: str, shared: Shared, *, is_durable: bool
    ) -> None:
        self._folder = pack_folder(common_dir)
        self._algorithm = algorithm
        self._shared = shared
        self._is_durable = is_durable
        self._keep: LiveFile | None = None
        self._newest = ""
        self._oids: frozenset[Oid] = frozenset()

    def write(self, objects: Mapping[Oid, bytes]) -> bool:
        """Write objects, given with their headers, as one pack that is kept.

        Returns False where there are too many packs, or where none can be written: then
        the objects are to be loose, and if they cannot be either, it is said why.
        """
        self.release()
        if count_packs(self._folder) >= MAX_PACKS:
            return False
        packed = PackedObjects(self._algorithm)
        for oid, raw in objects.items():
            head, _, content = raw.partition(b"\0")
            packed.put(oid, head.partition(b" ")[0].decode("ascii"), content)
        stream = packed.stream()
        checksum = stream[-packed.hash_bytes :]
        try:
            self._put(f"{MARK}{checksum.hex()}", stream, packed.index(checksum))
        except OSError:
            self.release()
            return False
        self._oids = frozenset(objects)
        return True

    def standing(self) -> frozenset[Oid]:
        """Return the objects of the newest pack; none where it is gone from the disk."""
        if self._oids and all(os.path.exists(self._newest + end) for end in (".pack", ".idx")):
            return self._oids
        return frozenset()

    def release(self) -> None:
        """Keep the newest pack no longer: a ref reaches it, or it was given up."""
        if self._keep is not None:
            self._keep.remove()
            self._keep = None

    def _put(self, name: str, stream: bytes, index: bytes) -> None:
        """Put a pack and its index on the disk, then give them their names."""
        self._make_folder()
        place = self._folder / name
        self._newest, self._oids = str(place), frozenset()
        self._keep = LiveFile(place.with_suffix(KEEP))
        self._keep.write(json.dumps({"process": identity()}).encode())
        made: list[tuple[str, int]] = []
        try:
            for content in (stream, index):
                temporary = f"{self._folder}/.{name}.{os.urandom(4).hex()}.new"
                handle = begun_file(temporary, content, self._shared, is_durable=self._is_durable)
                made.append((temporary, handle))
            if self._is_durable:
                for _, handle in made:
                    os.fsync(handle)
            for (temporary, _), end in zip(made, (".pack", ".idx"), strict=True):
                os.rename(temporary, self._newest + end)
            if self._is_durable:
                sync_path(self._folder)
        finally:
            for temporary, handle in made:
                os.close(handle)
                with suppress(FileNotFoundError):
                    os.unlink(temporary)

    def _make_folder(self) -> None:
        with suppress(FileExistsError):
            self._folder.mkdir()
            self._shared.folder(str(self._folder))
            if self._is_durable:
                sync_path(self._folder.parent)
