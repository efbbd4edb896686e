"""Carry what every command needs: the options, the workspace, who asks."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from functools import update_wrapper
from pathlib import Path
from typing import Any

from gitcoord.cli.output import Output
from gitcoord.core import ids
from gitcoord.core.errors import RefusedError, UsageError
from gitcoord.core.ids import AgentId, Oid, show_duration
from gitcoord.features.doors import Notice, begin_as_agent, begin_as_orchestrator
from gitcoord.features.workspace import Workspace, agent_at, ledger_at, open_workspace

__all__ = ["App", "pass_app"]


class App:
    """One run of the command line."""

    def __init__(
        self,
        *,
        start: str,
        ledger: str | None,
        agent: AgentId | None,
        as_json: bool,
        as_orchestrator: bool,
        is_offline: bool = False,
        is_one_shot: bool = False,
        out: Output | None = None,
    ) -> None:
        self.start = Path(start)
        self.ledger = ledger or os.environ.get("GITCOORD_LEDGER") or ledger_at(self.start)
        self.named_agent = agent
        self.as_orchestrator = as_orchestrator
        self.out = out or Output(as_json=as_json)
        self.timeout_s = 30.0
        self.is_offline = is_offline
        self._is_one_shot = is_one_shot
        self._work: Workspace | None = None

    @property
    def work(self) -> Workspace:
        """The workspace, opened when first used."""
        if self._work is None:
            self._work = open_workspace(
                self.start,
                self.ledger,
                timeout_s=self.timeout_s,
                is_one_shot=self._is_one_shot,
                is_offline=self.is_offline,
            )
            self._tell_age(self._work)
        return self._work

    def _tell_age(self, work: Workspace) -> None:
        """Tell how old what is shown is, where a server was not to be asked."""
        if work.remote is None or not self.is_offline:
            return
        age_s = work.remote.contacts.age_s()
        known = "before anything was fetched"
        if age_s is not None:
            known = f"as of {show_duration(age_s * 1000)} ago"
        self.out.notice(f"{work.remote.remote.name} was not asked: this is {known}")

    def private_folder(self) -> Path | None:
        """Return where this ledger's private files lie; None before it was opened."""
        if self._work is None:
            return None
        return self._work.ledger.files.root

    def close(self) -> None:
        """Give back file handles; a command that wrote may start the upkeep."""
        if self._work is not None:
            if self._work.ledger.writes:
                from gitcoord.features.maintain.upkeep import maybe

                maybe(self._work)
            self._work.close()

    def agent(self) -> AgentId:
        """Return which agent asks, and settle what its dead processes left.

        Raises:
            UsageError: Nobody said, and this is not an agent's worktree.

        """
        name = self._asking()
        if not name:
            raise _unnamed()
        agent = ids.parse_agent(name)
        self.tell(begin_as_agent(self.work, agent))
        return agent

    def reading_agent(self) -> AgentId:
        """Return which agent asks, for a command that reads alone.

        Raises:
            UsageError: Nobody said, and this is not an agent's worktree.

        """
        name = self._asking()
        if not name:
            raise _unnamed()
        return ids.parse_agent(name)

    def is_agent_known(self) -> bool:
        """Return whether some agent asks, rather than the orchestrator."""
        return bool(self._asking())

    def _asking(self) -> str | None:
        named = self.named_agent or os.environ.get("GITCOORD_AGENT")
        return named or self.work.standing_agent() or self.work.holder_here()

    def tell(self, notices: Iterable[Notice]) -> None:
        """Show what is to be told beside the answer."""
        for notice in notices:
            self.out.notice(notice.text)

    def orchestrate(self) -> Workspace:
        """Open the workspace for an orchestrator's command.

        Raises:
            RefusedError: An agent asks from its worktree (reason ``role``).

        """
        self.refuse_agents()
        self.tell(begin_as_orchestrator(self.work))
        return self.work

    def tell_of_cut(self) -> Oid | None:
        """Tell where the history in this clone begins, if it was made without the older entries."""
        if not self.work.store.cut_entries():
            return None
        from gitcoord.features.inspect.chain import begins_with, whole_by

        begins = None
        if self.work.ledger.tip() is not None:
            begins = begins_with(self.work, self.work.ledger.snapshot().oid)
        if begins is not None:
            self.out.notice(
                f"the history in this clone begins with entry {begins[:12]}: "
                f"`{whole_by(self.work)}` brings what was before it"
            )
        return begins

    def refuse_agents(self, *, never: bool = False) -> None:
        """Refuse an agent: where the process stands counts, whatever ``-C`` says."""
        standing = agent_at(Path.cwd()) or self.work.standing_agent()
        if standing is not None and (never or not self.as_orchestrator):
            hint = "run it in the main worktree"
            if not never:
                hint += ", or add --as-orchestrator"
            raise RefusedError(
                f"this is the worktree of {standing}, and the command is the orchestrator's",
                reason="role",
                hint=hint,
            )


def _unnamed() -> UsageError:
    return UsageError(
        "which agent is asking?",
        hint="give --agent ID, set GITCOORD_AGENT, or stand in the agent's worktree",
    )


def pass_app(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command that click runs its ``App``, before what click read."""

    def with_app(*values: Any, **named: Any) -> Any:
        import click

        return function(click.get_current_context().find_object(App), *values, **named)

    return update_wrapper(with_app, function)
