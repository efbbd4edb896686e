"""Name the git commands that read a ledger as its views do. Pure.

Each is a line to paste into a shell. What is derived (ready, waiting,
landed, late) stands in no record: git tells what it is derived from.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable

from gitcoord.core.ids import AgentId, PhaseId, TaskId
from gitcoord.core.layout import task_path

__all__ = ["holders_command", "locks_command", "task_command", "tasks_command"]

_STORED = {"ready": "open", "waiting": "open", "blocked": "open", "landed": "done"}
"""The state that stands in a record, for those that do not."""


def branch_of(ref: str) -> str:
    """Return a ledger's ref as git names it most shortly."""
    return ref.removeprefix("refs/heads/")


def holders_command(ref: str) -> str:
    """Return what lists who holds which task, and what the holder said last."""
    pattern = """'^    "agent":|^      "message":'"""
    return f"git grep -E {pattern} {branch_of(ref)} -- live/"


def task_command(ref: str, task: TaskId) -> str:
    """Return what prints a task's record."""
    return f"git show {branch_of(ref)}:{task_path(task)}"


def locks_command(ref: str) -> str:
    """Return what lists who holds which task and which lock."""
    return f"""git grep -E '^  (  )?"agent":' {branch_of(ref)} -- live/ locks/"""


def tasks_command(
    ref: str,
    *,
    state: str | None = None,
    phase: PhaseId | None = None,
    pool: str | None = None,
    agent: AgentId | None = None,
) -> str:
    """Return what lists the state of every task, or the records that are asked for."""
    asked = []
    if state is not None:
        asked.append(f'^  "state": "{_STORED.get(state, state)}"')
    if phase is not None:
        asked.append(f'^    "phase": "{_escaped(phase)}"')
    if pool is not None:
        asked.append(f'^    "pool": "{_escaped(pool)}"')
    if agent is not None:
        asked.append(f'"(agent|assigned)": "{_escaped(agent)}"')
    where = f"{branch_of(ref)} -- tasks/"
    if not asked:
        return f"""git grep -E '^  "state":' {where}"""
    return f"git grep -lE --all-match {_patterns(asked)} {where}"


def _patterns(asked: Iterable[str]) -> str:
    return " ".join(f"-e {shlex.quote(one)}" for one in asked)


def _escaped(name: str) -> str:
    return name.replace(".", r"\.")
