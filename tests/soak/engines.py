"""The engines that a soak draws from: those that can open its repository."""

from __future__ import annotations

import os

from gitcoord.store import open as opening

__all__ = ["ENGINES"]

OTHER_FORMATS = ("GITCOORD_TEST_REFS", "GITCOORD_TEST_OBJECTS")
ENGINES = opening.ENGINES
if any(os.environ.get(name) for name in OTHER_FORMATS):
    ENGINES = ("plumbing",)
