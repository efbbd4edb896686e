"""Change files of the user's: all looked at first, then each in one step.

Nothing is written through a link, over what cannot be read, or half. What
is planned can be shown instead of done.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from pathlib import Path

from gitcoord.core.errors import UnavailableError, UsageError
from gitcoord.core.shapes import NamedTuple
from gitcoord.host.files import replace_file

__all__ = ["FileChange", "apply_changes", "read_text"]

MAX_BYTES = 4 * 1024 * 1024


class FileChange(NamedTuple):
    """A file as it is, and as it is to be; None where it is not."""

    path: Path
    before: str | None
    after: str | None
    what: str

    @property
    def is_needed(self) -> bool:
        """Whether anything differs."""
        return self.before != self.after


def read_text(path: Path) -> str | None:
    """Return a file's text, or None where there is no file.

    Raises:
        UsageError: Something else lies there: a link, a folder, no text.
        UnavailableError: It cannot be read.

    """
    try:
        kind = path.lstat()
    except FileNotFoundError:
        return None
    except NotADirectoryError:
        raise UsageError(f"{path.parent} is not a directory", hint="look at it") from None
    except OSError as error:
        raise _unavailable(path, error) from None
    if stat.S_ISLNK(kind.st_mode):
        where = os.readlink(path)  # noqa: PTH115 - as it is written
        raise UsageError(
            f"{path} is a link to {where}, and no link is written through",
            hint="`--print` shows what belongs into it",
        )
    if not stat.S_ISREG(kind.st_mode):
        raise UsageError(f"{path} is not a file", hint="move it away, and try again")
    if kind.st_size > MAX_BYTES:
        raise UsageError(f"{path} is larger than 4 MB", hint="look at that file")
    try:
        return path.read_bytes().decode("utf-8")
    except UnicodeDecodeError:
        raise UsageError(f"{path} is not UTF-8 text", hint="look at that file") from None
    except OSError as error:
        raise _unavailable(path, error) from None


def apply_changes(changes: Iterable[FileChange]) -> list[Path]:
    """Write what differs; return the files that were written or removed.

    Each is replaced in one step and keeps its mode. If one fails those
    before it stand, whole, and the same command goes on from there.

    Raises:
        UnavailableError: One cannot be written; it is as it was.

    """
    done = []
    for change in changes:
        if not change.is_needed:
            continue
        try:
            if change.after is None:
                change.path.unlink(missing_ok=True)
            else:
                _replace(change.path, change.after)
        except OSError as error:
            raise _unavailable(change.path, error) from None
        done.append(change.path)
    return done


def _replace(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = None
    if path.exists():
        kept = path.stat().st_mode & 0o7777
    if kept is not None and not kept & 0o200:
        raise PermissionError(13, "it is read-only")
    replace_file(path, text.encode(), mode=0o666, kept_mode=kept)


def _unavailable(path: Path, error: OSError) -> UnavailableError:
    return UnavailableError(
        f"{path} cannot be used: {error.strerror}",
        hint="check its owner and permissions; it is as it was",
    )
