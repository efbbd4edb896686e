"""A gate's environment is built once from named files, and each run gets a copy of it."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path

import pytest

from gitcoord.core.errors import InvalidPlanError, RefusedError
from gitcoord.core.plan import parse
from gitcoord.features.land import landings
from gitcoord.features.setup import trust
from gitcoord.features.work import checks
from gitcoord.features.workspace import Workspace
from gitcoord.host.user_folder import user_folder
from tests.support.world import do, found, git, write

SETUP = "echo built >> ../built.log; mkdir -p env/bin; cp needs.txt env/; pwd > env/bin/place"


def world(repo: Path, run: str, setup: str = SETUP, cache: str = "needs.txt") -> Workspace:
    write(repo, "needs.txt", "one\n")
    write(repo, "code.py", "x = 1\n")
    plan = (
        '[plan]\nmax_attempts = 9\n[[phase]]\nname = "default"\n'
        f'gates = [{{ name = "tests", run = """{run}""", setup = """{setup}""", '
        f'cache = ["{cache}"] }}]\n'
        + "".join(
            f'[[task]]\nid = "{name}"\ntitle = "t"\npaths = ["{name}/", "needs.txt"]\n'
            for name in ("a",)
        )
    )
    work = found(repo, plan, "ada")
    trust.trust(work, work.ledger.snapshot())
    return work


def verdict(work: Workspace, commit: str) -> tuple[bool, str]:
    snapshot = work.ledger.snapshot()
    (phase,) = snapshot.phases()
    seen = checks.attempt(work, phase["id"], phase["spec"]["gates"][0], commit)
    return seen.is_passed, seen.output.decode()


def built(repo: Path) -> int:
    log = repo.parent / "repo.gates" / "built.log"
    kept = repo.parent / "built.log"
    return len((log if log.exists() else kept).read_text().splitlines())


def test_it_is_built_once_for_the_files_that_it_names(repo: Path) -> None:
    counting = SETUP.replace("../built.log", str(repo.parent / "built.log"))
    work = world(repo, "cat env/needs.txt env/bin/place; ls; pwd", counting)
    first = git("rev-parse", "HEAD", cwd=repo)
    is_passed, told = verdict(work, first)
    assert is_passed
    lines = told.splitlines()
    assert lines[0] == "one"
    # What names the folder where it was built names this run's.
    assert lines[1] == lines[-1]
    assert "code.py" in lines
    other = write(repo, "code.py", "x = 2\n")
    assert verdict(work, other)[0]
    assert built(repo) == 1
    changed = write(repo, "needs.txt", "two\n")
    assert verdict(work, changed)[1].startswith("two\n")
    assert built(repo) == 2
    assert verdict(work, first)[1].startswith("one\n")
    assert built(repo) == 2


def test_the_setup_sees_nothing_of_the_code_under_test(repo: Path) -> None:
    work = world(repo, "cat env/seen", "ls > seen; mkdir env; mv seen env")
    assert verdict(work, git("rev-parse", "HEAD", cwd=repo)) == (True, "needs.txt\nseen\n")


def test_what_a_run_does_to_its_copy_reaches_no_later_run(repo: Path) -> None:
    work = world(repo, "cat env/needs.txt; echo poison > env/needs.txt; touch env/more")
    head = git("rev-parse", "HEAD", cwd=repo)
    assert verdict(work, head) == (True, "one\n")
    assert verdict(work, head) == (True, "one\n")


def test_one_that_was_changed_is_built_anew(repo: Path) -> None:
    work = world(repo, "cat env/needs.txt")
    head = git("rev-parse", "HEAD", cwd=repo)
    assert verdict(work, head)[0]
    (frozen,) = (repo / ".git" / "gitcoord" / "environments").iterdir()
    (frozen / "files" / "env" / "needs.txt").write_text("poison\n")
    assert verdict(work, head) == (True, "one\n")


def test_a_file_of_the_commit_is_never_replaced_by_the_environment(repo: Path) -> None:
    work = world(repo, "cat code.py", "echo pass > code.py")
    assert verdict(work, git("rev-parse", "HEAD", cwd=repo)) == (True, "x = 1\n")


@pytest.mark.parametrize(
    ("setup", "cache", "why"),
    [
        ("echo no; exit 3", "needs.txt", "its setup failed: it ended with status 3"),
        (SETUP, "lost.txt", "its setup needs lost.txt, which the commit lacks"),
    ],
)
def test_a_setup_that_cannot_run_fails_the_gate(
    repo: Path, setup: str, cache: str, why: str
) -> None:
    work = world(repo, "true", setup, cache)
    do(work, "ada", "a")
    with pytest.raises(RefusedError, match="gate tests of phase default failed") as caught:
        landings.land(work, "default")
    assert why in caught.value.message


def test_a_setup_is_trusted_like_the_gate(repo: Path) -> None:
    work = world(repo, "true")
    assert f"gate setup: {SETUP}" in trust.commands_of(work.ledger.snapshot())
    shutil.rmtree(Path(user_folder()))
    do(work, "ada", "a")
    with pytest.raises(RefusedError, match="not trusted") as caught:
        landings.land(work, "default")
    assert caught.value.reason == "trust"


def test_a_virtual_environment_is_copied_with_its_programs(repo: Path) -> None:
    python = shlex.quote(sys.executable)
    setup = f"{python} -m venv --without-pip env && printf '#!%s/env/bin/python\\\\nimport sys; "
    setup += "print(sys.prefix)\\\\n' $PWD > env/bin/tool && chmod +x env/bin/tool"
    work = world(repo, "env/bin/tool; pwd", setup)
    head = git("rev-parse", "HEAD", cwd=repo)
    for _ in range(2):
        is_passed, told = verdict(work, head)
        assert is_passed, told
        prefix, place = told.splitlines()
        assert prefix == f"{place}/env"


def test_files_without_a_setup_and_patterns_are_refused() -> None:
    task = '[[task]]\nid = "a"\ntitle = "t"\npaths = ["a/"]\n'
    for keys in ('cache = ["x"]', 'setup = "true", cache = ["*.txt"]', 'setup = "true", cach = []'):
        plan = f'[[phase]]\nname = "p"\ngates = [{{ name = "g", run = "true", {keys} }}]\n{task}'
        with pytest.raises(InvalidPlanError):
            parse(plan)
