"""Name every path of the ledger's tree; ``docs/format.md`` says what each holds."""

from __future__ import annotations

from gitcoord.core.ids import AgentId, PhaseId, TaskId, shard

__all__ = [
    "PLAN",
    "PLAN_INPUT",
    "SETTINGS",
    "agent_path",
    "attempt_log_path",
    "check_log_path",
    "check_path",
    "checkpoint_path",
    "escalation_path",
    "gate_log_path",
    "gate_path",
    "landing_path",
    "live_path",
    "lock_path",
    "note_path",
    "phase_path",
    "task_path",
]

SETTINGS = "settings.json"
PLAN = "plan.json"
PLAN_INPUT = "inputs/plan.json"


def task_path(task: TaskId) -> str:
    """Return the path of a task's record."""
    first, second = shard(task)
    return f"tasks/{first}/{second}/{task}.json"


def live_path(task: TaskId) -> str:
    """Return the path of a task's record among those that a lease holds."""
    return f"live/{task}.json"


def agent_path(agent: AgentId) -> str:
    """Return the path of an agent's record."""
    return f"agents/{agent}.json"


def phase_path(phase: PhaseId) -> str:
    """Return the path of a phase's record."""
    return f"phases/{phase}.json"


def landing_path(phase: PhaseId) -> str:
    """Return the path of the results that a phase's landing merges."""
    return f"landings/{phase}.json"


def lock_path(lock: str) -> str:
    """Return the path of a lock's record."""
    return f"locks/{lock}.json"


def escalation_path(escalation: str) -> str:
    """Return the path of an escalation's record."""
    return f"escalations/{escalation}.json"


def note_path(note: str) -> str:
    """Return the path of a note's record."""
    return f"notes/{note}.json"


def checkpoint_path(name: str) -> str:
    """Return the path of a checkpoint's record."""
    return f"checkpoints/{name}.json"


def gate_path(phase: PhaseId, gate: str) -> str:
    """Return the path of the last run of a phase's gate."""
    return f"gates/{phase}/{gate}.json"


def gate_log_path(phase: PhaseId, gate: str) -> str:
    """Return the path of the log of a gate's last run."""
    return f"logs/gates/{phase}/{gate}.txt"


def check_path(task: TaskId) -> str:
    """Return the path of the last run of a task's check."""
    first, second = shard(task)
    return f"checks/{first}/{second}/{task}.json"


def check_log_path(task: TaskId) -> str:
    """Return the path of the log of a check's last run."""
    first, second = shard(task)
    return f"checks/{first}/{second}/{task}.txt"


def attempt_log_path(task: TaskId, attempt: int) -> str:
    """Return the path of the log that a failed attempt left."""
    return f"logs/{task}-{attempt}.txt"
