"""The shapes of a brief: what an agent should know of its task."""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict

from gitcoord.core.ids import AgentId, Oid, PhaseId, TaskId, Token
from gitcoord.features.inspect.shapes import Behind, ChangedFile, CheckFacts, SetbackFacts

__all__ = [
    "BriefAgent",
    "BriefAnswer",
    "BriefReview",
    "BriefTask",
    "Layer",
    "LoggedSetback",
    "NamedCommand",
    "Need",
    "Neighbour",
    "Remark",
    "ToldAnswer",
    "ToldNote",
]


class BriefAgent(TypedDict):
    """The agent that a brief is for; empty ``pools`` means every pool."""

    id: str
    pools: list[str]
    paths: list[str] | None
    worktree: str | None


class BriefTask(TypedDict):
    """The task that a brief is about."""

    id: str
    title: str
    description: str
    phase: PhaseId
    pool: str
    state: str
    attempt: int
    failures: int


class Layer(TypedDict):
    """One layer of a boundary: whose it is, and what it allows."""

    name: str
    patterns: list[str]


class Need(TypedDict):
    """What a needed task delivered."""

    task: TaskId
    title: str
    state: str
    result: Oid | None
    summary: str
    files: list[str]


class Neighbour(TypedDict):
    """Another claim, and the paths that its task writes."""

    task: TaskId
    agent: AgentId
    paths: list[str]


class LoggedSetback(SetbackFacts):
    """How an earlier attempt ended, with the end of its log."""

    log: str | None
    log_tail: str


class Remark(TypedDict):
    """What a reviewer said."""

    agent: AgentId
    verdict: Literal["approved", "rejected"]
    message: str


class ToldNote(TypedDict):
    """A note, with the task or the path that it is about."""

    agent: AgentId
    about: str
    text: str


class ToldAnswer(TypedDict):
    """What was escalated, and what was answered."""

    text: str
    answer: str


class BriefReview(TypedDict):
    """The review that a brief is for; ``problem`` says why there is no diff."""

    token: Token
    author: str
    problem: str


class NamedCommand(TypedDict):
    """A gate, and what it runs."""

    name: str
    run: str


class BriefAnswer(TypedDict):
    """The brief as text, and what it was written from.

    Without a task the keys about it are not there; what a reviewer needs is
    there for a reviewer only.
    """

    text: str
    written: NotRequired[str]
    agent: BriefAgent
    assigned: list[AgentId]
    task: BriefTask | None
    commands: list[str]
    context: NotRequired[dict[str, str]]
    branch: NotRequired[str | None]
    base: NotRequired[Oid | None]
    boundary: NotRequired[list[Layer]]
    check: NotRequired[str | None]
    reads: NotRequired[list[str]]
    changed_reads: NotRequired[list[str]]
    needs: NotRequired[list[Need]]
    neighbours: NotRequired[list[Neighbour]]
    blocks: NotRequired[Behind]
    setbacks: NotRequired[list[LoggedSetback]]
    reviews: NotRequired[list[Remark]]
    notes: NotRequired[list[ToldNote]]
    answers: NotRequired[list[ToldAnswer]]
    review: NotRequired[BriefReview]
    result: NotRequired[Oid | None]
    diff: NotRequired[str]
    files: NotRequired[list[ChangedFile]]
    gates: NotRequired[list[NamedCommand]]
    check_run: NotRequired[CheckFacts | None]
