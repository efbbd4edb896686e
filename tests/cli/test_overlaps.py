"""The commands that tell of work which touches other work."""

from __future__ import annotations

from pathlib import Path

from tests.support.cli import Cli
from tests.support.world import write


def test_start_widen_and_overlaps_name_who_works_next_door(cli: Cli, repo: Path) -> None:
    cli("init")
    assert "nothing touches" in cli("overlaps")
    cli("start", "One", "--agent", "ana", "--id", "one", "--paths", "src/web/a.py")
    told = cli("start", "Two", "--agent", "ben", "--id", "two", "--paths", "src/web/b.py")
    assert "next door ana at one works in the same folder: src/web/" in told
    near = cli.json("widen", "src/web/c.py", "--agent", "ben")["neighbours"]
    assert [one["other"] for one in near] == ["one"]
    assert "one: ben at two works in the same folder" in cli("overlaps")


def test_complete_and_the_brief_tell_that_what_was_read_changed(cli: Cli, repo: Path) -> None:
    plan = '[[task]]\nid = "a"\ntitle = "A"\npaths = ["a/"]\nreads = ["lib/"]\n'
    (repo / "p.toml").write_text(plan)
    cli("init", "p.toml")
    cli("agent", "add", "x")
    place = repo.with_name("repo.worktrees") / "x"
    cli("claim", cwd=place)
    write(place, "a/f")
    assert "changed since your base" not in cli("brief", cwd=place)
    write(repo, "lib/dates.py")
    told = "Of that the target changed since your base: lib/dates.py."
    assert told in cli("brief", cwd=place)
    assert cli.json("brief", "--format", "json", cwd=place)["changed_reads"] == ["lib/dates.py"]
    cli("complete", cwd=place)
    assert "what task a reads changed on the target since its base: lib/dates.py" in cli.err


def test_phase_check_merges_open_branches(cli: Cli, repo: Path) -> None:
    cli("init")
    one = Path(cli.json("start", "One", "--agent", "ana", "--id", "one")["worktree"])
    two = Path(cli.json("start", "Two", "--agent", "ben", "--id", "two")["worktree"])
    write(one, "same.txt", "1\n")
    assert "no clash among 1" in cli("phase", "check", "adhoc", "--merge", status=18)
    write(two, "same.txt", "2\n")
    text = cli("phase", "check", "adhoc", "--merge", status=18)
    assert "will clash: two with one in same.txt" in text
