"""Claim from a table of SQLite: one immediate transaction, full sync."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

CHOOSES = True
IS_FINAL = True
MODE = os.environ.get("CONTEST_MODE", "WAL")


def connect(top: Path) -> sqlite3.Connection:
    database = sqlite3.connect(top / "tasks.sqlite", timeout=30, isolation_level=None)
    database.execute(f"PRAGMA journal_mode = {MODE}")
    database.execute("PRAGMA synchronous = FULL")
    return database


def prepare(top: Path, tasks: int, _: list[str]) -> None:
    database = connect(top)
    database.execute("CREATE TABLE task (id TEXT PRIMARY KEY, state TEXT NOT NULL, holder TEXT)")
    database.execute("CREATE INDEX ready ON task (state)")
    database.execute("BEGIN IMMEDIATE")
    database.executemany(
        "INSERT INTO task VALUES (?, 'open', NULL)", [(f"t{number}",) for number in range(tasks)]
    )
    database.execute("COMMIT")


class Driver:
    """One connection."""

    def __init__(self, top: Path, agent: str) -> None:
        self.database, self.agent = connect(top), agent

    def claim(self, _: str) -> str | None:
        self.database.execute("BEGIN IMMEDIATE")
        row = self.database.execute("SELECT id FROM task WHERE state = 'open' LIMIT 1").fetchone()
        if row is not None:
            self.database.execute(
                "UPDATE task SET state = 'claimed', holder = ? WHERE id = ?", (self.agent, row[0])
            )
        self.database.execute("COMMIT")
        return None if row is None else str(row[0])

    def finish(self, task: str) -> None:
        self.database.execute("BEGIN IMMEDIATE")
        self.database.execute("UPDATE task SET state = 'done' WHERE id = ?", (task,))
        self.database.execute("COMMIT")


def held(top: Path) -> list[tuple[str, str]]:
    return connect(top).execute("SELECT id, holder FROM task WHERE holder IS NOT NULL").fetchall()
