"""Define what assistants use up, what a plan lets them use, and where one may go on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from gitcoord.core.shapes import TypedDict

if TYPE_CHECKING:
    from typing import NotRequired

__all__ = ["Budget", "Resume", "Usage"]


class Usage(TypedDict):
    """What one session of an assistant used for one attempt or review.

    Differences, never running totals: a session that goes on with a second
    attempt counts there only what was added. ``input_tokens`` has the cached
    ones too. ``cost_micros`` is in millionths of a US dollar, absent where
    nobody knows; ``source`` says who tells it.
    """

    assistant: str
    version: NotRequired[str]
    model: NotRequired[str]
    session: NotRequired[str]
    input_tokens: NotRequired[int]
    cached_tokens: NotRequired[int]
    output_tokens: NotRequired[int]
    cost_micros: NotRequired[int]
    source: Literal["reported", "estimated"]


class Budget(TypedDict):
    """What a plan lets assistants use up together; what is absent has no bound."""

    cost_micros: NotRequired[int]
    tokens: NotRequired[int]


class Resume(TypedDict):
    """The session that an assistant may go on with, where a usage limit ended it."""

    assistant: str
    session: str
