"""Let something happen between two steps of a writer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gitcoord.features.workspace import Workspace


def before_swap(work: Workspace, ref: str, act: Callable[[], object]) -> None:
    """Let something happen once, just before a ref is swapped."""
    swap = work.store.swap
    acts = [act]

    def interrupted(name: str, *args: Any, **more: Any) -> None:
        if name == ref and acts:
            acts.pop()()
        swap(name, *args, **more)

    work.store.swap = interrupted  # type: ignore[method-assign, assignment]
