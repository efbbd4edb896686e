"""Write large plans."""

from __future__ import annotations

__all__ = ["many_tasks"]


def many_tasks(count: int) -> str:
    """Write a plan of tasks with disjoint paths."""
    return f'[[tasks]]\nids = "1-{count}"\ntitle = "Task {{id}}"\npaths = ["out/{{id}}/"]\n'
