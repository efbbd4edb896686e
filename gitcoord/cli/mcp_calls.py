"""Run the command that a call over MCP stands for, in this process.

It enters by the command line's own door, so that every rule, notice and
refusal is the command's. Nothing here knows the protocol.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from gitcoord.cli.main import run
from gitcoord.cli.mcp_tools import resource_words, tool_words
from gitcoord.cli.output import Recorded
from gitcoord.core.errors import GitcoordError
from gitcoord.core.sessions import session_in_metadata, with_own

__all__ = ["answer_resource", "answer_tool"]


def answer_tool(name: str, given: Mapping[str, Any], metadata: Mapping[str, Any]) -> Recorded:
    """Run the command that a call stands for; return what it answered."""
    recorded = Recorded()
    try:
        words = tool_words(name, given)
    except GitcoordError as error:
        recorded.error(error)
        return recorded
    with _session_of(metadata):
        run(words, recorded)
    return recorded


@contextmanager
def _session_of(metadata: Mapping[str, Any]) -> Iterator[None]:
    """Let the host's session count for one call, as it does for its shell commands."""
    before = dict(os.environ)
    assistant, session = session_in_metadata(metadata)
    os.environ.update(with_own({}, assistant, session))
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def answer_resource(address: str) -> Recorded:
    """Run the command that a resource's address stands for; return what it answered."""
    recorded = Recorded()
    try:
        run(resource_words(address), recorded)
    except GitcoordError as error:
        recorded.error(error)
    return recorded
