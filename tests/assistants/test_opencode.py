"""The real OpenCode works under gitcoord by its plugin; its model is scripted."""

from __future__ import annotations

from pathlib import Path

from gitcoord.features.workspace import Workspace
from tests.assistants.conftest import gitcoord
from tests.assistants.loops import tools_over_mcp, whole_task
from tests.assistants.programs import opencode


def test_a_whole_task_from_brief_to_done(site: Path, work: Workspace, home: Path) -> None:
    gitcoord(site, "agent", "add", "one", "--assistant", "opencode")
    whole_task(opencode, site, work, home)


def test_tools_of_the_server_that_setup_entered(site: Path, work: Workspace, home: Path) -> None:
    tools_over_mcp(opencode, "opencode", site, work, home)
