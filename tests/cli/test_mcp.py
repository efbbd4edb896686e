"""The command mcp, where the SDK is not installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.support.world import environment


def test_without_the_extra_it_says_what_to_install(repo: Path) -> None:
    program = (
        "import sys; sys.modules['mcp'] = None; sys.argv[1:] = ['mcp'];"
        "from gitcoord.__main__ import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=repo,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "pip install 'gitcoord[mcp]'" in done.stderr
    assert "Traceback" not in done.stderr
