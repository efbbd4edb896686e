"""Hold the instruction block that is put into files which assistants read.

The block stands between two marks, so that it can be brought up to date and
taken away without touching a byte of the rest. Pure.
"""

from __future__ import annotations

import re

__all__ = ["BLOCK", "is_current", "with_block", "without_block"]

BEGIN = "<!-- gitcoord: begin (`gitcoord setup` writes this block, `--remove` takes it away) -->"
END = "<!-- gitcoord: end -->"
_BLOCK = re.compile(
    r"<!-- gitcoord: begin\b[^\n]*-->\r?\n.*?<!-- gitcoord: end -->\r?\n?", re.DOTALL
)
NEWLINE = "\n"

TEXT = """\
## Work that is shared through gitcoord

Several agents work on this repository at the same time; gitcoord tells who does what.

- In an agent's worktree `gitcoord brief` shows the task that is held there: what it is, the paths
  it may write, what it builds on. `gitcoord claim` takes the next task.
- A task may write the paths of its boundary alone; `gitcoord complete` refuses the rest.
- `gitcoord progress "TEXT"` reports. `gitcoord complete --commit "MESSAGE"` commits and hands in;
  `gitcoord hand-in` is the same command, for where a guard refuses the word complete.
  `gitcoord fail --reason "TEXT"` and `gitcoord release --reason "TEXT"` give the task back.
- `gitcoord escalate "TEXT"` asks the orchestrator.
- `git stash` is shared by all worktrees; commits on the claim's branch are not.
- A lead that starts subagents gives each a task by naming `gitcoord:TASK` in its prompt, with
  isolation "worktree"; `gitcoord status` shows how far they are.
"""
BLOCK = f"{BEGIN}\n{TEXT}{END}\n"


def with_block(content: str) -> str:
    """Return a file's text with the current block; the rest stays as it is.

    A text that ended without a line feed still does, so that taking the
    block away again can tell.
    """
    if _BLOCK.search(content):
        return _BLOCK.sub(lambda found: _ended_like(found[0]), content, count=1)
    if not content:
        return BLOCK
    if content.endswith("\n"):
        return f"{content}\n{BLOCK}"
    return f"{content}\n\n{BLOCK.removesuffix(NEWLINE)}"


def _ended_like(block: str) -> str:
    if block.endswith(NEWLINE):
        return BLOCK
    return BLOCK.removesuffix(NEWLINE)


def without_block(content: str) -> str:
    """Return a file's text without the block, and without what was put before it."""
    found = _BLOCK.search(content)
    if found is None:
        return content
    before, after = content[: found.start()], content[found.end() :]
    if found[0].endswith(NEWLINE):
        return before.removesuffix(NEWLINE) + after
    return before.removesuffix("\n\n") + after


def is_current(content: str) -> bool:
    """Return whether a file holds the block as this release writes it."""
    found = _BLOCK.search(content)
    return found is not None and found[0].removesuffix(NEWLINE) == BLOCK.removesuffix(NEWLINE)
