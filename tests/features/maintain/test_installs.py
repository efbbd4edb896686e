"""Installations that lead back into the repository are found, and nothing is run for it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from gitcoord.features.maintain import doctor
from gitcoord.features.maintain.installs import leading_into, misled, site_folders
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
    (folder / "shop.pth").write_text(f"# where\nimport os\n{repo}/src\n")
    assert leading_into(folder, repo) == [f"shop.pth leads to {repo}/src"]


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
