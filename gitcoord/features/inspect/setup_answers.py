"""What the commands that set up, and those for machines, answer with ``--json``."""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypedDict

from gitcoord.core.ids import AgentId, Oid, PhaseId, TaskId
from gitcoord.core.plan_changes import ChangedPart, ChangedTask
from gitcoord.features.inspect.agent_answers import (
    Written,
)
from gitcoord.features.inspect.seeing_answers import ConditionFacts
from gitcoord.features.inspect.shapes import (
    AgentFacts,
    CommandFacts,
    EntryFacts,
    FindingFacts,
    Wave,
)

__all__ = [
    "AgentAddAnswer",
    "AgentListAnswer",
    "AgentRemoveAnswer",
    "AgentSetupAnswer",
    "AgentShowAnswer",
    "AgentsAddAnswer",
    "ArchiveAnswer",
    "CommandsAnswer",
    "DemoAnswer",
    "DoctorAnswer",
    "GateTryAnswer",
    "HookFacts",
    "HookStep",
    "HooksAnswer",
    "HooksStatusAnswer",
    "InitAnswer",
    "JoinAnswer",
    "ParameterFacts",
    "PatternFacts",
    "PlanAppliedAnswer",
    "PlanCheckAnswer",
    "PlanShowAnswer",
    "PlanTrialAnswer",
    "SetupAnswer",
    "SetupFile",
    "TemplateAnswer",
    "TemplateFacts",
    "TemplatesAnswer",
    "TidyAnswer",
    "TrustAnswer",
    "UpkeepAnswer",
]


class PlanAppliedAnswer(Written):
    """How a plan differs from what was there."""

    added: int
    changed: int
    changed_parts: list[str]
    parts: list[ChangedPart]
    kept: list[TaskId]
    warnings: list[str]


class PatternFacts(TypedDict):
    """Which pattern of parallel work fits, or ``none``, and why."""

    name: str
    why: str


class PlanTrialAnswer(TypedDict):
    """What ``plan apply --dry-run`` would change, and for whom.

    ``untrusted`` are the plan's commands that nobody allowed on this machine.
    """

    dry_run: Literal[True]
    added: list[TaskId]
    changed: list[ChangedTask]
    changed_parts: list[str]
    parts: list[ChangedPart]
    kept: list[TaskId]
    warnings: list[str]
    untrusted: list[str]


class PlanCheckAnswer(TypedDict):
    """How large a plan is that has no mistake, and which pattern fits it."""

    tasks: int
    phases: int
    warnings: list[str]
    pattern: PatternFacts


class PlanShowAnswer(TypedDict):
    """The plan's settings, and what can run at once."""

    plan: dict[str, Any]
    waves: list[Wave]
    git: str


class InitAnswer(Written):
    """A ledger that was created, and the plan that was loaded."""

    ledger: str
    target: str
    plan: NotRequired[PlanAppliedAnswer]
    remote: NotRequired[str]


class JoinAnswer(Written):
    """A ledger on a server that this clone works on from now on."""

    ledger: str
    remote: str
    already: bool
    begins: Oid | None


class ArchiveAnswer(Written):
    """A ledger that is closed: its tag, its last entry, and the work branches that went.

    ``followed``: it had been archived from another clone, and this one followed.
    """

    ledger: str
    tag: str
    branches: list[str]
    followed: bool


class ParameterFacts(TypedDict):
    """What can be set in a template, its usual value, and what it is."""

    name: str
    usual: str
    what: str


class TemplateFacts(TypedDict):
    """A plan to start from, and what it is for."""

    name: str
    what: str
    parameters: list[ParameterFacts]


class TemplatesAnswer(TypedDict):
    """The plans to start from."""

    templates: list[TemplateFacts]


class TemplateAnswer(TypedDict):
    """The plan file that was written; with ``--template``."""

    plan_file: str


class AgentAddAnswer(Written):
    """An agent that was added; ``start`` is the line that starts its assistant."""

    agent: dict[str, Any]
    worktree: str | None
    setup: str
    start: NotRequired[str]


class AgentsAddAnswer(Written):
    """Several agents that were added by one command, in the order asked."""

    agents: list[AgentAddAnswer]


class AgentListAnswer(TypedDict):
    """The agents and what they hold."""

    agents: list[AgentFacts]
    git: str


class AgentShowAnswer(TypedDict):
    """One agent, with its newest entries."""

    agent: dict[str, Any]
    history: list[EntryFacts]
    git: str


class PreparedAgent(TypedDict):
    """What preparing an agent's worktree came to: ``none``, ``done``, ``untrusted``, ``failed``."""

    agent: AgentId
    worktree: str
    setup: str
    log: str


class AgentSetupAnswer(TypedDict):
    """The worktrees that were prepared again."""

    agents: list[PreparedAgent]


class AgentRemoveAnswer(Written):
    """An agent that was removed."""

    agent: AgentId


class KeptAgent(TypedDict):
    """An agent of a run that stays, and why."""

    agent: AgentId
    why: str


class LeftBranch(TypedDict):
    """A branch of a landed task that stays, and why."""

    branch: str
    why: str


class TidyAnswer(TypedDict):
    """What finished runs and landed work left behind that was removed, and what stays."""

    agents: list[AgentId]
    branches: list[str]
    kept: list[KeptAgent]
    left: list[LeftBranch]


class UninstallItem(TypedDict):
    """One thing of gitcoord's that goes; ``what`` names it as its kind is named."""

    kind: Literal[
        "agent", "branch", "configuration", "folder", "hook", "ledger", "ref", "settings", "trust"
    ]
    what: str


class UninstallKept(TypedDict):
    """One thing that stays, and why."""

    what: str
    why: str


class UninstallAnswer(TypedDict):
    """What of gitcoord a repository holds; ``removed`` says whether it went."""

    removed: bool
    items: list[UninstallItem]
    kept: list[UninstallKept]


class TriedGate(TypedDict):
    """What a gate said of the target, and the folders whose syntax errors it passed over."""

    gate: str
    passed: bool
    reason: str
    blind: list[str]


class GateTryAnswer(TypedDict):
    """Gates that were tried; ``unseen`` are folders whose errors no gate saw."""

    phase: PhaseId
    folders: list[str]
    unseen: list[str]
    gates: list[TriedGate]


class TrustAnswer(TypedDict):
    """The commands that are trusted on this machine."""

    commands: list[str]


class DoctorAnswer(TypedDict):
    """What was looked at, and how many problems there are."""

    findings: list[FindingFacts]
    problems: int


class CommandsAnswer(TypedDict):
    """Every command."""

    commands: list[CommandFacts]


class HookStep(TypedDict):
    """One thing that is done, or to be done by hand: ``lines`` are to be added."""

    act: str
    event: str
    name: str
    text: str
    lines: str | None


class HooksAnswer(TypedDict):
    """What was done with git's hooks, or would be."""

    dry_run: bool
    steps: list[HookStep]


class HookFacts(TypedDict):
    """What git would run for an event in some worktrees."""

    event: str
    path: str
    worktrees: list[str]
    runs: str
    state: str
    problem: str


class HooksStatusAnswer(TypedDict):
    """What git would run, and what is wrong with it."""

    hooks: list[HookFacts]
    problems: list[str]


class SetupFile(TypedDict):
    """A file of an assistant's; ``text`` with ``--print`` alone, null where it is removed."""

    path: str
    what: str
    is_changed: bool
    text: NotRequired[str | None]


class SetupAnswer(TypedDict):
    """The files that were written, or would be, and what a person has to confirm."""

    files: list[SetupFile]
    dry_run: bool
    advice: list[str]


class UpkeepAnswer(TypedDict):
    """What was packed and dropped; only ``busy`` where another upkeep is at work."""

    busy: bool
    results: NotRequired[list[str]]
    candidates: NotRequired[list[str]]
    attic: NotRequired[list[str]]
    kept: NotRequired[list[str]]
    leftovers: NotRequired[int]
    packed: NotRequired[int]
    merged: NotRequired[int]


class DemoAnswer(TypedDict):
    """What came of the demo: the tasks that met a fault, what landed, and the four conditions."""

    killed: str | None
    taken_over: str | None
    failed_once: bool
    approved: int
    rejected: str | None
    seconds: float
    landed: int
    sequential_seconds: float
    conditions: list[ConditionFacts]
    report: str
    repository: str
    entries: int
