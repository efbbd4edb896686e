"""Read git's configuration without running git, as far as that is simple.

Every one-shot command asks for a few values of the repository's own file.
What is not simple (files that include others, a system file at a place
that only git knows) is asked of git itself.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path

__all__ = [
    "TRUE",
    "Stamps",
    "UserConfig",
    "incompatible",
    "is_partial",
    "last_value",
    "read_config",
    "stamps_of",
    "unsupported",
    "user_files",
]

Rows = list[tuple[str, str, str]]
Stamps = tuple[tuple[str, int, int, int], ...]
"""What tells files from what they were: path, inode, time and size of each that is there."""
TRUE = ("true", "yes", "on", "1")
_HEADER = re.compile(r"""\[\s*+([A-Za-z0-9.-]++)\s*+(?:"(?:[^"\\]++|\\.)*+")?+\s*+\]""")
_ESCAPES = {"n": "\n", "t": "\t", "b": "\b"}
_PIECE = r"""\\(.)|"|([#;])|([^\\"#;]+)"""


def read_config(common_dir: Path) -> Rows:
    """Read section, key and value of the repository's own configuration.

    Simply: without includes, and subsections count as their section.
    """
    found = _read_file(common_dir / "config")
    if last_value(found, "extensions", "worktreeconfig").lower() in TRUE:
        found += _read_file(common_dir / "config.worktree")
    return found


def stamps_of(files: Iterable[Path]) -> Stamps:
    """Return what changes when one of these files does."""
    stamps = []
    for path in files:
        try:
            found = path.stat()
        except OSError:
            continue
        stamps.append((str(path), found.st_ino, found.st_mtime_ns, found.st_size))
    return tuple(stamps)


def _read_file(path: Path) -> Rows:
    try:
        text = path.read_text("utf-8", "surrogateescape")
    except OSError:
        return []
    found, section = [], ""
    for raw in text.replace("\\\n", "").split("\n"):
        line = raw.strip()
        header = _HEADER.match(line) if line[:1] == "[" else None
        if header:
            section, line = header[1].lower(), line[header.end() :].strip()
        if line and line[0] not in "#;":
            key, equals, value = line.partition("=")
            found.append((section, key.strip().lower(), _unquoted(value) if equals else "true"))
    return found


def _unquoted(raw: str) -> str:
    """Take quotes, escapes and a comment off a value."""
    if not any(character in raw for character in '"\\#;'):
        return raw.strip()
    text = ""
    # Blanks at the end go, but for those that are quoted or escaped.
    kept = 0
    is_quoted = False
    for piece in re.finditer(_PIECE, raw.strip()):
        if piece[0] == '"':
            is_quoted = not is_quoted
            continue
        if piece[2] and not is_quoted:
            break
        if piece[1]:
            text += _ESCAPES.get(piece[1], piece[1])
        else:
            text += piece[0]
        if piece[1] or is_quoted:
            kept = len(text)
        else:
            kept = max(kept, len(text.rstrip()))
    return text[:kept]


def last_value(config: Rows, section: str, key: str) -> str:
    """Return the value that counts, or nothing."""
    values = [value for one, name, value in config if (one, name) == (section, key)]
    return values[-1] if values else ""


class UserConfig:
    """The values that git itself would find from a repository."""

    def __init__(self, common_dir: Path, ask: Callable[[str], str]) -> None:
        """Read the files as needed; ``ask`` gives git's own answer for a key."""
        self._ask = ask
        self._local = read_config(common_dir)
        self._all: Rows | None = None

    def get(self, section: str, key: str) -> str:
        """Return a value, or nothing."""
        if os.environ.get("GIT_CONFIG_COUNT"):
            # It counts more than any file.
            return self._ask(f"{section}.{key}")
        value = "" if _includes(self._local) else last_value(self._local, section, key)
        if value:
            return value
        if self._all is None:
            self._all = []
            for path in user_files():
                self._all += _read_file(path)
            self._all += self._local
        value = last_value(self._all, section, key)
        # Only git knows where its system's file is, and whom it includes.
        if _includes(self._all) or (section == "user" and not value):
            return self._ask(f"{section}.{key}")
        return value


def _includes(config: Rows) -> bool:
    return any(section in {"include", "includeif"} for section, _, _ in config)


def user_files() -> list[Path]:
    """List the files of the system and of the user, in git's order."""
    files = []
    if os.environ.get("GIT_CONFIG_NOSYSTEM", "").lower() not in TRUE:
        files.append(os.environ.get("GIT_CONFIG_SYSTEM", "/etc/gitconfig"))
    named = os.environ.get("GIT_CONFIG_GLOBAL")
    if named is not None:
        files.append(named)
    else:
        home = os.environ.get("HOME", "")
        files += [
            f"{os.environ.get('XDG_CONFIG_HOME') or f'{home}/.config'}/git/config",
            f"{home}/.gitconfig",
        ]
    return [Path(file) for file in files if file]


def is_partial(config: Rows) -> bool:
    """Return whether a repository lacks objects that it would have to fetch."""
    is_named = last_value(config, "extensions", "partialclone") != ""
    return is_named or last_value(config, "remote", "promisor").lower() in TRUE


_KNOWN = {
    "noop",
    "noop-v1",
    "objectformat",
    "partialclone",
    "preciousobjects",
    "refstorage",
    "relativeworktrees",
    "submodulepathconfig",
    "worktreeconfig",
}
_KNOWN_TO_LIBGIT2 = {
    "noop",
    "objectformat",
    "preciousobjects",
    "relativeworktrees",
    "worktreeconfig",
}
_REF_STORAGES = ("", "files", "reftable")
_OTHER_REFS = ("GIT_REFERENCE_BACKEND", "GIT_REF_STORAGE")
"""What makes git look for the refs elsewhere; the second is the name to come."""


def incompatible(config: Rows) -> str | None:
    """Return in one line why no engine can write a repository, or None."""
    version = last_value(config, "core", "repositoryformatversion") or "0"
    if version not in {"0", "1"}:
        return f"this repository has the format version {version}, which is not known"
    storage = last_value(config, "extensions", "refstorage").lower()
    if storage not in _REF_STORAGES:
        return f"this repository keeps its refs elsewhere, as {storage}, which is not supported"
    for name in _OTHER_REFS:
        asked = os.environ.get(name, "")
        if asked and asked != (storage or "files"):
            return (
                f"{name} is {asked!r}, and this repository's refs are kept as {storage or 'files'}"
            )
    unknown = _extensions(config) - _KNOWN
    if "compatobjectformat" in unknown:
        return (
            "this repository keeps a second object format for compatibility, which gitcoord cannot "
            "write"
        )
    unknown = {name for name in unknown if not name.startswith("noop")}
    if unknown and version == "1":
        return f"this repository uses extensions that are not known: {', '.join(sorted(unknown))}"
    return None


def _extensions(config: Rows) -> set[str]:
    return {key for section, key, _ in config if section == "extensions"}


def unsupported(config: Rows) -> str | None:
    """Return in one line why libgit2 cannot open a repository, or None."""
    object_format = last_value(config, "extensions", "objectformat").lower()
    if object_format not in {"", "sha1"}:
        return f"this repository uses the object format {object_format}, which libgit2 cannot open"
    if last_value(config, "extensions", "compatobjectformat"):
        return (
            "this repository keeps a second object format for compatibility, which libgit2 cannot "
            "open"
        )
    storage = last_value(config, "extensions", "refstorage").lower()
    if storage not in {"", "files"}:
        return f"this repository keeps its refs as {storage}, which libgit2 cannot open"
    if is_partial(config):
        return "this repository is a partial clone, which libgit2 cannot open"
    others = sorted(_extensions(config) - _KNOWN_TO_LIBGIT2 - {"refstorage"})
    if others and last_value(config, "core", "repositoryformatversion") == "1":
        return f"this repository uses {', '.join(others)}, which libgit2 does not know"
    return None
