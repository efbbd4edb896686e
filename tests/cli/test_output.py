"""Values as text or JSON: aligned, harmless, one object."""

from __future__ import annotations

import io
import json
import sys

import pytest

from gitcoord.cli.output import Output, is_coloured, table
from gitcoord.core.errors import InvalidPlanError, RefusedError


def test_columns_are_aligned_and_the_last_is_left_as_it_is() -> None:
    assert table([("a", 1, "x"), ("longer", 22, "")], ("NAME", "N", "")) == (
        "NAME    N\na       1   x\nlonger  22"
    )
    assert table([]) == ""
    assert table([], ("NAME",)) == ""
    assert "\x1b" not in table([("\x1b[31mred", "x")])


def test_an_answer_is_one_object_or_a_text(capsys: pytest.CaptureFixture[str]) -> None:
    asked = Output(as_json=True)
    asked.notice("beside it")
    asked.answer("claim", {"task": "é"}, "for people")
    out, err = capsys.readouterr()
    answer = json.loads(out)
    assert (answer["schema"], answer["ok"], answer["op"], answer["task"]) == (1, True, "claim", "é")
    assert answer["notices"] == ["beside it"]
    assert (out.isascii(), out.count("\n"), err) == (True, 1, "")
    plain = Output()
    plain.notice("beside \x1b[2Jit")
    plain.answer("claim", {"task": "a"}, "for people")
    out, err = capsys.readouterr()
    assert out == "for people\n"
    assert err.startswith("gitcoord: ")
    assert "\x1b" not in err


def test_an_error_has_its_next_step_and_each_problem(capsys: pytest.CaptureFixture[str]) -> None:
    Output().error(
        InvalidPlanError("p has 2 problems", ["p:1: \x1b[1mone", "p:2: two"], hint="mend")
    )
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[0] == "gitcoord: p has 2 problems"
    assert err.splitlines()[-1] == "  next: mend"
    assert "  p:2: two" in err
    assert "\x1b" not in err
    Output(as_json=True).error(RefusedError("no", reason="state", hint="look", task="a"))
    out, err = capsys.readouterr()
    answer = json.loads(out)
    assert (answer["ok"], err) == (False, "")
    error = answer["error"]
    assert {key: error[key] for key in ("code", "message", "hint", "reason", "task")} == {
        "code": "refused",
        "message": "no",
        "hint": "look",
        "reason": "state",
        "task": "a",
    }


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("variables", "on_terminal", "elsewhere"),
    [
        ({}, True, False),
        ({"NO_COLOR": "1"}, False, False),
        ({"TERM": "dumb"}, False, False),
        ({"FORCE_COLOR": "1"}, True, True),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, False, False),
        ({"NO_COLOR": ""}, True, False),
    ],
)
def test_colours_are_for_terminals_whose_owner_wants_them(
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str],
    on_terminal: bool,
    elsewhere: bool,
) -> None:
    monkeypatch.delenv("TERM", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert is_coloured(Terminal()) is on_terminal
    assert is_coloured(io.StringIO()) is elsewhere


def test_a_stream_that_cannot_write_a_character_escapes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii", write_through=True))
    Output().answer("x", {}, "na\u00efve")
    assert raw.getvalue() == b"na\\xefve\n"
