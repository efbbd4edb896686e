"""Plans as editors, shells and assistants write them."""

from __future__ import annotations

import pytest

from gitcoord.core.errors import UsageError
from gitcoord.core.plan_text import decode, read_tables

TASK = '[[task]]\nid = "a"\ntitle = "A"\npaths = ["a/"]\n'


@pytest.mark.parametrize(
    "raw",
    [
        TASK.encode(),
        b"\xef\xbb\xbf" + TASK.encode(),
        b"\xff\xfe" + TASK.encode("utf-16-le"),
        b"\xfe\xff" + TASK.encode("utf-16-be"),
    ],
    ids=["plain", "utf-8 with a mark", "utf-16 little", "utf-16 big"],
)
def test_a_byte_order_mark_is_not_part_of_the_plan(raw: bytes) -> None:
    assert decode(raw, "p.toml") == TASK


def test_bytes_that_are_not_text_are_named_with_their_line() -> None:
    with pytest.raises(UsageError, match=r"^p\.toml:2: not valid UTF-8"):
        decode(b'id = "a"\ntitle = "\xe9t\xe9"\n', "p.toml")


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ('{"tasks": [{"id": "a"}]}', 1, "this is JSON"),
        ('\n[\n  {"id": "a"}\n]\n', 2, "this is JSON"),
        ("# Plan\n\n- [ ] Build the lexer\n", 3, "this is Markdown"),
        ("Plan\n\n1. Build the lexer\n2. Build the parser\n", 3, "this is Markdown"),
        ("tasks:\n  - id: a\n", 1, "this is YAML"),
        ("---\ntasks:\n", 1, "this is YAML"),
        ("Please build a lexer.\n", 1, "this is not TOML"),
    ],
)
def test_another_format_is_named_once_with_what_to_write(text: str, line: int, said: str) -> None:
    _, _, mistakes = read_tables(text)
    assert [mistake.line for mistake in mistakes] == [line]
    assert said in mistakes[0].text
    assert "[[task]]" in mistakes[0].text


@pytest.mark.parametrize(
    ("line", "remedy"),
    [
        ("id = build", '"build"'),
        ("paths = src/lexer/", '"src/lexer/"'),
        ('id: "a"', "have = between them"),
        ("gates_required = True", "write true"),
        ("check = None", "leave the key out"),
        ("id = \u201ca\u201d", "straight quotes"),
        ("// a comment", "begins with #"),
        ("```toml", "leave out the lines"),
        ("- [ ] Build", "Markdown"),
        ('gates = [{ name = "a",', "on one line"),
    ],
)
def test_a_habit_of_another_language_is_told_with_its_remedy(line: str, remedy: str) -> None:
    _, _, mistakes = read_tables(TASK + line + "\n")
    assert mistakes[0].line == 5
    assert remedy in mistakes[0].text


def test_one_table_that_cannot_be_read_does_not_hide_the_others() -> None:
    text = '[[task]]\nid = one\n\n[[task]]\nid = "two"\n\n[[task]]\nid: three\n'
    known, _, mistakes = read_tables(text)
    assert [mistake.line for mistake in mistakes] == [2, 8]
    assert known == {"task": [{"id": "two"}]}


def test_a_mistake_is_told_once() -> None:
    _, _, mistakes = read_tables('[[task]]\npaths = ["a"\n[[task]]\nid = "b"\n')
    assert [mistake.line for mistake in mistakes] == [2]


def test_a_table_with_one_bracket_is_told_where_it_stands_twice() -> None:
    _, _, mistakes = read_tables('[task]\nid = "a"\n[task]\nid = "b"\n')
    assert [mistake.line for mistake in mistakes] == [3]
    assert "[[task]]" in mistakes[0].text


def test_a_header_inside_of_a_text_is_part_of_the_text() -> None:
    text = (
        '[[task]]\nid = one\ndescription = """\n[[task]]\nid = not read\n"""\n[[task]]\nid = "b"\n'
    )
    known, _, mistakes = read_tables(text)
    assert [mistake.line for mistake in mistakes] == [2]
    assert known == {"task": [{"id": "b"}]}
