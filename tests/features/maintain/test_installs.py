"""Installations that lead back into the repository are found, and nothing is run for it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from gitcoord.features.maintain import doctor
from gitcoord.features.maintain.installs import (
    leading_into,
    misled,
    misled_here,
    site_folders,
)
from gitcoord.features.work.check_run import Job, run_check
from gitcoord.features.workspace import open_workspace
from tests.support.builders import tasks
from tests.support.world import found, git, write


def _environment(root: Path, place: Path, *, editable: bool = True) -> Path:
    folder = root / "lib" / "python3.11" / "site-packages"
    record = folder / "shop-1.0.dist-info" / "direct_url.json"
    record.parent.mkdir(parents=True)
    url = {"url": f"file://{str(place).replace(' ', '%20')}", "dir_info": {"editable": editable}}
    record.write_text(json.dumps(url))
    return folder


def test_an_editable_install_of_this_checkout_is_named(repo: Path, tmp_path: Path) -> None:
    folder = _environment(tmp_path / "env", repo)
    assert leading_into(folder, repo) == [f"shop is installed from {repo}"]


def test_an_install_of_another_place_or_a_copy_is_not_named(repo: Path, tmp_path: Path) -> None:
    assert leading_into(_environment(tmp_path / "one", tmp_path / "other"), repo) == []
    assert leading_into(_environment(tmp_path / "two", repo, editable=False), repo) == []


def test_a_path_file_that_leads_into_the_checkout_is_named(repo: Path, tmp_path: Path) -> None:
    folder = tmp_path / "env" / "lib" / "python3.12" / "site-packages"
    folder.mkdir(parents=True)
    beside = os.path.relpath(repo, folder)
    (folder / "shop.pth").write_text(f"# where\nimport os\n{repo}/src\n\n{beside}\n")
    assert leading_into(folder, repo) == [
        f"shop.pth leads to {repo}/src",
        f"shop.pth leads to {beside}",
    ]


def test_an_egg_link_into_the_checkout_is_named(repo: Path, tmp_path: Path) -> None:
    folder = tmp_path / "env" / "lib" / "python3.12" / "site-packages"
    folder.mkdir(parents=True)
    (folder / "shop.egg-link").write_text(f"{repo}/src\n../\n")
    (folder / "other.egg-link").write_text(f"{tmp_path}/elsewhere\n.\n")
    (folder / "empty.egg-link").write_text("")
    (folder / "easy-install.pth").write_text(f"{repo}/src\n")
    assert leading_into(folder, repo) == [f"shop is installed from {repo}/src"]


def test_an_install_from_an_agent_s_worktree_is_named_too(
    repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = found(repo, tasks("a"), "x")
    place = repo.with_name("repo.worktrees") / "x"
    _environment(tmp_path / "env", place)
    monkeypatch.setenv("VIRTUAL_ENV", str(tmp_path / "env"))
    (told,) = misled_here(work, ["check: pytest"])
    assert f"shop is installed from {place}" in told.text


def test_a_pythonpath_of_the_user_s_that_leads_into_the_checkout_is_named(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)
    monkeypatch.setenv("PYTHONPATH", f"/elsewhere::{repo}/src:src")
    told = misled(repo, ["gate: pytest"])
    assert [one.text.partition(" (in ")[0] for one in told] == [f"PYTHONPATH leads to {repo}/src"]
    assert misled(repo, ["gate: PYTHONPATH=src pytest"]) == []


def test_a_package_that_npm_linked_is_named(
    repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prefix = tmp_path / "prefix"
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("no npm here (Debian: npm)")
    write(repo, "package.json", '{"name": "@shop/till", "version": "1.0.0"}\n')
    monkeypatch.setenv("NPM_CONFIG_PREFIX", str(prefix))
    offline = ["--offline", "--no-audit", "--no-fund", "--no-update-notifier"]
    subprocess.run([npm, "link", *offline], cwd=repo, check=True, capture_output=True)
    (told,) = misled(repo, ["gate: npm test"])
    assert told.text.startswith(f"@shop/till is linked to {repo} (in {prefix}/lib/node_modules)")
    assert "npm's own unlink" in told.advice
    assert misled(repo, ["worktree setup: npm ci", "gate setup: npm ci", "run: ./agent.sh"]) == []
    args = ["unlink", "--global", "@shop/till", *offline]
    subprocess.run([npm, *args], cwd=tmp_path, check=True, capture_output=True)
    assert misled(repo, ["gate: npm test"]) == []


def test_the_folders_that_node_looks_in_are_looked_at(
    repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    (home / ".npmrc").write_text("fund=false\nprefix = ${HOME}/npm\n")
    named = tmp_path / "named"
    monkeypatch.setenv("NODE_PATH", str(named))
    folders = [home / "npm/lib/node_modules", named, repo.parent / "node_modules"]
    for number, folder in enumerate(folders):
        folder.mkdir(parents=True)
        (folder / f"till-{number}").symlink_to(repo)
        (folder / "other").symlink_to(tmp_path)
    told = misled(repo, ["gate: PYTHONPATH=. node x"])
    assert sorted(one.text.split()[0] for one in told) == ["till-0", "till-1", "till-2"]


def test_a_go_work_above_the_repository_that_uses_it_is_named(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = repo.parent / "go.work"
    work.write_text('go 1.22\n\nuse (\n\t./other // not ours\n\t"./repo/till"\n)\nuse ./repo\n')
    command = ["gate: PYTHONPATH=. go test ./..."]
    told = [one.text.partition(" (in ")[0] for one in misled(repo, command)]
    assert told == ["go.work uses ./repo/till", "go.work uses ./repo"]
    assert misled(repo, command)[0].advice == "start the check with GOWORK=off"
    assert misled(repo, ["gate: PYTHONPATH=. GOWORK=off go test ./..."]) == []
    monkeypatch.setenv("GOWORK", "off")
    assert misled(repo, command) == []
    elsewhere = repo.parent / "else.work"
    elsewhere.write_text(f"use {repo}\n")
    monkeypatch.setenv("GOWORK", str(elsewhere))
    assert misled(repo, command)[0].text.startswith(f"go.work uses {repo} (in {elsewhere})")


def test_what_uv_installs_in_place_is_named(
    repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uv = shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))
    if uv is None:
        pytest.skip("no uv here (pip install uv)")
    backend = '[build-system]\nrequires = []\nbuild-backend = "own"\nbackend-path = ["."]\n'
    write(repo, "pyproject.toml", f'{backend}[project]\nname = "till"\nversion = "1.0"\n')
    write(repo, "own.py", _BACKEND)
    env = tmp_path / "env"
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    run = partial(subprocess.run, check=True, capture_output=True, cwd=repo)
    run([uv, "venv", "-q", "--offline", "--python", sys.executable, str(env)])
    run([uv, "pip", "install", "-q", "--offline", "--python", str(env / "bin/python"), "-e", "."])
    monkeypatch.setenv("VIRTUAL_ENV", str(env))
    monkeypatch.setenv("PATH", f"{env}/bin:/usr/bin:/bin")
    (told,) = misled(repo, ["gate: python -m pytest"])
    assert told.text.startswith(f"till is installed from {repo} (in {env}/lib/")


_BACKEND = '''
import zipfile


def build_editable(folder, config_settings=None, metadata_directory=None):
    """Write the wheel of an editable install: a path file, and what describes it."""
    name = "till-1.0-py3-none-any.whl"
    info = "till-1.0.dist-info"
    with zipfile.ZipFile(f"{folder}/{name}", "w") as wheel:
        wheel.writestr("till.pth", __file__.rpartition("/")[0])
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\\nName: till\\nVersion: 1.0\\n")
        tag = "Wheel-Version: 1.0\\nGenerator: own\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"
        wheel.writestr(f"{info}/WHEEL", tag)
        wheel.writestr(f"{info}/RECORD", "")
    return name
'''


def test_a_record_that_cannot_be_read_is_passed_over(repo: Path, tmp_path: Path) -> None:
    folder = _environment(tmp_path / "env", repo)
    for text in (
        "",
        "[]",
        '{"url": 5}',
        "\x00",
        '{"url": "https://x", "dir_info": {"editable": true}}',
    ):
        (folder / "shop-1.0.dist-info" / "direct_url.json").write_text(text)
        assert leading_into(folder, repo) == []


def test_the_environments_that_a_check_may_use_are_looked_at(
    repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    active = _environment(tmp_path / "active", repo)
    own = _environment(repo / ".venv", repo)
    monkeypatch.setenv("VIRTUAL_ENV", str(tmp_path / "active"))
    assert {active, own} <= set(site_folders(repo))


def test_doctor_names_it_where_the_plan_runs_commands(
    repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _environment(tmp_path / "active", repo)
    monkeypatch.setenv("VIRTUAL_ENV", str(tmp_path / "active"))
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    work = found(repo, tasks("a"))
    assert "installs" not in {one.check for one in doctor.examine(work).problems}
    from gitcoord.features.setup import plans

    checked = tasks("a").replace('title = "Do a"', 'title = "Do a"\ncheck = "pytest"')
    plans.apply_plan(work, checked, "p.toml")
    told = [one for one in doctor.examine(work).problems if one.check == "installs"]
    assert len(told) == 1
    assert "shop is installed from" in told[0].text
    assert "PYTHONPATH" in told[0].advice


def test_commands_that_say_where_the_code_is_are_not_misled(
    repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _environment(tmp_path / "env", repo)
    monkeypatch.setenv("VIRTUAL_ENV", str(tmp_path / "env"))
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    safe = ["worktree setup: make venv", "check: PYTHONPATH=src pytest"]
    assert misled(repo, safe) == []
    assert [one.advice.split(",")[0] for one in misled(repo, [*safe, "gate: pytest"])] == [
        "start the check with PYTHONPATH=."
    ]
    (repo / "src").mkdir()
    assert "PYTHONPATH=src" in misled(repo, ["gate: pytest"])[0].advice


def test_a_check_that_says_where_the_code_is_cannot_test_another_commit(
    repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(repo, "src/shop.py", "IS_WHOLE = True\n")
    python = _environment_of_its_own(tmp_path / "env", repo / "src")
    monkeypatch.setenv("VIRTUAL_ENV", str(tmp_path / "env"))
    monkeypatch.setenv("PATH", f"{python.parent}:/usr/bin:/bin")
    look = "python -c 'import shop; assert shop.IS_WHOLE'"
    commit = _broken_commit(repo)
    job = Job(commit, look, 60_000, {}, tmp_path / "log")
    git_program = open_workspace(repo).git
    assert run_check(git_program, job).is_passed
    safe = job._replace(command=f"PYTHONPATH=src {look}")
    assert not run_check(git_program, safe).is_passed


def _environment_of_its_own(root: Path, source: Path) -> Path:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(root)], check=True)
    folder = next(root.glob("lib/python3*/site-packages"))
    (folder / "shop.pth").write_text(f"{source}\n")
    return root / "bin" / "python"


def _broken_commit(repo: Path) -> str:
    git("switch", "-q", "-c", "broken", cwd=repo)
    commit = write(repo, "src/shop.py", "IS_WHOLE = False\n")
    git("switch", "-q", "main", cwd=repo)
    return commit
