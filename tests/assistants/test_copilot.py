"""The real Copilot CLI is answered in its own dialect; its model is scripted."""

from __future__ import annotations

from pathlib import Path

from gitcoord.features.workspace import Workspace
from tests.assistants.loops import tools_over_mcp, whole_task
from tests.assistants.programs import copilot


def test_a_whole_task_from_brief_to_done(site: Path, work: Workspace, home: Path) -> None:
    whole_task(copilot, site, work, home)


def test_tools_of_the_server_that_setup_entered(site: Path, work: Workspace, home: Path) -> None:
    tools_over_mcp(copilot, "copilot", site, work, home)
