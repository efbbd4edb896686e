"""The answer of each command with ``--json``, by the command as typed.

``schema``, ``ok``, ``op`` and ``notices`` are in each of them. The reference
page and the JSON Schema that is shipped are written from here.
"""

from __future__ import annotations

from gitcoord.features.inspect.agent_answers import (
    BeatAnswer,
    ClaimAnswer,
    CompleteAnswer,
    CompleteTrial,
    EscalateAnswer,
    FailAnswer,
    LockAnswer,
    LocksAnswer,
    NoteAnswer,
    NoteDropAnswer,
    NoteListAnswer,
    ReviewApproveAnswer,
    ReviewClaimAnswer,
    ReviewListAnswer,
    ReviewRejectAnswer,
    UnlockAnswer,
    WrittenTask,
)
from gitcoord.features.inspect.brief_shapes import (
    BriefAnswer,
)
from gitcoord.features.inspect.orchestrator_answers import (
    AssignAnswer,
    BatchAnswer,
    CancelAnswer,
    CheckpointAnswer,
    ImpactAnswer,
    InboxAnswer,
    LogAnswer,
    PhaseCheckAnswer,
    PhaseLandAnswer,
    PhaseLandTrial,
    PhaseListAnswer,
    ReapAnswer,
    ResolveAnswer,
    RollbackAnswer,
    RollbackListAnswer,
    RunAnswer,
    ShowAnswer,
    ShowLogAnswer,
    StatusAnswer,
    TasksAnswer,
    VerifyAnswer,
    WhyAnswer,
)
from gitcoord.features.inspect.rollback_shapes import (
    RollbackPreview,
)
from gitcoord.features.inspect.seeing_answers import (
    EventLine,
    SimulateAnswer,
    StatsAnswer,
)
from gitcoord.features.inspect.setup_answers import (
    AgentAddAnswer,
    AgentListAnswer,
    AgentRemoveAnswer,
    AgentShowAnswer,
    CommandsAnswer,
    DemoAnswer,
    DoctorAnswer,
    HooksAnswer,
    HooksStatusAnswer,
    InitAnswer,
    PlanAppliedAnswer,
    PlanCheckAnswer,
    PlanShowAnswer,
    SetupAnswer,
    TemplateAnswer,
    TrustAnswer,
    UpkeepAnswer,
)

__all__ = ["ANSWERS", "SILENT", "STREAMS"]

ANSWERS: dict[str, tuple[type, ...]] = {
    "agent add": (AgentAddAnswer,),
    "agent list": (AgentListAnswer,),
    "agent remove": (AgentRemoveAnswer,),
    "agent show": (AgentShowAnswer,),
    "assign": (AssignAnswer,),
    "batch": (BatchAnswer,),
    "beat": (BeatAnswer,),
    "brief": (BriefAnswer,),
    "cancel": (CancelAnswer,),
    "checkpoint": (CheckpointAnswer,),
    "claim": (ClaimAnswer,),
    "commands": (CommandsAnswer,),
    "complete": (CompleteAnswer, CompleteTrial),
    "demo": (DemoAnswer,),
    "doctor": (DoctorAnswer,),
    "escalate": (EscalateAnswer,),
    "fail": (FailAnswer,),
    "hooks install": (HooksAnswer,),
    "hooks status": (HooksStatusAnswer,),
    "hooks uninstall": (HooksAnswer,),
    "impact": (ImpactAnswer,),
    "inbox": (InboxAnswer,),
    "init": (InitAnswer, TemplateAnswer),
    "lock": (LockAnswer,),
    "locks": (LocksAnswer,),
    "log": (LogAnswer,),
    "note": (NoteAnswer, NoteDropAnswer, NoteListAnswer),
    "pause": (WrittenTask,),
    "phase check": (PhaseCheckAnswer,),
    "phase land": (PhaseLandAnswer, PhaseLandTrial),
    "phase list": (PhaseListAnswer,),
    "plan apply": (PlanAppliedAnswer,),
    "plan check": (PlanCheckAnswer,),
    "plan show": (PlanShowAnswer,),
    "progress": (WrittenTask,),
    "reap": (ReapAnswer,),
    "release": (WrittenTask,),
    "resolve": (ResolveAnswer,),
    "retry": (WrittenTask,),
    "review approve": (ReviewApproveAnswer,),
    "review claim": (ReviewClaimAnswer,),
    "review list": (ReviewListAnswer,),
    "review reject": (ReviewRejectAnswer,),
    "review release": (WrittenTask,),
    "rollback": (RollbackAnswer, RollbackPreview),
    "rollback list": (RollbackListAnswer,),
    "rollback undo": (RollbackAnswer, RollbackPreview),
    "run": (RunAnswer,),
    "setup": (SetupAnswer,),
    "show": (ShowAnswer, ShowLogAnswer),
    "simulate": (SimulateAnswer,),
    "stats": (StatsAnswer,),
    "status": (StatusAnswer,),
    "tasks": (TasksAnswer,),
    "trust": (TrustAnswer,),
    "unlock": (UnlockAnswer,),
    "unpause": (WrittenTask,),
    "upkeep": (UpkeepAnswer,),
    "verify": (VerifyAnswer,),
    "why": (WhyAnswer,),
}
"""The shapes of each command's answer: the usual one first."""
STREAMS: dict[str, type] = {"log --follow": EventLine}
"""The shape of each line, beside ``schema`` and ``ok``, of a command that goes on."""
SILENT = {
    "completion": "it prints a script of the shell's",
    "events": "it is `log --follow --json`: its lines are described there",
    "hand-in": "it is `complete`, and answers as that",
    "hook": "it answers in the dialect of who calls it",
    "keepalive": "what it runs has the output, and its status",
    "mcp": "it speaks the protocol of its client",
}
"""The commands that have no answer of their own, and why."""
