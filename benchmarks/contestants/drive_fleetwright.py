"""Claim through fleetwright: work leases in one file of SQLite."""

from __future__ import annotations

import importlib
from pathlib import Path

CHOOSES = True
IS_FINAL = True
fleetwright = importlib.import_module("fleetwright")


def prepare(top: Path, tasks: int, _: list[str]) -> None:
    fleetwright.add(
        fleetwright.connect(top / "work.db"), "race", [f"t{number}" for number in range(tasks)]
    )


class Driver:
    """One worker's connection."""

    def __init__(self, top: Path, agent: str) -> None:
        self.connection, self.agent = fleetwright.connect(top / "work.db"), agent
        self.unit = ""

    def claim(self, _: str) -> str | None:
        units = fleetwright.claim(self.connection, "race", worker=self.agent)
        if not units:
            return None
        self.unit = units[0].unit_id
        return str(units[0].name)

    def finish(self, _: str) -> None:
        if not fleetwright.finish(self.connection, self.unit, worker=self.agent):
            raise RuntimeError("the lease was another's")


def held(top: Path) -> list[tuple[str, str]]:
    found = fleetwright.units(fleetwright.connect(top / "work.db"), limit=10_000_000)
    rows = next(value for value in found.values() if isinstance(value, list))
    return [(row["name"], row["worker"]) for row in rows if row["worker"]]
