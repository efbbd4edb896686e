"""A prune that is at work is outlasted, and what it took is written again."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitcoord.core.errors import UnavailableError
from gitcoord.core.ids import Oid
from gitcoord.host.clock import Clock, Deadline
from gitcoord.ledger import prune_guard
from gitcoord.ledger.prune_guard import outlast_prune, require_written
from gitcoord.store.memory import MemoryStore


class Gc:
    """A gc that prunes at once for some looks."""

    def __init__(self, looks: int) -> None:
        self.looks = looks

    def __call__(self, _common_dir: Path) -> int | None:
        self.looks -= 1
        return 1 if self.looks >= 0 else None


class Losing(MemoryStore):
    """A store from which a prune took objects so many times."""

    losses = 0

    def is_lost(self) -> bool:
        self.losses -= 1
        return self.losses >= 0


def guarded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *, looks: int, losses: int = 0) -> int:
    """Return how often what was pruned is written again."""
    monkeypatch.setattr(prune_guard, "pruning_now", Gc(looks))
    monkeypatch.setattr(prune_guard, "POLL_S", 0)
    store = Losing(tmp_path)
    store.losses = losses
    written: list[str] = []

    def write() -> Oid:
        written.append("x")
        return Oid("x")

    clock = Clock()
    require_written(store, clock, write, Deadline(clock, 60))
    return len(written)


def test_without_a_prune_nothing_is_looked_at(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert guarded(monkeypatch, tmp_path, looks=0, losses=9) == 0


def test_what_a_prune_took_is_written_again_once_it_is_over(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert guarded(monkeypatch, tmp_path, looks=5) == 0
    assert guarded(monkeypatch, tmp_path, looks=5, losses=1) == 1
    assert guarded(monkeypatch, tmp_path, looks=5, losses=2) == 2


def test_objects_that_vanish_again_and_again_are_unavailable(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(UnavailableError, match="prunes everything at once"):
        guarded(monkeypatch, tmp_path, looks=5, losses=9)


def test_a_prune_that_goes_on_is_waited_for_until_the_deadline(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(prune_guard, "pruning_now", Gc(10**9))
    monkeypatch.setattr(prune_guard, "POLL_S", 0)
    clock = Clock()
    store = MemoryStore(tmp_path)
    assert not outlast_prune(store, clock, Deadline(clock, 0))
    with pytest.raises(UnavailableError):
        require_written(store, clock, lambda: Oid("x"), Deadline(clock, 0))
