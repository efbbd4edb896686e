"""Every plan to start from is listed, written, loaded and run to its landing."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from gitcoord.core.plan import parse
from gitcoord.core.plan_templates import read_template
from gitcoord.host.shipped import shipped
from tests.support.cli import Cli
from tests.support.world import write

NAMES = ("directories", "fixes", "migration", "minimal", "phases", "pools", "round-robin")
PATTERNS = ("directories", "fixes", "migration", "pools", "round-robin")
# A folder gets a file of the task's own, a file that is named gets a line.
WORK = """
printf '%s\\n' "$GITCOORD_PATHS" | while read -r path; do
    case $path in
    */) mkdir -p "$path" && echo "$GITCOORD_TITLE" > "$path/$GITCOORD_TASK.txt" ;;
    *) mkdir -p "$(dirname "$path")" && echo "$GITCOORD_TITLE" >> "$path" ;;
    esac
done
"""


@pytest.fixture
def cli(repo: Path, capsys: pytest.CaptureFixture[str]) -> Cli:
    return Cli(repo, capsys)


def test_templates_are_listed_one_a_line_with_what_can_be_set(cli: Cli) -> None:
    listed = cli("init", "--list-templates").splitlines()
    assert [line.split()[0] for line in listed[:-1]] == list(NAMES)
    found = json.loads(cli("init", "--list-templates", "--json"))["templates"]
    fields = {one["name"]: [each["name"] for each in one["parameters"]] for one in found}
    assert fields["pools"] == ["source", "test"]
    assert all(one["what"] and "@" not in one["what"] for one in found)


@pytest.mark.parametrize("name", NAMES)
def test_a_template_is_written_loaded_and_run_to_its_landing(
    cli: Cli, repo: Path, name: str
) -> None:
    write(repo, "check.sh", "! grep -rq BROKEN --include='*.txt' .\n")
    words = ["init", "--template", name]
    if name not in {"minimal", "phases"}:
        words += ["--with", "test=sh check.sh"]
    cli(*words)
    assert "@" not in (repo / "plan.toml").read_text()
    cli("init", str(repo / "plan.toml"), "--trust")
    done = json.loads(cli("run", "-j", "2", "--review", "true", "--json", "--", "sh", "-c", WORK))
    assert set(done["counts"]) == {"landed"}


@pytest.mark.parametrize("name", PATTERNS)
def test_a_pattern_checks_every_task_gates_every_phase_and_tells_every_pool(name: str) -> None:
    template = read_template(name, (shipped("templates") / f"{name}.toml").read_text())
    plan, _ = parse(template.plan({}))
    assert template.parameters
    assert all(task["check"] for task in plan["tasks"])
    assert all(phase["gates"] for phase in plan["phases"])
    assert all(pool["context"] for pool in plan["plan"]["pools"].values())
    first = plan["phases"][0]["id"]
    assert f"`gitcoord gate try {first}`" in template.plan({})


def test_a_part_is_migrated_when_it_is_there_without_the_old_text(tmp_path: Path) -> None:
    text = (shipped("templates") / "migration.toml").read_text()
    plan, _ = parse(read_template("migration", text).plan({"old": "old form"}))
    check = next(task["check"] for task in plan["tasks"] if task["id"] == "orders")
    assert check is not None

    def passes() -> bool:
        return subprocess.run(["sh", "-c", check], cwd=tmp_path, check=False).returncode == 0

    assert not passes()
    part = tmp_path / "src" / "orders" / "list.py"
    part.parent.mkdir(parents=True)
    part.write_text("the new form\n")
    assert passes()
    part.write_text("the old form\n")
    assert not passes()


def test_a_template_takes_what_is_set_in_it_alone(cli: Cli, repo: Path) -> None:
    cli("init", "--template", "pools", "--with", "nothing=x", status=2)
    assert "has no 'nothing'" in cli.err
    cli("init", "--template", "pools", "--with", "x", status=2)
    cli("init", "--with", "x=y", status=2)
    assert not (repo / "plan.toml").exists()
