"""Installing hooks beside what is there, and taking them away without trace."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from gitcoord.features.maintain import doctor
from gitcoord.features.setup import hooks
from gitcoord.features.setup.hook_plan import EVENTS
from gitcoord.features.work import claims
from gitcoord.git.program import version
from tests.support.builders import tasks
from tests.support.hooked import (
    answer_of,
    attempt,
    frozen,
    needs_hook_files,
    use_this_code,
    with_agent,
)
from tests.support.world import git

SAYS = 'echo "user $(basename "$0") $*" >>"$SAID"\n'
FOUND = {
    "sh": b"#!/bin/sh\n" + SAYS.encode(),
    "strict": b"#!/bin/sh -eu\n" + SAYS.encode(),
    "bash": b"#!/usr/bin/env bash\nset -euo pipefail\n" + SAYS.encode(),
    "no-final-newline": b"#!/bin/sh\n" + SAYS.encode().rstrip(),
    "crlf-body": b"#!/bin/sh\n" + SAYS.encode() + b"# a comment\r\n",
    "crlf": b"#!/bin/sh\r\nexit 0\r\n",
    "no-shebang": SAYS.encode(),
    "python": (
        f"#!{sys.executable}\nimport os\nopen(os.environ['SAID'], 'a').write('user ' + ' "
        "'.join(os.sys.argv[1:]) + '\\n')\n"
    ).encode(),
}


@pytest.fixture(autouse=True)
def _ours(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    use_this_code(monkeypatch)
    monkeypatch.setenv("SAID", str(tmp_path / "said"))


def put(repo: Path, event: str, content: bytes, mode: int = 0o755) -> Path:
    path = repo / ".git" / "hooks" / event
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    path.chmod(mode)
    return path


def said() -> list[str]:
    file = Path(os.environ["SAID"])
    return file.read_text().splitlines() if file.exists() else []


@needs_hook_files
@pytest.mark.parametrize("what", FOUND)
def test_install_and_uninstall_leave_no_trace(repo: Path, what: str) -> None:
    work = with_agent(repo)
    for event in ("pre-commit", "commit-msg", "pre-push", "reference-transaction"):
        put(repo, event, FOUND[what], 0o750)
    before = frozen(repo)
    hooks.install(work)
    between = frozen(repo)
    assert between != before
    assert {step.act for step in hooks.install(work)} == {"keep"}
    assert frozen(repo) == between
    hooks.install(work, guard=True)
    assert frozen(repo) != between
    hooks.uninstall(work)
    assert frozen(repo) == before
    assert hooks.uninstall(work) == []
    assert frozen(repo) == before
    assert not (repo / ".git" / "gitcoord" / "hooks").exists()


@pytest.mark.parametrize("what", [name for name in FOUND if name != "crlf"])
def test_the_users_hook_runs_as_before_and_gets_its_words_and_its_input(
    repo: Path, what: str, tmp_path: Path
) -> None:
    work = with_agent(repo)
    put(repo, "pre-commit", FOUND[what])
    put(repo, "commit-msg", FOUND[what])
    put(
        repo,
        "pre-push",
        b'#!/bin/sh\nwhile read -r line; do echo "$line" >>"$SAID"; done\n'
        if what != "python"
        else (
            f"#!{sys.executable}\nimport os, sys\nopen(os.environ['SAID'], "
            "'a').write(sys.stdin.read())\n"
        ).encode(),
    )
    hooks.install(work)
    place = Path(claims.claim(work, "x", "a").worktree or "")
    (place / "a").mkdir()
    (place / "a" / "f").write_text("x")
    git("add", "-A", cwd=place)
    git("commit", "-q", "-m", "x", cwd=place)
    assert len(said()) == 2
    assert "COMMIT_EDITMSG" in said()[1]
    server = tmp_path / "server.git"
    git("init", "-q", "--bare", str(server), cwd=tmp_path)
    head = git("rev-parse", "HEAD", cwd=place)
    git("push", "-q", str(server), "HEAD:refs/heads/one", "HEAD:refs/heads/two", cwd=place)
    assert [line.split()[1:3] for line in said()[2:]] == [
        [head, "refs/heads/one"],
        [head, "refs/heads/two"],
    ]
    git("push", "-q", str(server), "HEAD:refs/heads/one", cwd=place)
    assert len(said()) <= 5


@needs_hook_files
def test_a_refusal_of_the_users_hook_counts_and_ours_comes_first(repo: Path) -> None:
    work = with_agent(repo)
    put(repo, "pre-commit", b'#!/bin/sh\necho mine >>"$SAID"\nexit 3\n')
    hooks.install(work)
    assert (
        subprocess.run(
            ["git", "commit", "-q", "--allow-empty", "-m", "x"], cwd=repo, check=False
        ).returncode
        == 1
    )
    place = Path(claims.claim(work, "x", "a").worktree or "")
    (place / "README.md").write_text("x")
    done = subprocess.run(
        ["git", "commit", "-q", "-am", "x"], cwd=place, check=False, capture_output=True, text=True
    )
    assert "outside the boundary" in done.stderr
    assert said() == ["mine"]


def test_a_link_and_a_hook_that_is_switched_off_come_back_as_they_were(repo: Path) -> None:
    work = with_agent(repo)
    (repo / "tools").mkdir()
    (repo / "tools" / "check.sh").write_bytes(FOUND["sh"])
    (repo / "tools" / "check.sh").chmod(0o755)
    put(repo, "pre-push", FOUND["sh"], 0o644)
    link = repo / ".git" / "hooks" / "pre-commit"
    link.symlink_to("../../tools/check.sh")
    before = frozen(repo)
    hooks.install(work)
    git("commit", "-q", "--allow-empty", "-m", "x", cwd=repo)
    assert len(said()) == 1
    assert git("status", "--porcelain", cwd=repo) == "?? tools/"
    git("push", "-q", str(repo), "HEAD:refs/heads/other", cwd=repo)
    assert len(said()) == 1, "a hook that was not executable did not run before, and does not now"
    hooks.uninstall(work)
    assert frozen(repo) == before


@needs_hook_files
def test_nothing_is_written_through_a_link_that_was_put_beside_a_hook(
    repo: Path, tmp_path: Path
) -> None:
    """Its name can be no name that somebody worked out from our pid."""
    theirs = tmp_path / "theirs"
    theirs.write_text("theirs")
    folder = repo / ".git" / "hooks"
    folder.mkdir(exist_ok=True)
    for event in EVENTS:
        for name in (f".{event}.{os.getpid()}", f".{event}.{os.getpid()}.new"):
            (folder / name).symlink_to(theirs)
    hooks.install(with_agent(repo))
    assert theirs.read_text() == "theirs"
    assert [path.name for path in map(folder.joinpath, EVENTS) if path.is_symlink()] == []


@needs_hook_files
def test_a_folder_of_hooks_that_was_not_there_goes_again(repo: Path) -> None:
    work = with_agent(repo)
    folder = repo / ".git" / "hooks"
    for path in folder.glob("*"):
        path.unlink()
    folder.rmdir()
    hooks.install(work)
    hooks.install(work)
    assert (folder / "pre-commit").stat().st_mode & stat.S_IXUSR
    hooks.uninstall(work)
    assert not folder.exists()


@needs_hook_files
def test_a_dry_run_does_nothing(repo: Path) -> None:
    work = with_agent(repo)
    before = frozen(repo)
    assert [step.act for step in hooks.install(work, dry_run=True)] == ["write"] * 5
    assert frozen(repo) == before
    assert not (repo / ".git" / "gitcoord" / "hooks").exists()
    hooks.install(work)
    between = frozen(repo)
    assert [step.act for step in hooks.uninstall(work, dry_run=True)] == ["remove"] * 5
    assert frozen(repo) == between


@needs_hook_files
@pytest.mark.parametrize("scope", ["--local", "--global", "--worktree"])
@pytest.mark.parametrize("where", ["githooks", "{tmp}/outside"])
def test_where_core_hookspath_leads_elsewhere_nothing_is_written_there(
    repo: Path, tmp_path: Path, scope: str, where: str
) -> None:
    work = with_agent(repo)
    folder = repo / where.format(tmp=tmp_path)
    folder.mkdir(parents=True)
    (folder / "pre-commit").write_text("#!/bin/sh\n")
    (folder / "pre-commit").chmod(0o755)
    if scope == "--worktree":
        git("config", "extensions.worktreeConfig", "true", cwd=repo)
    git("config", scope, "core.hooksPath", where.format(tmp=tmp_path), cwd=repo)
    before, content = frozen(repo), sorted(path.read_bytes() for path in folder.iterdir())
    steps = [step for step in hooks.install(work) if step.act == "advise"]
    assert {step.event for step in steps} == set(EVENTS)
    assert sorted(path.read_bytes() for path in folder.iterdir()) == content
    assert git("config", "--get", "core.hooksPath", cwd=repo) == where.format(tmp=tmp_path)
    # The lines that were printed do it.
    lines = next(step.content.decode() for step in steps if step.event == "pre-commit")
    with (folder / "pre-commit").open("a") as hook:
        hook.write(lines + "\n")
    rows = [
        row for row in hooks.status(work) if row.event == "pre-commit" and str(folder) in row.path
    ]
    assert [row.runs for row in rows] == ["gitcoord and your hook"] * len(rows)
    assert rows
    if scope == "--global" and where != "githooks":
        place = Path(claims.claim(work, "x", "a").worktree or "")
        (place / "README.md").write_text("x")
        assert (
            "outside"
            in subprocess.run(
                ["git", "commit", "-am", "x"],
                cwd=place,
                check=False,
                capture_output=True,
                text=True,
            ).stderr
        )
    (folder / "pre-commit").write_text("#!/bin/sh\n")
    hooks.uninstall(work)
    assert frozen(repo) == before


@needs_hook_files
@pytest.mark.parametrize("value", ["", ".git/hooks", "/dev/null"])
def test_a_worktree_whose_core_hookspath_leads_nowhere_is_told(repo: Path, value: str) -> None:
    """Where ``.git`` is a file no folder can be below it, and nothing is the top of all files."""
    work = with_agent(repo)
    place = Path(claims.claim(work, "x", "a").worktree or "")
    git("config", "core.hooksPath", value, cwd=repo)
    steps = hooks.install(work)
    (place / "README.md").write_text("x")
    assert subprocess.run(["git", "commit", "-qam", "x"], cwd=place, check=False).returncode == 0
    rows = [row for row in hooks.status(work) if str(place) in row.worktrees]
    wanted = {"": "/", ".git/hooks": f"{place}/.git/hooks", "/dev/null": "/dev/null"}[value]
    assert [(row.path, row.runs) for row in rows] == [
        (str(Path(wanted) / event), "nothing") for event in EVENTS
    ]
    assert all(row.problem for row in rows) or not value
    assert {step.act for step in steps} == (
        {"write", "advise"} if value == ".git/hooks" else {"advise"}
    )


@needs_hook_files
def test_what_was_installed_before_core_hookspath_was_set_is_taken_away_too(repo: Path) -> None:
    work = with_agent(repo)
    put(repo, "pre-commit", FOUND["python"])
    before = frozen(repo)
    hooks.install(work)
    git("config", "core.hooksPath", ".husky/_", cwd=repo)
    hooks.install(work)
    assert {row.runs for row in hooks.status(work)} == {"nothing"}
    hooks.uninstall(work)
    git("config", "--unset", "core.hooksPath", cwd=repo)
    after = frozen(repo)
    config = str(repo / ".git" / "config")
    assert {path: what for path, what in after.items() if path != config} == {
        path: what for path, what in before.items() if path != config
    }


def test_from_git_2_54_on_only_the_configuration_is_written_and_comes_back_byte_for_byte(
    repo: Path,
) -> None:
    work = with_agent(repo)
    put(repo, "pre-commit", FOUND["sh"])
    before = frozen(repo)
    hooks.install(work)
    hooks.install(work, version=(2, 54, 0))
    after = frozen(repo)
    assert {path for path in after if after[path] != before[path]} == {
        str(repo / ".git" / "config")
    }
    assert git("config", "hook.gitcoord-pre-commit.event", cwd=repo) == "pre-commit"
    command = git("config", "hook.gitcoord-pre-commit.command", cwd=repo)
    assert (
        subprocess.run(["sh", "-c", f'{command} "$@"', "sh"], cwd=repo, check=False).returncode == 0
    )
    hooks.install(work, version=(2, 54, 0))
    assert frozen(repo) == after
    hooks.uninstall(work)
    assert frozen(repo) == before


def test_from_git_2_54_on_status_looks_at_what_the_configuration_names(repo: Path) -> None:
    new = (2, 54, 0)
    work = with_agent(repo)
    git("config", "core.hooksPath", ".husky/_", cwd=repo)
    before = frozen(repo)
    hooks.install(work, version=new)
    rows = hooks.status(work, version=new)
    assert len(rows) == 2 * len(EVENTS)
    assert {(row.runs, row.state) for row in rows} == {("gitcoord", "current")}, (
        "in a folder of each worktree's own too"
    )
    for name, enabled in (("hk", "true"), ("gone", "false")):
        for key, value in (
            ("command", "hk run"),
            ("event", "pre-commit"),
            ("event", "commit-msg"),
            ("enabled", enabled),
        ):
            git("config", "--add", f"hook.{name}.{key}", value, cwd=repo)
    both = {row.event: row.runs for row in hooks.status(work, version=new)}
    assert both == {
        event: "gitcoord and hk" if event in {"pre-commit", "commit-msg"} else "gitcoord"
        for event in EVENTS
    }
    for name in ("hk", "gone"):
        git("config", "--remove-section", f"hook.{name}", cwd=repo)
    git("config", "hook.gitcoord-pre-push.enabled", "false", cwd=repo)
    off = [row for row in hooks.status(work, version=new) if row.event == "pre-push"]
    assert {(row.runs, row.state) for row in off} == {("nothing", "idle")}
    assert "hook.gitcoord-pre-push is switched off" in off[0].problem
    assert {step.act for step in hooks.install(work, version=new)} == {"keep"}, (
        "what its owner has switched off stays off"
    )
    (repo / ".git" / "gitcoord" / "hooks" / "pre-commit").unlink()
    gone = [row for row in hooks.status(work, version=new) if row.event == "pre-commit"]
    assert {row.runs for row in gone} == {"nothing"}
    assert "pre-commit is gone: `gitcoord hooks install` writes it again" in gone[0].problem
    hooks.uninstall(work)
    assert frozen(repo) == before


def test_a_hook_that_is_gone_lets_commits_through_and_says_so(repo: Path) -> None:
    new = (2, 54, 0)
    work = with_agent(repo)
    hooks.install(work, version=new)
    (repo / ".git" / "gitcoord" / "hooks" / "pre-commit").unlink()
    command = git("config", "hook.gitcoord-pre-commit.command", cwd=repo)
    asked = ["sh", "-c", f'{command} "$@"', command, "more"]
    told = subprocess.run(asked, cwd=repo, check=False, capture_output=True, text=True)
    assert told.returncode == 0
    assert told.stderr.startswith("gitcoord: warning: pre-commit did not look")
    assert "`gitcoord hooks install`" in told.stderr
    if version() >= new:
        commit = attempt("commit", "-q", "--allow-empty", "-m", "on", cwd=repo)
        assert (commit.returncode, told.stderr in commit.stderr) == (0, True)
        problems = [one.text for one in doctor.examine(work).problems]
        assert any("pre-commit is gone" in text for text in problems)
    assert {step.act for step in hooks.install(work, version=new)} == {"keep"}
    assert {row.problem for row in hooks.status(work, version=new)} == {""}


def test_status_sees_an_event_that_the_configuration_switches_off(repo: Path) -> None:
    new, older = (2, 55, 0), (2, 54, 0)
    work = with_agent(repo)
    hooks.install(work, version=new)
    for key, value in (("event", "commit-msg"), ("command", "mine")):
        git("config", f"hook.mine.{key}", value, cwd=repo)
    git("config", "--global", "hook.commit-msg.enabled", "off", cwd=repo)
    for row in hooks.status(work, version=new):
        if row.event == "commit-msg":
            assert (row.runs, row.state) == ("nothing", "idle")
            assert "hook.commit-msg.enabled is switched off" in row.problem
        else:
            assert (row.runs, row.state, row.problem) == ("gitcoord", "current", "")
    assert {row.state for row in hooks.status(work, version=older)} == {"current"}
    git("config", "--global", "--unset", "hook.commit-msg.enabled", cwd=repo)
    assert {row.problem for row in hooks.status(work, version=new)} == {""}


@needs_hook_files
def test_status_says_what_git_would_run_and_names_what_is_wrong(repo: Path) -> None:
    work = with_agent(repo)
    assert {row.runs for row in hooks.status(work)} == {"nothing"}
    status, answer = answer_of(repo, "hooks", "install")
    assert (status, answer["ok"], answer["op"]) == (0, True, "hooks install")
    status, answer = answer_of(repo, "hooks", "status")
    assert (status, answer["problems"]) == (0, [])
    hook = repo / ".git" / "hooks" / "pre-commit"
    good = hook.read_text()
    for bad, told in (
        (good.replace(sys.executable, "/gone/python"), "/gone/python is gone"),
        (good.replace("break", "continue"), "of another gitcoord"),
    ):
        hook.write_text(bad)
        status, answer = answer_of(repo, "hooks", "status")
        assert status == 18
        assert told in str(answer["problems"])
        status, answer = answer_of(repo, "doctor")
        assert status == 18
        assert told in str(answer["findings"])
    hook.chmod(0o644)
    assert "not executable" in str(answer_of(repo, "hooks", "status")[1]["problems"])
    answer_of(repo, "hooks", "install")
    assert hook.read_text() == good
    assert answer_of(repo, "hooks", "status")[0] == 0
    assert answer_of(repo, "doctor")[0] == 0


@needs_hook_files
@pytest.mark.parametrize(
    "what", ["manager-switched-off", "legacy-without-manager", "aside-of-one-switched-off"]
)
def test_what_git_passes_over_is_not_said_to_run(repo: Path, what: str) -> None:
    work = with_agent(repo)
    if what == "aside-of-one-switched-off":
        put(repo, "pre-commit", FOUND["python"])
        hooks.install(work)
    else:
        put(
            repo,
            "pre-commit",
            b"#!/bin/sh\n# File generated by pre-commit: https://pre-commit.com\n",
        )
        hooks.install(work)
    hook = repo / ".git" / "hooks" / "pre-commit"
    assert {row.runs for row in hooks.status(work) if row.event == "pre-commit"} < {
        "gitcoord and pre-commit",
        "gitcoord and your hook",
    }
    if what == "legacy-without-manager":
        hook.unlink()
    else:
        hook.chmod(0o644)
    rows = [row for row in hooks.status(work) if row.event == "pre-commit"]
    assert {row.runs for row in rows} == {"nothing"}
    assert all("not executable" in row.problem for row in rows) or what == "legacy-without-manager"


@needs_hook_files
def test_a_target_that_became_another_makes_its_guard_stale(repo: Path) -> None:
    work = with_agent(repo)
    hooks.install(work, guard=True)
    git("branch", "next", cwd=repo)
    from gitcoord.features.setup import plans

    plans.apply_plan(work, tasks("a", "b", head='[plan]\ntarget = "next"\n'), "plan.toml")
    assert {
        row.state
        for row in hooks.status(work)
        if row.event != "pre-commit" and row.event != "commit-msg"
    } == {"stale"}
    hooks.install(work)
    assert {row.state for row in hooks.status(work)} == {"current"}
    assert b"refs/heads/next" in (repo / ".git" / "hooks" / "reference-transaction").read_bytes()
    hooks.install(work, guard=False)
    assert (
        b"refs/heads/next" not in (repo / ".git" / "hooks" / "reference-transaction").read_bytes()
    )


@needs_hook_files
def test_a_hook_that_names_another_living_interpreter_is_not_stale(repo: Path) -> None:
    work = with_agent(repo)
    hooks.install(work)
    hook = repo / ".git" / "hooks" / "pre-commit"
    hook.write_text(
        hook.read_text().replace(f"gitcoord_python={sys.executable}", "gitcoord_python=/bin/sh")
    )
    assert {(row.state, row.problem) for row in hooks.status(work)} == {("current", "")}


def test_a_worktree_that_is_broken_hinders_no_other(repo: Path) -> None:
    work = with_agent(repo)
    place = work.worktree_of("x")
    assert place is not None
    (place / ".git").write_text("gitdir: /nowhere\n")
    hooks.install(work)
    assert {tuple(row.worktrees) for row in hooks.status(work)} == {(str(repo),)}
