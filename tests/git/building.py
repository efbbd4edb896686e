"""Build histories with git itself, without a working tree."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

OID_LENGTH = 64 if os.environ.get("GITCOORD_TEST_OBJECTS") == "sha256" else 40
File = str | tuple[str, str] | None
"""A text, a mode with a text (or the oid of a submodule), or None: gone."""


def git(
    repo: Path, *args: str, stdin: bytes | None = None, env: Mapping[str, str] | None = None
) -> str:
    done = subprocess.run(
        ["git", *args],
        cwd=repo,
        input=stdin,
        capture_output=True,
        env={**os.environ, **(env or {})},
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode("utf-8", "surrogateescape").strip()


def tree(repo: Path, start: str | None, files: Mapping[str, File]) -> str:
    """Write a tree: that of a commit with some files changed."""
    index = repo / ".git" / "building-index"
    index.unlink(missing_ok=True)
    env = {"GIT_INDEX_FILE": str(index)}
    if start is not None:
        git(repo, "read-tree", start, env=env)
    rows = []
    for path, file in files.items():
        mode, text = (
            ("0", "") if file is None else file if isinstance(file, tuple) else ("100644", file)
        )
        oid = (
            "0" * OID_LENGTH
            if file is None
            else text
            if mode == "160000"
            else git(repo, "hash-object", "-w", "--stdin", stdin=text.encode())
        )
        rows.append(f"{mode} {oid}\t{path}\0".encode("utf-8", "surrogateescape"))
    git(repo, "update-index", "-z", "--index-info", stdin=b"".join(rows), env=env)
    return git(repo, "write-tree", "--missing-ok", env=env)


def commit(repo: Path, files: Mapping[str, File], *parents: str, start: str | None = None) -> str:
    """Write a commit whose tree is the first parent's with files changed."""
    content = tree(repo, start or (parents[0] if parents else None), files)
    return commit_tree(repo, content, *parents)


def commit_tree(repo: Path, content: str, *parents: str, message: str = "work") -> str:
    flags = [flag for parent in parents for flag in ("-p", parent)]
    return git(repo, "commit-tree", content, *flags, "-m", message)
