"""A gate's environment is built once from named files, and each run gets a copy of it."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from uv import find_uv_bin

from gitcoord.core.errors import InvalidPlanError, RefusedError
from gitcoord.core.plan import parse
from gitcoord.features.land import landings
from gitcoord.features.setup import trust
from gitcoord.features.work import checks
from gitcoord.features.workspace import Workspace
from gitcoord.host.user_folder import user_folder
from tests.support.world import do, found, git, write

SETUP = "echo built >> ../built.log; mkdir -p env/bin; cp needs.txt env/; pwd > env/bin/place"


def world(
    repo: Path, run: str, setup: str = SETUP, cache: Sequence[str] = ("needs.txt",)
) -> Workspace:
    write(repo, "needs.txt", "one\n")
    write(repo, "code.py", "x = 1\n")
    plan = (
        '[plan]\nmax_attempts = 9\n[[phase]]\nname = "default"\n'
        f'gates = [{{ name = "tests", run = """{run}""", setup = """{setup}""", '
        f"cache = {json.dumps(list(cache))} }}]\n"
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
    work = world(repo, "true", setup, [cache])
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


def wheel(folder: Path) -> None:
    """Write a wheel of one module, as a project keeps what no registry has."""
    folder.mkdir(parents=True)
    about = "helper-1.dist-info"
    with zipfile.ZipFile(folder / "helper-1-py3-none-any.whl", "w") as packed:
        packed.writestr("helper.py", "VALUE = 1\n")
        packed.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: helper\nVersion: 1\n")
        packed.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        names = ("helper.py", f"{about}/METADATA", f"{about}/WHEEL", f"{about}/RECORD")
        packed.writestr(f"{about}/RECORD", "".join(f"{name},,\n" for name in names))


def each_sees_its_own(
    work: Workspace, repo: Path, source: str, broken: str, files: Sequence[str]
) -> None:
    """See that a gate runs each commit's own code in its own copy of one environment."""
    git("add", *files, cwd=repo)
    good = write(repo, "notes.txt", "all is there\n")
    bad = write(repo, source, broken)
    is_passed, told = verdict(work, good)
    assert is_passed, told
    used, place = told.splitlines()[-2:]
    assert used.startswith(f"{place}/")
    is_passed, told = verdict(work, bad)
    assert not is_passed
    assert "SyntaxError" in told
    assert verdict(work, good)[0]
    assert len(list((repo / ".git" / "gitcoord" / "environments").iterdir())) == 1


RUN_PYTHON = (
    "PYTHONPATH=src .venv/bin/python -c 'import helper, shop; print(helper.__file__)' && pwd"
)
PYTHON = shlex.quote(sys.executable)
PIP = (
    f"{PYTHON} -m venv --without-pip .venv && "
    f"{PYTHON} -m pip --python .venv install -q --no-index vendor/*.whl"
)


def test_pip_installs_once_for_a_src_layout(repo: Path) -> None:
    wheel(repo / "vendor")
    write(repo, "src/shop.py", "x = 1\n")
    work = world(repo, RUN_PYTHON, PIP, ["vendor"])
    each_sees_its_own(work, repo, "src/shop.py", "x = (\n", ["vendor"])


PROJECT = """\
[project]
name = "shop"
version = "1"
requires-python = ">=3.11"
dependencies = ["helper"]
[tool.uv.sources]
helper = { path = "vendor/helper-1-py3-none-any.whl" }
"""


def test_uv_syncs_once_for_a_src_layout(repo: Path) -> None:
    wheel(repo / "vendor")
    write(repo, "pyproject.toml", PROJECT)
    write(repo, "src/shop.py", "x = 1\n")
    offline = ["--offline", "--python", sys.executable]
    subprocess.run([find_uv_bin(), "lock", "-q", *offline], cwd=repo, check=True)
    setup = shlex.join([find_uv_bin(), "sync", "-q", "--frozen", "--no-install-project", *offline])
    files = ["pyproject.toml", "uv.lock", "vendor"]
    work = world(repo, RUN_PYTHON, setup, files)
    each_sees_its_own(work, repo, "src/shop.py", "x = (\n", files)


@pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")
def test_npm_installs_once(repo: Path) -> None:
    write(repo, "vendor/helper/package.json", '{"name": "helper", "version": "1.0.0"}')
    write(repo, "vendor/helper/index.js", "exports.value = 1\n")
    needs = {"helper": "file:vendor/helper"}
    write(repo, "package.json", json.dumps({"name": "shop", "dependencies": needs}))
    write(repo, "src/shop.js", "exports.value = 1\n")
    words = ["npm", "install", "--silent", "--offline", "--package-lock-only"]
    subprocess.run(words, cwd=repo, check=True)
    run = "node -e 'require(`./src/shop`); console.log(require.resolve(`helper`))' && pwd"
    files = ["package.json", "package-lock.json", "vendor"]
    work = world(repo, run, "npm ci --silent --offline --ignore-scripts", files)
    each_sees_its_own(work, repo, "src/shop.js", "exports.value = (\n", files)


def test_files_without_a_setup_and_patterns_are_refused() -> None:
    task = '[[task]]\nid = "a"\ntitle = "t"\npaths = ["a/"]\n'
    for keys in ('cache = ["x"]', 'setup = "true", cache = ["*.txt"]', 'setup = "true", cach = []'):
        plan = f'[[phase]]\nname = "p"\ngates = [{{ name = "g", run = "true", {keys} }}]\n{task}'
        with pytest.raises(InvalidPlanError):
            parse(plan)
