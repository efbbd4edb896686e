"""Name the refs of a ledger."""

from __future__ import annotations

__all__ = ["attic_ref", "ledger_ref"]


def ledger_ref(ledger: str) -> str:
    """Name the ref of a ledger."""
    return f"refs/heads/gitcoord/{ledger}"


def attic_ref(ledger: str, time: int, oid: str) -> str:
    """Name the ref that keeps an abandoned tip; ``time`` is in seconds."""
    from datetime import UTC, datetime

    return f"refs/gitcoord/{ledger}/attic/{datetime.fromtimestamp(time, UTC):%Y%m%dT%H%M%SZ}-{oid[:12]}"
