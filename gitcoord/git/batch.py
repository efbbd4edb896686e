"""Read many objects with one git process."""

from __future__ import annotations

import re
from collections.abc import Iterable

from gitcoord.core.ids import Oid
from gitcoord.core.shapes import NamedTuple
from gitcoord.git.program import LONG_S, Git

__all__ = ["Contents", "missing_of", "read_objects"]

_HEADER = re.compile(rb"([0-9a-f]+) (commit|tree|blob|tag) (\d+)")


class Contents(NamedTuple):
    """An object as it was read."""

    oid: Oid
    kind: str
    content: bytes


def read_objects(git: Git, names: Iterable[str]) -> list[Contents | None]:
    """Read what some names lead to, in their order; None for what is not there."""
    asked = list(names)
    if not asked:
        return []
    lines = "".join(f"{name}\n" for name in asked).encode("utf-8", "surrogateescape")
    raw = git.run("cat-file", "--batch", stdin=lines, timeout_s=LONG_S).stdout
    found: list[Contents | None] = []
    at = 0
    for _ in asked:
        end = raw.index(b"\n", at)
        header = _HEADER.fullmatch(raw, at, end)
        at = end + 1
        if header is None:
            found.append(None)
            continue
        size = int(header[3])
        found.append(Contents(Oid(header[1].decode()), header[2].decode(), raw[at : at + size]))
        at += size + 1
    return found


def missing_of(git: Git, oids: Iterable[Oid]) -> set[Oid]:
    """Return those of some objects that are not in the repository."""
    asked = sorted(set(oids))
    if not asked:
        return set()
    lines = "".join(f"{oid}\n" for oid in asked).encode()
    rows = git.run("cat-file", "--batch-check", stdin=lines, timeout_s=LONG_S).text.splitlines()
    return {Oid(row.split()[0]) for row in rows if row.endswith(" missing")}
