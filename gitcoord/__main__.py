"""Start the command line: ``gitcoord``, and ``python -m gitcoord``.

Hooks take a short cut: git waits for them, and what reads the other
commands' options costs as much as their whole answer.
"""

from __future__ import annotations

import sys
from typing import NoReturn

__all__ = ["main"]


def main() -> NoReturn:
    """Answer a hook, or run a command."""
    if None in {sys.stdin, sys.stdout, sys.stderr}:
        from gitcoord.host.standard_streams import open_missing

        open_missing()
    if sys.argv[1:2] == ["hook"] and "--help" not in sys.argv[2:3]:
        from gitcoord.cli.hook import main as answer_hook

        answer_hook(sys.argv[2:])
    from gitcoord.cli.main import main as run_command

    run_command()


if __name__ == "__main__":
    main()
