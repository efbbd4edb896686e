"""Runs of a plan, with commands that behave as badly as real ones do."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gitcoord.core.errors import NotFoundError, PlanFinishedError, RefusedError, UsageError
from gitcoord.core.sentences import reason_of, said
from gitcoord.features.inspect import facts
from gitcoord.features.maintain import verify
from gitcoord.features.run import runner
from gitcoord.features.run.reviews import Note
from gitcoord.features.setup import ledger, plans, trust
from gitcoord.features.work import claims
from gitcoord.features.workspace import Workspace, open_workspace
from gitcoord.git.local_changes import changed_paths
from tests.support.builders import tasks
from tests.support.formats import needs_ref_files
from tests.support.gates import gated, trusted
from tests.support.world import environment, found, git, record

SHORT = '[plan]\nlease = "20s"\nheartbeat = "5s"\n'
ONCE = "[plan]\nmax_attempts = 1\n"
WRITE = 'mkdir -p "$GITCOORD_TASK" && echo work > "$GITCOORD_TASK/file.txt"'


def run(work: Workspace, repo: Path, script: str, jobs: int = 1) -> tuple[runner.Run, list[Note]]:
    notes: list[Note] = []
    done = runner.run(work, repo, ["sh", "-c", script], jobs, notes.append)
    return done, notes


def started(repo: Path, script: str, jobs: int = 1) -> subprocess.Popen[str]:
    """Start a run of its own, as a terminal would: Ctrl-C reaches it."""
    args = ["-C", str(repo), "run", "-j", str(jobs), "--", "sh", "-c", script]
    return subprocess.Popen(
        [sys.executable, "-m", "gitcoord", *args],
        env=environment(),
        stderr=subprocess.PIPE,
        text=True,
        # This test has no threads.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    )


def wait_until(path: Path) -> None:
    for _ in range(1200):
        if path.exists():
            return
        time.sleep(0.05)
    raise AssertionError(f"{path} never came")


def clean_worktree(work: Workspace, agent: str = "run-1") -> Path:
    """Return a worktree in which nothing is left."""
    place = work.worktree_of(agent)
    assert place is not None
    assert changed_paths(place) == []
    return place


def processes() -> str:
    return subprocess.run(["ps", "axww"], capture_output=True, text=True, check=True).stdout


def hook(repo: Path, name: str, script: str) -> None:
    path = repo / ".git" / "hooks" / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_run_lands_everything_and_tries_failures_again(repo: Path, tmp_path: Path) -> None:
    work = found(repo, SHORT + tasks("a", "b", "c", c=["a", "b"]))
    flag = tmp_path / "failed-once"
    script = (
        f'[ "$GITCOORD_TASK" = b ] && [ ! -e {flag} ] && touch {flag} && echo broken && exit 3\n'
        'mkdir -p "$GITCOORD_TASK" && echo "$GITCOORD_TITLE" > "$GITCOORD_TASK/out.txt"'
    )
    notes: list[Note] = []
    done = runner.run(work, repo, ["sh", "-c", script], 2, notes.append)
    assert done.is_landed
    assert (repo / "c" / "out.txt").read_text() == "Do c\n"
    failed = next(note for note in notes if note.what == "failed")
    where = "(`gitcoord show b --log` has more)"
    assert (failed.task, failed.text) == ("b", f"status 3: broken {where}")
    assert "broken" in reason_of(record(work, "b")["setbacks"][0])
    with pytest.raises(PlanFinishedError):
        claims.claim(work, "run-1")
    verify.verify(work)


def test_run_fails_a_command_that_writes_outside_and_keeps_what_it_left(repo: Path) -> None:
    work = found(repo, "[plan]\nmax_attempts = 1\n" + tasks("a"))
    done = runner.run(
        work,
        repo,
        ["sh", "-c", "mkdir -p a; echo x > a/f; echo x > outside.txt"],
        1,
        lambda _note: None,
    )
    assert not done.is_landed
    task = record(work, "a")
    assert task["state"] == "failed"
    why = task["setbacks"][0]["values"]["reason"]
    assert why == said("wrote-outside", paths=["outside.txt"])
    assert reason_of(task["setbacks"][0]).endswith("the task's paths: outside.txt")
    assert "outside.txt" in git("ls-tree", "-r", "--name-only", str(task["branch"]), cwd=repo)
    assert not (repo / "outside.txt").exists()


def test_an_agent_of_a_run_that_lacks_its_worktree_gets_it_again(repo: Path) -> None:
    """A run was killed between the agent's entry and its worktree, or somebody deleted it."""
    work = found(repo, ONCE + tasks("a"), "run-1")
    git("worktree", "remove", str(work.worktree_of("run-1")), cwd=repo)
    done, _ = run(work, repo, WRITE)
    assert done.is_landed


def test_a_failure_is_told_in_one_line(repo: Path) -> None:
    plan = ONCE + tasks("a").replace("title = ", 'check = "echo one; echo two; exit 3"\ntitle = ')
    _, notes = run(trusted(repo, plan), repo, WRITE)
    failed = [note.text for note in notes if note.what == "failed"]
    told = "the check of task a failed: it ended with status 3: two"
    assert failed == [f"{told} (`gitcoord show a --log` has more)"]


def test_a_command_that_changed_nothing_is_told_so(repo: Path) -> None:
    work = found(repo, ONCE + tasks("a"))
    _, notes = run(work, repo, "true")
    failed = [note.text for note in notes if note.what == "failed"]
    assert failed == ["the command changed nothing that could be handed in"]


def test_a_pool_that_is_full_is_waited_for_and_hands_nobody_anything(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The agents of a run ask often, and the limit is the plan's own wish."""
    monkeypatch.setattr("gitcoord.features.work.contention.LOSSES", 1)
    head = '[[pool]]\nname = "default"\nlimit = 1\n'
    work = found(repo, tasks(*"abc", head=head))
    done, _ = run(work, repo, WRITE, jobs=3)
    assert done.is_landed
    assert work.ledger.snapshot().escalations() == []


def test_a_run_that_cannot_begin_claims_nothing(repo: Path) -> None:
    work = open_workspace(repo)
    ledger.init(work)
    with pytest.raises(NotFoundError, match="no plan"):
        runner.run(work, repo, ["true"], 1, lambda _note: None)
    plans.apply_plan(work, tasks("a"), "plan.toml")
    tip = work.ledger.tip()
    with pytest.raises(UsageError, match="no such program"):
        runner.run(work, repo, ["/no/such/program"], 1, lambda _note: None)
    assert work.ledger.tip() == tip


def test_a_run_that_breaks_releases_its_claims(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work = found(repo, tasks("a"))

    def breaks(*_args: object) -> None:
        assert len(facts.status(work)["claims"]) == 1
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr("gitcoord.features.run.attempts._hand_in", breaks)
    with pytest.raises(RuntimeError, match="a fault of ours"):
        run(work, repo, WRITE)
    assert facts.status(work)["claims"] == []


def test_a_program_that_the_system_cannot_begin_fails_the_attempt(
    repo: Path, tmp_path: Path
) -> None:
    """The shell that holds it until it is watched begins it, and tells that it could not."""
    work = found(repo, ONCE + tasks("a"))
    program = tmp_path / "program"
    program.write_bytes(b"\x7fELF, and nothing else")
    program.chmod(0o755)
    notes: list[Note] = []
    done = runner.run(work, repo, [str(program)], 1, notes.append)
    assert not done.is_landed
    assert facts.status(work)["claims"] == []
    failed = next(note.text for note in notes if note.what == "failed")
    assert "status 126" in failed


def test_an_interrupted_run_releases_its_claims_and_ends_its_children(repo: Path) -> None:
    work = found(repo, tasks("a", "b"))
    # Whatever started the tests may ignore the signal, as a shell's background jobs do.
    process = subprocess.Popen(
        [sys.executable, "-m", "gitcoord", "-C", str(repo), "run", "-j", "2", "--", "sleep", "987"],
        env=environment(),
        stderr=subprocess.PIPE,
        text=True,
        # This test has no threads.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    )
    while len(facts.status(work)["claims"]) < 2:
        time.sleep(0.05)
    time.sleep(0.3)
    os.kill(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 18, err
    assert facts.status(work)["claims"] == []
    assert record(work, "a")["failures"] == 0
    assert (
        "sleep 987"
        not in subprocess.run(["ps", "ax"], capture_output=True, text=True, check=True).stdout
    )


def test_a_run_works_behind_gates_and_needs_trust_before_it_begins(
    repo: Path, tmp_path: Path
) -> None:
    script = tmp_path / "agent.sh"
    script.write_text(
        "#!/bin/sh\nmkdir -p $GITCOORD_TASK\n"
        f"test -e {tmp_path}/once && echo good > $GITCOORD_TASK/f || echo bad > "
        f"$GITCOORD_TASK/f\ntouch {tmp_path}/once\n"
    )
    script.chmod(0o755)
    work = found(repo, gated("a", "b"))
    with pytest.raises(RefusedError) as caught:
        runner.run(work, repo, [str(script)], 1, lambda _note: None)
    assert caught.value.reason == "trust"
    assert not (tmp_path / "once").exists()
    trust.trust(work, work.ledger.snapshot())
    notes: list[Note] = []
    assert runner.run(work, repo, [str(script)], 1, notes.append).is_landed
    assert any(note.what == "not landed" and "given back" in note.text for note in notes)


def test_a_run_behind_a_gate_that_nothing_can_pass_ends(repo: Path) -> None:
    work = trusted(repo, gated("a", run="exit 1"))
    done = runner.run(work, repo, ["sh", "-c", "mkdir -p a && echo x > a/f"], 1, lambda _note: None)
    assert not done.is_landed
    assert done.counts == {"done": 1}


# what leads a command astray


@pytest.mark.parametrize("name", ["GIT_INDEX_FILE", "GIT_WORK_TREE", "GIT_DIR", "GIT_PREFIX"])
def test_a_command_knows_nothing_of_the_git_that_called_the_run(
    repo: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    work = found(repo, ONCE + tasks("a"))
    places = {"GIT_INDEX_FILE": ".git/index", "GIT_WORK_TREE": ".", "GIT_DIR": ".git"}
    monkeypatch.setenv(name, str(repo / places.get(name, "a")))
    done, _ = run(work, repo, f"{WRITE}; git add -A && git commit -qm work")
    monkeypatch.delenv(name)
    assert done.is_landed
    assert git("status", "--porcelain", cwd=repo) == ""


# what may not be handed in


@pytest.mark.parametrize("operation", ["merge", "rebase", "cherry-pick", "stash"])
def test_an_unfinished_operation_is_kept_and_never_handed_in(repo: Path, operation: str) -> None:
    work = found(repo, ONCE + tasks("a", "b"))
    conflict = {
        "merge": "git merge -q side",
        "rebase": "git rebase -q side",
        "cherry-pick": "git cherry-pick side",
        "stash": "echo stashed > a/f; git stash -q; echo other > a/f; git commit -qam other; "
        "git stash pop -q",
    }[operation]
    script = (
        f'[ "$GITCOORD_TASK" = a ] || {{ {WRITE}; exit; }}\n'
        "mkdir a; echo base > a/f; git add -A; git commit -qm base\n"
        "git checkout -q -b side; echo theirs > a/f; git commit -qam theirs; git checkout -q -\n"
        f"echo mine > a/f; git commit -qam mine; {conflict}; exit 0"
    )
    run(work, repo, script)
    task = record(work, "a")
    assert task["state"] == "failed"
    assert "the command left" in reason_of(task["setbacks"][0])
    assert "<<<<<<<" in git("show", f"{task['branch']}:a/f", cwd=repo)
    assert record(work, "b")["state"] == "done"
    clean_worktree(work)


def test_a_nested_repository_is_moved_aside_and_told(repo: Path) -> None:
    work = found(repo, ONCE + tasks("a", "b"))
    script = f'{WRITE}; [ "$GITCOORD_TASK" = b ] || git init -q a/nested; touch a/nested/f || true'
    run(work, repo, script)
    reason = reason_of(record(work, "a")["setbacks"][0])
    assert "another repository" in reason
    moved = Path(reason.rpartition("moved aside: ")[2])
    assert (moved / "f").exists()
    assert (moved / ".git").is_dir()
    assert record(work, "b")["state"] == "done"
    clean_worktree(work)


def test_what_a_filter_refuses_is_not_blamed_on_the_next_task(repo: Path) -> None:
    (repo / ".gitattributes").write_text("*.bin filter=lfs\n")
    git("add", "-A", cwd=repo)
    git("commit", "-q", "-m", "attributes", cwd=repo)
    git("config", "filter.lfs.clean", "false", cwd=repo)
    git("config", "filter.lfs.required", "true", cwd=repo)
    plan = '[plan]\nselection = "round-robin"\nmax_attempts = 1\n'
    work = found(repo, plan + tasks("a", "b"))
    run(work, repo, f'{WRITE}; [ "$GITCOORD_TASK" = b ] || echo large > a/m.bin')
    task = record(work, "a")
    assert "clean filter" in reason_of(task["setbacks"][0])
    assert git("show", f"{task['branch']}:a/m.bin", cwd=repo) == "large"
    assert record(work, "b")["state"] == "done"


def test_a_signer_that_fails_ends_no_run_and_loses_nothing(repo: Path) -> None:
    git("config", "commit.gpgsign", "true", cwd=repo)
    git("config", "gpg.program", "false", cwd=repo)
    work = found(repo, ONCE + tasks("a", "b"))
    done, _ = run(work, repo, WRITE)
    assert done.counts == {"failed": 2}
    for name in ("a", "b"):
        branch = record(work, name)["branch"]
        assert git("show", f"{branch}:{name}/file.txt", cwd=repo) == "work"
    clean_worktree(work)


def test_what_stood_in_a_worktree_before_is_not_a_tasks_doing(repo: Path) -> None:
    git("init", "-q", "../library", cwd=repo)
    library = repo.parent / "library"
    git("commit", "-q", "--allow-empty", "-m", "first", cwd=library)
    allowed = ("-c", "protocol.file.allow=always")
    git(*allowed, "submodule", "--quiet", "add", str(library), "sub", cwd=repo)
    git("commit", "-q", "-m", "submodule", cwd=repo)
    plan = '[plan]\nselection = "round-robin"\nmax_attempts = 1\n'
    work = found(repo, plan + tasks("a", "b"))
    script = (
        f'{WRITE}; [ "$GITCOORD_TASK" = b ] && exit\n'
        "git -c protocol.file.allow=always submodule --quiet update --init\n"
        "git -C sub commit -q --allow-empty -m new; exit 3"
    )
    run(work, repo, script)
    assert record(work, "b")["state"] == "done"


def test_a_name_that_no_disk_likes_can_be_taken_away(repo: Path) -> None:
    names = [b"a/cafe\xcc\x81", b"a/caf\xe9", b"a/back\\slash"]
    (repo / "a").mkdir()
    for name in names:
        Path(os.fsdecode(os.fsencode(repo) + b"/" + name)).write_text("x\n")
    git("add", "-A", cwd=repo)
    git("commit", "-q", "-m", "names", cwd=repo)
    work = found(repo, ONCE + tasks("a"))
    done, _ = run(work, repo, "rm a/*; echo new > a/f")
    assert done.is_landed
    assert git("ls-tree", "-r", "--name-only", "main", "a/", cwd=repo) == "a/f"


# where the command left HEAD


@pytest.mark.parametrize("leave", ["git checkout -q --detach", "git checkout -q -b mine"])
@pytest.mark.parametrize("is_committed", [True, False])
def test_work_on_another_branch_is_handed_in(repo: Path, leave: str, is_committed: bool) -> None:
    work = found(repo, ONCE + tasks("a"))
    end = "git add -A; git commit -qm work" if is_committed else ":"
    done, _ = run(work, repo, f"{leave}; {WRITE}; {end}")
    assert done.is_landed
    assert (repo / "a" / "file.txt").exists()


def test_work_that_lacks_the_branchs_commits_is_kept_with_them(repo: Path) -> None:
    work = found(repo, ONCE + tasks("a"))
    script = (
        f"{WRITE}; git add -A; git commit -qm one; git checkout -q --detach HEAD~1\n"
        "mkdir a; echo 2 > a/two; git add -A; git commit -qm two"
    )
    run(work, repo, script)
    task = record(work, "a")
    assert "are missing" in reason_of(task["setbacks"][0])
    subjects = git("log", "--format=%s", str(task["branch"]), cwd=repo).split("\n")
    assert {"one", "two"} <= set(subjects)


# processes


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells where a process stands")
@pytest.mark.parametrize("how", ["setsid sh -c", "sh -c"])
def test_nothing_of_a_command_outlives_it(repo: Path, how: str) -> None:
    work = found(repo, ONCE + tasks("a"))
    late = "sleep 2; echo late > late.txt; sleep 985"
    done, _ = run(work, repo, f"{WRITE}; {how} '{late}' >/dev/null 2>&1 &\nsleep 0.5")
    assert done.is_landed
    assert "sleep 985" not in processes()
    assert "late.txt" not in processes()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells where a process stands")
def test_a_killed_runs_command_is_ended_and_its_work_kept_before_the_next(repo: Path) -> None:
    work = found(repo, SHORT + tasks("a"))
    begun = repo.parent / "begun"
    # It flees its group, and is deaf: only the next use of the worktree ends it.
    deaf = f"trap : TERM; mkdir -p a; echo old > a/old; touch {begun}; while :; do sleep 0.1; done"
    process = started(repo, f"setsid sh -c '{deaf}'")
    wait_until(begun)
    process.kill()
    process.communicate()
    branch = record(work, "a")["branch"]
    done, _ = run(work, repo, WRITE)
    assert done.is_landed
    assert "echo old" not in processes()
    assert not (repo / "a" / "old").exists()
    assert git("show", f"{branch}:a/old", cwd=repo) == "old"
    assert record(work, "a")["failures"] == 0


@needs_ref_files
def test_a_lock_that_a_commands_killed_git_left_is_in_nobodys_way(repo: Path) -> None:
    work = found(repo, ONCE + tasks("a"))
    lock = '"$(git rev-parse --git-common-dir)/$(git symbolic-ref HEAD).lock"'
    done, _ = run(work, repo, f"{WRITE}; : >{lock}")
    assert done.is_landed
    assert list((repo / ".git" / "refs").rglob("*.lock")) == []


def test_a_command_ends_with_the_run_that_is_killed(repo: Path) -> None:
    found(repo, tasks("a"))
    begun = repo.parent / "begun"
    process = started(repo, f"(sleep 984; :) & touch {begun}; sleep 984")
    wait_until(begun)
    # The watcher comes a moment after the command: a run that is killed in between leaves
    # its command to the next claim.
    for _ in range(200):
        if "gitcoord-watch" in processes():
            break
        time.sleep(0.05)
    process.kill()
    process.communicate()
    for _ in range(200):
        if "sleep 984" not in processes():
            return
        time.sleep(0.05)
    raise AssertionError(processes())


def test_ctrl_c_ends_the_hook_that_git_waits_for(repo: Path) -> None:
    work = found(repo, tasks("a"))
    begun = repo.parent / "begun"
    hook(repo, "pre-commit", f"touch {begun}; exec sleep 986")
    process = started(repo, WRITE)
    wait_until(begun)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 18, err
    assert facts.status(work)["claims"] == []
    assert record(work, "a")["failures"] == 0
    assert "sleep 986" not in processes()
    clean_worktree(work)


def test_ctrl_c_ends_a_check_and_a_gate_without_a_verdict(repo: Path) -> None:
    begun = repo.parent / "begun"
    plan = (
        '[[phase]]\nname = "build"\n'
        f'gates = [{{name = "g", run = "touch {begun}; sleep 983", timeout = "10m"}}]\n'
        '[[task]]\nid = "a"\ntitle = "Do a"\nphase = "build"\npaths = ["a/"]\n'
    )
    work = found(repo, plan)
    trust.trust(work, work.ledger.snapshot())
    process = started(repo, WRITE)
    wait_until(begun)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 18, err
    assert record(work, "a")["state"] == "done"
    assert "Gitcoord-Op: gate" not in git("log", "--format=%B", "gitcoord/ledger", cwd=repo)
    assert "sleep 983" not in processes()


def test_a_second_ctrl_c_ends_what_is_left_and_says_so(repo: Path) -> None:
    found(repo, tasks("a"))
    begun = repo.parent / "begun"
    process = started(repo, f"trap : TERM; touch {begun}; while :; do sleep 0.1; done; : 982")
    wait_until(begun)
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    for line in process.stderr:
        if "Ctrl-C again" in line:
            break
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "process(es) were killed" in err
    assert ": 982" not in processes()
