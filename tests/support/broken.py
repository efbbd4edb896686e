"""Commits that git reads without a word, and that no strict server takes.

Each is made inside of a boundary, so that nothing else is wrong with it.
"""

from __future__ import annotations

import subprocess
import zlib
from collections.abc import Callable
from pathlib import Path

from tests.git.building import commit, commit_tree, git, tree

__all__ = ["BROKEN", "FOLDER", "raw", "without_its_tree"]

FOLDER = ("src", "lexer")
GHOST = "12" * 20
WHO = "x <x@example.invalid> 1 +0000"
Make = Callable[[Path, str], str]


def raw(repo: Path, kind: str, content: bytes) -> str:
    """Write an object as it is given, whatever git thinks of it."""
    args = ("hash-object", "-t", kind, "-w", "--literally", "--stdin")
    return git(repo, *args, stdin=content)


def _bytes_of(repo: Path, name: str) -> bytes:
    asked = ["git", "cat-file", "tree", name]
    return subprocess.run(asked, cwd=repo, check=True, capture_output=True).stdout


def _entry(mode: str, name: str, oid: str) -> bytes:
    return f"{mode} {name}\0".encode() + bytes.fromhex(oid)


def _with(mode: str, name: str, oid: str = "", *, is_first: bool = False) -> Make:
    """Add an entry to the folder, by default with a blob behind it."""

    def make(repo: Path, base: str) -> str:
        row = _entry(mode, name, oid or raw(repo, "blob", b"more\n"))
        kept = _bytes_of(repo, f"{base}:{'/'.join(FOLDER)}")
        inner = raw(repo, "tree", row + kept if is_first else kept + row)
        for depth in (1, 0):
            above = f"{base}:{'/'.join(FOLDER[:depth])}"
            rows = [line.split("\t") for line in git(repo, "ls-tree", above).split("\n")]
            kept_rows = [f"{head}\t{name}" for head, name in rows if name != FOLDER[depth]]
            listing = "\n".join([*kept_rows, f"040000 tree {inner}\t{FOLDER[depth]}", ""])
            inner = git(repo, "mktree", "--missing", stdin=listing.encode())
        return commit_tree(repo, inner, base)

    return make


def _to(mode: str, kind: str) -> Make:
    """Add an entry that leads to an object of another kind."""

    def make(repo: Path, base: str) -> str:
        other = {
            "commit": lambda: base,
            "tree": lambda: tree(repo, None, {"other": "other\n"}),
            "blob": lambda: raw(repo, "blob", b"no tree\n"),
        }[kind]()
        return _with(mode, "m", other)(repo, base)

    return make


def _in_between(repo: Path, base: str) -> str:
    broken = _with("100644", "m", GHOST)(repo, base)
    return commit(repo, {"/".join([*FOLDER, "fine"]): "x"}, broken, start=base)


def _text(
    repo: Path, base: str, content: str, *, author: bool = True, message: str = "work"
) -> str:
    who = f"author {WHO}\n" if author else ""
    text = f"tree {content}\nparent {base}\n{who}committer {WHO}\n\n{message}\n"
    return raw(repo, "commit", text.encode())


def without_its_tree(repo: Path, base: str) -> str:
    return _text(repo, base, GHOST)


def _fine(repo: Path, base: str) -> str:
    return tree(repo, base, {"/".join([*FOLDER, "m"]): "m"})


def _spoilt(spoil: Callable[[bytes], bytes]) -> Make:
    """Put other bytes where a loose blob lies."""

    def make(repo: Path, base: str) -> str:
        path = "/".join([*FOLDER, "m"])
        made = commit(repo, {path: "harmless\n" * 1000}, base)
        oid = git(repo, "rev-parse", f"{made}:{path}")
        file = repo / ".git" / "objects" / oid[:2] / oid[2:]
        file.chmod(0o644)
        file.write_bytes(spoil(file.read_bytes()))
        return made

    return make


BROKEN: dict[str, Make] = {
    "a file that is not there": _with("100644", "m", GHOST),
    "a folder that is not there": _with("40000", "m", GHOST),
    "a commit without its tree": without_its_tree,
    "a missing file that the next commit takes out": _in_between,
    "a commit as a file": _to("100644", "commit"),
    "a folder as a file": _to("100644", "tree"),
    "a file as a folder": _to("40000", "blob"),
    "a name with a slash": _with("100644", "z/b"),
    "names out of order": _with("100644", "0"),
    "an empty name": _with("100644", "", is_first=True),
    "a file that its group may write": _with("100664", "z"),
    "a file with every bit set": _with("107777", "z"),
    "a mode with a zero before it": _with("0100644", "z"),
    "no author": lambda repo, base: _text(repo, base, _fine(repo, base), author=False),
    "a message with a zero byte": lambda repo, base: _text(
        repo, base, _fine(repo, base), message="wo\0rk"
    ),
    "a blob with another's bytes": _spoilt(lambda _: zlib.compress(b"blob 5\0evil\n")),
    "a blob that is cut off": _spoilt(lambda content: content[:20]),
}
