"""Know the places of gitcoord's private files, and replace each of them in one step.

They lie in ``gitcoord/`` of the common git directory, readable by their
owner alone. All but ``index/`` matter: pending operations, tokens and
locks must survive.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from contextlib import suppress
from pathlib import Path
from typing import Any

from gitcoord.core import ids
from gitcoord.core.errors import UnavailableError
from gitcoord.core.ids import Token
from gitcoord.host.files import read_file, replace_file
from gitcoord.host.remedies import remedy
from gitcoord.store.loose import sync_path

__all__ = [
    "LedgerFiles",
    "TokenFiles",
    "read_json",
    "require_writable",
    "sync_files",
    "unwritten",
    "write_json",
]

MAX_FILE_BYTES = 1024 * 1024
_NONE: AbstractSet[Token] = frozenset()


def write_json(path: Path | str, value: object, *, is_durable: bool = False) -> None:
    """Replace a small file in one step; the old content stays if it fails.

    With ``is_durable`` its content is on the disk before its name is. The
    name itself is there once anything later on the same journal is synced.

    Raises:
        UnavailableError: The folder cannot be written.

    """
    try:
        replace_file(path, json.dumps(value, sort_keys=True).encode(), is_durable=is_durable)
    except OSError as error:
        raise unwritten(path, error) from None


def sync_files(paths: Iterable[Path]) -> None:
    """Put the bytes of files on the disk.

    Raises:
        UnavailableError: They cannot be.

    """
    for path in paths:
        try:
            sync_path(path)
        except OSError as error:
            raise unwritten(path, error) from None


def unwritten(path: Path | str, error: OSError) -> UnavailableError:
    """Return the error of a private file that could not be written."""
    told = f"{path} cannot be written: {error.strerror}"
    if isinstance(error, PermissionError) or error.errno == errno.EROFS:
        return _kept_out(told)
    return UnavailableError(told, hint=remedy(error))


def require_writable(common_dir: Path) -> None:
    """Refuse to go on where gitcoord's own folder cannot be written.

    Raises:
        UnavailableError: It cannot (reason ``sandbox``): nothing changed.

    """
    own = common_dir / "gitcoord"
    folder = own
    if not own.is_dir():
        folder = common_dir
    if not os.access(folder, os.W_OK | os.X_OK):
        raise _kept_out(f"{folder} cannot be written")


def _kept_out(told: str) -> UnavailableError:
    from gitcoord.ledger.sandboxes import way_out

    return UnavailableError(told, hint=way_out(os.environ), reason="sandbox")


def read_json(path: Path | str) -> dict[str, Any] | None:
    """Read a small file; None where it is missing, torn, too large or not a file."""
    try:
        value = json.loads(read_file(path, MAX_FILE_BYTES))
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(value, dict):
        return None
    return value


class LedgerFiles:
    """Where one ledger's private files lie on this machine."""

    __slots__ = (
        "agents",
        "asked",
        "bell",
        "deck_lock",
        "healing_lock",
        "index",
        "landing_lock",
        "observed",
        "pending",
        "queue_lock",
        "root",
    )

    def __init__(self, common_dir: Path, ledger: str) -> None:
        self.root = common_dir / "gitcoord"
        self.agents = self.root / "agents" / ledger
        self.queue_lock = self.root / "locks" / f"{ledger}.queue"
        self.deck_lock = self.root / "locks" / f"{ledger}.deck"
        self.bell = self.root / "locks" / f"{ledger}.bell"
        self.asked = self.root / "asked" / ledger
        self.healing_lock = self.root / "locks" / f"{ledger}.healing"
        self.landing_lock = self.root / "locks" / f"{ledger}.landing"
        self.pending = self.root / "pending" / ledger
        self.observed = self.root / "observed" / f"{ledger}.json"
        self.index = self.root / "index" / f"{ledger}.sqlite"


class TokenFiles:
    """The tokens of one agent's claims, or of its reviews, one file each.

    A file is written before the swap of its lease, so that no crash can
    leave a lease whose token nobody knows. Whether a token is current only
    the ledger tells.
    """

    __slots__ = ("_is_durable", "folder")

    def __init__(
        self, private_dir: Path, ledger: str, kind: str = "claims", *, is_durable: bool = True
    ) -> None:
        self.folder = private_dir.joinpath(kind, ledger)
        self._is_durable = is_durable

    def write(self, token: Token, content: dict[str, Any]) -> list[Path]:
        """Keep a token with its task, agent and session.

        Returns the files that have to be synced before its lease can be:
        else a power cut leaves an empty file behind a claim that was
        acknowledged, since ext4 gives a new file its blocks later.
        """
        path = self.folder / f"{token}.json"
        # A name that is there already is not given to bytes that a power cut may take.
        is_known = self._is_durable and path.exists()
        write_json(path, {**content, "token": token}, is_durable=is_known)
        if not self._is_durable:
            return []
        return [path]

    def names(self) -> set[Token]:
        """List the tokens that are kept."""
        try:
            with os.scandir(self.folder) as entries:
                names = [entry.name for entry in entries]
        except OSError:
            return set()
        return {Token(name.removesuffix(".json")) for name in names if name.endswith(".json")}

    def read(self, token: Token) -> dict[str, Any]:
        """Read what is kept with a token; nothing where it is not kept."""
        if not ids.is_id(token):
            return {}
        return read_json(f"{self.folder}/{token}.json") or {}

    def all(self, *, besides: AbstractSet[Token] = _NONE) -> list[dict[str, Any]]:
        """Read every token that is kept, ``besides`` some, oldest first."""
        paths = [self.folder / f"{token}.json" for token in self.names() - besides]
        try:
            paths.sort(key=lambda path: path.stat().st_mtime_ns)
        except OSError:
            return []
        kept = []
        for path in paths:
            content = read_json(path) or {}
            # Without a task it is that of a claim that was asked for, and is not known yet.
            if content.get("token") == path.stem and ids.is_id(content.get("task")):
                kept.append(content)
        return kept

    def remove(self, token: Token) -> None:
        """Forget a token; one that stays is not current, and harms nobody."""
        if not ids.is_id(token):
            return
        with suppress(OSError):
            (self.folder / f"{token}.json").unlink()
