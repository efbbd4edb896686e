"""Run the git program: the one module that knows its flags.

Every child gets a scrubbed environment, no prompt, no pager, no fsmonitor
and no hooks unless asked; values reach git as oids or on stdin, after
``--end-of-options``, and never through a shell.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from gitcoord.core.errors import UnavailableError
from gitcoord.core.shapes import NamedTuple
from gitcoord.host.clock import Clock, Deadline

if TYPE_CHECKING:
    import subprocess

    from gitcoord.core.ids import Oid

__all__ = [
    "DURABLE",
    "LONG_S",
    "Completed",
    "Git",
    "GitError",
    "end_child",
    "inherited",
    "require_git",
    "scrubbed",
    "version",
]

OLDEST_GIT = (2, 38)
LONG_S = 600.0
_END_S = 3.0
_POLL_S = 0.2
_KEPT = (
    "GIT_AUTHOR_",
    "GIT_COMMITTER_",
    "GIT_CONFIG_GLOBAL",
    "GIT_CONFIG_SYSTEM",
    "GIT_CONFIG_NOSYSTEM",
    "GIT_EXEC_PATH",
    "GIT_CEILING_DIRECTORIES",
    "GIT_LFS_",
    "GIT_SSH",
    "GIT_SSL_",
    "GIT_ASKPASS",
    "GIT_ALLOW_PROTOCOL",
    "GIT_CONFIG_COUNT",
    "GIT_CONFIG_KEY_",
    "GIT_CONFIG_VALUE_",
)
_SAFE = (
    "-c",
    "core.fsmonitor=false",
    "-c",
    "core.protectHFS=true",
    "-c",
    "core.protectNTFS=true",
    "-c",
    "gc.auto=0",
    "-c",
    "maintenance.auto=false",
    "-c",
    "submodule.recurse=false",
    "-c",
    "core.commitGraph=false",
)
_NO_HOOKS = ("-c", "core.hooksPath=/dev/null")
# Of the hooks that the configuration names, gitcoord's own look at this.
_OFF = {"GITCOORD_HOOKS": "off"}
DURABLE = ("-c", "core.fsync=all", "-c", "core.fsyncMethod=fsync")


class GitError(Exception):
    """Raised when git failed, with its status and the end of what it said."""

    def __init__(self, args: tuple[str, ...], status: int, stderr: str) -> None:
        shown = " ".join(args[:3])
        super().__init__(f"git {shown} failed with status {status}: {stderr.strip()[-1000:]}")
        self.status = status
        self.stderr = stderr


class Completed(NamedTuple):
    """What a git process answered."""

    stdout: bytes
    stderr: str
    status: int

    @property
    def text(self) -> str:
        """The output as text, without its last line feed."""
        return self.stdout.decode("utf-8", "surrogateescape").rstrip("\n")


def scrubbed(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment for a child process.

    ``GIT_DIR`` and its like never pass on: from inside a hook they would
    make git answer for another repository.
    """
    kept = inherited() | {
        "GIT_NO_REPLACE_OBJECTS": "1",
        # A folder that cannot be: info/grafts would forge a commit's parents.
        "GIT_GRAFT_FILE": "/dev/null/none",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_EDITOR": "true",
        "GIT_PAGER": "cat",
        "LC_ALL": "C",
    }
    return kept | dict(extra or {})


def inherited() -> dict[str, str]:
    """Return our own environment without what would steer git elsewhere."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("GIT_") or name.startswith(_KEPT)
    }


class Git:
    """The git program in one directory."""

    __slots__ = ("attribute_files", "cwd", "environment", "git_dir")

    def __init__(
        self, cwd: Path, git_dir: Path | None = None, environment: Mapping[str, str] | None = None
    ) -> None:
        self.cwd = cwd
        self.git_dir = git_dir
        self.environment = dict(environment or {})
        self.attribute_files: tuple[Oid, dict[str, Oid]] | None = None
        """The commit whose attributes were read last, and their blobs by path."""

    def run(
        self,
        *args: str,
        stdin: bytes | None = None,
        check: bool = True,
        timeout_s: float = 60.0,
        env: Mapping[str, str] | None = None,
        hooks: bool = False,
        keep: tuple[int, ...] = (),
        is_over: Callable[[], bool] | None = None,
        alone: bool = False,
    ) -> Completed:
        """Run git and wait for it.

        ``hooks`` lets the user's hooks run, in a process group that ends
        with git. ``alone`` gives git a session of its own, with no terminal
        to ask on, which ends with it. ``keep`` are handles that git inherits: a lock among them
        is held until git itself is over, whatever becomes of us. ``is_over``
        is asked now and then: true ends git early.

        Raises:
            GitError: It failed, and ``check`` was asked for.
            UnavailableError: There is no git, or it took too long, or ``is_over``
                said so; it was ended so that it could take its lock files away.

        """
        import subprocess

        source = subprocess.DEVNULL if stdin is None else subprocess.PIPE
        with self._started(
            args, env, stdin=source, stderr=subprocess.PIPE, hooks=hooks, keep=keep, alone=alone
        ) as child:
            try:
                stdout, stderr = _output_of(child, stdin, timeout_s, is_over)
            except subprocess.TimeoutExpired:
                end_child(child, is_group=hooks or alone)
                raise UnavailableError(
                    f"git {_verb(args)} took longer than {timeout_s:g} seconds", hint="try again"
                ) from None
            except BaseException:
                end_child(child, is_group=hooks or alone)
                raise
        answer = Completed(stdout, stderr.decode("utf-8", "replace"), child.returncode)
        if check and answer.status != 0:
            raise GitError(args, answer.status, answer.stderr)
        return answer

    def ask(self, *args: str, env: Mapping[str, str] | None = None) -> Completed:
        """Run a git that answers in a moment, started by the cheapest means.

        Hooks call this: to import ``subprocess`` costs more than such a git.
        What git says on stderr is not kept.

        Raises:
            UnavailableError: There is no git.

        """
        from gitcoord.git.configured_hooks import switched_off

        place = () if self.git_dir is None else (f"--git-dir={self.git_dir}",)
        command = ["git", "--no-pager", "-C", str(self.cwd), *place, *_SAFE, *_NO_HOOKS, *args]
        reading, writing = os.pipe()
        nothing = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in (0, 2)]
        try:
            child = os.posix_spawnp(
                "git",
                command,
                scrubbed({**_OFF, **switched_off(), **self.environment, **(env or {})}),
                file_actions=[*nothing, (os.POSIX_SPAWN_DUP2, writing, 1)],
            )
        except FileNotFoundError:
            os.close(reading)
            raise UnavailableError(
                "the git program was not found", hint="install git 2.38 or newer"
            ) from None
        finally:
            os.close(writing)
        with os.fdopen(reading, "rb") as answer:
            stdout = answer.read()
        return Completed(stdout, "", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))

    def start(self, *args: str, env: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
        """Start a git that is talked with over its input and output.

        Raises:
            UnavailableError: There is no git.

        """
        import subprocess

        return self._started(args, env, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)

    def _started(
        self,
        args: tuple[str, ...],
        env: Mapping[str, str] | None,
        *,
        stdin: int,
        stderr: int,
        hooks: bool = False,
        keep: tuple[int, ...] = (),
        alone: bool = False,
    ) -> subprocess.Popen[bytes]:
        import subprocess

        place = () if self.git_dir is None else (f"--git-dir={self.git_dir}",)
        quiet = () if hooks else _NO_HOOKS
        command = ["git", "--no-pager", *place, *_SAFE, *quiet, *args]
        # What the configuration says is not to be told by what we put into it.
        if not hooks and _verb(args) != "config":
            from gitcoord.git.configured_hooks import named_for, switched_off

            env = {**_OFF, **switched_off(named_for(self)), **(env or {})}
        try:
            return subprocess.Popen(
                command,
                cwd=self.cwd,
                env=scrubbed({**self.environment, **(env or {})}),
                start_new_session=hooks or alone,
                pass_fds=keep,
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=stderr,
            )
        except (FileNotFoundError, NotADirectoryError):
            if not self.cwd.is_dir():
                raise UnavailableError(
                    f"{self.cwd} is gone", hint="run it from a directory that exists"
                ) from None
            raise UnavailableError(
                "the git program was not found", hint="install git 2.38 or newer"
            ) from None


def _output_of(
    child: subprocess.Popen[bytes],
    stdin: bytes | None,
    timeout_s: float,
    is_over: Callable[[], bool] | None,
) -> tuple[bytes, bytes]:
    """Talk with a child until it ends, or is not to go on."""
    if is_over is None:
        return child.communicate(stdin, timeout_s)
    import subprocess

    deadline = Deadline(Clock(), timeout_s)
    given = stdin
    while not is_over():
        try:
            return child.communicate(given, min(_POLL_S, deadline.remaining()))
        except subprocess.TimeoutExpired:
            given = None  # it is on its way
            if deadline.expired:
                raise
    raise UnavailableError("git was interrupted", hint="nothing is left to do")


def _verb(args: tuple[str, ...]) -> str:
    """Return the subcommand among the arguments."""
    rest = list(args)
    while rest[:1] == ["-c"]:
        del rest[:2]
    return rest[0] if rest else ""


def end_child(child: subprocess.Popen[bytes], *, is_group: bool) -> None:
    """End a child: first so that it can clean up, then for certain."""
    import signal

    clock = Clock()
    for number in (signal.SIGTERM, signal.SIGKILL):
        if not _signal(child, number, is_group=is_group):
            break
        deadline = Deadline(clock, _END_S)
        while _signal(child, 0, is_group=is_group) and not deadline.expired:
            clock.sleep(0.01)
    child.wait()


def _signal(child: subprocess.Popen[bytes], number: int, *, is_group: bool) -> bool:
    """Send a signal, and say whether there was somebody left to get it."""
    if not is_group:
        child.send_signal(number)
        return child.returncode is None
    child.poll()
    try:
        os.killpg(child.pid, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def version() -> tuple[int, ...]:
    """Return the numbers of git's version; none if they cannot be read.

    Raises:
        UnavailableError: There is no git.

    """
    import re

    found = re.search(r"\d+(?:\.\d+)+", Git(Path("/")).run("--version").text)
    return tuple(int(number) for number in found[0].split(".")) if found else ()


def require_git() -> tuple[int, ...]:
    """Return git's version.

    Raises:
        UnavailableError: There is no git, or it is older than 2.38.

    """
    found = version()
    if found < OLDEST_GIT:
        number, oldest = (".".join(map(str, numbers)) for numbers in (found or (0,), OLDEST_GIT))
        raise UnavailableError(
            f"git {number} is too old: gitcoord needs {oldest} or newer", hint="install a newer git"
        )
    return found
