"""Run the git program: the one module that knows its flags.

Every child gets a scrubbed environment, no prompt, no pager, no fsmonitor
and no hooks unless asked; values reach git as oids or on stdin, after
``--end-of-options``, and never through a shell.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from gitcoord.core.errors import UnavailableError, UsageError

__all__ = ["Completed", "Git", "GitError", "Place", "discover", "require_git", "run_shell", "scrubbed", "unsupported"]

OLDEST_GIT = (2, 38)
_KEPT = (
    "GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL", "GIT_CONFIG_GLOBAL",
    "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM", "GIT_EXEC_PATH", "GIT_SSH", "GIT_SSH_COMMAND", "GIT_CEILING_DIRECTORIES",
)  # fmt: skip
_SAFE = ("-c", "core.fsmonitor=false", "-c", "core.protectHFS=true", "-c", "core.protectNTFS=true", "-c", "gc.auto=0")
DURABLE = ("-c", "core.fsync=all", "-c", "core.fsyncMethod=fsync")


class GitError(Exception):
    """Say that git failed, with its status and the end of what it said."""

    def __init__(self, args: tuple[str, ...], status: int, stderr: str) -> None:
        shown = " ".join(args[:3])
        super().__init__(f"git {shown} failed with status {status}: {stderr.strip()[-400:]}")
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


class Place(NamedTuple):
    """Where a directory stands in a repository."""

    common_dir: Path
    git_dir: Path
    worktree: Path | None
    is_bare: bool
    is_main: bool
    main_worktree: Path | None


def scrubbed(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Give the environment for a child process.

    ``GIT_DIR`` and its like never pass on: from inside a hook they would
    make git answer for another repository.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_") or name in _KEPT}
    kept |= {
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_EDITOR": "true",
        "GIT_PAGER": "cat",
        "LC_ALL": "C",
    }
    return kept | dict(extra or {})


class Git:
    """The git program in one directory."""

    __slots__ = ("cwd", "git_dir")

    def __init__(self, cwd: Path, git_dir: Path | None = None) -> None:
        self.cwd = cwd
        self.git_dir = git_dir

    def run(
        self,
        *args: str,
        stdin: bytes | None = None,
        check: bool = True,
        timeout_s: float = 120.0,
        env: Mapping[str, str] | None = None,
        hooks: bool = False,
    ) -> Completed:
        """Run git and wait for it.

        Raises:
            GitError: It failed, and ``check`` was asked for.
            UnavailableError: There is no git, or it took too long.

        """
        place = () if self.git_dir is None else (f"--git-dir={self.git_dir}",)
        quiet = () if hooks else ("-c", "core.hooksPath=/dev/null")
        command = ["git", *place, *_SAFE, *quiet, *args]
        try:
            done = subprocess.run(
                command, cwd=self.cwd, input=stdin, stdin=subprocess.DEVNULL if stdin is None else None,
                capture_output=True, env=scrubbed(env), timeout=timeout_s, check=False,
            )  # fmt: skip
        except FileNotFoundError:
            if not self.cwd.is_dir():
                raise UnavailableError(f"{self.cwd} is gone", hint="run it from a directory that exists") from None
            raise UnavailableError("the git program was not found", hint="install git 2.38 or newer") from None
        except subprocess.TimeoutExpired:
            raise UnavailableError(f"git {args[0]} took longer than {timeout_s:g} seconds", hint="try again") from None
        answer = Completed(done.stdout, done.stderr.decode("utf-8", "replace"), done.returncode)
        if check and answer.status != 0:
            raise GitError(args, answer.status, answer.stderr)
        return answer


def run_shell(command: str, cwd: Path, log: Path, timeout_s: float) -> int:
    """Run a trusted shell command in its own process group, output to a log.

    Returns its status; 124 after a timeout, when the group was killed.
    """
    log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with log.open("wb") as output:
        child = subprocess.Popen(  # noqa: S602 - the user trusted exactly this command
            command, shell=True, cwd=cwd, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
            env={name: value for name, value in os.environ.items() if not name.startswith("GIT_") or name in _KEPT},
            start_new_session=True,
        )  # fmt: skip
        try:
            return child.wait(timeout_s)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
            return 124


def require_git() -> tuple[int, int]:
    """Return git's version.

    Raises:
        UnavailableError: There is no git, or it is older than 2.38.

    """
    words = Git(Path.cwd()).run("--version").text.split()
    number = words[2] if len(words) > 2 else "0.0"
    parts = [int(part) for part in number.split(".")[:2] if part.isdecimal()]
    version = (parts[0], parts[1]) if len(parts) == 2 else (0, 0)
    if version < OLDEST_GIT:
        raise UnavailableError(f"git {number} is too old: gitcoord needs {OLDEST_GIT[0]}.{OLDEST_GIT[1]} or newer",
                               hint="install a newer git")  # fmt: skip
    return version


def discover(start: Path) -> Place:
    """Find the repository that a directory belongs to, without running git.

    Raises:
        UsageError: It belongs to none.

    """
    here = Path(os.path.realpath(start))
    for folder in (here, *here.parents):
        dot_git = folder / ".git"
        if dot_git.is_dir() and (dot_git / "HEAD").exists():
            return _main_place(dot_git, folder)
        if dot_git.is_file():
            return _linked_place(dot_git, folder)
        if (folder / "HEAD").is_file() and (folder / "objects").is_dir() and (folder / "refs").is_dir():
            return _inside_git_dir(folder)
    raise UsageError(f"{start} is not in a git repository", hint="run it inside one, or name one with -C DIR")


def _main_place(git_dir: Path, folder: Path) -> Place:
    if _is_bare(git_dir):
        return Place(git_dir, git_dir, None, is_bare=True, is_main=True, main_worktree=None)
    return Place(git_dir, git_dir, folder, is_bare=False, is_main=True, main_worktree=folder)


def _linked_place(dot_git: Path, folder: Path) -> Place:
    text = dot_git.read_text("utf-8", "surrogateescape").strip()
    if not text.startswith("gitdir:"):
        raise UsageError(f"{dot_git} is no link to a git directory", hint="look at that file")
    git_dir = Path(os.path.normpath(folder / text.removeprefix("gitdir:").strip()))
    try:
        common = (git_dir / "commondir").read_text("utf-8", "surrogateescape").strip()
    except OSError:
        if not (git_dir / "HEAD").exists():
            raise UsageError(f"{folder} is a worktree whose repository is gone ({git_dir})",
                             hint="run it inside a repository") from None  # fmt: skip
        return Place(git_dir, git_dir, folder, is_bare=False, is_main=True, main_worktree=folder)
    common_dir = Path(os.path.realpath(git_dir / common))
    main = None if common_dir.name != ".git" or _is_bare(common_dir) else common_dir.parent
    return Place(common_dir, git_dir, folder, is_bare=False, is_main=False, main_worktree=main)


def _inside_git_dir(folder: Path) -> Place:
    if (folder / "commondir").exists():
        back = (folder / "gitdir").read_text("utf-8", "surrogateescape").strip()
        return _linked_place(Path(back), Path(back).parent)
    if folder.name == ".git" and not _is_bare(folder):
        return _main_place(folder, folder.parent)
    return Place(folder, folder, None, is_bare=True, is_main=True, main_worktree=None)


def _config(common_dir: Path) -> list[tuple[str, str, str]]:
    """Read section, key and value of a configuration file, simply."""
    try:
        text = (common_dir / "config").read_text("utf-8", "replace")
    except OSError:
        return []
    found, section = [], ""
    for raw in text.splitlines():
        line = raw.strip()
        if line.startswith("["):
            section = line.strip("[]").split('"')[0].strip().lower()
        elif line and line[0] not in "#;":
            key, _, value = line.partition("=")
            found.append((section, key.strip().lower(), value.strip().strip('"').lower() or "true"))
    return found


def _is_bare(common_dir: Path) -> bool:
    values = [value for section, key, value in _config(common_dir) if (section, key) == ("core", "bare")]
    return bool(values) and values[-1] in {"true", "yes", "on", "1"}


def unsupported(common_dir: Path) -> str | None:
    """Say in one line why this engine cannot open a repository, or None."""
    for section, key, value in _config(common_dir):
        if section != "extensions":
            continue
        if key in {"objectformat", "compatobjectformat"} and value != "sha1":
            return f"this repository uses the object format {value}, which libgit2 cannot open"
        if key == "refstorage" and value != "files":
            return f"this repository keeps its refs as {value}, which libgit2 cannot open"
        if key == "partialclone":
            return "this repository is a partial clone, which libgit2 cannot open"
    return None
