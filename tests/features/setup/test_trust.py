"""Trust is given by people, whatever way an agent takes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gitcoord.cli.main import run
from gitcoord.core.errors import RefusedError
from gitcoord.features.setup import plans, trust
from gitcoord.features.workspace import Workspace, agent_at, open_workspace
from tests.support.builders import tasks
from tests.support.gates import gated
from tests.support.world import found, git

PLAN = tasks("a") + 'check = "true"\n'


@pytest.fixture
def work(repo: Path, tmp_path: Path) -> Workspace:
    (tmp_path / "evil.toml").write_text(tasks("b") + 'check = "touch pwned"\n')
    return found(repo, PLAN, "x")


def place_of(work: Workspace) -> Path:
    place = work.worktree_of("x")
    assert place is not None
    return place


WAYS = [
    ["trust", "--yes"],
    ["-C", "REPO", "trust", "--yes"],
    ["--as-orchestrator", "trust", "--yes"],
    ["--as-orchestrator", "plan", "apply", "EVIL", "--trust"],
    ["--as-orchestrator", "-C", "REPO", "plan", "apply", "EVIL", "--trust"],
    ["--as-orchestrator", "--ledger", "other", "init", "EVIL", "--trust"],
    ["--as-orchestrator", "-C", "REPO", "--ledger", "other", "init", "EVIL", "--trust"],
]


@pytest.mark.parametrize("way", WAYS, ids=" ".join)
def test_an_agent_trusts_nothing_from_its_worktree(
    work: Workspace, tmp_path: Path, way: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    tip = work.ledger.tip()
    monkeypatch.chdir(place_of(work))
    named = {"REPO": str(tmp_path / "repo"), "EVIL": str(tmp_path / "evil.toml")}
    assert run([named.get(word, word) for word in way]) == 14
    assert list((tmp_path / "home").rglob("trust.json")) == []
    assert work.ledger.tip() == tip
    assert work.store.list_refs("refs/heads/gitcoord/").keys() == {"refs/heads/gitcoord/ledger"}


@pytest.mark.parametrize("name", ["GITCOORD_AGENT", "GITCOORD_CLAIM", "GITCOORD_COMMIT"])
def test_what_gitcoord_started_for_an_agent_trusts_nothing(
    work: Workspace, repo: Path, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(repo)
    monkeypatch.setenv(name, "x")
    assert run(["trust", "--yes"]) == 14
    assert list((tmp_path / "home").rglob("trust.json")) == []
    monkeypatch.delenv(name)
    assert run(["trust", "--yes"]) == 0
    assert trust.untrusted(work, trust.commands_of(work.ledger.snapshot())) == []


def test_a_repository_inside_of_a_worktree_does_not_hide_whose_it_is(work: Workspace) -> None:
    inner = place_of(work) / "a" / "inner"
    subprocess.run(["git", "init", "-q", str(inner)], check=True)
    assert agent_at(inner) == "x"
    assert agent_at(place_of(work)) == "x"
    assert agent_at(work.place.common_dir) is None


def test_an_orchestrators_command_from_a_worktree_is_refused_whatever_c_says(
    work: Workspace, repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place_of(work))
    assert run(["-C", str(repo), "cancel", "a"]) == 14
    assert run(["-C", str(repo), "--as-orchestrator", "cancel", "a"]) == 0
    assert work.ledger.snapshot().require_task("a")["state"] == "cancelled"


def planned(gate: str = "make test", check: str = "make a", setup: str = "") -> str:
    head = f'[worktree]\nsetup = "{setup}"' if setup else ""
    return gated("a", run=gate, head=head) + f'check = "{check}"\n'


def missing(work: Workspace) -> list[str]:
    return trust.untrusted(work, trust.commands_of(work.ledger.snapshot()))


def test_every_command_is_listed_once_and_by_what_it_is(repo: Path) -> None:
    text = planned(setup="npm ci") + tasks("b", "c").replace(
        'title = "Do c"', 'title = "Do c"\ncheck = "make a"'
    )
    work = found(repo, text)
    assert trust.commands_of(work.ledger.snapshot()) == [
        "worktree setup: npm ci",
        "gate: make test",
        "check: make a",
    ]


def test_trust_is_for_exactly_these_commands(repo: Path) -> None:
    work = found(repo, planned())
    assert missing(work) == ["gate: make test", "check: make a"]
    assert not trust.is_trusted(work, work.ledger.snapshot())
    assert trust.trust(work, work.ledger.snapshot()) == ["gate: make test", "check: make a"]
    assert trust.is_trusted(work, work.ledger.snapshot())
    plans.apply_plan(work, planned(gate="make  test"), "plan.toml")
    assert missing(work) == ["gate: make  test"]
    # A gate's command is not trusted as a check, nor the other way about.
    assert trust.untrusted(work, ["check: make test"]) == ["check: make test"]
    trust.trust(work, work.ledger.snapshot())
    plans.apply_plan(work, planned(), "plan.toml")
    assert missing(work) == ["gate: make test"], "what was trusted before is not kept"


def test_trust_is_for_one_repository(repo: Path, tmp_path: Path) -> None:
    work = found(repo, planned())
    trust.trust(work, work.ledger.snapshot())
    git("clone", "-q", str(repo), str(tmp_path / "other"), cwd=tmp_path)
    git("fetch", "-q", "origin", "gitcoord/ledger:gitcoord/ledger", cwd=tmp_path / "other")
    other = open_workspace(tmp_path / "other")
    assert missing(other) == ["gate: make test", "check: make a"]
    trust.trust(other, other.ledger.snapshot())
    assert missing(work) == []


def test_trust_lies_outside_of_the_repository_and_a_broken_file_trusts_nothing(
    repo: Path,
) -> None:
    work = found(repo, planned())
    trust.trust(work, work.ledger.snapshot())
    file = Path(os.environ["XDG_CONFIG_HOME"]) / "gitcoord" / "trust.json"
    (kept,) = json.loads(file.read_text()).values()
    assert len(kept) == 2
    assert not any("make" in one for one in kept), "hashes, not commands"
    for content in ("", "[]", "{}", '{"x": ["y"]}', "torn {"):
        file.write_text(content)
        assert len(missing(work)) == 2


def test_a_refusal_names_some_commands_and_counts_the_rest(repo: Path) -> None:
    work = found(repo, planned())
    trust.require_trust(work, [])
    commands = [f"check: make {number}" for number in range(7)]
    with pytest.raises(RefusedError) as caught:
        trust.require_trust(work, commands)
    assert caught.value.reason == "trust"
    assert caught.value.message.endswith("check: make 4 and 2 more")
    assert caught.value.facts["commands"] == commands


def test_a_command_is_shown_on_one_line_with_nothing_hidden() -> None:
    shown = trust.shown("true\nrm -rf /\x1b[1A\r# true")
    assert "\n" not in shown
    assert "\x1b" not in shown
    assert "\r" not in shown
    assert "true\\nrm -rf /" in shown


def test_a_setup_that_is_not_trusted_does_not_run_and_a_failure_is_told(
    repo: Path, tmp_path: Path
) -> None:
    work = found(repo, planned(setup="touch made; exit 3"))
    place = tmp_path / "place"
    place.mkdir()
    assert not trust.run_setup(work, work.ledger.snapshot(), place)
    assert not (place / "made").exists()
    trust.trust(work, work.ledger.snapshot())
    assert trust.is_trusted_setup(work, work.ledger.snapshot())
    assert not trust.run_setup(work, work.ledger.snapshot(), place)
    assert (place / "made").exists()
    plans.apply_plan(work, planned(setup="pwd"), "plan.toml")
    trust.trust(work, work.ledger.snapshot())
    assert trust.run_setup(work, work.ledger.snapshot(), place)
    log = trust.setup_log(work, place)
    assert log.read_text().strip() == str(place)


def test_people_who_trust_at_the_same_time_all_do(tmp_path: Path) -> None:
    """Their repositories are different, and what is trusted stands in one file."""
    repos = [tmp_path / f"repo{number}" for number in range(4)]
    for repo in repos:
        git("init", "-q", str(repo), cwd=tmp_path)
        git("commit", "-q", "--allow-empty", "-m", "first", cwd=repo)
        found(repo, PLAN, worktrees=False).close()
    script = (
        "import sys\nfrom pathlib import Path\nfrom gitcoord.features.setup import trust\n"
        "from gitcoord.features.workspace import open_workspace\n"
        "work = open_workspace(Path(sys.argv[1]))\nsnapshot = work.ledger.snapshot()\n"
        "for _ in range(50):\n"
        "    trust.forget(work)\n    trust.trust(work, snapshot)\n"
        "    assert trust.is_trusted(work, snapshot)\n"
    )
    child = [sys.executable, "-c", script]
    children = [subprocess.Popen([*child, str(repo)], cwd=tmp_path) for repo in repos]
    assert [child.wait() for child in children] == [0] * len(repos)
    for repo in repos:
        work = open_workspace(repo)
        assert trust.is_trusted(work, work.ledger.snapshot())
        work.close()
