from __future__ import annotations

import hashlib

import pytest

from gitcoord.core import layout


def test_a_task_lies_below_two_folders_that_case_does_not_change() -> None:
    digest = hashlib.sha256(b"lexer").hexdigest()
    folders = f"{digest[:2]}/{digest[2:4]}"
    assert layout.task_path("Lexer") == f"tasks/{folders}/Lexer.json"
    assert layout.check_path("lexer") == f"checks/{folders}/lexer.json"
    assert layout.check_log_path("lexer") == f"checks/{folders}/lexer.txt"


@pytest.mark.parametrize(
    ("path", "written"),
    [
        (layout.live_path("a"), "live/a.json"),
        (layout.agent_path("x"), "agents/x.json"),
        (layout.phase_path("p"), "phases/p.json"),
        (layout.landing_path("p"), "landings/p.json"),
        (layout.lock_path("l"), "locks/l.json"),
        (layout.escalation_path("e"), "escalations/e.json"),
        (layout.note_path("n"), "notes/n.json"),
        (layout.checkpoint_path("c"), "checkpoints/c.json"),
        (layout.gate_path("p", "g"), "gates/p/g.json"),
        (layout.gate_log_path("p", "g"), "logs/gates/p/g.txt"),
        (layout.attempt_log_path("a", 2), "logs/a-2.txt"),
    ],
)
def test_every_path_is_the_one_of_the_format_page(path: str, written: str) -> None:
    assert path == written
