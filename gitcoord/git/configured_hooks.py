"""Keep the hooks that git's configuration names out of git calls of our own.

``core.hooksPath`` switches off only the hooks that are files. From git 2.55
on ``hook.<event>.enabled`` switches off all that the configuration names for
an event; git 2.54 knows ``hook.<name>.enabled`` alone, so that each name
which can be seen is switched off too. Older gits pass over both.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from gitcoord.core.errors import UsageError
from gitcoord.git.config import Stamps, stamps_of, user_files
from gitcoord.git.places import discover
from gitcoord.git.program import Git

__all__ = ["EVENTS", "named_for", "switched_off"]

EVENTS = (
    "applypatch-msg",
    "commit-msg",
    "post-applypatch",
    "post-checkout",
    "post-commit",
    "post-index-change",
    "post-merge",
    "post-receive",
    "post-rewrite",
    "post-update",
    "pre-applypatch",
    "pre-auto-gc",
    "pre-commit",
    "pre-merge-commit",
    "pre-push",
    "pre-rebase",
    "pre-receive",
    "prepare-commit-msg",
    "proc-receive",
    "push-to-checkout",
    "reference-transaction",
    "update",
)
_QUERY = ("config", "-z", "--name-only", "--get-regexp", r"^hook\..*\.event$")
_MARKS = (b"[hook", b"[include")

_MAX_KNOWN = 256

_known: dict[tuple[str, Stamps], tuple[str, ...]] = {}


def switched_off(names: Iterable[str] = ()) -> dict[str, str]:
    """Return the environment in which git runs no hook of its configuration.

    ``names`` are those of the hooks that are configured, as ``named_for`` finds them.
    What the user configures in the environment comes first, and stays.
    """
    keys = [f"hook.{name}.enabled" for name in (*EVENTS, *names)]
    given = os.environ.get("GIT_CONFIG_COUNT", "")
    first = int(given) if given.isascii() and given.isdecimal() else 0
    env = {"GIT_CONFIG_COUNT": str(first + len(keys))}
    for number, key in enumerate(keys, first):
        env[f"GIT_CONFIG_KEY_{number}"] = key
        env[f"GIT_CONFIG_VALUE_{number}"] = "false"
    return env


def named_for(git: Git) -> tuple[str, ...]:
    """Return the names of the hooks that a directory's configuration has.

    git is asked only where a file mentions hooks, or other files that may,
    and again when one of those files has changed.
    """
    stamp = stamps_of(_files(git))
    key = str(git.cwd), stamp
    if key not in _known:
        if len(_known) >= _MAX_KNOWN:
            _known.clear()
        is_mentioned = any(_mentions(path) for path, *_ in stamp)
        _known[key] = _asked(git) if is_mentioned else ()
    return _known[key]


def _files(git: Git) -> list[Path]:
    try:
        place = discover(git.cwd)
    except UsageError:
        return user_files()
    private = git.git_dir or place.git_dir
    return [*user_files(), place.common_dir / "config", private / "config.worktree"]


def _mentions(path: str) -> bool:
    try:
        text = Path(path).read_bytes().lower()
    except OSError:
        return True
    return any(mark in text for mark in _MARKS)


def _asked(git: Git) -> tuple[str, ...]:
    keys = git.run(*_QUERY, check=False).text.split("\0")
    return tuple(key.removeprefix("hook.").removesuffix(".event") for key in keys if key)
