"""Choose the engine that reaches a repository's objects and refs.

libgit2 where it can open the repository, for it is the fastest once it is
loaded; plumbing elsewhere, and for commands that are over before libgit2
would be loaded. Both may be at work on one repository at the same time.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from gitcoord.core.errors import UnavailableError, UsageError
from gitcoord.git.config import incompatible, read_config, unsupported
from gitcoord.git.places import Place
from gitcoord.store.protocol import Store

if TYPE_CHECKING:
    from gitcoord.git.homes import Home
    from gitcoord.host.clock import Clock
    from gitcoord.store.remote_store import RemoteStore

__all__ = ["ENGINES", "open_store", "remote_store", "require_own"]

ENGINES: tuple[str, ...] = ("libgit2", "plumbing")


def open_store(place: Place, *, is_durable: bool, is_one_shot: bool = False) -> Store:
    """Open a repository's store; ``GITCOORD_ENGINE`` overrides the choice.

    Raises:
        UsageError: ``GITCOORD_ENGINE`` names no engine.
        UnavailableError: The engine cannot open this repository.

    """
    asked = os.environ.get("GITCOORD_ENGINE", "")
    if asked not in {"", *ENGINES}:
        raise UsageError(
            f"GITCOORD_ENGINE is {asked!r}, which is not an engine",
            hint=f"unset it, or set it to {' or '.join(ENGINES)}",
        )
    config = read_config(place.common_dir)
    problem = incompatible(config)
    if problem:
        raise UnavailableError(
            problem,
            hint="use a repository without it; `git config --list` shows the extensions",
        )
    limit = unsupported(config)
    if limit and asked == "libgit2":
        raise UnavailableError(limit, hint="unset GITCOORD_ENGINE: the plumbing engine can")
    require_own(place)
    if asked == "plumbing" or (not asked and (is_one_shot or limit)):
        from gitcoord.store.plumbing import PlumbingStore

        return PlumbingStore(place.common_dir, is_durable=is_durable)
    from gitcoord.store.libgit import LibgitStore

    return LibgitStore(place.common_dir, is_durable=is_durable)


def require_own(place: Place) -> None:
    """Refuse another user's repository where git does; libgit2 is not asked.

    It knows only files of configuration, and git is told whom to trust by its
    environment too.

    Raises:
        UnavailableError: git does not trust it (``safe.directory``).

    """
    us = os.geteuid()
    owners = {place.common_dir.stat().st_uid, place.git_dir.stat().st_uid}
    if place.worktree is not None:
        owners.add(place.worktree.stat().st_uid)
    if owners == {us}:
        return
    from gitcoord.git.program import Git

    asked = Git(place.worktree or place.common_dir).run("rev-parse", "--git-dir", check=False)
    if asked.status != 0:
        raise UnavailableError(
            f"{place.common_dir} belongs to another user: {asked.stderr.strip()[:200]}",
            hint="check who owns the repository, and what `git status` says there",
        )


def remote_store(
    inner: Store,
    home: Home,
    ledger: str,
    clock: Clock,
    *,
    timeout_s: float,
    is_durable: bool,
    is_offline: bool = False,
) -> RemoteStore:
    """Put what talks with the ledger's server before an engine."""
    from gitcoord.git.remotes import Remote
    from gitcoord.store.contacts import Contacts
    from gitcoord.store.remote_store import RemoteStore
    from gitcoord.store.tracking import Tracking

    remote = Remote(
        inner.common_dir, home.remote, ssh_command=home.ssh_command, is_durable=is_durable
    )
    return RemoteStore(
        inner,
        remote,
        Tracking(inner, remote, ledger, home.place),
        Contacts(inner.common_dir / "gitcoord" / "remote", ledger, clock),
        ledger,
        clock,
        timeout_s=timeout_s,
        is_offline=is_offline,
    )
