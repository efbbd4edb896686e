"""Look for how long a claim has left no trace of work on this machine."""

from __future__ import annotations

from contextlib import suppress

from gitcoord.core.leases import Context, age_ns
from gitcoord.core.model import Claim, TaskRecord
from gitcoord.core.refs import branch_ref
from gitcoord.features.workspace import Workspace
from gitcoord.store.protocol import MissingObjectError

__all__ = ["idle_ms"]


def idle_ms(work: Workspace, task: TaskRecord, claim: Claim, context: Context) -> int:
    """Return how long ago a claim last reported, printed or committed something.

    What it prints and commits is seen only on the machine on which it works.
    """
    entry_ms = age_ns(claim["boot_id"], claim["monotonic_ns"], context) // 1_000_000
    times = [float(claim["since"])]
    marked = f"{claim['attempt']}-{claim['token'][:6]}"
    for path in work.logs.attempts_of(task["id"]):
        if path.parent.name == marked and path.exists():
            times.append(path.stat().st_mtime)
    tip = work.store.read_ref(branch_ref(claim["branch"]))
    if tip is not None and tip != claim["base"]:
        with suppress(MissingObjectError):
            times.append(work.store.read_entry(tip).time)
    trace_ms = max(0, round((context.time - max(times)) * 1000))
    return min(entry_ms, trace_ms)
