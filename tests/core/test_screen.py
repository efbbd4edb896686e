"""The watcher's screen without a terminal: any size, any number of items, every key."""

from __future__ import annotations

from typing import Any

import pytest

from gitcoord.core.screen import KEYS, Act, Page, Shown, draw, lines_of, press


def item(kind: str, task: str | None, **more: Any) -> dict[str, Any]:
    keys = {"kind": kind, "task": task, "phase": "build", "agent": None, "since": None}
    return {**keys, "text": f"about {task}", "command": f"gitcoord show {task}", **more}


def shown(count: int = 3, **more: list[dict[str, Any]]) -> Shown:
    found = Shown()
    told: dict[str, Any] = {name: [] for name in ("needs_you", "stuck", "running", "next")}
    told["next"] = [item("ready", f"t{number}") for number in range(count)]
    eta = {"from": None, "to": None, "basis": "unknown"}
    found.take(
        {**told, **more, "counts": {"ready": count}, "eta": eta, "events": [], "git": "git grep"}
    )
    return found


@pytest.mark.parametrize("count", [0, 1, 50, 2000])
@pytest.mark.parametrize(("width", "height"), [(80, 24), (200, 60), (20, 5)])
def test_the_screen_is_full_and_never_too_large(count: int, width: int, height: int) -> None:
    one = shown(count)
    for key in ("", "G", "page-up", "k", "g"):
        press(one, key, height)
        lines = draw(one, width, height)
        assert len(lines) == height
        assert max(len(line.text) for line in lines) <= width
        assert sum("chosen" in line.style for line in lines) == min(count, 1)


def test_the_choice_stays_on_what_it_was_about() -> None:
    one = shown()
    press(one, "j", 24)
    assert one.item == item("ready", "t1")
    told = {**one.told, "needs_you": [item("failed", "t9")]}
    one.take(told)
    assert one.item == item("ready", "t1")
    one.take({**told, "next": []})
    assert one.item == item("failed", "t9")


@pytest.mark.parametrize(
    ("key", "act"),
    [
        ("enter", Act("show", ("t0",))),
        ("l", Act("log", ("t0",))),
        ("d", Act("diff", ("t0",))),
        ("r", Act("command", ("retry", "t0"))),
        ("L", Act("command", ("phase", "land", "build"))),
        ("q", Act("quit")),
        ("?", None),
    ],
)
def test_a_key_asks_for_an_act_about_what_is_chosen(key: str, act: Act | None) -> None:
    assert press(shown(), key, 24) == act


def test_what_a_key_cannot_do_is_said() -> None:
    one = shown()
    for key, said in (("x", "nobody holds that"), ("a", "only an escalation can be answered")):
        assert press(one, key, 24) is None
        assert said in [line.text for line in draw(one, 80, 24)]
    one = shown(needs_you=[item("trust", None, phase=None)])
    for key, said in (("r", "that is about no task"), ("L", "that is about no phase")):
        assert press(one, key, 24) is None
        assert said in [line.text for line in draw(one, 80, 24)]


def test_a_claim_is_released_for_its_holder() -> None:
    one = shown(running=[item("claim", "t5", agent="x", since="2026-11-24T10:00:00Z")])
    act = press(one, "x", 24)
    assert act is not None
    assert act.words[:4] == ("release", "t5", "--agent", "x")
    assert "> t5 by x since 10:00:00: about t5" in [line.text for line in draw(one, 80, 24)]


@pytest.mark.parametrize(
    ("begin", "end", "told"),
    [
        ("2026-11-24T10:00:59Z", "2026-11-24T12:10:00Z", "2026-11-24 10:00 to 12:10 UTC"),
        (
            "2026-11-24T10:00:59Z",
            "2026-11-25T02:10:00Z",
            "2026-11-24 10:00 to 2026-11-25 02:10 UTC",
        ),
        ("2026-11-24T17:33:02Z", "2026-11-24T17:33:40Z", "2026-11-24 17:33 UTC"),
    ],
)
def test_the_end_is_told_with_its_day(begin: str, end: str, told: str) -> None:
    one = shown()
    one.told["eta"] = {"from": begin, "to": end, "basis": "3 finished tasks"}
    assert draw(one, 80, 24)[0].text == f"0 of 3 over; end {told}; 3 ready"


def test_an_answer_is_written_mended_sent_or_left() -> None:
    asked = item("escalation", "t1", command="gitcoord resolve 3fa9c1d2 ANSWER")
    one = shown(needs_you=[asked])
    for key in ("a", "n", "q", "backspace", "o"):
        assert press(one, key, 24) is None
    assert draw(one, 80, 24)[-2].text == "answer: no_"
    assert press(one, "enter", 24) == Act("command", ("resolve", "3fa9c1d2", "--", "no"))
    for keys in (["a", "enter"], ["a", "x", "escape", "up"]):
        assert [press(one, key, 24) for key in keys] == [None] * len(keys)
        assert one.prompt is None


def test_a_page_is_scrolled_left_and_followed_to_its_end() -> None:
    one = shown()
    one.page = Page("log of t0", [f"line {number}" for number in range(100)], is_followed=True)
    assert draw(one, 80, 24)[-2].text == "line 99"
    press(one, "k", 24)
    one.page.lines.append("line 100")
    assert draw(one, 80, 24)[-2].text == "line 98"
    press(one, "G", 24)
    assert draw(one, 80, 24)[-2].text == "line 100"
    press(one, "g", 24)
    assert draw(one, 80, 24)[1].text == "line 0"
    press(one, "q", 24)
    assert draw(one, 200, 24)[-1].text == KEYS


def test_what_steers_a_terminal_is_not_drawn() -> None:
    assert lines_of("a\x1b[31mb\r\n\tc\u202e") == ["a\ufffd[31mb", "    c\ufffd"]
    one = shown(needs_you=[item("failed", "t1", text="\x1b]0;title\x07")])
    assert not any("\x1b" in line.text for line in draw(one, 80, 24))


def test_what_a_diff_adds_and_takes_away_stands_out() -> None:
    one = shown()
    one.page = Page("diff of t0", ["+new", "-old", " same"])
    assert [line.style for line in draw(one, 80, 24)][1:4] == ["next", "needs", ""]
