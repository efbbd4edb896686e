"""Run the command line: ``python -m gitcoord``."""

from __future__ import annotations

from gitcoord.cli.main import main

if __name__ == "__main__":
    main()
