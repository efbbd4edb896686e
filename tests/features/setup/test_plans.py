"""Plans are loaded, and what they change is told."""

from __future__ import annotations

from pathlib import Path

from gitcoord.features.maintain import verify
from gitcoord.features.setup import plans
from gitcoord.features.work import claims
from gitcoord.features.workspace import open_workspace
from tests.support.builders import tasks
from tests.support.world import found, git, write

GATE = '[[phase]]\nname = "default"\ngates = [{{ name = "tests", run = "{run}" }}]\n'


def test_what_a_plan_changes_beside_tasks_is_told(repo: Path) -> None:
    work = found(repo, tasks("a", head=GATE.format(run="true")))
    again = plans.apply_plan(work, tasks("a", head=GATE.format(run="true")), "p.toml")
    assert (again.changed, again.changed_parts) == (0, [])
    gates = plans.apply_plan(work, tasks("a", head=GATE.format(run="false")), "p.toml")
    assert (gates.changed, gates.changed_parts) == (0, ["phase default (gates)"])
    head = '[plan]\nlease = "20m"\n[[pool]]\nname = "default"\nlimit = 3\n' + GATE.format(
        run="false"
    )
    settings = plans.apply_plan(work, tasks("a", head=head), "p.toml")
    assert settings.changed_parts == ["pool default (limit)", "plan (lease_ms, heartbeat_ms)"]
    for widening, text in (
        ("free", head.replace("[plan]", '[plan]\nwidening = "free"')),
        ("", head),
    ):
        told = plans.apply_plan(work, tasks("a", head=text), "p.toml")
        assert told.changed_parts == ["plan (widening)"], widening
    more = head + '[[phase]]\nname = "next"\n'
    assert plans.apply_plan(work, tasks("a", head=more), "p.toml").changed_parts == [
        "phase next (new)"
    ]


def test_a_folder_named_as_a_file_is_told_before_anybody_works(repo: Path) -> None:
    write(repo, "src/lexer/lexer.py")
    work = open_workspace(repo)
    text = '[[task]]\nid = "a"\ntitle = "A"\npaths = ["src/lexer", "src/lexer/lexer.py", "new"]\n'
    document, _ = plans.check_plan(text, "p.toml")
    assert plans.path_notices(work, document) == [
        'task a: "src/lexer" is a folder: write "src/lexer/" for everything below it'
    ]


def test_a_large_plan_is_one_pack(repo: Path) -> None:
    plan = '[[tasks]]\nids = "1-600"\ntitle = "Task {id}"\npaths = ["out/{id}/"]\n'
    work = found(repo, plan, "x", worktrees=False)
    assert len(list((repo / ".git" / "objects" / "pack").glob("*.pack"))) == 1
    assert int(git("count-objects", cwd=repo).split()[0]) < 30
    assert claims.claim(work, "x").task["state"] == "claimed"
    assert verify.verify(work).entries == 4
    assert git("fsck", "--no-dangling", cwd=repo) == ""
