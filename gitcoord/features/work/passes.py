"""Remember, for this machine alone, which gates and checks passed here.

Whoever can write the ledger's branch can write a legal entry that says that
a gate passed. So an entry alone is not believed: a pass counts where this
machine's user ran it, and elsewhere the command is run again. The memory
lies beside the user's trust, outside of the repository, where no commit and
no private file of a clone can vote for itself.
"""

from __future__ import annotations

import stat
from contextlib import suppress
from pathlib import Path

from gitcoord.core import codec
from gitcoord.core.hashing import sha256
from gitcoord.core.ids import Oid
from gitcoord.features.setup.trust import repository_key
from gitcoord.features.workspace import Workspace
from gitcoord.host.files import replace_file
from gitcoord.host.user_folder import user_folder

__all__ = ["has_passed_here", "remember_pass"]

MAX_PASSES = 1000


def has_passed_here(work: Workspace, scope: str, definition: str, tree: Oid) -> bool:
    """Return whether this machine saw a command, so defined, pass on a tree.

    ``scope`` is the path of the gate's, or of the check's, record.
    """
    try:
        status = _path(work, scope, definition, tree).lstat()
    except OSError:
        return False
    return stat.S_ISREG(status.st_mode)


def remember_pass(work: Workspace, scope: str, definition: str, tree: Oid) -> None:
    """Remember that a command, so defined, has just passed on a tree.

    If it cannot be written the command is run again when its pass is needed.
    """
    path = _path(work, scope, definition, tree)
    with suppress(OSError):
        replace_file(path, b"", is_durable=work.is_durable)
        _drop_oldest(path.parent)


def _path(work: Workspace, scope: str, definition: str, tree: Oid) -> Path:
    repository = sha256(repository_key(work).encode("utf-8", "surrogateescape"))
    name = sha256(codec.dump([scope, definition, tree]))
    return user_folder() / "passes" / repository.hexdigest() / name.hexdigest()


def _drop_oldest(folder: Path) -> None:
    """Forget the oldest passes where there are too many; they are run again."""
    kept = [(path.lstat().st_mtime_ns, path) for path in folder.iterdir()]
    kept.sort()
    for _, path in kept[: max(0, len(kept) - MAX_PASSES)]:
        path.unlink()
