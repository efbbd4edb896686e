"""Decide how many agents of a run work at once, by how it has gone so far. Pure.

A run starts conservatively: with two agents. It gets one more after each
three successes as long as few attempts fail and little time is spent on
coordination, and halves otherwise. The thresholds are those of the four
conditions (``core.stats``).
"""

from __future__ import annotations

from gitcoord.core.shapes import NamedTuple
from gitcoord.core.stats import CONDITIONS

__all__ = ["FIRST_JOBS", "Outcome", "Pace", "after", "paced"]

FIRST_JOBS = 2
SUCCESSES = 3
RECENT = 20


class Outcome(NamedTuple):
    """How one attempt ended, and where its time went."""

    is_success: bool
    waited_ms: int
    """From the agent's first asking to its claim."""
    worked_ms: int


class Pace(NamedTuple):
    """How many agents may work now, within bounds, and what that was judged by."""

    low: int
    high: int
    jobs: int
    successes: int = 0
    """How many attempts succeeded since the number was last looked at."""
    recent: tuple[Outcome, ...] = ()

    @property
    def failure_rate(self) -> float:
        """The part of the recent attempts that failed."""
        if not self.recent:
            return 0.0
        return sum(not one.is_success for one in self.recent) / len(self.recent)

    @property
    def overhead(self) -> float:
        """The time that was waited, as a part of the time that was worked."""
        worked_ms = sum(one.worked_ms for one in self.recent)
        return sum(one.waited_ms for one in self.recent) / max(1, worked_ms)

    @property
    def is_going_well(self) -> bool:
        """Whether both are under their thresholds."""
        is_sound = self.failure_rate < CONDITIONS["failure_rate"].threshold
        return is_sound and self.overhead < CONDITIONS["overhead"].threshold


def paced(low: int, high: int) -> Pace:
    """Return the pace to begin with, within bounds."""
    return Pace(low, high, min(high, max(low, FIRST_JOBS)))


def after(pace: Pace, outcome: Outcome) -> Pace:
    """Return the pace after one more attempt has ended.

    It is looked at with each failure, and with each third success.
    """
    pace = pace._replace(
        recent=(*pace.recent, outcome)[-RECENT:],
        successes=pace.successes + outcome.is_success,
    )
    if outcome.is_success and pace.successes < SUCCESSES:
        return pace
    jobs = pace.jobs // 2
    if pace.is_going_well:
        jobs = pace.jobs
        if outcome.is_success:
            jobs += 1
    return pace._replace(jobs=max(pace.low, min(pace.high, jobs)), successes=0)
