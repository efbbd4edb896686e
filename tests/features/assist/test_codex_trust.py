"""Codex is asked which hooks it trusts, and need not answer."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from gitcoord.core.errors import UnavailableError
from gitcoord.features.assist import codex_trust
from gitcoord.features.assist.codex_trust import HookTrust, ask_codex

ANSWER = (
    '{"id": 2, "result": {"data": [{"cwd": "x", "hooks": '
    '[{"eventName": "stop", "command": "c", "sourcePath": "p", '
    '"trustStatus": "modified"}]}]}}'
)


def server(folder: Path, body: str) -> str:
    program = folder / "codex"
    program.write_text(f"#!{sys.executable}\nimport sys, time\n{body}\n")
    program.chmod(0o755)
    return str(program)


def test_the_answer_is_found_among_other_messages(tmp_path: Path) -> None:
    lines = ["{'id': 1}", "not json", '{"method": "note"}', "[]", "3", ANSWER]
    body = "\n".join(f"print({line!r}, flush=True)" for line in lines) + "\nsys.stdin.read()"
    assert ask_codex(server(tmp_path, body), tmp_path) == [HookTrust("p", "stop", "c", "modified")]


@pytest.mark.parametrize(
    "body",
    [
        "sys.exit(1)",
        "print('x' * 3_000_000)",
        "print('{\"id\": 2}', flush=True)",
        'print(\'{"id": 2, "result": 3}\', flush=True)',
        'print(\'{"id": 2, "error": {}}\', flush=True)',
        "[print('{}', flush=True) for _ in range(5000)]",
    ],
    ids=["dies", "floods", "empty", "shape", "error", "chatters"],
)
def test_another_answer_is_an_error_with_a_next_step(tmp_path: Path, body: str) -> None:
    with pytest.raises(UnavailableError, match="could not be asked") as told:
        ask_codex(server(tmp_path, body), tmp_path)
    assert told.value.hint


def test_a_server_that_says_nothing_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(codex_trust, "PATIENCE_S", 0.5)
    with pytest.raises(UnavailableError):
        ask_codex(server(tmp_path, "time.sleep(600)"), tmp_path)


def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError):
        ask_codex(str(tmp_path / "codex"), tmp_path)
