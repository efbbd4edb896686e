"""Build the environment of a gate once, freeze it, and give each run a copy.

What a gate's ``setup`` makes is built in a folder that holds the named
files of the tree under test and nothing else of it. So the code under test
has no part in what a later gate uses. The frozen environment is known by
the setup, those files, the programs that run it and the platform. It is
sealed: one that was changed is built anew.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from gitcoord.core import codec
from gitcoord.core.hashing import sha256
from gitcoord.core.ids import Oid
from gitcoord.core.model import GateSpec
from gitcoord.core.shapes import NamedTuple
from gitcoord.features.workspace import Workspace
from gitcoord.git.local_changes import LITERAL
from gitcoord.git.program import LONG_S, inherited
from gitcoord.git.scratch import throwaway_folder
from gitcoord.host.files import copy_content
from gitcoord.host.live_files import LiveFile, is_at_work
from gitcoord.host.processes import identity
from gitcoord.ledger.files import read_json, write_json

__all__ = ["Environment", "environment_key", "environment_of"]

MAX_KEPT = 8
_PROGRAMS = ("python3", "python", "uv", "node", "npm", "go", "cargo", "ruby", "java")
_CHUNK = 1024 * 1024


class Environment(NamedTuple):
    """Where a gate's environment is, or is to be, and what it is built from."""

    place: Path
    files: tuple[str, ...]
    missing: tuple[str, ...]
    """Files that the gate names and the commit lacks: then it is not built."""

    @property
    def is_whole(self) -> bool:
        """Whether it was built, and nothing in it was changed since."""
        facts = read_json(self.place / "frozen.json") or {}
        with suppress(OSError):
            return facts.get("seal") == _seal(self.place / "files")
        return False

    def freeze(self, built: Path) -> None:
        """Keep what a setup made in a folder; another that was built meanwhile goes.

        If it fails nothing is kept, and the next gate builds it again.
        """
        parent = self.place.parent
        fresh = parent / f".{self.place.name}-{os.getpid()}"
        note = LiveFile(fresh.with_suffix(".json"))
        parent.mkdir(parents=True, exist_ok=True)
        _clear_dead(parent)
        note.write(json.dumps({"process": identity()}).encode())
        try:
            _copy(built, fresh / "files", {".git", *self.files})
            named = sorted(_naming(fresh / "files", os.fsencode(built)))
            facts = {"built": str(built), "named": named, "seal": _seal(fresh / "files")}
            write_json(fresh / "frozen.json", facts)
            _remove(self.place)
            fresh.rename(self.place)
            _drop_oldest(parent)
        finally:
            _remove(fresh)
            note.remove()

    def copy_into(self, worktree: Path) -> None:
        """Copy it beside the files of a commit, over none of them.

        What names the folder in which it was built names this one instead:
        both names are of one length.
        """
        facts = read_json(self.place / "frozen.json") or {}
        files = self.place / "files"
        with suppress(OSError):
            os.utime(self.place)
        copied = set(_copy(files, worktree, set()))
        old, new = os.fsencode(str(facts["built"])), os.fsencode(worktree)
        for name in facts["named"]:
            if name in copied:
                _rename_in(worktree / name, old, new)


def environment_of(work: Workspace, spec: GateSpec, commit: Oid) -> Environment:
    """Return the environment of a gate that has a setup, for the files of a commit."""
    listed = _listed(work, spec, commit)
    names = tuple(sorted(listed))
    wanted = spec.get("cache", [])
    missing = tuple(one for one in wanted if not any(_is_of(name, one) for name in names))
    key = sha256(codec.dump([environment_key(work, spec), listed])).hexdigest()
    place = work.ledger.files.root / "environments" / key
    return Environment(place, names, missing)


def environment_key(work: Workspace, spec: GateSpec) -> list[Any]:
    """Return what an environment depends on beside the tree; nothing without a setup."""
    if "setup" not in spec:
        return []
    path = inherited().get("PATH")
    programs = [_print_of(shutil.which(name, path=path)) for name in _PROGRAMS]
    folder = str(throwaway_folder(work.git))
    return [spec["setup"], programs, platform.platform(), platform.machine(), folder]


def _print_of(program: str | None) -> list[Any]:
    """Return what tells one version of a program from another, without running it."""
    if program is None:
        return []
    real = os.path.realpath(program)
    kind = os.stat(real)  # noqa: PTH116 - a text, as it was found
    return [real, kind.st_size, kind.st_mtime_ns]


def _listed(work: Workspace, spec: GateSpec, commit: Oid) -> dict[str, str]:
    """Return the named files of a commit, each with its mode and its content's oid."""
    wanted = [one.rstrip("/") for one in spec.get("cache", [])]
    if not wanted:
        return {}
    args = ("ls-tree", "-r", "-z", "--full-tree", commit, "--", *wanted)
    told = work.git.run(*args, env=LITERAL, timeout_s=LONG_S).stdout
    found = {}
    for row in told.decode("utf-8", "surrogateescape").split("\0"):
        facts, _, name = row.partition("\t")
        if name:
            found[name] = facts
    return found


def _is_of(name: str, wanted: str) -> bool:
    return name == wanted or name.startswith(wanted.rstrip("/") + "/")


def _walk(top: Path) -> Iterator[tuple[str, Path]]:
    """Return every file and link below a folder, in order, with its name from there."""
    for folder, names, files in os.walk(top):
        names.sort()
        links = [name for name in names if Path(folder, name).is_symlink()]
        for name in sorted([*files, *links]):
            path = Path(folder, name)
            if path.is_symlink() or path.is_file():
                yield os.path.relpath(path, top), path


def _copy(source: Path, goal: Path, left_out: set[str]) -> list[str]:
    """Copy files and links that are not there yet; return their names."""
    goal.mkdir(parents=True, exist_ok=True)
    done = []
    for name, path in _walk(source):
        target = goal / name
        is_out = name in left_out or name.split(os.sep, 1)[0] == ".git"
        if is_out or os.path.lexists(target):
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        if path.is_symlink():
            target.symlink_to(path.readlink())
        else:
            _copy_file(path, target)
        done.append(name)
    return done


def _copy_file(source: Path, goal: Path) -> None:
    kind = source.stat()
    with source.open("rb") as reading, goal.open("xb") as writing:
        copy_content(reading.fileno(), writing.fileno())
        os.fchmod(writing.fileno(), kind.st_mode & 0o777)
    # Compiled files are good for a source of exactly this time.
    os.utime(goal, ns=(kind.st_atime_ns, kind.st_mtime_ns))


def _content_of(path: Path) -> bytes:
    if path.is_symlink():
        return os.fsencode(path.readlink())
    return path.read_bytes()


def _seal(top: Path) -> str:
    """Return the hash of every name, mode and content below a folder."""
    whole = sha256()
    for name, path in _walk(top):
        kind = path.lstat().st_mode
        part = sha256(_content_of(path)).hexdigest()
        whole.update(codec.dump([codec.printable(name), kind, part]))
    return whole.hexdigest()


def _naming(top: Path, place: bytes) -> Iterator[str]:
    """Return the files and links that name a folder."""
    for name, path in _walk(top):
        if place in _content_of(path):
            yield name


def _rename_in(path: Path, old: bytes, new: bytes) -> None:
    content = _content_of(path).replace(old, new)
    if path.is_symlink():
        path.unlink()
        path.symlink_to(os.fsdecode(content))
        return
    kind = path.stat()
    path.chmod(kind.st_mode | 0o200)
    path.write_bytes(content)
    path.chmod(kind.st_mode)
    os.utime(path, ns=(kind.st_atime_ns, kind.st_mtime_ns))


def _clear_dead(parent: Path) -> None:
    """Remove what builders left that were killed."""
    for note in parent.glob(".*.json"):
        if not is_at_work(note, read_json(note) or {}):
            _remove(note.with_suffix(""))
            note.unlink(missing_ok=True)


def _drop_oldest(parent: Path) -> None:
    """Remove the environments that were used longest ago, where there are too many."""
    places = [path for path in parent.iterdir() if not path.name.startswith(".")]
    places.sort(key=_age, reverse=True)
    for path in places[MAX_KEPT:]:
        _remove(path)


def _age(path: Path) -> int:
    with suppress(OSError):
        return path.stat().st_mtime_ns
    return 0


def _remove(place: Path) -> None:
    """Remove an environment, also where its setup took write permissions away."""

    def retry(function: Callable[[str], Any], path: str, _error: object) -> None:
        with suppress(OSError):
            Path(path).parent.chmod(0o700)
            function(path)

    shutil.rmtree(place, onerror=retry)
