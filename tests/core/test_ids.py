from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import gitcoord
from gitcoord.core import ids
from gitcoord.core.errors import UsageError


@pytest.mark.parametrize("name", ["a", "25", "A.b_c-d", "x" * 64])
def test_an_id_is_what_every_disk_and_every_git_accepts(name: str) -> None:
    assert ids.parse_id(name) == name


@pytest.mark.parametrize(
    "name", ["", "-a", ".a", "a.", "a..b", "a.lock", "A.LOCK", "a/b", "a b", "é", "x" * 65]
)
def test_what_is_not_an_id_is_told_the_rule(name: str) -> None:
    with pytest.raises(UsageError, match="an id is 1 to 64 of"):
        ids.parse_id(name)


@pytest.mark.parametrize("oid", ["a" * 40, "0" * 64])
def test_an_oid_is_of_either_length(oid: str) -> None:
    assert ids.is_oid(oid)
    assert not ids.is_oid(oid[1:])
    assert not ids.is_oid(oid.upper().replace("0", "A"))


@pytest.mark.parametrize(
    ("text", "ms"), [("1ms", 1), ("90s", 90_000), ("2h", 7_200_000), ("90", None), ("-1s", None)]
)
def test_a_duration_has_a_unit(text: str, ms: int | None) -> None:
    assert ids.duration_ms(text) == ms


@pytest.mark.parametrize(
    ("ms", "shown"),
    [(0, "0s"), (200_000, "3m 20s"), (7_500_000, "2h 5m"), (49 * 3_600_000, "2d 1h")],
)
def test_a_duration_is_shown_with_its_two_largest_units(ms: int, shown: str) -> None:
    assert ids.show_duration(ms) == shown


def test_the_nearest_names_come_first() -> None:
    assert ids.nearest("lexr", ["parser", "lexer", "Lexers"]) == ["lexer", "Lexers"]
    assert ids.nearest("x" * 200, ["x"]) == []


NAMED = {
    "task": "TaskId",
    "agent": "AgentId",
    "phase": "PhaseId",
    "token": "Token",
    **dict.fromkeys(("oid", "tip", "tree", "commit", "entry"), "Oid"),
}


def _texts(path: Path) -> Iterator[str]:
    """Find what is named after an id and typed as any text."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.arg) and node.annotation is not None:
            name, kind = node.arg, ast.unparse(node.annotation)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            name, kind = node.target.id, ast.unparse(node.annotation)
        else:
            continue
        if name in NAMED and re.fullmatch(r"(NotRequired\[)?str( \| None)?\]?", kind):
            yield f"{path.name}:{node.lineno}: {name} is {kind}, not {NAMED[name]}"


def test_ids_have_their_own_types_everywhere_but_in_the_interface_for_users() -> None:
    package = Path(str(gitcoord.__file__)).parent
    files = [path for path in package.rglob("*.py") if path != package / "api.py"]
    assert [text for path in files for text in _texts(path)] == []
    assert list(_texts(package / "api.py")), "users write literals"
