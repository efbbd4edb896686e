"""Find the program that a user named, or tell why it cannot be run."""

from __future__ import annotations

import os
import shlex
import shutil
from pathlib import Path

from gitcoord.core.errors import UsageError

__all__ = ["find_program", "from_here"]


def find_program(word: str) -> str:
    """Return the absolute path of a program, as a shell would find it.

    Raises:
        UsageError: There is none, or it cannot be executed.

    """
    program = shutil.which(word)
    if program is not None:
        return str(Path(program).absolute())
    path = Path(word)
    if path.is_dir():
        raise UsageError(f"{word} is a directory, not a program", hint="name a program, after `--`")
    if path.is_file() and "/" not in word:
        if os.access(path, os.X_OK):
            hint = f"a program of this directory is written ./{word}"
        else:
            hint = f"`chmod +x {word}` makes it executable; it is then written ./{word}"
        raise UsageError(f"there is no program {word} on PATH", hint=hint)
    if path.is_file():
        hint = f"`chmod +x {shlex.quote(word)}` makes it executable"
        raise UsageError(f"{word} is not executable", hint=hint)
    raise UsageError(
        f"{word!r} cannot be run: there is no such program",
        hint="name a program that exists, after `--`",
    )


def from_here(command: str) -> str:
    """Return a shell's command whose program is found from anywhere.

    ``./review.sh`` is a file where the user stands, wherever the command
    is run. What only a shell understands stays as it is.

    Raises:
        UsageError: It names a file that cannot be executed.

    """
    first, space, rest = command.partition(" ")
    if "/" not in first or Path(first).is_absolute() or not Path(first).exists():
        return command
    return f"{shlex.quote(find_program(first))}{space}{rest}"
