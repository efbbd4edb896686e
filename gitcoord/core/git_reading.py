"""Name the git commands that read a ledger as its views do. Pure.

Each is a line to paste into a shell. What is derived (ready, waiting,
landed, late) stands in no record: git tells what it is derived from.
"""

from __future__ import annotations

from collections.abc import Iterable

from gitcoord.core.ids import AgentId, PhaseId, TaskId
from gitcoord.core.layout import phase_path, task_path

__all__ = [
    "agents_command",
    "escalations_command",
    "holders_command",
    "locks_command",
    "needs_command",
    "phases_command",
    "record_command",
    "reviews_command",
    "rollbacks_command",
    "states_command",
    "task_command",
    "tasks_command",
]

_STORED = {"ready": "open", "waiting": "open", "blocked": "open", "landed": "done"}
"""The state that stands in a record, for those that do not."""
_MAX_NAMED = 20
"""From how many records on their folder is named instead: it is a line to paste."""


def branch_of(ref: str) -> str:
    """Return a ledger's ref as git names it most shortly."""
    return ref.removeprefix("refs/heads/")


def holders_command(ref: str) -> str:
    """Return what lists who holds which task, and what the holder said last."""
    pattern = """'^    "agent":|^      "message":'"""
    return f"git grep -E {pattern} {branch_of(ref)} -- live/"


def task_command(ref: str, task: TaskId) -> str:
    """Return what prints a task's record."""
    return record_command(ref, task_path(task))


def record_command(ref: str, path: str) -> str:
    """Return what prints the record at a path of the tree."""
    return f"git show {branch_of(ref)}:{path}"


def agents_command(ref: str) -> str:
    """Return what lists the agents, and who holds which task."""
    return f"""git grep -E '^  "id":|^    "agent":' {branch_of(ref)} -- agents/ live/"""


def phases_command(ref: str) -> str:
    """Return what lists the state of every phase."""
    return f"""git grep -E '^  "state":' {branch_of(ref)} -- phases/"""


def states_command(ref: str, tasks: Iterable[TaskId], phases: Iterable[PhaseId]) -> str:
    """Return what lists the states of some tasks and phases, and who paused a task."""
    named = [task_path(name) for name in tasks] + [phase_path(name) for name in phases]
    if len(named) > _MAX_NAMED:
        named = ["tasks/", "phases/"]
    return f"""git grep -E '^  "(paused|state)":' {branch_of(ref)} -- {" ".join(named)}"""


def needs_command(ref: str, task: TaskId) -> str:
    """Return what lists the tasks that name a task, as those do that need it."""
    return f"""git grep -lE '^      "{_escaped(task)}",?$' {branch_of(ref)} -- tasks/"""


def escalations_command(ref: str, *, is_open: bool) -> str:
    """Return what lists what was asked by whom: what is open, or all of it."""
    asked = """-e '^  "(agent|code|task)":|^    "'"""
    where = f"{branch_of(ref)} -- escalations/"
    if not is_open:
        return f"""git grep -E {asked} -e '^  "state":' {where}"""
    return f"""git grep -E --all-match {asked} -e '^  "state": "open"' {where}"""


def reviews_command(ref: str) -> str:
    """Return what lists the tasks whose results wait for a review."""
    return f"""git grep -lE '^  "state": "review"' {branch_of(ref)} -- tasks/"""


def rollbacks_command(ref: str, attic: str) -> str:
    """Return what lists the rollbacks, those that were abandoned themselves too."""
    pattern = "'^Gitcoord-Op: rollback$'"
    return f"git log --format='%h %aI %s' --grep={pattern} --glob={attic} {branch_of(ref)}"


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
    import shlex  # for what is asked of a list alone

    return " ".join(f"-e {shlex.quote(one)}" for one in asked)


def _escaped(name: str) -> str:
    return name.replace(".", r"\.")
