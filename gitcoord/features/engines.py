"""Choose the engine that reaches a repository's objects and refs.

libgit2 where it can open the repository, for it is the fastest once it is
loaded; plumbing elsewhere, and for commands that are over before libgit2
would be loaded. Both may be at work on one repository at the same time.
"""

from __future__ import annotations

import os

from gitcoord.core.errors import UnavailableError, UsageError
from gitcoord.git.config import incompatible, unsupported
from gitcoord.git.program import Git, Place
from gitcoord.store.protocol import Store

__all__ = ["ENGINES", "open_store"]

ENGINES = ("libgit2", "plumbing")


def open_store(place: Place, *, is_durable: bool, is_one_shot: bool = False) -> Store:
    """Open a repository's store; ``GITCOORD_ENGINE`` overrides the choice.

    Raises:
        UsageError: ``GITCOORD_ENGINE`` names no engine.
        UnavailableError: The engine cannot open this repository.

    """
    asked = os.environ.get("GITCOORD_ENGINE", "")
    if asked not in {"", *ENGINES}:
        raise UsageError(
            f"GITCOORD_ENGINE is {asked!r}, and there is no such engine",
            hint=f"unset it, or set it to {' or '.join(ENGINES)}",
        )
    problem = incompatible(place.common_dir)
    if problem:
        raise UnavailableError(
            problem, hint="use a repository without it; `git config --list` shows the extensions"
        )
    limit = unsupported(place.common_dir)
    if limit and asked == "libgit2":
        raise UnavailableError(limit, hint="unset GITCOORD_ENGINE: the plumbing engine can")
    if asked == "plumbing" or (not asked and (is_one_shot or limit)):
        return _plumbing(place, is_durable=is_durable)
    return _libgit2(place, is_durable=is_durable)


def _plumbing(place: Place, *, is_durable: bool) -> Store:
    from gitcoord.git.plumbing import GitProgram, require_own
    from gitcoord.store.plumbing import PlumbingStore

    require_own(place)
    return PlumbingStore(place.common_dir, GitProgram(place.common_dir), is_durable=is_durable)


def _libgit2(place: Place, *, is_durable: bool) -> Store:
    from gitcoord.store.libgit import LibgitStore

    def keep(stream: bytes) -> None:
        from gitcoord.git.packs import keep_pack

        keep_pack(Git(place.common_dir, place.git_dir), stream)

    return LibgitStore(place.common_dir, is_durable=is_durable, keep_pack=keep)
