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
    named = set()
    for row in operations().values():
        for key, default in row.optional.items():
            known = replay.DEFAULTS[key]
            is_nothing = key in {"task", "token"} and default == ""
            assert known == default or (known is None and is_nothing), (row, key)
            named.add(key)
    assert named == set(replay.DEFAULTS)


def test_the_second_implementation_shares_no_code() -> None:
    source = Path(replay.__file__).read_text("utf-8")
    assert len(source.splitlines()) < 900
    imported = [
        name
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in [getattr(node, "module", None), *(alias.name for alias in node.names)]
    ]
    assert not [name for name in imported if str(name).startswith(("gitcoord", "tests"))]
