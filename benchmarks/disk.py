"""Measure the disk's own limit: what syncs cost without gitcoord."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

__all__ = ["sqlite_commit", "syncs_alone"]

OBJECTS = 6


def sqlite_commit(folder: Path, mode: str) -> Callable[[], float]:
    """Commit one changed row in an immediate transaction, with full sync."""
    folder.mkdir()
    database = sqlite3.connect(folder / "rows.sqlite", isolation_level=None)
    database.execute(f"PRAGMA journal_mode = {mode}")
    database.execute("PRAGMA synchronous = FULL")
    database.execute("CREATE TABLE task (id INTEGER PRIMARY KEY, holder TEXT)")
    database.executemany("INSERT INTO task VALUES (?, NULL)", [(number,) for number in range(100)])
    number = 0

    def once() -> float:
        nonlocal number
        number += 1
        before = time.perf_counter()
        database.execute("BEGIN IMMEDIATE")
        database.execute("UPDATE task SET holder = ? WHERE id = ?", (f"x{number}", number % 100))
        database.execute("COMMIT")
        return time.perf_counter() - before

    return once


def syncs_alone(folder: Path) -> Callable[[], float]:
    """Make the calls that a claim's durability is made of, and nothing else.

    Seven small files are written, synced and renamed (a token, six objects),
    seven folders synced, a ref's new value synced and renamed over the old
    one, and the ref's folder synced.
    """
    for name in ("refs", "token", "objects", *(f"objects/{number:02x}" for number in range(256))):
        (folder / name).mkdir(parents=True)
    number = 0

    def once() -> float:
        nonlocal number
        before = time.perf_counter()
        _write(folder / "token" / f"{number}")
        fan_outs = []
        for _ in range(OBJECTS):
            number += 1
            # Spread as hashes are, so that the folders differ.
            fan_outs.append(folder / "objects" / f"{number * 37 % 256:02x}")
            _write(fan_outs[-1] / f"{number}")
        for place in (folder / "objects", *fan_outs):
            _sync(place)
        _write(folder / "refs" / "ledger")
        _sync(folder / "refs")
        return time.perf_counter() - before

    return once


def _write(path: Path) -> None:
    temporary = path.parent / "new"
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    os.write(handle, b"x" * 200)
    os.fsync(handle)
    os.close(handle)
    temporary.rename(path)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    os.fsync(handle)
    os.close(handle)
