"""Gates that write into .git, into the ledger or into the plan while they run.

Each runs agents' code with the user's rights. What it does to the repository
may stop its landing; it never lets anything land that was not tested.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from gitcoord.core.errors import CorruptError, GitcoordError, NotFoundError, RefusedError
from gitcoord.features.land import landings
from gitcoord.features.maintain import verify
from gitcoord.features.setup import trust
from tests.support.builders import tasks
from tests.support.gates import clean, gated, ops, refusal, trusted
from tests.support.world import do, environment, git

FORGE = """
import pathlib, subprocess, sys, zlib
blob = subprocess.run(
    ["git", "rev-parse", "HEAD:a/file.txt"], capture_output=True, text=True, check=True
).stdout.strip()
path = pathlib.Path(sys.argv[1], "objects", blob[:2], blob[2:])
path.chmod(0o644)
path.write_bytes(zlib.compress(b"blob 4\\0bad\\n"))
"""


def once(tmp_path: Path, act: str) -> str:
    """Return a gate that does something beside it, the first time it runs."""
    acting = f"test -e {tmp_path}/acted || {{ touch {tmp_path}/acted; {act}; }}"
    return f"{acting} >/dev/null 2>&1; echo x >> {tmp_path}/runs"


def runs(tmp_path: Path) -> int:
    return (tmp_path / "runs").read_text().count("x")


def applying(repo: Path, plan: Path) -> str:
    path = environment()["PYTHONPATH"]
    return f"cd {repo} && PYTHONPATH={path} {sys.executable} -m gitcoord plan apply {plan}"


def test_an_object_that_a_gate_wrote_over_does_not_land(repo: Path, tmp_path: Path) -> None:
    script = tmp_path / "forge.py"
    script.write_text(FORGE)
    work = trusted(repo, gated("a", run=f"{sys.executable} {script} {repo}/.git"), "x")
    do(work, "x", "a", "good\n")
    error = refusal(work)
    assert error.reason == "broken-objects"
    clean(repo)


WRITES = {
    "a replace ref": "git replace -f HEAD HEAD~1",
    "a graft": "echo $(git rev-parse HEAD) > {git}/info/grafts",
    "shallow": "git rev-parse HEAD > {git}/shallow",
    "attributes": "mkdir -p {git}/info && echo '* merge=union' > {git}/info/attributes",
    "its own place in .git": "rm -rf {git}/worktrees/*-x {git}/gitcoord/checks/*",
    "its worktree": "rm -rf $GITCOORD_WORKTREE",
    "an unreadable worktree": "mkdir d && chmod 0 d",
    "the landing's lock": "rm -rf {git}/gitcoord/locks",
    "the private files": "rm -rf {git}/gitcoord/pending {git}/gitcoord/index {git}/gitcoord/logs",
    "rubbish in the index": "echo x > {git}/gitcoord/index/ledger.sqlite",
    "another HEAD there": "git checkout -q --detach HEAD~1 && git clean -fdxq",
    "another commit there": "echo bad > a/file.txt && git add . && git commit -qm bad",
}


@pytest.mark.parametrize("name", WRITES)
def test_what_a_gate_writes_into_git_does_not_change_what_lands(
    repo: Path, tmp_path: Path, name: str
) -> None:
    act = WRITES[name].format(git=repo / ".git")
    work = trusted(repo, gated("a", run=once(tmp_path, act)), "x")
    do(work, "x", "a", "good\n")
    landings.land(work, "default")
    assert (tmp_path / "acted").exists()
    assert git("--no-replace-objects", "show", "main:a/file.txt", cwd=repo) == "good"
    verify.verify(work)


LEDGER = "refs/heads/gitcoord/ledger"
JUNK = f"git update-ref {LEDGER} $(echo hello | git commit-tree {LEDGER}^{{tree}} -p {LEDGER})"
CHANGES: dict[str, tuple[str, type[GitcoordError]]] = {
    "no ledger": (f"git update-ref -d {LEDGER}", NotFoundError),
    "an older ledger": (f"git update-ref {LEDGER} {LEDGER}~1", RefusedError),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_gate_that_changes_the_ledger_with_git_lands_nothing(
    repo: Path, tmp_path: Path, name: str
) -> None:
    act, kind = CHANGES[name]
    work = trusted(repo, gated("a", run=once(tmp_path, act)), "x")
    do(work, "x", "a")
    tip = git("rev-parse", "main", cwd=repo)
    with pytest.raises(kind):
        landings.land(work, "default")
    assert git("rev-parse", "main", cwd=repo) == tip
    clean(repo)


def test_an_entry_that_a_gate_wrote_with_git_is_named_afterwards(
    repo: Path, tmp_path: Path
) -> None:
    work = trusted(repo, gated("a", run=once(tmp_path, JUNK)), "x")
    do(work, "x", "a")
    landings.land(work, "default")
    junk = git("log", "--format=%H", "--grep=^hello$", LEDGER, cwd=repo)
    with pytest.raises(CorruptError, match=junk[:12]):
        verify.verify(work)


PASS = """
import sys
from pathlib import Path
from gitcoord.core.operations.gates import definition_of
from gitcoord.features.workspace import open_workspace
from gitcoord.git.merges import tree_of

work = open_workspace(Path(sys.argv[1]))
commit = work.store.read_ref("refs/heads/main")
tested = sys.argv[2]
tree = tree_of(work.git, tested)
two = work.ledger.snapshot().phase("default")["spec"]["gates"][1]
facts = {"definition": definition_of(two), "tree": tree, "commit": tested, "verdict": "passed"}
facts |= {"millis": 1, "reason": "", "log": None}
command = {"op": "gate", "phase": "default", "gate": "two", **facts}
work.ledger.execute(command, agent="orchestrator")
"""


def test_a_gate_that_forges_the_pass_of_the_next_does_not_spare_it(
    repo: Path, tmp_path: Path
) -> None:
    script = tmp_path / "pass.py"
    script.write_text(PASS)
    path = environment()["PYTHONPATH"]
    first = f"PYTHONPATH={path} {sys.executable} {script} {repo} $GITCOORD_COMMIT"
    gates = f"[{{ name = 'one', run = '{first}' }}, {{ name = 'two', run = 'exit 1' }}]"
    work = trusted(repo, f'[[phase]]\nname = "default"\ngates = {gates}\n' + tasks("a"), "x")
    do(work, "x", "a")
    assert refusal(work).facts["gate"] == "two"
    assert refusal(work).facts["gate"] == "two"
    assert ops(work).count("gate") == 4


# plan edits


def test_a_gate_that_is_added_while_gates_run_is_run_before_anything_lands(
    repo: Path, tmp_path: Path
) -> None:
    run = once(tmp_path, applying(repo, tmp_path / "more.toml"))
    work = trusted(repo, gated("a", run=run), "x")
    more = f"gates = [{{ name = 'g', run = '''{run}''' }}, {{ name = 'h', run = 'exit 1' }}]"
    (tmp_path / "more.toml").write_text(f'[[phase]]\nname = "default"\n{more}\n' + tasks("a"))
    do(work, "x", "a")
    error = refusal(work)
    assert (error.reason, error.facts["commands"]) == ("trust", ["gate: exit 1"])
    trust.trust(work, work.ledger.snapshot())
    assert refusal(work).facts["gate"] == "h"


def test_a_gate_that_is_taken_out_while_it_runs_proves_nothing(repo: Path, tmp_path: Path) -> None:
    run = once(tmp_path, applying(repo, tmp_path / "less.toml"))
    work = trusted(repo, gated("a", run=run), "x")
    head = "[plan]\ngates_required = true\n"
    (tmp_path / "less.toml").write_text(f'{head}[[phase]]\nname = "default"\n' + tasks("a"))
    do(work, "x", "a")
    assert refusal(work).reason == "gates-required"
    assert runs(tmp_path) == 1
