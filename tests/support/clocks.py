"""Open a repository with clocks that a test sets forward, instead of waiting."""

from __future__ import annotations

from pathlib import Path

from gitcoord.features.workspace import Workspace, open_workspace
from tests.support.every_operation import Ahead

MINUTE_NS = 60 * 10**9


class Clocks(Ahead):
    """Clocks that a test sets forward, each for itself."""

    __slots__ = ("wall_ahead_s",)

    def __init__(self) -> None:
        super().__init__()
        self.wall_ahead_s = 0

    def seconds(self) -> int:
        return super().seconds() + self.wall_ahead_s


class Still(Clocks):
    """A wall clock that stands still, as what is foretold counts from now."""

    __slots__ = ("_since",)

    def __init__(self) -> None:
        super().__init__()
        self._since = super().seconds()

    def seconds(self) -> int:
        return self._since


def later(repo: Path) -> tuple[Workspace, Clocks]:
    """Open the repository with clocks that can be set forward."""
    clock = Clocks()
    return open_workspace(repo, clock=clock), clock
