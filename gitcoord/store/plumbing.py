"""Reach objects and refs without libgit2: the second engine.

Packs, other ways to keep refs, and what is rare go through the git program.
It serves what libgit2 cannot open (SHA-256, reftable, partial clones), and
commands that are over in a moment.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from gitcoord.core.ids import Oid
from gitcoord.store.disk_store import NO_USER, DiskStore, Wanted
from gitcoord.store.git_program import GitProgram
from gitcoord.store.objects import MAX_BLOB_BYTES, MAX_OTHER_BYTES, clean_name
from gitcoord.store.protocol import MissingObjectError

if TYPE_CHECKING:
    from gitcoord.store.git_refs import GitRefs
    from gitcoord.store.whole_objects import WholeObjects

__all__ = ["PlumbingStore"]

_MAX_BYTES = {"blob": MAX_BLOB_BYTES, "tree": MAX_OTHER_BYTES, "commit": MAX_OTHER_BYTES}


class PlumbingStore(DiskStore):
    """One repository, without libgit2. Not for use by two threads at once."""

    def __init__(self, common_dir: Path, *, is_durable: bool = True) -> None:
        """Open a repository, whatever its formats."""
        self.common_dir = common_dir
        self._program = GitProgram(common_dir)
        self._committer: tuple[str, str] | None = None
        algorithm = self._setting("extensions", "objectformat").lower() or "sha1"
        has_files = self._setting("extensions", "refstorage").lower() in {"", "files"}
        self._is_durable = is_durable
        refs = None if has_files else self._git_refs
        super().__init__(common_dir, algorithm, refs=refs, is_durable=is_durable)

    def _setting(self, section: str, key: str) -> str:
        return self._program.setting(section, key)

    def _identity(self) -> tuple[str, str]:
        if self._committer is None:
            name, email = (clean_name(self._setting("user", key)) for key in ("name", "email"))
            self._committer = (name, email) if name and email else NO_USER
        return self._committer

    # objects

    def _read_packed(self, oid: Oid, kind: str) -> tuple[str, bytes]:
        packed = self._whole_objects.read(oid) or self._program.read_object(oid, _MAX_BYTES)
        if packed is None:
            raise MissingObjectError(f"{oid} is not in this {self._kind_of_repository()}")
        return packed

    @cached_property
    def _whole_objects(self) -> WholeObjects:
        """What is read of packs of ours without a git; loaded for what is not loose."""
        from gitcoord.git.pack_folder import pack_folder
        from gitcoord.store.whole_objects import WholeObjects

        return WholeObjects(pack_folder(self.common_dir), self._algorithm)

    def _kind_of_repository(self) -> str:
        if self._setting("extensions", "partialclone") or self._setting("remote", "promisor"):
            return "partial clone: `git fetch --refetch --no-filter` gets it"
        return "repository"

    def _is_packed(self, oid: Oid) -> bool:
        return self._program.has_object(oid)

    def _reopen(self) -> None:
        self._whole_objects.forget()
        self._program.end()

    def _keep_pack(self, stream: bytes) -> None:
        from gitcoord.store.git_program import keep_pack

        keep_pack(self.common_dir, stream)

    # refs

    @cached_property
    def _git_refs(self) -> GitRefs:
        """The refs, as git itself reads and moves them."""
        from gitcoord.store.git_refs import GitRefs

        return GitRefs(self.common_dir, self._program, is_durable=self._is_durable)

    def _swap_symbolic(self, ref: str, wanted: Wanted, new: Oid, symbolic: str) -> None:
        del symbolic
        self._git_refs.swap(ref, wanted, new)

    def delete_ref(self, ref: str, expected: Oid) -> None:
        """Remove a ref that holds ``expected``."""
        self._git_refs.delete(ref, expected)

    # the disk

    def refresh(self) -> None:
        """Forget what is cached of packs and refs."""
        super().refresh()
        self._reopen()

    def close(self) -> None:
        """End the git processes that read objects and move refs."""
        super().close()
        self._program.end()
        if "_git_refs" in self.__dict__:
            self._git_refs.end()
