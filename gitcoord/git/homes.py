"""Know on which server a ledger lives: a matter of this clone's configuration.

``gitcoord.<ledger>.remote`` names a remote, and ``gitcoord.<ledger>.place`` the
ledger's ref there, where it is not its ref here. Nothing is written to what
git itself reads of a remote.
"""

from __future__ import annotations

import os
from pathlib import Path

from gitcoord.core.errors import NotFoundError, UsageError
from gitcoord.core.ids import is_ref
from gitcoord.core.shapes import NamedTuple
from gitcoord.git.program import Git

__all__ = [
    "Home",
    "forget_home",
    "home_of",
    "keep_home",
    "remotes_of",
    "require_remote",
    "ssh_command_of",
]


class Home(NamedTuple):
    """The remote of a ledger, its ref there, and the user's own ssh, if any."""

    remote: str
    place: str
    ssh_command: str


def home_of(common_dir: Path, ledger: str) -> Home | None:
    """Return where a ledger lives; None: on this machine.

    Raises:
        UsageError: The configuration names a place that is not a ref.

    """
    found = _settings(Git(common_dir, common_dir))
    remote = found.get(f"gitcoord.{ledger}.remote", "")
    if not remote:
        return None
    place = found.get(f"gitcoord.{ledger}.place", "")
    if place and not is_ref(place):
        raise UsageError(
            f"gitcoord.{ledger}.place is {place!r}, which is not a full ref",
            hint="`git config` shows it; `gitcoord join` sets it anew",
        )
    return Home(remote, place, found.get("core.sshcommand", ""))


def ssh_command_of(git: Git) -> str:
    """Return the user's own ssh, as git is told to use it; nothing: git's own."""
    return _settings(git).get("core.sshcommand", "")


def _settings(git: Git) -> dict[str, str]:
    asked = git.run(
        "config", "-z", "--get-regexp", r"^(gitcoord\..*|core\.sshcommand)$", check=False
    )
    rows = asked.stdout.decode("utf-8", "surrogateescape").split("\0")
    pairs = (row.partition("\n") for row in rows if row)
    found = {key: value for key, _, value in pairs}
    for name in ("GIT_SSH_COMMAND", "GIT_SSH"):
        found["core.sshcommand"] = os.environ.get(name) or found.get("core.sshcommand", "")
    return found


def keep_home(git: Git, ledger: str, remote: str, place: str) -> None:
    """Write down where a ledger lives."""
    git.run("config", "--local", f"gitcoord.{ledger}.remote", remote)
    if place:
        git.run("config", "--local", f"gitcoord.{ledger}.place", place)


def forget_home(git: Git, ledger: str) -> None:
    """Forget where a ledger lived: it is no more."""
    for name in ("remote", "place"):
        git.run("config", "--local", "--unset", f"gitcoord.{ledger}.{name}", check=False)


def remotes_of(git: Git) -> list[str]:
    """List the names of the remotes."""
    return git.run("remote").text.split()


def require_remote(git: Git, name: str) -> None:
    """Refuse what is not a remote, or is fetched from another place than it is pushed to.

    Raises:
        NotFoundError: There is no such remote.
        UsageError: It has several places.

    """
    if name not in remotes_of(git):
        raise NotFoundError(
            f"there is no remote {name!r}",
            hint="`git remote -v` lists them, and `git remote add NAME URL` adds one",
        )
    fetched = git.run("remote", "get-url", "--all", name).text.splitlines()
    pushed = git.run("remote", "get-url", "--push", "--all", name).text.splitlines()
    if fetched != pushed or len(fetched) != 1:
        raise UsageError(
            f"the remote {name} is fetched from {', '.join(fetched)} and pushed to "
            f"{', '.join(pushed)}, and a ledger needs one place for both",
            hint="give it a remote of its own: `git remote add NAME URL`",
        )
