"""Find the folder of what only this machine's user may say, outside of any repository."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["user_folder"]


def user_folder() -> Path:
    """Return that folder; it need not be there."""
    base = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(base) / "gitcoord"
