"""Each row of the table of edge cases names a test that there is."""

from __future__ import annotations

import ast
import re

import pytest

from tests.support.pages import ROOT

PAGE = ROOT / "docs" / "explanation" / "edge-cases.md"
ROWS = [
    line
    for line in PAGE.read_text("utf-8").splitlines()
    if line.startswith("| ") and not line.startswith(("| case |", "| **"))
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.split("|")[1].strip()[:60])
def test_an_edge_case_has_an_answer_and_a_test(row: str) -> None:
    _, case, answer, test, _ = row.split("|")
    assert case.strip()
    assert answer.strip()
    found = re.fullmatch(r" `(tests/\S+\.py)::(\w+)` ", test)
    assert found is not None
    tree = ast.parse((ROOT / found[1]).read_text("utf-8"))
    names = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert found[2] in names


def test_the_table_has_widening_first_edits_and_streams() -> None:
    assert len(ROWS) > 40
