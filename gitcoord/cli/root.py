"""Let click read the command line: the root of its commands."""

from __future__ import annotations

import os
import sys

import click

from gitcoord.cli.app import App
from gitcoord.cli.declared import Declared
from gitcoord.cli.groups import NearGroup
from gitcoord.cli.main import COMMANDS, COMPLETE, GROUPS, declared_command
from gitcoord.core.errors import UsageError

__all__ = ["cli", "run_by_click"]


class _LazyGroup(NearGroup):
    """Import a command's module when the command is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command | Declared = declared_command(cmd_name)
        if isinstance(command, Declared):
            return command.made()
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        for title, rows in GROUPS.items():
            with formatter.section(title):
                formatter.write_dl([(name, text) for name, (_, text) in rows.items()])


@click.group(
    cls=_LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="gitcoord", prog_name="gitcoord")
def cli() -> None:
    """Coordinate many agents on one git repository, with git alone.

    These options may stand before or after any command:

    \b
      -C DIR             work in DIR
      --ledger NAME      use this ledger (GITCOORD_LEDGER)
      --agent ID         act as this agent (GITCOORD_AGENT)
      --json             answer in JSON
      --as-orchestrator  run an orchestrator's command from an agent's worktree
      --offline          ask no server: show what was fetched last

    The id of a task, phase, pool, agent, escalation, note, entry or checkpoint
    may be cut to a unique prefix; the agent that acts is named in full.

    Example: gitcoord claim --agent builder-1 --json
    """  # noqa: D301 - click takes the backspace character as its mark


def run_by_click(app: App, words: list[str]) -> object:
    """Run one command; return what its function returns, or its exit status.

    Raises:
        UsageError: Click cannot read the words.

    """
    try:
        if COMPLETE in os.environ:
            return cli.main(args=words, prog_name="gitcoord", standalone_mode=False, obj=app)
        # Not by cli.main, which would end the process where a reader went away.
        with cli.make_context("gitcoord", words, obj=app) as context:
            return cli.invoke(context)
    except click.exceptions.NoArgsIsHelpError as error:
        sys.stderr.write(error.format_message() + "\n")
        return UsageError.exit_status
    except click.ClickException as error:
        where = "gitcoord"
        if isinstance(error, click.UsageError) and error.ctx:
            where = error.ctx.command_path
        hint = f"`{where} --help` shows how it is used"
        raise UsageError(error.format_message(), hint=hint) from error
    except click.exceptions.Exit as done:
        return done.exit_code
    except click.Abort:
        return 130
