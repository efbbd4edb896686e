"""Talk to a git server: fetch and push, and tell what came of it.

A push has four ends: the server took it, it answered no, nothing was sent to
it, or the line was cut after something had been. The words of git and of
servers differ from version to version: so the ends are told by what git
reports for each ref, and by its own trace of what it sent.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

from gitcoord.core.errors import GitcoordError, RefusedError, UnavailableError
from gitcoord.core.ids import Oid
from gitcoord.core.shapes import NamedTuple
from gitcoord.git.program import DURABLE, LONG_S, Git
from gitcoord.git.temporary import temporary_folder

__all__ = ["MissingOnServerError", "Pushed", "Remote", "Update"]

_QUIET = (
    "-c",
    "core.logAllRefUpdates=false",
    "-c",
    "push.followTags=false",
    "-c",
    "push.gpgSign=false",
    "-c",
    "push.recurseSubmodules=no",
    "-c",
    "http.lowSpeedLimit=1",
    "-c",
    "http.lowSpeedTime=20",
)
_NO_PROMPTS = {
    "SSH_ASKPASS": "",
    "SSH_ASKPASS_REQUIRE": "never",
    "GCM_INTERACTIVE": "never",
}
_SSH = "ssh -o BatchMode=yes -o ConnectTimeout=15 -o ServerAliveInterval=10"
# A command of a push as git's trace shows it: from, to, ref.
_COMMAND = re.compile(rb"> [0-9a-f]{40,64} [0-9a-f]{40,64} refs/")
_MISSING = re.compile(r"couldn't find remote ref (\S+)")
# What git says of the lock of one ref, of all refs in tables, and of the list of packed ones.
_LOCKED = ("cannot lock ref", "Unable to create '")
_MAX_SAID = 500


class MissingOnServerError(Exception):
    """Raised when a ref that was asked for is not on the server; nothing was fetched."""

    def __init__(self, ref: str) -> None:
        super().__init__(ref)
        self.ref = ref


class Update(NamedTuple):
    """One ref that a push moves: from where on the server to where; None: absent."""

    ref: str
    expected: Oid | None
    new: Oid | None


class Pushed(NamedTuple):
    """What came of a push.

    ``rejected``: the server, or git for it, said no, and nothing moved.
    ``unreached``: nothing was sent. ``cut-off``: it has to be looked up.
    """

    end: Literal["accepted", "rejected", "unreached", "cut-off"]
    said: str
    reasons: dict[str, str]
    """By ref: why it was not moved."""

    @property
    def is_locked(self) -> bool:
        """Whether a lock on the server may be why nothing moved."""
        return any(words in self.said for words in _LOCKED)


class Remote:
    """One remote of a repository, by its name in git's configuration."""

    def __init__(
        self, common_dir: Path, name: str, *, ssh_command: str = "", is_durable: bool = True
    ) -> None:
        self.name = name
        self._git = Git(_top_of(common_dir), common_dir)
        self._folder = common_dir / "gitcoord" / "remote"
        self._env = dict(_NO_PROMPTS)
        if not ssh_command:
            self._env["GIT_SSH_COMMAND"] = _SSH
        self._durable = DURABLE if is_durable else ()

    def fetch(
        self,
        refspecs: Iterable[str],
        *,
        timeout_s: float,
        keep: tuple[int, ...] = (),
        options: Sequence[str] = (),
    ) -> None:
        """Fetch refs to where the refspecs say, and to nowhere else.

        ``keep`` are handles that git holds until it is over.

        Raises:
            MissingOnServerError: One of them is not there; nothing was fetched.
            UnavailableError: The server was not reached, or did not answer.

        """
        done = self._git.run(
            *_QUIET,
            *self._durable,
            "fetch",
            "--quiet",
            "--no-tags",
            "--no-write-fetch-head",
            "--no-auto-maintenance",
            "--no-recurse-submodules",
            "--no-filter",
            "--refmap=",
            "--force",
            *options,
            "--end-of-options",
            self.name,
            *refspecs,
            check=False,
            env=self._env,
            timeout_s=timeout_s,
            keep=keep,
            alone=True,
        )
        if done.status == 0:
            return
        missing = _MISSING.search(done.stderr)
        if missing:
            raise MissingOnServerError(missing[1])
        raise self.unreached(done.stderr)

    def refs(self, patterns: Iterable[str], *, timeout_s: float) -> dict[str, Oid]:
        """Ask the server for its refs that match, without fetching any.

        Raises:
            UnavailableError: The server was not reached, or did not answer.

        """
        done = self._git.run(
            *_QUIET,
            "ls-remote",
            "--quiet",
            "--end-of-options",
            self.name,
            *patterns,
            check=False,
            env=self._env,
            timeout_s=timeout_s,
            alone=True,
        )
        if done.status != 0:
            raise self.unreached(done.stderr)
        rows = (line.partition("\t") for line in done.text.splitlines())
        return {ref: Oid(oid) for oid, _, ref in rows}

    def push(
        self,
        updates: Sequence[Update],
        *,
        timeout_s: float = LONG_S,
        keep: tuple[int, ...] = (),
        hooks: bool = False,
    ) -> Pushed:
        """Move refs on the server, all or none, each from exactly what is expected.

        With ``hooks`` the user's are asked, and may send what belongs to the commits.
        """
        options = ["--porcelain", "--atomic"]
        if not hooks:
            options.append("--no-verify")
        leases = [f"--force-with-lease={one.ref}:{one.expected or ''}" for one in updates]
        with temporary_folder(self._folder) as folder:
            trace = folder / "trace"
            try:
                done = self._git.run(
                    *_QUIET,
                    "push",
                    *options,
                    *leases,
                    "--end-of-options",
                    self.name,
                    *(f"{one.new or ''}:{one.ref}" for one in updates),
                    check=False,
                    env={**self._env, "GIT_TRACE_PACKET": str(trace)},
                    timeout_s=timeout_s,
                    keep=keep,
                    hooks=hooks,
                    alone=True,
                )
            except UnavailableError as late:
                return Pushed(_without_answer(trace), late.message, {})
            return _read(done.text, done.stderr, done.status, trace)

    def unreached(self, said: str) -> UnavailableError:
        """Return that the server was not reached, with what git says of it."""
        return UnavailableError(
            f"{self.name} was not reached: {shortened(said)}",
            hint="try again when it can be; reading commands show with `--offline` what was "
            "fetched last",
        )

    def forbidden(self, done: Pushed) -> GitcoordError:
        """Return why the server took no push, with what can be done about it."""
        if done.is_locked:
            return UnavailableError(
                f"a lock is in the way on {self.name}: {done.said}",
                hint="try again; if it stays, look on the server whether a git is at work in the "
                "repository, and which lock file a dead one has left there",
            )
        if any("unpacker error" in said for said in done.reasons.values()):
            return UnavailableError(
                f"{self.name} could not store what was pushed: {done.said}",
                hint="look at the space on the server's disk, and try again",
            )
        return RefusedError(
            f"{self.name} refuses the push: {done.said}",
            reason="remote",
            hint="allow pushes to the ledger's branch on the server; nothing changed",
        )


def _top_of(common_dir: Path) -> Path:
    """Return where git stands when it takes the relative path of a remote."""
    if common_dir.name == ".git":
        return common_dir.parent
    return common_dir


def shortened(said: str) -> str:
    """Return the end of what git said, in one line and without its advice."""
    lines = [line.strip() for line in said.splitlines()]
    told = [line for line in lines if line and not line.startswith("hint:")]
    return "; ".join(told)[-_MAX_SAID:] or "git says nothing of it"


def _read(stdout: str, stderr: str, status: int, trace: Path) -> Pushed:
    """Tell how a push ended by the line that git reports for each ref."""
    reasons, is_reported = {}, False
    for line in stdout.splitlines():
        flag, tab, rest = line.partition("\t")
        if not tab or len(flag) != 1:
            continue
        is_reported = True
        refs, _, summary = rest.partition("\t")
        if flag == "!":
            reasons[refs.partition(":")[2]] = summary
    if status == 0 and is_reported and not reasons:
        return Pushed("accepted", "", {})
    if reasons and not any("remote failure" in said for said in reasons.values()):
        return Pushed("rejected", _told_by(stderr, reasons), reasons)
    return Pushed(_without_answer(trace), shortened(stderr), {})


def _told_by(stderr: str, reasons: dict[str, str]) -> str:
    """Return the server's own words, or else git's for the refs."""
    theirs = [line[8:].strip() for line in stderr.splitlines() if line.startswith("remote: ")]
    words = [*filter(None, theirs), *dict.fromkeys(reasons.values())]
    return "; ".join(words)[:_MAX_SAID]


def _without_answer(trace: Path) -> Literal["unreached", "cut-off"]:
    """Tell by git's trace whether anything was sent that the server may act on."""
    try:
        is_sent = _COMMAND.search(trace.read_bytes()) is not None
    except OSError:
        is_sent = False
    return "cut-off" if is_sent else "unreached"
