from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitcoord.core.errors import InvalidPlanError
from gitcoord.core.model import TaskSpec
from gitcoord.core.plan import parse

TEMPLATES = Path(__file__).parents[2] / "templates"


def problems(text: str) -> list[str]:
    with pytest.raises(InvalidPlanError) as caught:
        parse(text)
    return list(caught.value.problems)


def test_three_lines_are_a_plan() -> None:
    document, warnings = parse('[[task]]\nid = "a"\ntitle = "A"\npaths = ["a/"]\n')
    assert [task["id"] for task in document["tasks"]] == ["a"]
    assert document["phases"] == [
        {"id": "default", "title": "", "paths": None, "after": [], "reviews": 0, "gates": []}
    ]
    assert (document["plan"]["lease_ms"], document["plan"]["heartbeat_ms"]) == (900_000, 300_000)
    assert warnings == []


@pytest.mark.parametrize("path", sorted(TEMPLATES.glob("*.toml")), ids=lambda path: path.stem)
def test_the_shipped_templates_are_valid(path: Path) -> None:
    document, warnings = parse(path.read_text())
    assert document["tasks"]
    assert warnings == []


def test_ranges_templates_and_needs_are_written_out() -> None:
    document, _ = parse("""
[template.module]
title = "Build {name} ({id})"
paths = ["src/{name}/"]
[[task]]
id = "25"
use = "module"
with = { name = "lexer" }
[[tasks]]
ids = "026-028"
title = "Make {id}"
paths = ["out/{id}/"]
[[task]]
id = "all"
title = "All {braces} stay"
paths = []
needs = ["25", "026-028"]
""")
    by_id: dict[str, TaskSpec] = {task["id"]: task for task in document["tasks"]}
    assert by_id["25"]["title"] == "Build lexer (25)"
    assert by_id["27" if "27" in by_id else "027"]["paths"] == ["out/027/"]
    assert by_id["all"]["needs"] == ["25", "026", "027", "028"]
    assert by_id["all"]["title"] == "All {braces} stay"


MISTAKES = """[plan]
name = 5
target = "-x"
lease = "soon"
heartbeat = "2h"
max_attempts = 0
selection = "best"
boundaries = "loose"
landing = "now"
gates_required = "yes"
selektion = "random"

[worktree]
copy = ["/etc/passwd"]
setup = 3
after = "x"

[[pool]]
name = "b b"
[[pool]]
name = "p"
limit = 0
selection = "x"
[[pool]]
name = "P"
wide = 1

[[phase]]
name = "one"
after = ["three"]
reviews = -1
gates = [{ name = "g" }]
[[phase]]
name = "two"
after = ["two"]
[[phase]]
name = "one"
[[phase]]
title = "no name"

[template.t]
title = "T {x}"
pathz = ["a/"]

[[task]]
id = "../x"
title = "t"
[[task]]
id = 7
title = "t"
[[task]]
id = "a"
title = "t"
phase = "on"
pool = "q"
paths = ["../up", "x/[ab]", ".git/config"]
[[task]]
id = "A"
title = "t"
phase = "one"
paths = ["a/"]
[[task]]
id = "c"
phase = "one"
[[task]]
id = "d"
title = ""
phase = "one"
paths = "d/"
needs = ["nothing"]
[[task]]
id = "e"
title = "t\\u001b[31m"
phase = "one"
paths = ["e/"]
needs = ["f"]
estimate = 5
priority = "high"
result = "maybe"
[[task]]
id = "f"
title = "f"
phase = "one"
paths = ["f/"]
needs = ["e"]
[[task]]
id = "g"
use = "u"
with = "x"
title = "g"
phase = "one"
paths = ["g/"]
[[task]]
id = "h"
use = "t"
phase = "one"
paths = ["h/"]
[[task]]
id = "i"
title = "i"
phase = "two"
paths = ["i/"]
needs = ["f"]
reads = ["/"]
[[tasks]]
ids = "9-1"
title = "x"
[[tasks]]
title = "x"
[[task]]
id = "j"
title = "j"
phase = "one"
paths = ["j/"]
tile = "x"

[extra]
x = 1
"""


def test_every_mistake_of_a_plan_is_listed_with_its_line() -> None:
    found = problems(MISTAKES)
    assert len(found) >= 45
    lines = MISTAKES.split("\n")
    numbers = [int(re.match(r"plan\.toml:(\d+): ", row)[1]) for row in found]  # type: ignore[index]
    assert numbers == sorted(numbers)
    for start, text in {
        "selektion": "did you mean 'selection'",
        'lease = "soon"': "lease is a duration",
        'id = "../x"': "not a valid task id",
        "id = 7": 'written in quotes: "7"',
        'name = "P"': "duplicate pool",
        "tile =": "did you mean 'title'",
        "pathz": "did you mean 'paths'",
        'ids = "9-1"': "is empty",
        'reads = ["/"]': "a path is relative",
        "priority": "whole number",
        "estimate": "duration",
        'target = "-x"': "name of a branch",
    }.items():
        line = 1 + next(index for index, row in enumerate(lines) if row.startswith(start))
        assert any(row.startswith(f"plan.toml:{line}: ") and text in row for row in found), (
            start,
            line,
            found,
        )
    spelled = "\n".join(found)
    assert (
        "two -> two" in spelled
        or "one -> three" in spelled
        or "phases wait for each other" in spelled
    )
    assert "e -> f -> e" in spelled or "f -> e -> f" in spelled
    assert "A differs from a by case alone" in spelled
    assert "which does not come before it" in spelled


def test_a_syntax_error_names_its_line() -> None:
    assert problems('[[task]]\nid = "a\n')[0].startswith("plan.toml:2: ")


def test_lines_are_right_after_strings_and_arrays_that_span_lines() -> None:
    text = (
        '[[task]]\nid = "a"\ntitle = "A"\ndescription = """\n[[task]]\nid = "fake"\n"""\npaths = '
        '[\n  "a/", # ]\n  "b/",\n]\nprio = 1\n'
    )
    assert problems(text) == ["plan.toml:12: unknown key 'prio': did you mean 'priority'?"]


def test_overlapping_paths_of_tasks_that_could_run_at_once_are_a_warning() -> None:
    text = (
        '[[task]]\nid="a"\ntitle="A"\npaths=["src/"]\n'
        '[[task]]\nid="b"\ntitle="B"\npaths=["src/*.py"]\n'
    )
    _, warnings = parse(text)
    assert warnings == [
        "plan.toml:6: tasks a and b both write src/*.py: they run one after the other"
    ]
    _, warnings = parse(text + 'needs=["a"]\n')
    assert warnings == []


def test_who_verifies_is_a_pool_of_the_plan() -> None:
    text = '[[task]]\nid="a"\ntitle="A"\npaths=[]\nverify_by="checkers"\n'
    document, _ = parse(text)
    assert document["tasks"][0]["verify_by"] == "checkers"
    assert set(document["plan"]["pools"]) == {"default", "checkers"}
    with pytest.raises(InvalidPlanError) as refused:
        parse(
            '[[pool]]\nname="builders"\n[[pool]]\nname="checkers"\n'
            + text.replace("checkers", "chekers")
        )
    assert "there is no pool 'chekers'; known: checkers" in str(refused.value.facts["problems"])


def test_a_cycle_through_the_ledger_is_found() -> None:
    old, _ = parse(
        '[[task]]\nid="x"\ntitle="X"\npaths=[]\nneeds=["y"]\n'
        '[[task]]\nid="y"\ntitle="Y"\npaths=[]\n'
    )
    known = {task["id"]: task for task in old["tasks"]}
    phases = {phase["id"]: phase for phase in old["phases"]}
    with pytest.raises(InvalidPlanError) as caught:
        parse(
            '[[task]]\nid="y"\ntitle="Y"\npaths=[]\nneeds=["x"]\n',
            known=known.get,
            known_phases=phases,
        )
    assert "need each other" in caught.value.problems[0]


@given(st.text(max_size=200))
def test_any_text_is_a_plan_or_an_invalid_one(text: str) -> None:
    try:
        parse(text)
    except InvalidPlanError as error:
        assert error.problems  # noqa: PT017 - either is right


VALUE = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=5)
    | st.lists(st.text(max_size=5), max_size=2)
)


@given(
    st.dictionaries(
        st.sampled_from(["id", "title", "paths", "needs", "use", "with", "phase", "estimate", "x"]),
        VALUE,
    )
)
def test_any_values_of_a_task_are_accepted_or_named(table: dict[str, object]) -> None:
    import json

    rows = [f"{key} = {json.dumps(value)}" for key, value in table.items() if value is not None]
    text = "[[task]]\n" + "\n".join(rows) + "\n"
    try:
        tomllib.loads(text)
        parse(text)
    except (tomllib.TOMLDecodeError, InvalidPlanError):
        return


@pytest.mark.parametrize(
    "text",
    ["a." * 5000 + "b = 1", "[" + "a." * 20000 + "b]", "x = " + "[" * 3000, "a" * 100_000 + " = 1"],
)
def test_bombs_are_refused_before_they_are_parsed(text: str) -> None:
    assert problems(text)


def test_a_wrong_id_hides_no_other_mistake_of_its_task() -> None:
    text = '[[task]]\nid = "Task 1"\ntitle = "A"\npaths = "src/b/"\nneeds = ["zzz"]\n'
    found = problems(text)
    assert [row.partition(": ")[0] for row in found] == [
        "plan.toml:2",
        "plan.toml:4",
        "plan.toml:5",
    ]
    assert 'such as "Task-1"' in found[0]
    assert 'paths = ["src/b/"]' in found[1]
    assert "zzz" in found[2]


@pytest.mark.parametrize("wrong", ["1.1", "1", "true", '""', '"Task 1"', "[]"])
def test_what_needs_a_task_with_a_wrong_id_is_not_blamed(wrong: str) -> None:
    text = f'[[task]]\nid = {wrong}\ntitle = "A"\npaths = ["a/"]\n'
    assert [row.partition(": ")[0] for row in problems(text)] == ["plan.toml:2"]


@pytest.mark.parametrize(
    ("key", "known"),
    [
        ("depends_on", "needs"),
        ("dependencies", "needs"),
        ("files", "paths"),
        ("test", "check"),
        ("name", "title"),
    ],
)
def test_a_key_as_other_tools_call_it_is_told_in_our_word(key: str, known: str) -> None:
    text = f'[[task]]\nid = "a"\ntitle = "A"\npaths = ["a/"]\n{key} = "x"\n'
    assert problems(text) == [f"plan.toml:5: unknown key {key!r}: did you mean {known!r}?"]


def test_a_task_written_as_a_range_is_told_how_one_task_is_written() -> None:
    found = problems('[[tasks]]\nid = "a"\ntitle = "A"\npaths = ["a/"]\n')
    assert any("one task is written [[task]]" in row for row in found)


@pytest.mark.parametrize("pattern", ["src/{a,b}/", "~/x", "$HOME/x", "a/,b/", "a/ b/", "a/ "])
@pytest.mark.parametrize("table", ["task", "pool", "phase"])
def test_a_path_that_a_shell_would_expand_is_refused_with_its_line(
    pattern: str, table: str
) -> None:
    keys = {"task": 'id = "a"\ntitle = "A"', "pool": 'name = "p"\n', "phase": 'name = "p"\n'}[table]
    found = problems(f'[[{table}]]\n{keys}\npaths = ["{pattern}"]\n')
    assert any(row.startswith(f"plan.toml:4: paths: {pattern!r}: ") for row in found)


def test_two_paths_in_one_text_are_worth_a_notice() -> None:
    text = '[[task]]\nid = "a"\ntitle = "A"\npaths = ["a/x.py b/y.py"]\n'
    _, warnings = parse(text)
    assert warnings == [
        "plan.toml:4: paths: 'a/x.py b/y.py' is one path with spaces in it; "
        "several are written as several texts"
    ]


def test_mistakes_of_toml_and_of_values_are_told_together() -> None:
    text = '[[task]]\nid = a\n\n[[task]]\nid = "b"\ntitle = 5\npaths = ["/b"]\n'
    assert [row.partition(": ")[0] for row in problems(text)] == [
        "plan.toml:2",
        "plan.toml:6",
        "plan.toml:7",
    ]


def test_a_plan_with_a_byte_order_mark_is_read() -> None:
    document, _ = parse('\ufeff[[task]]\nid = "a"\ntitle = "A"\npaths = ["a/"]\n')
    assert [task["id"] for task in document["tasks"]] == ["a"]


def test_a_pool_and_a_task_may_have_a_context_of_many_lines() -> None:
    document, warnings = parse(
        '[[pool]]\nname = "docs"\ncontext = """\nWrite as the manual does.\nShort.\n"""\n'
        '[[task]]\nid = "a"\ntitle = "A"\npaths = ["a/"]\npool = "docs"\ncontext = "Begin here."\n'
        '[[task]]\nid = "b"\ntitle = "B"\npaths = ["b/"]\ncontext = ""\n'
    )
    pool = document["plan"]["pools"]["docs"]
    assert pool["context"].split("\n")[:2] == ["Write as the manual does.", "Short."]
    assert document["tasks"][0]["context"] == "Begin here."
    assert "context" not in document["tasks"][1], "at its default it is not kept"
    assert warnings == []


def test_a_template_gives_its_context_to_its_tasks() -> None:
    document, _ = parse(
        '[template.module]\ntitle = "Build {name}"\npaths = ["{name}/"]\n'
        'context = "See docs/{name}.md."\n'
        '[[task]]\nid = "a"\nuse = "module"\nwith = { name = "lexer" }\n'
    )
    assert document["tasks"][0]["context"] == "See docs/lexer.md."


@pytest.mark.parametrize("table", ["pool", "task"])
@pytest.mark.parametrize("value", ["3", '["x"]', '"' + "x" * 9_000 + '"'])
def test_a_context_that_is_no_text_or_too_long_is_named_with_its_line(
    table: str, value: str
) -> None:
    head = {"pool": 'name = "docs"', "task": 'id = "a"\ntitle = "A"\npaths = ["a/"]'}[table]
    text = f"[[{table}]]\n{head}\ncontext = {value}\n"
    if table == "pool":
        text += '[[task]]\nid = "a"\ntitle = "A"\npaths = ["a/"]\n'
    line = text[: text.index("context")].count("\n") + 1
    (told,) = problems(text)
    assert "context" in told
    assert f"line {line}" in told or f":{line}" in told
