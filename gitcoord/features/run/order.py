"""Say what a run is to do: on what, at which pace, within which bounds."""

from __future__ import annotations

from gitcoord.core.pacing import Pace
from gitcoord.core.shapes import NamedTuple
from gitcoord.features.run.resources import NO_BOUNDS, Resources
from gitcoord.features.run.watching import NO_LIMIT, TimeLimit
from gitcoord.features.work.choices import ALL_TASKS, Scope

__all__ = ["USUAL", "Order"]


class Order(NamedTuple):
    """How a run is wanted, beside who works and how many."""

    within: Scope = ALL_TASKS
    pace: Pace | None = None
    """The bounds within which a run finds its own number of agents; None keeps the number."""
    pilot: int = 0
    """With how many tasks it is tried first; 0 tries nothing."""
    after_pilot: str = "judge"
    """Whether the rest is worked on: ``judge`` says so if the pilot went well, ``go``, ``stop``."""
    limit: TimeLimit = NO_LIMIT
    ends_hung: bool = False
    keep_going: bool = False
    resources: Resources = NO_BOUNDS


USUAL = Order()
