"""The commands that make a ledger and load a plan."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.builders import PLAN_HEAD, tasks
from tests.support.cli import Cli
from tests.support.world import git


def test_a_bare_repository_works_without_worktrees(
    cli: Cli, repo: Path, plan: Path, tmp_path: Path
) -> None:
    git("clone", "-q", "--bare", str(repo), str(tmp_path / "bare.git"), cwd=tmp_path)
    bare = tmp_path / "bare.git"
    cli("init", str(plan), cwd=bare)
    cli("agent", "add", "x", "--no-worktree", cwd=bare)
    assert cli.json("claim", "--agent", "x", cwd=bare)["checkout"] == "none"
    made = cli.json("agent", "add", "y", cwd=bare)
    assert Path(made["worktree"]).is_dir()


def test_a_repeated_init_and_a_second_plan_are_one_entry_each(cli: Cli, plan: Path) -> None:
    cli("init", str(plan))
    before = cli.json("verify")["entries"]
    plan.write_text(PLAN_HEAD + tasks("b", "c"))
    answer = cli.json("plan", "apply", str(plan))
    assert (answer["added"], answer["changed"], answer["kept"]) == (1, 1, ["a"])
    assert cli.json("verify")["entries"] == before + 1


def test_templates_are_written_once(cli: Cli, repo: Path) -> None:
    cli("init", "--template", "phases")
    cli("init", "--template", "phases", status=2)
    cli("init", str(repo / "plan.toml"))


def test_plan_check_counts_its_notices_and_reads_a_marked_file(
    cli: Cli, repo: Path, tmp_path: Path
) -> None:
    path = tmp_path / "marked.toml"
    text = '[[task]]\nid = "a"\ntitle = "A"\npaths = ["a/"]\n'
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    checked = cli("plan", "check", str(path)).splitlines()
    assert checked[0] == f"{path}: 1 task in 1 phase(s), no problems"
    assert checked[1].startswith("pattern: none: there is one task")
    path.write_text(text.replace("a/", "x/a y/b"))
    checked = cli("plan", "check", str(path)).splitlines()
    assert checked[0] == f"{path}: 1 task in 1 phase(s), valid, with 1 notice(s)"
    assert "one path with spaces" in cli.err


def test_plan_apply_tells_changed_gates(cli: Cli, plan: Path) -> None:
    cli("init", str(plan))
    plan.write_text(
        plan.read_text() + '[[phase]]\nname = "default"\ngates = [{ name = "t", run = "true" }]\n'
    )
    assert (
        cli("plan", "apply", str(plan))
        == "0 tasks added, 0 changed; changed: phase default (gates)\n"
    )
    assert cli.json("plan", "apply", str(plan))["changed_parts"] == []


def test_trust_that_is_not_confirmed_lists_each_command_on_its_line(
    cli: Cli, repo: Path, tmp_path: Path
) -> None:
    path = tmp_path / "checked.toml"
    path.write_text(tasks("a", "b").replace("title = ", 'check = "test -e README.md"\ntitle = '))
    cli("init", str(path))
    cli("trust", status=2)
    assert cli.err.splitlines() == [
        "gitcoord: trust has to be confirmed:",
        "  check: test -e README.md",
        "  next: `gitcoord trust --yes` allows exactly these (1)",
    ]
    assert cli.json("trust", status=2)["commands"] == ["check: test -e README.md"]


def test_an_install_that_misleads_the_checks_is_noticed_before_they_are_trusted(
    cli: Cli, repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "env" / "lib" / "python3.11" / "site-packages"
    folder.mkdir(parents=True)
    (folder / "shop.pth").write_text(f"{repo}/src\n")
    monkeypatch.setenv("VIRTUAL_ENV", str(tmp_path / "env"))
    path = tmp_path / "checked.toml"
    path.write_text(tasks("a").replace("title = ", 'check = "pytest"\ntitle = '))
    noticed = f"shop.pth leads to {repo}/src"
    cli("init", str(path))
    assert noticed in cli.err
    assert any(noticed in notice for notice in cli.json("trust", "--yes")["notices"])


def test_plan_apply_dry_tells_what_would_change_for_whom_and_changes_nothing(
    cli: Cli, plan: Path
) -> None:
    plan.write_text(tasks("a", "b", "c"))
    cli("init", str(plan))
    cli("agent", "add", "ada", "--no-worktree")
    cli("claim", "a", "--agent", "ada")
    tip = cli.json("status")["tip"]
    gate = '[[phase]]\nname = "default"\ngates = [{ name = "t", run = "make test" }]\n'
    plan.write_text(tasks("a", "b", "d", head=gate).replace("Do b", "Do all of b"))
    assert cli("plan", "apply", str(plan), "--dry-run").splitlines() == [
        "1 task would be added, 1 changed; changed: phase default (gates)",
        "  d: new",
        "  b: title (open)",
        "  phase default: what is done passes them when it lands: a (claimed by ada)",
        "nothing was changed",
    ]
    assert "not in this plan, and stay: c" in cli.err
    assert "the plan would run on this machine: gate: make test" in cli.err
    assert cli.json("status")["tip"] == tip
    assert cli("plan", "apply", str(plan)).splitlines() == [
        "1 task added, 1 changed; changed: phase default (gates)",
        "  phase default: what is done passes them when it lands: a (claimed by ada)",
    ]


def test_plan_apply_dry_refuses_what_plan_apply_refuses(cli: Cli, plan: Path) -> None:
    cli("init", str(plan))
    cli("agent", "add", "ada", "--no-worktree")
    cli("claim", "a", "--agent", "ada")
    plan.write_text(plan.read_text().replace("Do a", "Do otherwise"))
    dry = cli.json("plan", "apply", str(plan), "--dry-run", status=2)
    real = cli.json("plan", "apply", str(plan), status=2)
    assert dry == real
    assert dry["problems"] == [
        "task a is claimed by ada: what is claimed or finished cannot change"
    ]


def test_plan_apply_finds_tasks_again_that_were_added_in_passing(cli: Cli, plan: Path) -> None:
    cli("init", str(plan))
    name = cli.json("task", "add", "Do z", "--path", "z/")["task"]
    text = plan.read_text()
    plan.write_text(text + tasks("z"))
    (notice,) = [
        one
        for one in cli.json("plan", "apply", str(plan), "--dry-run")["warnings"]
        if "is new" in one
    ]
    assert notice.endswith(f"where they are one, give it the id {name}")
    plan.write_text(text + tasks(name).replace(f"Do {name}", "Do z").replace(f"{name}/", "z/"))
    found = cli.json("plan", "apply", str(plan))
    assert (found["added"], found["changed"], found["kept"], found["warnings"]) == (0, 0, [], [])


def test_another_ledger_is_named_by_init_and_what_it_shares_by_plan_check(
    cli: Cli, plan: Path
) -> None:
    cli("init", str(plan))
    assert "ledgers do not see" not in cli.err
    cli("--ledger", "other", "init")
    assert "ledger 'ledger' works in this repository too" in cli.err
    shared = cli.json("plan", "check", str(plan), "--ledger", "other")["warnings"]
    assert [one.split(" may write ")[0] for one in shared] == [
        "task a: task a of ledger 'ledger'",
        "task b: task b of ledger 'ledger'",
    ]
    assert cli.json("plan", "check", str(plan))["warnings"] == []
