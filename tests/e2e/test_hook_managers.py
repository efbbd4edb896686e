"""With and beside pre-commit, prek, husky and lefthook, as they really are.

``make hook-tools`` installs them; without it these tests skip.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from gitcoord.features.setup import hooks
from gitcoord.features.work import claims
from gitcoord.features.workspace import Workspace
from tests.support.builders import tasks
from tests.support.hooked import use_this_code
from tests.support.world import ENV_PATH, found, git

TOOLS = Path(os.environ.get("GITCOORD_HOOK_TOOLS") or Path(ENV_PATH) / ".venv" / "hook-tools")
PRE_COMMIT = TOOLS / "venv" / "bin" / "pre-commit"
PREK = TOOLS / "venv" / "bin" / "prek"
HUSKY = TOOLS / "node_modules" / ".bin" / "husky"
LEFTHOOK = TOOLS / "node_modules" / ".bin" / "lefthook"
MINE = (
    ".pre-commit-config.yaml",
    "repos:\n- repo: local\n  hooks:\n  - id: mine\n    name: mine\n    language: system\n    "
    "entry: sh -c 'echo mine >>\"$SAID\"'\n    pass_filenames: false\n",
)

needs_pre_commit = pytest.mark.skipif(
    not PRE_COMMIT.exists(), reason="no pre-commit: `make hook-tools` installs it"
)
needs_prek = pytest.mark.skipif(not PREK.exists(), reason="no prek: `make hook-tools` installs it")
needs_husky = pytest.mark.skipif(
    not HUSKY.exists(), reason="no husky: `make hook-tools` installs it"
)
needs_lefthook = pytest.mark.skipif(
    not LEFTHOOK.exists(), reason="no lefthook: `make hook-tools` installs it"
)


@pytest.fixture(autouse=True)
def _ours(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    use_this_code(monkeypatch)
    monkeypatch.setenv("SAID", str(tmp_path / "said"))
    monkeypatch.setenv("PATH", f"{LEFTHOOK.parent}:{os.environ['PATH']}")


def told() -> int:
    file = Path(os.environ["SAID"])
    return len(file.read_text().splitlines()) if file.exists() else 0


def tool(program: Path, *args: str, cwd: Path) -> None:
    # pre-commit is a Python program of another environment.
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    subprocess.run([program, *args], cwd=cwd, check=True, capture_output=True, env=env)


def commit(place: Path, name: str) -> subprocess.CompletedProcess[str]:
    (place / name).parent.mkdir(exist_ok=True)
    with (place / name).open("a") as file:
        file.write("more\n")
    git("add", name, cwd=place)
    done = subprocess.run(
        ["git", "commit", "-m", "x"], cwd=place, check=False, capture_output=True, text=True
    )
    git("reset", "-q", cwd=place)
    return done


def world(repo: Path, **files: str) -> Workspace:
    """Commit the manager's own file, so that agents' worktrees have it too."""
    for name, text in files.items():
        (repo / name).parent.mkdir(exist_ok=True)
        (repo / name).write_text(text)
    git("add", "-A", cwd=repo)
    git("commit", "-q", "-m", "hooks", cwd=repo)
    return found(repo, tasks("a", "b"), "x")


def files(repo: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (repo / ".git" / "hooks").iterdir()}


def refuses_outside_and_names_the_task(work: Workspace) -> None:
    """Both run: theirs, and ours with its verdict."""
    place = Path(claims.claim(work, "x", "a").worktree or "")
    before = told()
    refused = commit(place, "README.md")
    assert refused.returncode == 1, refused.stderr
    assert "outside the boundary: README.md" in refused.stdout + refused.stderr
    git("restore", "README.md", cwd=place)
    done = commit(place, "a/one")
    assert done.returncode == 0, done.stderr
    assert told() > before
    assert "Gitcoord-Task: a" in git("log", "-1", "--format=%B", cwd=place)


@needs_pre_commit
def test_beside_pre_commit_ours_is_the_hook_that_it_runs_first(repo: Path) -> None:
    work = world(repo, **dict([MINE]))
    tool(PRE_COMMIT, "install", cwd=repo)
    before = files(repo)
    hooks.install(work)
    assert (repo / ".git" / "hooks" / "pre-commit").read_bytes() == before["pre-commit"]
    assert {row.runs for row in hooks.status(work) if row.event == "pre-commit"} == {
        "gitcoord and pre-commit"
    }
    refuses_outside_and_names_the_task(work)
    # Installed again it keeps ours, and so do we.
    tool(PRE_COMMIT, "install", cwd=repo)
    assert {step.act for step in hooks.install(work)} == {"keep"}
    hooks.uninstall(work)
    assert files(repo) == before


@needs_pre_commit
def test_pre_commit_that_comes_later_or_goes_first_leaves_both_whole(repo: Path) -> None:
    work = world(repo, **dict([MINE]))
    before = files(repo)
    hooks.install(work)
    tool(PRE_COMMIT, "install", cwd=repo)
    assert {step.act for step in hooks.install(work)} == {"keep"}
    refuses_outside_and_names_the_task(work)
    tool(PRE_COMMIT, "uninstall", cwd=repo)
    assert {step.act for step in hooks.install(work)} == {"keep"}
    hooks.uninstall(work)
    assert files(repo) == before


@needs_pre_commit
def test_a_users_hook_survives_both_in_any_order(repo: Path) -> None:
    work = world(repo, **dict([MINE]))
    hook = repo / ".git" / "hooks" / "pre-commit"
    hook.parent.mkdir(exist_ok=True)
    for content in (b'#!/bin/sh\necho hook >>"$SAID"\n', b"#!/usr/bin/perl\n"):
        hook.write_bytes(content)
        hook.chmod(0o755)
        before = files(repo)
        hooks.install(work)
        tool(PRE_COMMIT, "install", cwd=repo)
        hooks.uninstall(work)
        tool(PRE_COMMIT, "uninstall", cwd=repo)
        assert files(repo) == before


@needs_pre_commit
def test_the_lines_for_a_pre_commit_configuration_do_what_they_say(repo: Path) -> None:
    from gitcoord.features.setup.hook_plan import lines_for

    config = MINE[1] + "".join(
        line + "\n"
        for event in ("pre-commit", "commit-msg")
        for line in lines_for("prek", event).splitlines()
    )
    work = world(repo, **{".pre-commit-config.yaml": config})
    hooks.install(work)
    for event in ("pre-commit", "commit-msg"):
        (repo / ".git" / "hooks" / event).unlink()
    tool(PRE_COMMIT, "install", "-t", "pre-commit", "-t", "commit-msg", cwd=repo)
    refuses_outside_and_names_the_task(work)


@needs_prek
def test_with_prek_the_printed_lines_do_it_and_its_hooks_stay(repo: Path) -> None:
    work = world(repo, **dict([MINE]))
    tool(PREK, "install", "-t", "pre-commit", "-t", "commit-msg", cwd=repo)
    before = files(repo)
    steps = [step for step in hooks.install(work) if step.act == "advise"]
    assert [(step.event, step.name) for step in steps] == [
        ("pre-commit", "prek"),
        ("commit-msg", "prek"),
    ]
    assert {name: content for name, content in files(repo).items() if name in before} == before
    (repo / MINE[0]).write_text(MINE[1] + "".join(step.content.decode() + "\n" for step in steps))
    git("commit", "-q", "-am", "lines", "--no-verify", cwd=repo)
    assert {step.act for step in hooks.install(work)} == {"keep"}, (
        "what was added is not asked for again"
    )
    assert {row.runs for row in hooks.status(work) if row.event == "pre-commit"} == {
        "gitcoord and prek"
    }
    refuses_outside_and_names_the_task(work)
    hooks.uninstall(work)
    assert files(repo) == before


@needs_prek
def test_prek_that_comes_later_runs_ours_first(repo: Path) -> None:
    work = world(repo, **dict([MINE]))
    before = files(repo)
    hooks.install(work)
    tool(PREK, "install", cwd=repo)
    assert {step.act for step in hooks.install(work)} == {"keep"}
    refuses_outside_and_names_the_task(work)
    tool(PREK, "uninstall", cwd=repo)
    hooks.uninstall(work)
    assert files(repo) == before


@needs_husky
def test_with_husky_the_printed_lines_do_it_and_nothing_of_husky_is_touched(repo: Path) -> None:
    work = world(repo, **{".husky/pre-commit": 'echo mine >>"$SAID"\n'})
    tool(HUSKY, cwd=repo)
    config, before = (repo / ".git" / "config").read_bytes(), files(repo)
    owned = sorted(
        (path.name, path.read_bytes()) for path in (repo / ".husky").rglob("*") if path.is_file()
    )
    steps = hooks.install(work)
    assert (
        sorted(
            (path.name, path.read_bytes())
            for path in (repo / ".husky").rglob("*")
            if path.is_file()
        )
        == owned
    )
    assert ((repo / ".git" / "config").read_bytes(), files(repo)) == (config, before)
    # husky makes .husky/_ in the worktree where it is run, and in no other.
    assert any("no hook at all runs in x" in row.problem for row in hooks.status(work))
    place = work.worktree_of("x")
    assert place is not None
    claims.claim(work, "x", "a")
    for top in (repo, place):
        for step in steps:
            if step.event in {"pre-commit", "commit-msg"} and step.name == "husky":
                file = top / ".husky" / step.event
                file.write_text(
                    (file.read_text() if file.exists() else "") + step.content.decode() + "\n"
                )
    tool(HUSKY, cwd=place)
    assert {row.runs for row in hooks.status(work) if row.event == "pre-commit"} == {
        "gitcoord and your hook"
    }
    refuses_outside_and_names_the_task(work)
    hooks.uninstall(work)
    assert commit(place, "README.md").returncode == 0, "the lines do nothing without us"


@needs_lefthook
def test_with_lefthook_the_printed_lines_do_it_and_its_hooks_stay(repo: Path) -> None:
    own = (
        'pre-commit:\n  commands:\n    mine:\n      run: echo mine >>"$SAID"\ncommit-msg:\n  '
        'commands:\n    mine:\n      run: "true"\n'
    )
    work = world(repo, **{"lefthook.yml": own})
    tool(LEFTHOOK, "install", cwd=repo)
    before = files(repo)
    steps = {step.event: step for step in hooks.install(work)}
    assert {event for event, step in steps.items() if step.act == "advise"} == {
        "pre-commit",
        "commit-msg",
    }
    assert {name: content for name, content in files(repo).items() if name in before} == before
    added = ""
    for event in ("pre-commit", "commit-msg"):
        added += (
            steps[event]
            .content.decode()
            .replace(
                "  commands:\n",
                "  commands:\n" + ('    mine:\n      run: echo mine >>"$SAID"\n'),
                1,
            )
            + "\n"
        )
    (repo / "lefthook.yml").write_text(added)
    git("commit", "-q", "-am", "lines", "--no-verify", cwd=repo)
    assert {row.runs for row in hooks.status(work) if row.event == "pre-commit"} == {
        "gitcoord and lefthook"
    }
    refuses_outside_and_names_the_task(work)
    hooks.uninstall(work)
    assert {name for name in files(repo) if not name.endswith(".old")} == set(before)


@needs_lefthook
@pytest.mark.parametrize(
    "content", [None, b'#!/bin/sh\necho hook >>"$SAID"\n', b"#!/usr/bin/perl\n"]
)
def test_lefthook_that_comes_later_leaves_nothing_of_ours_behind(
    repo: Path, content: bytes | None
) -> None:
    work = world(
        repo, **{"lefthook.yml": "pre-commit:\n  commands:\n    mine:\n      run: 'true'\n"}
    )
    hook = repo / ".git" / "hooks" / "pre-commit"
    hook.parent.mkdir(exist_ok=True)
    if content is not None:
        hook.write_bytes(content)
        hook.chmod(0o755)
    before = files(repo)
    hooks.install(work)
    tool(LEFTHOOK, "install", cwd=repo)
    assert {row.runs for row in hooks.status(work) if row.event == "pre-commit"} == {"lefthook"}, (
        "it does not run what it moved"
    )
    hooks.uninstall(work)
    tool(LEFTHOOK, "uninstall", cwd=repo)
    assert {
        name: text
        for name, text in files(repo).items()
        if "lefthook" not in name and name != "prepare-commit-msg"
    } == before
