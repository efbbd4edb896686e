"""Find the command that a word was meant for."""

from __future__ import annotations

from typing import Any

import click

__all__ = ["NearGroup"]

_OTHER_WORDS = {
    "add": "gitcoord agent add",
    "abort": "gitcoord release",
    "apply": "gitcoord plan apply",
    "approve": "gitcoord review approve",
    "check": "gitcoord phase check",
    "done": "gitcoord complete",
    "finish": "gitcoord complete",
    "help": "gitcoord --help",
    "history": "gitcoord log",
    "info": "gitcoord status",
    "land": "gitcoord phase land",
    "list": "gitcoord tasks",
    "ls": "gitcoord tasks",
    "merge": "gitcoord phase land",
    "next": "gitcoord claim",
    "reject": "gitcoord review reject",
    "start": "gitcoord claim",
    "submit": "gitcoord complete",
    "take": "gitcoord claim",
    "undo": "gitcoord rollback undo",
    "update": "gitcoord progress",
    "version": "gitcoord --version",
}
"""What other tools call our commands."""
_OTHER_INNER = {
    "create": ("add",),
    "delete": ("remove", "uninstall"),
    "get": ("show",),
    "list": ("show", "status"),
    "ls": ("list", "show", "status"),
    "merge": ("land",),
    "new": ("add",),
    "rm": ("remove", "uninstall"),
    "validate": ("check",),
}


class NearGroup(click.Group):
    """Suggest the nearest command where a word is not one."""

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        """Return the command, or refuse with the nearest one."""
        known = self.list_commands(ctx)
        if args and args[0] not in known and not args[0].startswith("-"):
            meant = self._meant(ctx, args[0], known)
            text = f"No such command {args[0][:80]!r}."
            if meant:
                text += f" Did you mean `{meant}`?"
            raise click.UsageError(text, ctx)
        return super().resolve_command(ctx, args)

    def _meant(self, ctx: click.Context, word: str, known: list[str]) -> str:
        from gitcoord.core.ids import nearest

        if ctx.parent is None and word in _OTHER_WORDS:
            return _OTHER_WORDS[word]
        if word == "help":
            return f"{ctx.command_path} --help"
        near: list[str] = []
        if ctx.parent is not None:
            near = [name for name in _OTHER_INNER.get(word, ()) if name in known]
        near = near or nearest(word, known)
        if not near:
            return ""
        return f"{ctx.command_path} {near[0]}"
