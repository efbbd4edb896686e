"""Fill the submodules of a worktree from those that the main repository has.

git gives each worktree submodules of its own, and would clone them from
their servers again. What the main repository has is copied instead, by
hard links where the disk can; no server is asked, and no configuration
but the copies' own is written.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from gitcoord.core import codec
from gitcoord.core.ids import Oid
from gitcoord.core.shapes import NamedTuple
from gitcoord.git.places import discover
from gitcoord.git.program import LONG_S, Git

__all__ = ["KEPT", "fill_submodules", "unkept_in_submodules"]

KEPT = "refs/gitcoord/kept"
"""Where a worktree's own submodule keeps a commit that was checked out and no longer is."""

MAX_DEPTH = 8
_MODULES = ".gitmodules"
_LINK_MODE = "160000"
_OFFLINE = {"GIT_ALLOW_PROTOCOL": "file", "GIT_LFS_SKIP_SMUDGE": "1"}


class _Submodule(NamedTuple):
    """A submodule that a worktree wants: its name, its path, and the commit that is wanted."""

    name: str
    path: str
    commit: Oid


def fill_submodules(worktree: Path, *, only_empty: bool = False) -> list[str]:
    """Check out the submodules that the main repository has; return what is missing, and why.

    A submodule that the main repository was never given stays empty here,
    too, and is not told. ``only_empty`` leaves those alone that have files.
    If this is cut off the next call goes on.
    """
    if not os.path.lexists(worktree / _MODULES):
        return []
    place = discover(worktree)
    if place.is_main:
        return []
    filling = _Filling(only_empty=only_empty)
    filling.fill(worktree, place.common_dir / "modules", place.main_worktree, MAX_DEPTH)
    return filling.problems


def unkept_in_submodules(private: Path, common_dir: Path) -> str:
    """Name a submodule of a worktree with commits that the main repository's copy lacks.

    ``private`` is the worktree's git directory. Nothing where all are kept.
    """
    folder = private / "modules"
    for head in sorted(folder.rglob("HEAD")):
        own = head.parent
        if not (own / "objects").is_dir():
            continue
        name = str(own.relative_to(folder))
        source = common_dir / "modules" / name
        tips = Git(own, own).run("rev-list", "--no-walk", "--all", "HEAD", check=False)
        asked = "".join(f"{tip}\n" for tip in tips.text.split())
        if not (source / "HEAD").exists():
            return name
        known = Git(source, source).run("cat-file", "--batch-check", stdin=asked.encode())
        if tips.status != 0 or " missing" in known.text:
            return name
    return ""


class _Filling:
    """Filling the submodules of one worktree, those inside of others too."""

    def __init__(self, *, only_empty: bool) -> None:
        self.problems: list[str] = []
        self._only_empty = only_empty

    def fill(self, top: Path, modules: Path, main: Path | None, depth: int) -> None:
        """Fill those of a folder; ``modules`` holds what they are copied from."""
        for wanted in _wanted(top):
            source = _source(modules, main, wanted)
            if source is None:
                continue
            problem = self._fill_one(top, source, wanted)
            if problem:
                self.problems.append(f"submodule {codec.printable(wanted.path)}: {problem}")
                continue
            if depth < MAX_DEPTH:
                # Its superproject is a copy of ours, which may note that it is wanted.
                _note_wanted(top, source, wanted)
            if depth:
                inner = None
                if main is not None:
                    inner = main / wanted.path
                self.fill(top / wanted.path, source / "modules", inner, depth - 1)

    def _fill_one(self, top: Path, source: Path, wanted: _Submodule) -> str:
        """Check one submodule out; return why it could not be, or nothing."""
        place = top / wanted.path
        if os.path.lexists(place / ".git"):
            head = Git(place).run("rev-parse", "--verify", "HEAD", check=False).text
            if self._only_empty or head == wanted.commit:
                return ""
            if head:
                Git(place).run("update-ref", f"{KEPT}/{head}", head)
            _fetch(place, source, wanted.commit)
        return _check_out(top, source, wanted)


def _source(modules: Path, main: Path | None, wanted: _Submodule) -> Path | None:
    """Return the git directory of a submodule in the main repository, if it has it."""
    places = [modules / wanted.name]
    if main is not None:
        # As git before 1.7.8 made them, and `git submodule add` of a clone that was there.
        places.append(main / wanted.path / ".git")
    for place in places:
        if (place / "HEAD").exists() and not place.is_symlink():
            return place
    return None


def _wanted(top: Path) -> Iterator[_Submodule]:
    """Return the submodules of the commit that is checked out, where its files are wanted."""
    if not os.path.lexists(top / _MODULES):
        return
    git = Git(top)
    query = ("config", "--null", "--file", _MODULES, "--get-regexp", r"^submodule\..*\.path$")
    names: dict[str, str] = {}
    for row in git.run(*query, check=False).stdout.decode("utf-8", "surrogateescape").split("\0"):
        key, _, path = row.partition("\n")
        names[path] = key.removeprefix("submodule.").removesuffix(".path")
    listed = git.run("ls-files", "-z", "-t", "--stage").stdout.decode("utf-8", "surrogateescape")
    for row in listed.split("\0"):
        facts, _, path = row.partition("\t")
        tag, mode, commit, *_ = (*facts.split(" "), "", "", "")
        if mode == _LINK_MODE and tag != "S" and _is_safe(names.get(path, "")):
            yield _Submodule(names[path], path, Oid(commit))


def _is_safe(name: str) -> bool:
    """Return whether a name can be a part of the path and of the option that it goes into."""
    parts = name.split("/")
    return bool(name) and "=" not in name and ".." not in parts and "" not in parts


def _check_out(top: Path, source: Path, wanted: _Submodule) -> str:
    has = Git(source, source).run("cat-file", "-e", f"{wanted.commit}^{{commit}}", check=False)
    if has.status != 0:
        short = wanted.commit[:12]
        return f"the main repository's copy lacks {short}: `git submodule update` there fetches it"
    args = (
        "-c",
        f"submodule.{wanted.name}.url={source}",
        "-c",
        f"submodule.{wanted.name}.update=checkout",
        "-c",
        "protocol.file.allow=always",
        "submodule",
        "--quiet",
        "update",
        "--init",
        "--checkout",
        "--no-recommend-shallow",
        "--",
        wanted.path,
    )
    done = Git(top).run(*args, check=False, env=_OFFLINE, timeout_s=LONG_S)
    if done.status != 0:
        return codec.printable(done.stderr.strip()[-300:])
    _point_at_server(top / wanted.path, source)
    return ""


def _fetch(copy: Path, source: Path, commit: Oid) -> None:
    """Bring a commit that the main repository has into a copy; checking it out tells a failure."""
    args = ("fetch", "-q", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules")
    flags = ("-c", "protocol.version=2", "-c", "protocol.file.allow=always")
    # Without a ref git would take it for missing, and ask the server.
    what = ("--", str(source), f"{commit}:{KEPT}/{commit}")
    Git(copy).run(*flags, *args, *what, check=False, env=_OFFLINE)


def _server_of(source: Path) -> str:
    """Return where the main repository's submodule comes from."""
    return Git(source, source).run("config", "--get", "remote.origin.url", check=False).text


def _point_at_server(copy: Path, source: Path) -> None:
    """Let a copy's remote be the server, as it is in the main repository's."""
    server = _server_of(source)
    if server:
        Git(copy).run("config", "remote.origin.url", server)


def _note_wanted(top: Path, source: Path, wanted: _Submodule) -> None:
    """Note in a submodule that the one inside of it is wanted."""
    server = _server_of(source) or str(source)
    Git(top).run("config", f"submodule.{wanted.name}.url", server)
