from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from gitcoord.core.errors import UnavailableError
from gitcoord.git.program import Git, GitError, require_git, scrubbed, version
from gitcoord.git.shell import run_shell
from tests.git.building import commit, git


def test_git_variables_do_not_reach_a_child(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "GIT_DIR",
        "GIT_INDEX_FILE",
        "GIT_WORK_TREE",
        "GIT_CONFIG_PARAMETERS",
        "GIT_EXTERNAL_DIFF",
        "GIT_OBJECT_DIRECTORY",
    ):
        monkeypatch.setenv(name, "/nowhere")
    for name in (
        "GIT_AUTHOR_NAME",
        "GIT_COMMITTER_DATE",
        "GIT_SSH_COMMAND",
        "GIT_CEILING_DIRECTORIES",
    ):
        monkeypatch.setenv(name, "kept")
    left = {name for name in scrubbed({"GIT_INDEX_FILE": "ours"}) if name.startswith("GIT_")}
    assert left == {
        "GIT_AUTHOR_NAME",
        "GIT_COMMITTER_DATE",
        "GIT_SSH_COMMAND",
        "GIT_CEILING_DIRECTORIES",
        "GIT_CONFIG_GLOBAL",
        "GIT_CONFIG_NOSYSTEM",
        "GIT_NO_REPLACE_OBJECTS",
        "GIT_GRAFT_FILE",
        "GIT_TERMINAL_PROMPT",
        "GIT_OPTIONAL_LOCKS",
        "GIT_EDITOR",
        "GIT_PAGER",
        "GIT_INDEX_FILE",
    }
    assert scrubbed({"GIT_INDEX_FILE": "ours"})["GIT_INDEX_FILE"] == "ours"


def test_git_is_run_in_its_directory_whatever_the_variables_say(
    repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "other"))
    assert Git(repo).run("rev-parse", "--show-toplevel").text == str(repo)


def test_a_failure_carries_status_and_words(repo: Path) -> None:
    with pytest.raises(
        GitError, match="git rev-parse --verify nothing failed with status 128"
    ) as caught:
        Git(repo).run("rev-parse", "--verify", "nothing")
    assert caught.value.status == 128
    assert "Needed a single revision" in caught.value.stderr
    assert Git(repo).run("rev-parse", "--verify", "nothing", check=False).status == 128


def test_stdin_is_closed_unless_given(repo: Path, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"x\n")
    hash_of = ("hash-object", "--stdin")
    assert Git(repo).run(*hash_of).text == git(repo, "hash-object", "/dev/null")
    given = Git(repo).run(*hash_of, stdin=b"x\n").text
    assert given == git(repo, "hash-object", str(tmp_path / "x"))


def test_a_slow_git_is_ended_and_takes_its_hook_along(repo: Path) -> None:
    hook = repo / ".git" / "hooks" / "pre-commit"
    hook.write_text("#!/bin/sh\ntrap 'touch hook.ended; exit 1' TERM\nsleep 60 &\nwait\n")
    hook.chmod(0o755)
    with pytest.raises(UnavailableError, match="git commit took longer than 1 seconds"):
        Git(repo).run("-c", "x.y=z", "commit", "--allow-empty", "-m", "x", hooks=True, timeout_s=1)
    _until((repo / "hook.ended").exists)
    assert not (repo / ".git" / "index.lock").exists()


def test_hooks_run_only_when_asked_for(repo: Path) -> None:
    hook = repo / ".git" / "hooks" / "pre-commit"
    hook.write_text("#!/bin/sh\ntouch hook.ran\n")
    hook.chmod(0o755)
    Git(repo).run("commit", "--allow-empty", "-m", "x")
    assert not (repo / "hook.ran").exists()
    Git(repo).run("commit", "--allow-empty", "-m", "x", hooks=True)
    assert (repo / "hook.ran").exists()


def test_replaced_and_grafted_commits_are_seen_as_they_are(repo: Path) -> None:
    first = git(repo, "rev-parse", "HEAD")
    second = commit(repo, {"a": "a"}, first)
    git(repo, "replace", second, first)
    (repo / ".git" / "info" / "grafts").write_text(f"{second}\n")
    done = Git(repo).run("rev-list", "--parents", "--max-count=1", second)
    assert done.text == f"{second} {first}"
    assert done.stderr == ""


def test_a_missing_git_and_a_missing_directory_are_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UnavailableError, match="is gone"):
        Git(tmp_path / "nowhere").run("--version")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UnavailableError, match="git program was not found"):
        Git(tmp_path).run("--version")


@pytest.mark.parametrize(
    ("said", "found"), [("git version 2.39.5 (Apple Git-154)", (2, 39, 5)), ("what?", ())]
)
def test_the_version_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, found: tuple[int, ...]
) -> None:
    program = tmp_path / "git"
    program.write_text(f"#!/bin/sh\necho '{said}'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert version() == found


def test_an_old_git_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert require_git() >= (2, 38)
    program = tmp_path / "git"
    program.write_text("#!/bin/sh\necho git version 2.37.9\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(UnavailableError, match=r"git 2\.37\.9 is too old"):
        require_git()


def test_a_shell_command_is_ended_after_its_time(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "setup.log"
    assert run_shell("echo out; echo err >&2; exit 3", tmp_path, log, 10) == 3
    assert log.read_text() == "out\nerr\n"
    assert run_shell("sleep 60 & wait", tmp_path, log, 0.2) == 124


def test_a_handle_that_git_keeps_outlives_us(repo: Path, tmp_path: Path) -> None:
    script = (
        "import fcntl, os, sys\nfrom pathlib import Path\nfrom gitcoord.git.program import Git\n"
        "handle = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)\nfcntl.flock(handle, "
        "fcntl.LOCK_EX)\n"
        "Git(Path(sys.argv[2])).run('commit', '--allow-empty', '-m', 'x', hooks=True, "
        "keep=(handle,))\n"
    )
    hook = repo / ".git" / "hooks" / "pre-commit"
    hook.write_text(
        f"#!/bin/sh\ntouch {tmp_path}/started\nwhile ! test -e {tmp_path}/go; do sleep 0.02; done\n"
    )
    hook.chmod(0o755)
    child = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path / "lock"), str(repo)],
        env={**os.environ, "PYTHONPATH": str(Path.cwd())},
    )
    _until((tmp_path / "started").exists)
    child.kill()
    child.wait()
    assert not _is_free(tmp_path / "lock")
    (tmp_path / "go").touch()
    _until(lambda: _is_free(tmp_path / "lock"))


def _is_free(path: Path) -> bool:
    with path.open() as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def _until(is_true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not is_true():
        assert time.monotonic() < deadline
        time.sleep(0.01)
