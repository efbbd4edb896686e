"""What doctor finds that is not as it should be."""

from __future__ import annotations

from gitcoord.features.maintain import doctor
from gitcoord.features.workspace import Workspace


def states(work: Workspace, *, fix: bool = False) -> dict[str, str]:
    return {
        one.check: one.state for one in doctor.examine(work, fix=fix).findings if one.state != "ok"
    }
