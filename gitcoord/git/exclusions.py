"""Let git pass over files of ours, by lines in ``info/exclude``.

Only whole lines that we wrote are taken away again; the rest of the file is
its owner's.
"""

from __future__ import annotations

from pathlib import Path

from gitcoord.core.errors import UnavailableError
from gitcoord.git.places import discover
from gitcoord.git.program import Git
from gitcoord.host.files import replace_file

__all__ = ["exclude", "include", "is_tracked"]

_MARK = "# gitcoord"


def exclude(worktree: Path, *patterns: str) -> list[str]:
    """Exclude paths that git would show; return the lines that were added.

    Raises:
        UnavailableError: The file cannot be written; it is as it was.

    """
    git = Git(worktree)
    seen = [one for one in patterns if not _is_ignored(git, one.removeprefix("/"))]
    if not seen:
        return []
    file = _file(worktree)
    before = _read(file)
    start = before if before.endswith("\n") or not before else before + "\n"
    lines = "".join(f"{_MARK}: {pattern}\n{pattern}\n" for pattern in seen)
    _replace(file, start + lines)
    return seen


def include(worktree: Path, *patterns: str) -> list[str]:
    """Take lines that ``exclude`` wrote away again; return them.

    Raises:
        UnavailableError: The file cannot be written; it is as it was.

    """
    file = _file(worktree)
    text = _read(file)
    gone = []
    for pattern in patterns:
        ours = f"{_MARK}: {pattern}\n{pattern}\n"
        if ours in text:
            text = text.replace(ours, "", 1)
            gone.append(pattern)
    if gone:
        _replace(file, text)
    return gone


def is_tracked(folder: Path, name: str) -> bool:
    """Return whether git tracks a file below a folder, so that no exclusion counts for it."""
    listed = Git(folder).run("ls-files", "--error-unmatch", "--", name, check=False)
    return listed.status == 0


def _is_ignored(git: Git, path: str) -> bool:
    return git.run("check-ignore", "-q", "--no-index", "--", path, check=False).status == 0


def _file(worktree: Path) -> Path:
    return discover(worktree).common_dir / "info" / "exclude"


def _read(file: Path) -> str:
    try:
        return file.read_text("utf-8", "surrogateescape")
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise _failed(file, error) from None


def _replace(file: Path, text: str) -> None:
    try:
        replace_file(file, text.encode("utf-8", "surrogateescape"), mode=0o666)
    except OSError as error:
        raise _failed(file, error) from None


def _failed(file: Path, error: OSError) -> UnavailableError:
    return UnavailableError(
        f"{file} cannot be used: {error.strerror}", hint="check its owner and permissions"
    )
