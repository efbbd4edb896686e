"""Wait for what cannot be had yet, with ``--wait`` and ``--timeout``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gitcoord.cli.app import App
from gitcoord.core.errors import ConflictError, GitcoordError, NothingReadyError, UsageError
from gitcoord.core.ids import AgentId

__all__ = ["ready_to_wait", "waited"]

WAIT_S = 100.0
MAX_TIMEOUT_S = 365 * 86_400


def ready_to_wait(app: App, *, wait: bool, timeout: float | None) -> AgentId:
    """Name the agent that asks, and bound how long it may take."""
    # Written so that what is not a number at all is refused too.
    if timeout is not None and not 0 <= timeout <= MAX_TIMEOUT_S:
        raise UsageError(
            "--timeout is a number of seconds", hint=f"give a number from 0 to {MAX_TIMEOUT_S}"
        )
    if timeout is not None and not wait:
        app.timeout_s = timeout
    return app.agent()


def waited(
    app: App,
    act: Callable[[], Any],
    gave_up: Callable[[GitcoordError], None],
    *,
    wait: bool,
    timeout: float | None,
) -> Any:
    """Do something, again after each change of the ledger while it cannot be.

    Raises:
        NothingReadyError: Nothing came in time.
        ConflictError: Another held it all the time.

    """
    from gitcoord.host.clock import Clock, Deadline

    if timeout is None:
        timeout = WAIT_S
    deadline = Deadline(Clock(), timeout)
    while True:
        tip = app.work.ledger.tip()
        try:
            return act()
        except (NothingReadyError, ConflictError) as error:
            if not wait or deadline.expired:
                if wait:
                    gave_up(error)
                raise
            from gitcoord.features.work.wait import seconds_until_worth, wait_for_change

            again_s = seconds_until_worth(error, app.work.clock)
            wait_for_change(app.work, tip, min(deadline.remaining(), again_s))
