"""Commands that hang, fork, flood, leave children behind, or never run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gitcoord.features.work.check_outcome import Verdict
from gitcoord.features.work.check_run import HEAD_BYTES, TAIL_BYTES, Job, run_check
from gitcoord.git.program import Git
from gitcoord.host.clock import Clock, Deadline
from gitcoord.ledger.logs import MAX_LOG_BYTES
from tests.support.world import environment, git

PYTHON = sys.executable


def check(repo: Path, command: str, timeout_s: float = 30, **about: str) -> Verdict:
    commit = git("rev-parse", "HEAD", cwd=repo)
    return run_check(
        Git(repo), Job(commit, command, int(timeout_s * 1000), about, repo / ".git" / "log")
    )


def assert_clean(repo: Path) -> None:
    assert git("worktree", "list", cwd=repo).count("\n") == 0
    assert not repo.with_name("repo.gates").exists()
    assert list((repo / ".git" / "gitcoord" / "checks").iterdir()) == []


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0] not in {
            b"Z",
            b"X",
        }
    except FileNotFoundError:
        return False


def wait_for_end(pid: int) -> bool:
    deadline = Deadline(Clock(), 20)
    while is_running(pid) and not deadline.expired:
        Clock().sleep(0.02)
    return not is_running(pid)


def test_a_command_that_ends_well_has_passed_and_leaves_nothing(repo: Path) -> None:
    verdict = check(
        repo,
        "cat README.md; ls -A; git status --porcelain; git symbolic-ref -q HEAD || echo detached",
    )
    assert verdict.is_passed
    assert verdict.output.decode().split() == ["hello", ".git", "README.md", "detached"]
    assert_clean(repo)


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ("exit 3", "it ended with status 3"),
        ("no-such-command-here", "a command was not found (status 127)"),
        ("./README.md", "a command could not be executed (status 126)"),
        ("kill -9 $$", "it died by signal SIGKILL"),
        ("kill -SEGV $$", "it died by signal SIGSEGV"),
        (f"{PYTHON} -m pytest -q -p no:cacheprovider", "no tests ran (pytest)"),
        (f"{PYTHON} -m pytest -q -p no:cacheprovider || true", "no tests ran (pytest)"),
        (f"{PYTHON} -m unittest discover", "no tests ran (unittest)"),
        (
            "echo 'testing: warning: no tests to run'; echo 'ok  \tx\t0.01s [no tests to run]'",
            "no tests ran (go test)",
        ),
        ("cat <&0 | grep -q x", "it ended with status 1"),
    ],
)
def test_whatever_is_no_plain_success_has_failed(repo: Path, command: str, why: str) -> None:
    verdict = check(repo, command)
    assert (verdict.is_passed, verdict.reason) == (False, why)
    assert_clean(repo)


def test_a_command_that_hangs_is_ended_with_its_whole_group(repo: Path, tmp_path: Path) -> None:
    file = tmp_path / "pid"
    verdict = check(
        repo,
        f"trap '' TERM; (cd /; trap '' TERM; exec env -i sleep 60) & echo $! > {file}; echo begun; "
        "sleep 600",
        0.5,
    )
    assert (verdict.is_passed, verdict.reason) == (False, "it took longer than 0s")
    assert verdict.output == b"begun\n"
    assert wait_for_end(int(file.read_text()))
    assert_clean(repo)


def test_children_that_outlive_a_command_are_ended_and_it_has_passed(
    repo: Path, tmp_path: Path
) -> None:
    file = tmp_path / "pid"
    verdict = check(repo, f"(cd /; exec env -i sleep 600) & echo $! > {file}; echo done")
    assert verdict.is_passed
    assert wait_for_end(int(file.read_text()))
    assert_clean(repo)


def test_a_child_that_fled_the_group_is_not_waited_for(repo: Path, tmp_path: Path) -> None:
    file = tmp_path / "pid"
    flee = f"cd /; echo $$ > {file}; exec env -i sleep 600"
    verdict = check(repo, f"setsid sh -c '{flee}' & while ! test -s {file}; do sleep 0.02; done")
    assert verdict.is_passed
    os.kill(int(file.read_text()), signal.SIGKILL)
    assert_clean(repo)


def test_a_daemon_that_a_command_left_is_ended(repo: Path, tmp_path: Path) -> None:
    file = tmp_path / "pid"
    script = (
        "import os, time\nif os.fork(): os._exit(0)\nos.setsid()\nif os.fork(): "
        f"os._exit(0)\nos.chdir('/')\nfor n in range(3): os.close(n)\nopen('{file}', "
        "'w').write(str(os.getpid()))\ntime.sleep(600)"
    )
    verdict = check(repo, f'{PYTHON} -c "{script}"; while ! test -s {file}; do sleep 0.02; done')
    assert verdict.is_passed
    assert wait_for_end(int(file.read_text()))
    assert_clean(repo)


def test_a_child_that_fled_the_group_and_stays_in_the_worktree_is_ended(
    repo: Path, tmp_path: Path
) -> None:
    file = tmp_path / "pid"
    verdict = check(
        repo,
        f"setsid sh -c 'echo $$ > {file}; exec sleep 600' & while ! test -s {file}; do sleep 0.02; "
        "done",
    )
    assert verdict.is_passed
    assert wait_for_end(int(file.read_text()))
    assert_clean(repo)


def test_a_command_that_forks_without_end_is_ended(repo: Path) -> None:
    script = (
        "import os, time\nfor _ in range(40):\n    if os.fork() == 0:\n        "
        "time.sleep(600)\ntime.sleep(600)"
    )
    verdict = check(repo, f'{PYTHON} -c "{script}"', 1.5)
    assert not verdict.is_passed
    assert_clean(repo)


def test_a_flood_is_cut_in_the_middle_and_says_so(repo: Path) -> None:
    verdict = check(repo, "echo first; head -c 9000000 /dev/zero | tr '\\0' x; echo; echo last")
    assert verdict.is_passed
    assert verdict.output.startswith(b"first\n")
    assert verdict.output.endswith(b"\nlast\n")
    cut = 9_000_000 + len(b"first\n\nlast\n") - HEAD_BYTES - TAIL_BYTES
    assert f"\n[{cut} bytes cut here]\n".encode() in verdict.output
    kept = (repo / ".git" / "log").read_bytes()
    assert len(verdict.output) < len(kept) <= MAX_LOG_BYTES
    assert kept.startswith(b"first\n")
    assert kept.endswith(b"\nlast\n")


def test_what_a_command_leaves_in_its_worktree_is_no_obstacle(repo: Path) -> None:
    assert check(
        repo,
        "mkdir -p d/e && touch d/e/f && chmod 0 d/e && chmod 500 d . && git config -l >/dev/null",
    ).is_passed
    assert_clean(repo)
    assert check(repo, "rm -rf .git README.md && ln -s / root").is_passed
    assert_clean(repo)
    assert check(repo, "git worktree lock . && touch new").is_passed
    assert_clean(repo)


def test_the_environment_has_no_token_and_nothing_of_git(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = git("rev-parse", "HEAD", cwd=repo)
    monkeypatch.setenv("GITCOORD_CLAIM", "token")
    monkeypatch.setenv("GITCOORD_AGENT", "x")
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    monkeypatch.setenv("GIT_INDEX_FILE", "/nowhere/index")
    command = "env | grep -o '^GITCOORD_[A-Z]*' | sort; git rev-parse --is-inside-work-tree"
    verdict = run_check(
        Git(repo), Job(commit, command, 30_000, {"GITCOORD_GATE": "g"}, repo / ".git" / "log")
    )
    assert verdict.output.decode().split() == ["GITCOORD_GATE", "GITCOORD_WORKTREE", "true"]


def test_the_index_and_files_of_the_user_stay_as_they_are(repo: Path) -> None:
    (repo / "README.md").write_text("changed\n")
    (repo / "new").write_text("x\n")
    git("add", "new", cwd=repo)
    before = git("status", "--porcelain", cwd=repo)
    assert check(repo, "echo x > README.md; git add -A; git commit -qm throwaway").is_passed
    assert git("status", "--porcelain", cwd=repo) == before
    assert git("for-each-ref", cwd=repo).count("\n") == 0


CHECKER = """
import sys; from pathlib import Path
from gitcoord.features.work.check_run import Job, run_check
from gitcoord.git.program import Git
repo, commit, command = sys.argv[1:]
run_check(Git(Path(repo)), Job(commit, command, 600000, {}, Path(repo) / '.git' / 'log'))
"""


def begin(repo: Path, file: Path) -> subprocess.Popen[bytes]:
    """Start a checker, and wait until its command runs."""
    commit = git("rev-parse", "HEAD", cwd=repo)
    child = subprocess.Popen(
        [PYTHON, "-c", CHECKER, str(repo), commit, f"echo $$ > {file}; sleep 600"],
        env=environment(),
    )
    deadline = Deadline(Clock(), 60)
    while not (file.exists() and file.read_text().strip()) and not deadline.expired:
        Clock().sleep(0.02)
    return child


def test_what_a_killed_checker_left_is_cleared_by_the_next(repo: Path, tmp_path: Path) -> None:
    file = tmp_path / "pid"
    child = begin(repo, file)
    child.kill()
    child.wait()
    assert git("worktree", "list", cwd=repo).count("\n") == 1
    assert is_running(int(file.read_text()))
    assert check(repo, "true").is_passed
    assert wait_for_end(int(file.read_text()))
    assert_clean(repo)


def test_a_checker_that_is_asked_to_end_cleans_up_after_itself(repo: Path, tmp_path: Path) -> None:
    file = tmp_path / "pid"
    child = begin(repo, file)
    child.terminate()
    assert child.wait() == 128 + signal.SIGTERM
    assert wait_for_end(int(file.read_text()))
    assert_clean(repo)
