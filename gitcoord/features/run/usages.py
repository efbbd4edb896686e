"""Count what the assistants of a run use, and hold it to the budget.

Usage is read from the ledger, that of every run: what a rollback abandoned
was spent all the same.
"""

from __future__ import annotations

import threading
import tomllib
from collections.abc import Iterable, Mapping

from gitcoord.core.assistant_output import REPORTS_COST, REPORTS_TOKENS, Told
from gitcoord.core.errors import GitcoordError, RefusedError, UnavailableError, UsageError
from gitcoord.core.ids import AgentId, Oid, TaskId, Token
from gitcoord.core.messages import parse
from gitcoord.core.model import Budget, Usage
from gitcoord.core.prices import Price, price_of, read_prices
from gitcoord.core.usage import bounded, over_budget, spent_of, usage_of, usages_in
from gitcoord.features.inspect.chain import begins_with, whole_by
from gitcoord.features.run.assistants import Assistant
from gitcoord.features.work.escalations import escalate
from gitcoord.features.workspace import Workspace, plan_of
from gitcoord.host.user_folder import user_folder

__all__ = ["Spending", "load_prices"]

PRICES = "prices.toml"
MAX_PRICES_BYTES = 256 * 1024
BUDGET = "budget"
"""The kind of the escalation that tells of a budget that is used up."""
TRIES = 3
_MARKS = ("\nGitcoord-Op: usage\n", "\nGitcoord-Op: rollback\n")


def load_prices() -> dict[str, Price]:
    """Return the user's table of prices; an empty one where there is none.

    Raises:
        UsageError: It is not one.

    """
    path = user_folder() / PRICES
    try:
        with path.open("rb") as file:
            table = tomllib.loads(file.read(MAX_PRICES_BYTES).decode())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: {error}", hint="correct that table of prices") from None
    return read_prices(table, str(path))


class Spending:
    """What was used, and what may be, for all workers of a run."""

    def __init__(self, own: Budget, prices: Mapping[str, Price]) -> None:
        self._own = own
        self._prices = prices
        self._lock = threading.Lock()
        self._seen: set[Oid] = set()
        self._usages: list[Usage] = []

    def require_countable(self, work: Workspace, assistants: Iterable[Assistant]) -> None:
        """Refuse a budget that could not be held.

        Raises:
            RefusedError: An assistant does not tell what the budget bounds, and no
                price is known that would estimate it; or this clone does not have the
                whole history, of which it counts all (reason ``budget``).

        """
        budget = self._budget(work)
        begins = begins_with(work, work.ledger.snapshot().oid) if budget else None
        if begins is not None:
            raise _unknown_before(work, begins)
        for one in assistants:
            counts = one.output in REPORTS_TOKENS
            is_priced = counts and price_of(self._prices, one.model_name, one.name) is not None
            if "cost_micros" in budget and one.output not in REPORTS_COST and not is_priced:
                hint = f'give a price: ["{one.model_name or one.name}"] in {user_folder() / PRICES}'
                if not counts:
                    hint = "leave it out, or take the budget away"
                raise _uncountable(one, "what it costs", hint)
            if "tokens" in budget and not counts:
                raise _uncountable(
                    one, "how many tokens it uses", "leave it out, or take the budget away"
                )

    def _budget(self, work: Workspace) -> Budget:
        return bounded(self._own, plan_of(work.ledger.snapshot()).get("budget", {}))

    def used_up(self, work: Workspace) -> str:
        """Return what of the budget is used up, in words; nothing while there is some left."""
        budget = self._budget(work)
        if not budget:
            return ""
        with self._lock:
            return over_budget(spent_of(self._read(work)), budget)

    def escalate(self, work: Workspace, agent: AgentId, used: str) -> None:
        """Tell the orchestrator that nothing is started any more, once while that is open."""
        with self._lock:
            known = work.ledger.snapshot().escalations()
            if not any(one["state"] == "open" and one["code"] == BUDGET for one in known):
                escalate(work, agent, f"the budget is used up: {used}", None, BUDGET)

    def record(
        self,
        work: Workspace,
        agent: AgentId,
        task: TaskId,
        token: Token,
        told: Told,
        assistant: Assistant,
    ) -> None:
        """Write down what a session used; where the ledger cannot be had, it is tried again.

        If that fails too the run goes on: no work is lost for want of a number.
        """
        price = price_of(self._prices, told.model, assistant.model_name, assistant.name)
        with self._lock:
            usage = usage_of(told, assistant.name, self._read(work), price)
        if usage is None:
            return
        command = {"op": "usage", "agent": agent, "task": task, "token": token, "usage": usage}
        for _ in range(TRIES):
            try:
                work.ledger.execute(command, agent=agent)
            except UnavailableError:
                continue
            except GitcoordError:
                return
            return

    def _read(self, work: Workspace) -> list[Usage]:
        """Read the entries that were not read yet, those too that a rollback abandoned."""
        waiting = [work.ledger.snapshot().oid]
        while waiting:
            oid = waiting.pop()
            if oid in self._seen:
                continue
            self._seen.add(oid)
            entry = work.store.read_entry(oid)
            waiting += entry.parents
            # Of most entries the message need not be read as JSON.
            if not any(mark in entry.message for mark in _MARKS):
                continue
            event = parse(entry.message, oid)
            self._usages += usages_in(event)
            if event["op"] == "rollback":
                waiting.append(event["abandoned"])
        return self._usages


def _unknown_before(work: Workspace, oid: Oid) -> RefusedError:
    return RefusedError(
        f"the history in this clone begins with entry {oid[:12]}, and a budget counts what was "
        "used before it, too",
        reason="budget",
        hint=f"`{whole_by(work)}` brings it",
    )


def _uncountable(assistant: Assistant, what: str, hint: str) -> RefusedError:
    return RefusedError(
        f"{assistant.name} does not say {what}, and the budget bounds it",
        reason="budget",
        hint=hint,
    )
