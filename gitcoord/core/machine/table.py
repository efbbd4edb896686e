"""Hold the transition table: which operation leads from which state where.

The table is data and total: a pair that is not in it is refused, with the
states that the operation needs. The state diagram in the documentation is
drawn from it, and ``check`` asks nothing else about states.
"""

from __future__ import annotations

from gitcoord.core import ids
from gitcoord.core.errors import RefusedError
from gitcoord.core.model import State

__all__ = ["STATES", "TRANSITIONS", "require"]

STATES: tuple[State, ...] = ("open", "claimed", "review", "done", "failed", "cancelled")

TRANSITIONS: dict[str, dict[State, tuple[State, ...]]] = {
    "claim": {"open": ("claimed",)},
    "takeover": {"claimed": ("claimed",)},
    "reissue": {"claimed": ("claimed",)},
    "progress": {"claimed": ("claimed",)},
    "complete": {"claimed": ("review", "done")},
    "review": {"review": ("review",)},
    "review-release": {"review": ("review",)},
    "approve": {"review": ("review", "done")},
    "reject": {"review": ("open", "failed")},
    "fail": {"claimed": ("open", "failed")},
    "release": {"claimed": ("open",)},
    "expire": {"claimed": ("open", "failed"), "review": ("review",)},
    "reopen": {"review": ("open", "failed"), "done": ("open", "failed")},
    "redo": {"review": ("open",), "done": ("open",)},
    "retry": {"failed": ("open",), "cancelled": ("open",)},
    "cancel": {
        "open": ("cancelled",),
        "claimed": ("cancelled",),
        "review": ("cancelled",),
        "done": ("cancelled",),
    },
    "leave-out": {
        "open": ("cancelled",),
        "claimed": ("cancelled",),
        "review": ("cancelled",),
        "done": ("cancelled",),
        "failed": ("cancelled",),
    },
    "check": {"claimed": ("claimed",)},
    "assign": {"open": ("open",), "claimed": ("open",)},
}


def require(op: str, task: str, state: State) -> tuple[State, ...]:
    """Return the states that an operation may lead to.

    Raises:
        RefusedError: The table has no such transition (reason ``state``).

    """
    targets = TRANSITIONS[op].get(state)
    if targets is None:
        needed = " or ".join(TRANSITIONS[op])
        raise RefusedError(
            f"task {task} is {state}, and {op} needs it to be {needed}",
            reason="state",
            hint=f"`gitcoord show {task}` tells its history" if ids.is_id(task) else "",
            task=task,
            state=state,
        )
    return targets
