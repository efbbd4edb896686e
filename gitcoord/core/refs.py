"""Name every ref that gitcoord makes; ``docs/format.md`` says what each holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitcoord.core.times import calendar

if TYPE_CHECKING:  # hooks read refs, and nothing is imported for annotations alone
    from gitcoord.core.ids import AgentId, Oid, PhaseId, TaskId, Token

__all__ = [
    "HEADS",
    "archive_ref",
    "archive_refs",
    "attic_ref",
    "attic_refs",
    "beat_ref",
    "beat_refs",
    "branch_name",
    "branch_ref",
    "landing_ref",
    "landing_refs",
    "ledger_ref",
    "own_refs",
    "result_ref",
    "result_refs",
    "tracking_ref",
    "work_branch",
]

HEADS = "refs/heads/"


def branch_ref(branch: str) -> str:
    """Return the full ref of a branch."""
    return HEADS + branch


def branch_name(ref: str) -> str:
    """Return the short name of a branch's ref, as people write it."""
    return ref.removeprefix(HEADS)


def work_branch(prefix: str, task: TaskId, attempt: int, token: Token) -> str:
    """Return the name of an attempt's work branch; no other attempt has it."""
    return f"{prefix}/{task}/{attempt}-{token[:6]}"


def ledger_ref(ledger: str) -> str:
    """Return the ref of a ledger."""
    return f"{HEADS}gitcoord/{ledger}"


def own_refs(ledger: str) -> str:
    """Return the prefix of every ref of a ledger but its branch."""
    return f"refs/gitcoord/{ledger}/"


def beat_ref(ledger: str, agent: AgentId) -> str:
    """Return the ref of an agent's beats."""
    return beat_refs(ledger) + agent


def beat_refs(ledger: str) -> str:
    """Return the prefix of the refs of beats."""
    return f"{own_refs(ledger)}beats/"


def result_refs(ledger: str) -> str:
    """Return the prefix of the refs that keep results."""
    return f"{own_refs(ledger)}results/"


def result_ref(ledger: str, task: TaskId, oid: Oid) -> str:
    """Return the ref that keeps a result."""
    return f"{result_refs(ledger)}{task}/{oid}"


def landing_refs(ledger: str) -> str:
    """Return the prefix of the refs that keep candidates of target moves."""
    return f"{own_refs(ledger)}landing/"


def landing_ref(ledger: str, phase: PhaseId, oid: Oid) -> str:
    """Return the ref that keeps a candidate of a phase, or of a ``rollback``."""
    return f"{landing_refs(ledger)}{phase}/{oid}"


def attic_refs(ledger: str) -> str:
    """Return the prefix of the refs that keep what rollbacks abandoned."""
    return f"{own_refs(ledger)}attic/"


def attic_ref(ledger: str, time: int, oid: Oid) -> str:
    """Return the ref that keeps an abandoned tip; ``time`` is in seconds."""
    year, month, day, hour, minute, second = calendar(time)
    moment = f"{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z"
    return f"{attic_refs(ledger)}{moment}-{oid[:12]}"


def archive_refs(ledger: str) -> str:
    """Return the prefix of the tags of ledgers that were archived under a name."""
    return f"refs/tags/gitcoord/{ledger}/"


def archive_ref(ledger: str, time: int, oid: Oid) -> str:
    """Return the tag of a ledger that is archived; ``time`` is its last entry's, in seconds."""
    year, month, day = calendar(time)[:3]
    return f"{archive_refs(ledger)}{year:04}-{month:02}-{day:02}-{oid[:7]}"


def tracking_ref(remote: str, ref: str) -> str:
    """Return the ref that keeps what a ref of a remote held when it was last heard."""
    return f"refs/gitcoord-remotes/{remote}/{ref.removeprefix('refs/')}"
