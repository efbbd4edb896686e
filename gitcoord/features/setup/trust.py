"""Run commands of a plan only after this machine's user trusted them.

Trust is for exactly one set of commands in one repository, and lies
outside the repository: no byte of a workspace can vote for itself. The
set is kept as one hash for each command, so that asking about one costs
the same in a plan of a hundred tasks and of a hundred thousand.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gitcoord.core import codec
from gitcoord.core.errors import RefusedError
from gitcoord.core.hashing import sha256
from gitcoord.core.ids import AgentId
from gitcoord.core.model import GateSpec, PlanDocument, PlanRecord
from gitcoord.core.snapshot import Snapshot
from gitcoord.features.workspace import Workspace, agent_at
from gitcoord.host.lock_files import locked
from gitcoord.host.user_folder import user_folder
from gitcoord.ledger.files import read_json, write_json

__all__ = [
    "commands_of",
    "commands_of_document",
    "forget",
    "gate_commands",
    "gates_and_setup",
    "is_recorded",
    "is_trusted",
    "is_trusted_setup",
    "landing_push_of",
    "pool_commands",
    "record",
    "repository_key",
    "require_person",
    "require_trust",
    "require_trusted_setup",
    "run_setup",
    "setup_log",
    "shown",
    "trust",
    "untrusted",
]

SETUP_TIMEOUT_S = 600
LOCK_WAIT_S = 30
MAX_SHOWN = 5
_OF_AGENTS = (
    "GITCOORD_AGENT",
    "GITCOORD_CLAIM",
    "GITCOORD_TASK",
    "GITCOORD_GATE",
    "GITCOORD_COMMIT",
    "GITCOORD_WORKTREE",
    "GITCOORD_LANDING",
)
"""What gitcoord sets for agents, and for the commands that it starts."""


def commands_of(snapshot: Snapshot) -> list[str]:
    """List the commands that the plan would run on this machine."""
    gates = [gate for phase in snapshot.phases() for gate in phase["spec"]["gates"]]
    checks = (task["spec"]["check"] for task in snapshot.tasks())
    return _listed(_setup(snapshot), gates, checks) + _of_plan_in(snapshot)


def commands_of_document(document: PlanDocument) -> list[str]:
    """List the commands that a plan would run, before it is applied."""
    plan = document["plan"]
    gates = [gate for phase in document["phases"] for gate in phase["gates"]]
    checks = (task["check"] for task in document["tasks"])
    return _listed(plan["worktree"]["setup"], gates, checks) + _of_plan(plan)


def pool_commands(snapshot: Snapshot) -> list[str]:
    """List the commands that runs start for the tasks of a pool."""
    plan = snapshot.plan()
    if plan is None:
        return []
    return _of_pools(plan)


def landing_push_of(plan: PlanRecord) -> list[str]:
    """List the push after a landing, if the plan asks for one, as it is trusted."""
    if "landing_push" not in plan:
        return []
    return [f"push after a landing: {plan['landing_push']}"]


def _of_plan_in(snapshot: Snapshot) -> list[str]:
    plan = snapshot.plan()
    if plan is None:
        return []
    return _of_plan(plan)


def _of_plan(plan: PlanRecord) -> list[str]:
    return [*_of_pools(plan), *landing_push_of(plan)]


def _of_pools(plan: PlanRecord) -> list[str]:
    commands = {spec["command"] for spec in plan["pools"].values() if "command" in spec}
    return [f"run: {command}" for command in sorted(commands)]


def gates_and_setup(snapshot: Snapshot) -> list[str]:
    """List the plan's commands without the checks of its tasks.

    To look at each of a hundred thousand tasks would make looking slow.
    """
    gates = [gate for phase in snapshot.phases() for gate in phase["spec"]["gates"]]
    return _listed(_setup(snapshot), gates, ()) + _of_plan_in(snapshot)


def gate_commands(gate: GateSpec) -> list[str]:
    """List the commands of a gate, as they are trusted."""
    listed = [f"gate: {gate['run']}"]
    if "setup" in gate:
        listed.insert(0, f"gate setup: {gate['setup']}")
    return listed


def _listed(
    setup: str | None, gates: Iterable[GateSpec], checks: Iterable[str | None]
) -> list[str]:
    listed = []
    if setup is not None:
        listed.append(f"worktree setup: {setup}")
    for gate in gates:
        listed += gate_commands(gate)
    listed += sorted({f"check: {command}" for command in checks if command is not None})
    return list(dict.fromkeys(listed))


def shown(command: str) -> str:
    """Return a command on one line, with nothing in it that hides the rest."""
    return codec.printable(command.replace("\n", "\\n"))


def _file() -> Path:
    return user_folder() / "trust.json"


def repository_key(work: Workspace) -> str:
    """Return what tells this repository's ledger from others on this machine."""
    return f"{work.place.common_dir.resolve()}:{work.ledger.name}"


def _hash(command: str) -> str:
    return sha256(command.encode("utf-8", "surrogatepass")).hexdigest()


def untrusted(work: Workspace, commands: Iterable[str]) -> list[str]:
    """List the commands, as ``commands_of`` writes them, that may not run."""
    kept = (read_json(_file()) or {}).get(repository_key(work))
    known: set[str] = set()
    if isinstance(kept, list):
        known = set(kept)
    return [command for command in commands if _hash(command) not in known]


def is_trusted(work: Workspace, snapshot: Snapshot) -> bool:
    """Return whether every command of the plan was trusted for this repository."""
    return not untrusted(work, commands_of(snapshot))


def require_trust(work: Workspace, commands: Iterable[str]) -> None:
    """Refuse to go on with commands that this machine's user did not trust.

    Raises:
        RefusedError: Reason ``trust``; nothing was run.

    """
    missing = untrusted(work, commands)
    if missing:
        more = ""
        if len(missing) > MAX_SHOWN:
            more = f" and {len(missing) - MAX_SHOWN} more"
        raise RefusedError(
            f"not trusted on this machine: {'; '.join(map(shown, missing[:MAX_SHOWN]))}{more}",
            reason="trust",
            commands=[shown(command) for command in missing[:100]],
            hint="`gitcoord trust` lists the plan's commands and allows exactly those",
        )


def require_person() -> None:
    """Refuse to trust anything on behalf of an agent.

    Where this process stands, and what its environment says, decides;
    whatever repository it was told to work in. What gitcoord starts (an
    agent's command, a gate, a check, a hook) runs what agents wrote.

    Raises:
        RefusedError: Reason ``role``.

    """
    agent = agent_at(Path.cwd())
    if agent is not None:
        raise _not_a_person(f"this is the worktree of {agent}")
    for name in _OF_AGENTS:
        if os.environ.get(name):
            raise _not_a_person(f"{name} is set, as it is for agents and their commands")


def _not_a_person(why: str) -> RefusedError:
    return RefusedError(
        f"{why}, and only people trust commands",
        reason="role",
        hint="ask the person at this machine to run `gitcoord trust` outside of agents' worktrees",
    )


def trust(work: Workspace, snapshot: Snapshot) -> list[str]:
    """Trust the plan's commands as they are now, no others, and list them.

    Raises:
        RefusedError: An agent asks (reason ``role``); nothing is trusted.

    """
    require_person()
    return record(work, snapshot)


def record(work: Workspace, snapshot: Snapshot) -> list[str]:
    """Write down that a person trusts the plan's commands, and list them."""
    commands = commands_of(snapshot)
    with _changing() as known:
        known[repository_key(work)] = [_hash(command) for command in commands]
    return commands


def is_recorded(work: Workspace) -> bool:
    """Return whether a person here ever trusted commands of this repository's ledger."""
    return repository_key(work) in (read_json(_file()) or {})


def forget(work: Workspace) -> None:
    """Trust no command of this repository's ledger any more."""
    if is_recorded(work):
        with _changing() as known:
            known.pop(repository_key(work), None)


@contextmanager
def _changing() -> Iterator[dict[str, Any]]:
    """Yield what is trusted in every repository, and write it as it was left.

    One at a time: people trust in several repositories at once, and of two that
    read and then write one would be lost.
    """
    busy, hint = "what is trusted", "check who may write your configuration"
    with locked(_file().with_suffix(".lock"), LOCK_WAIT_S, busy, hint):
        known = read_json(_file()) or {}
        yield known
        write_json(_file(), known)


def _setup(snapshot: Snapshot) -> str | None:
    plan = snapshot.plan()
    if not plan:
        return None
    return plan["worktree"]["setup"]


def is_trusted_setup(work: Workspace, snapshot: Snapshot) -> bool:
    """Return whether the setup of worktrees was trusted for this repository."""
    return not untrusted(work, _listed(_setup(snapshot), (), ()))


def require_trusted_setup(work: Workspace, snapshot: Snapshot) -> None:
    """Refuse to go on with a setup of worktrees that is not trusted.

    Raises:
        RefusedError: Reason ``trust``; nothing was run.

    """
    require_trust(work, _listed(_setup(snapshot), (), ()))


def setup_log(work: Workspace, place: Path) -> Path:
    """Return where the output of a worktree's setup is kept."""
    return work.logs.of_setup(AgentId(place.name))


def run_setup(work: Workspace, snapshot: Snapshot, place: Path) -> bool:
    """Run the trusted setup command in a new worktree; False if it fails."""
    from gitcoord.git.shell import run_shell

    setup = _setup(snapshot)
    if setup is None or not is_trusted_setup(work, snapshot):
        return False
    with work.logs.open(setup_log(work, place)) as log, log.receiving() as output:
        return run_shell(setup, place, output, SETUP_TIMEOUT_S) == 0
