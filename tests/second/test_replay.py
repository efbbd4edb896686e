from __future__ import annotations

import ast
from pathlib import Path

from gitcoord.core.machine import operations
from gitcoord.features.maintain import verify
from tests.second import replay
from tests.support.every_operation import every_operation


def test_every_operation_replays_with_plain_git_to_the_same_tree(repo: Path) -> None:
    work = every_operation(repo)
    verify.verify(work)
    work.close()
    found = list(replay.replay(repo))
    for one in found:
        assert one.computed == one.tree, one
    assert {one.event["op"] for one in found} == set(operations()) == set(replay.APPLY)


def test_the_second_implementation_knows_every_default() -> None:
    defaults = {op: dict(row.optional) for op, row in operations().items() if row.optional}
    assert defaults == replay.DEFAULTS


def test_the_second_implementation_shares_no_code() -> None:
    source = Path(replay.__file__).read_text("utf-8")
    assert len(source.splitlines()) < 1000
    imported = [
        name
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in [getattr(node, "module", None), *(alias.name for alias in node.names)]
    ]
    assert not [name for name in imported if str(name).startswith(("gitcoord", "tests"))]
