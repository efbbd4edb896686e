"""Decide whether an assistant may end its turn while a claim is open.

The count is our own: one assistant has no bound on how often it can be held,
and the flags by which others say that they were held are not to be relied
on. Pure: what was counted goes in, the verdict and the new count come out.
"""

from __future__ import annotations

from gitcoord.core.shapes import NamedTuple

__all__ = ["MAX_HOLDS", "MAX_HOLDS_ATTENDED", "EndCount", "judge_end"]

MAX_HOLDS = 2
"""How often a turn is held without a new entry of its claims in between."""
MAX_HOLDS_ATTENDED = 1
"""The same where a person sits before the session."""


class EndCount(NamedTuple):
    """How often a turn was held since an entry of its claims.

    ``mark`` names that entry, ``key`` the end that was judged last, so that
    an end which is told twice counts once; ``is_let_go`` tells that a turn
    ended with the claim open, after it had been held.
    """

    mark: str = ""
    holds: int = 0
    key: str = ""
    was_held: bool = False
    is_let_go: bool = False


def judge_end(count: EndCount, *, mark: str, key: str, is_attended: bool) -> EndCount:
    """Return the new count; its ``was_held`` says whether the turn is held."""
    if count.mark != mark:
        count = EndCount(mark)
    if key and count.key == key:
        return count
    most = MAX_HOLDS
    if is_attended:
        most = MAX_HOLDS_ATTENDED
    if count.holds >= most:
        return count._replace(key=key, was_held=False, is_let_go=True)
    return count._replace(key=key, holds=count.holds + 1, was_held=True)
