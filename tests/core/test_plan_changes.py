"""What a plan changes is told with whose work it concerns."""

from __future__ import annotations

import pytest

from gitcoord.core.plan import parse
from gitcoord.core.plan_changes import Part, PlanChanges, changed_parts, part_line, plan_changes
from tests.support.builders import PureLedger, tasks

NAMES = ("held", "done", "free", "other")
BOTH = '[[pool]]\nname = "default"\n{}[[phase]]\nname = "default"\n{}'
PLAIN = BOTH.format("", "")
LATER = '[[phase]]\nname = "later"\n'


def rows(head: str = PLAIN, *names: str) -> str:
    """A plan whose task ``other`` is of another phase."""
    text = tasks(*(names or NAMES), head=head + LATER)
    for name in NAMES:
        phase = "later" if name == "other" else "default"
        text = text.replace(f'id = "{name}"\n', f'id = "{name}"\nphase = "{phase}"\n')
    return text


def ledger() -> PureLedger:
    """One task held by x, one handed in by y, two that nobody has."""
    pure = PureLedger()
    pure.init()
    pure.plan(rows())
    for agent in "xy":
        pure.agent(agent)
    pure.claim("x", "held")
    pure.complete(pure.claim("y", "done"))
    return pure


def compared(text: str) -> PlanChanges:
    return plan_changes(ledger().snapshot, parse(text)[0])


@pytest.mark.parametrize(
    ("pool", "phase", "changed"),
    [
        ("", 'gates = [{ name = "t", run = "true" }]\n', ("phase", "default", ["gates"])),
        ("", 'paths = ["**"]\n', ("phase", "default", ["paths"])),
        ("limit = 2\n", "", ("pool", "default", ["limit"])),
    ],
    ids=["gates", "bound", "limit"],
)
def test_what_changes_names_who_holds_and_what_is_done(
    pool: str, phase: str, changed: tuple[str, str, list[str]]
) -> None:
    found = compared(rows(BOTH.format(pool, phase)))
    (part,) = found.parts
    assert (part["kind"], part["name"], part["keys"]) == changed
    assert part["means"]
    concerned = [(one["task"], one["state"], one["agent"]) for one in part["concerned"]]
    assert sorted(concerned) == [("done", "done", "y"), ("held", "claimed", "x")]
    assert (found.added, found.changed, found.kept) == ([], [], [])


def test_another_phase_and_what_is_new_concern_nobody() -> None:
    gate = 'gates = [{ name = "t", run = "true" }]\n'
    new = '[[pool]]\nname = "more"\n[[phase]]\nname = "last"\n'
    found = compared(rows(PLAIN).replace(LATER, LATER + gate + new))
    told = [(part["name"], part["is_new"], part["concerned"]) for part in found.parts]
    assert told == [("later", False, []), ("last", True, []), ("more", True, [])]


def test_settings_concern_all_work_that_has_begun() -> None:
    (part,) = compared(rows('[plan]\nlease = "20m"\n' + PLAIN)).parts
    assert part["kind"] == "plan"
    assert {one["task"] for one in part["concerned"]} == {"held", "done"}


def test_tasks_are_added_changed_and_kept() -> None:
    text = rows(PLAIN, "held", "done", "free", "new").replace("Do free", "Do it freely")
    found = compared(text.replace('id = "new"\n', 'id = "new"\nphase = "later"\n'))
    assert (found.added, found.kept, found.alike) == (["new"], ["other"], [])
    (changed,) = found.changed
    assert (changed["task"], changed["keys"], changed["agent"]) == ("free", ["title"], None)


def test_a_task_that_says_the_same_under_another_id_is_named() -> None:
    text = rows().replace('id = "other"', 'id = "same"').replace("Do other", "do OTHER")
    assert compared(text).alike == [("same", "other")]


def test_what_has_landed_is_concerned_by_nothing() -> None:
    stream = '[[phase]]\nname = "default"\nstream = true\n'
    pure = PureLedger()
    pure.init()
    pure.plan(tasks("a", head=stream))
    pure.agent("x")
    pure.complete(pure.claim("x", "a"))
    gate = 'gates = [{ name = "t", run = "true" }]\n'
    document, _ = parse(tasks("a", head=stream + gate))
    assert [one["task"] for one in plan_changes(pure.snapshot, document).parts[0]["concerned"]]
    for phase in (*pure.files,):
        if phase.startswith("tasks/"):
            text = pure.files[phase].decode()
            landed = '"landed": {"at": 1, "oid": "' + "1" * 40 + '"},\n  "order"'
            pure.files[phase] = text.replace('"order"', landed).encode()
    assert plan_changes(pure.snapshot, document).parts[0]["concerned"] == []


def test_a_part_is_told_in_a_few_words() -> None:
    snapshot = ledger().snapshot
    document, _ = parse(rows('[plan]\nlease = "20m"\n' + BOTH.format("limit = 1\n", "")))
    told = [part_line(part) for part in changed_parts(snapshot, document)]
    assert told == ["pool default (limit)", "plan (lease_ms, heartbeat_ms)"]
    assert part_line(Part("phase", "p", [], is_new=True)) == "phase p (new)"
