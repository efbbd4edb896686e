"""The command line: words, JSON, exit codes, bad input."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gitcoord.cli.main import COMMANDS, run, split_options
from tests.support.builders import tasks
from tests.support.world import environment, git, write

SHORT = '[plan]\nname = "p"\n'


class Cli:
    """Run gitcoord in this process, as the command line would."""

    def __init__(self, repo: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.repo = repo
        self.capsys = capsys

    def __call__(self, *args: str, status: int = 0, cwd: Path | None = None) -> str:
        self.capsys.readouterr()
        got = run(["-C", str(cwd or self.repo), *args])
        out, err = self.capsys.readouterr()
        assert got == status, out + err
        self.err = err
        return out

    def json(self, *args: str, status: int = 0, cwd: Path | None = None) -> dict[str, Any]:
        out = self(*args, "--json", status=status, cwd=cwd)
        answer: dict[str, Any] = json.loads(out)
        assert answer["schema"] == 1
        assert answer["ok"] == (status == 0)
        assert isinstance(answer["notices"], list)
        return answer


@pytest.fixture
def cli(repo: Path, capsys: pytest.CaptureFixture[str]) -> Cli:
    return Cli(repo, capsys)


@pytest.fixture
def plan(repo: Path, tmp_path: Path) -> Path:
    path = tmp_path / "plan.toml"
    path.write_text(SHORT + tasks("a", "b", b=["a"]))
    return path


def clean(text: str) -> str:
    """Put what differs from run to run into a fixed form."""
    text = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "TIME", text)
    text = re.sub(r"task/(\w+)/(\d)-[0-9a-f]{6}", r"task/\1/\2-TOKEN", text)
    text = re.sub(r"\b[0-9a-f]{10,40}\b", "OID", text)
    return re.sub(r"/\S*/repo", "REPO", text)


def test_the_whole_life_of_a_plan_reads_well(cli: Cli, repo: Path, plan: Path) -> None:
    assert cli("init", str(plan)) == (
        "ledger ledger made; phases will land on main\n2 tasks loaded\n"
        "next: gitcoord agent add ID, and gitcoord claim in its worktree\n"
    )
    assert clean(cli("agent", "add", "x")) == "agent x added with worktree REPO.worktrees/x\n"
    place = repo.with_name("repo.worktrees") / "x"
    assert clean(cli("claim", cwd=place)) == (
        "claimed a: Do a\n  paths     a/\n  branch    task/a/1-TOKEN\n  worktree  "
        "REPO.worktrees/x\n"
        "  lease     15m, renewed by progress and beat\n"
        "  needed    by 1 task, which would be blocked if it failed: b\nnext: work, commit, then "
        "gitcoord complete\n"
    )
    assert cli("progress", "half done", "--percent", "50", cwd=place) == "progress on a recorded\n"
    assert cli("beat", cwd=place) == "the lease of a is renewed\n"
    shown = clean(cli("status"))
    assert "claim   a by x, lease 1" in shown
    assert shown.splitlines()[-1].endswith("50%: half done")
    (place / "a").mkdir()
    (place / "a" / "f.txt").write_text("x\n")
    git("add", "-A", cwd=place)
    git("commit", "-q", "-m", "work", cwd=place)
    assert cli("complete", cwd=place) == "a is done: 1 commit(s), 1 file(s)\nnext: gitcoord claim\n"
    assert (
        cli("complete", "a", cwd=place)
        == "a is already done: 1 commit(s), 1 file(s)\nnext: gitcoord claim\n"
    )
    assert cli("tasks") == (
        "TASK  STATE  PHASE    POOL     AGENT  TITLE\na     done   default  default  x      Do a\n"
        "b     ready  default  default  -      Do b\n"
    )
    assert cli("impact", "a").splitlines()[0] == "a: 1 task(s) need it, 0 more through them"
    cli("phase", "check", "default", status=18)
    cli("cancel", "b", "--reason", "not needed")
    assert clean(cli("phase", "check", "default")) == (
        "phase default: 1 result(s) to land\n  no gate: nothing is run before it lands\n"
        "  ready: the target would be at OID; gitcoord phase land default lands it\n"
        "  back: gitcoord rollback --phase default --code goes to OID, before the first claim of "
        "phase default: "
        "2 task(s), 0 claim(s), 0 lock(s) and 0 phase(s) change\n"
    )
    assert clean(cli("phase", "land", "default")) == "phase default landed: main is at OID\n"
    assert clean(cli("phase", "list")) == (
        "PHASE    STATE   TASKS                  NEXT\ndefault  landed  1 cancelled, 1 landed  -\n"
    )
    assert [line.split("  ", 2)[2] for line in cli("log", "-n", "3").splitlines()] == [
        "land-done default: refs/heads/main is at "
        + git("rev-parse", "--short=12", "main", cwd=repo),
        "land-begin default: 1 results onto refs/heads/main",
        "cancel b by orchestrator: Do b",
    ]
    assert (
        clean(cli("verify")) == "9 entries verified, up to OID: every one follows from its parent\n"
    )
    cli("claim", cwd=place, status=11)
    assert cli("agent", "remove", "x") == "agent x removed\n"


def test_the_same_in_json(cli: Cli, repo: Path, plan: Path) -> None:
    assert cli.json("init", str(plan))["plan"]["added"] == 2
    assert cli.json("agent", "add", "x", "--no-worktree")["agent"]["id"] == "x"
    claim = cli.json("claim", "--agent", "x", "--no-checkout")
    assert set(claim) >= {
        "op",
        "task",
        "claim",
        "entry",
        "branch",
        "base",
        "worktree",
        "already",
        "checkout",
        "held",
    }
    assert set(claim["task"]) >= {"id", "title", "phase", "pool", "paths", "reads", "needs"}
    assert set(claim["claim"]) >= {"token", "agent", "attempt", "expires_at"}
    assert cli.json("claim", "--agent", "x", "--no-checkout")["already"] is True
    error = cli.json("claim", "b", "--agent", "x", status=14)["error"]
    assert (error["code"], error["reason"]) == ("refused", "capacity")
    assert cli.json("progress", "on", "--agent", "x")["entry"]
    assert cli.json("fail", "--reason", "no", "--agent", "x")["retry_after"] == 1.0
    waiting = cli.json("claim", "--agent", "x", status=10)["error"]
    assert waiting["code"] == "nothing-ready"
    assert 0 < waiting["retry_after"] <= 1.1
    assert waiting["waiting_for"]
    found = cli.json("show", "a")["task"]
    assert (found["state"], found["claim"], len(found["history"])) == ("waiting", None, 3)
    status = cli.json("status")
    assert set(status) >= {
        "ledger",
        "tip",
        "epoch",
        "counts",
        "phases",
        "agents",
        "claims",
        "escalations",
    }
    assert cli.json("tasks", "--state", "waiting")["tasks"][0]["id"] == "a"
    assert cli.json("reap")["expired"] == []
    assert cli.json("assign", "a", "x")["assigned"] == "x"
    assert cli.json("plan", "show")["waves"][0]["width"] == 1
    assert cli.json("verify")["entries"] == 7


@pytest.mark.parametrize(
    ("args", "status", "text"),
    [
        (["clam"], 2, "Did you mean `gitcoord claim`"),
        (["claim", "--wat"], 2, "No such option"),
        (["show", "aa"], 2, "did you mean a"),
        (["show", "../x"], 2, "there is no task"),
        (["show", "a\x1b[31m"], 2, "there is no task"),
        (["claim", "a"], 2, "which agent is asking"),
        (["claim", "--agent", "nobody"], 2, "gitcoord agent add nobody"),
        (["claim", "--agent", "bad/id"], 2, "is not a valid agent id"),
        (["agent", "add", "orchestrator"], 14, "reserved"),
        (["agent", "add", "x.lock"], 2, "is not a valid agent id"),
        (["agent", "add", "y", "--pool", "nope"], 2, "no pool"),
        (["agent", "remove", "nobody"], 2, "there is no agent"),
        (["plan", "apply", "missing.toml"], 2, "there is no file"),
        (["phase", "land", "defalt"], 2, "did you mean default?"),
        (["phase", "land", "default"], 14, "not whole"),
        (["assign", "a", "nobody"], 2, "there is no agent"),
        (["retry", "a"], 14, "needs it to be failed or cancelled"),
        (["complete", "--agent", "x"], 2, "has no claim"),
        (["tasks", "--state", "redy"], 2, "known: ready"),
        (["verify", "nonsense"], 2, "no range"),
        (["init"], 14, "already"),
        (["init", "--template", "nope"], 2, "known: directories, minimal, phases"),
        (["log", "--agent"], 2, "needs a value"),
        (["--ledger", "other", "status"], 2, "gitcoord init"),
        (["--ledger", "../x", "status"], 2, "not a valid ledger name"),
        (["run", "--", "/no/such/program"], 2, "cannot be run"),
    ],
)
def test_bad_input_is_told_what_to_do_and_changes_nothing(
    cli: Cli, repo: Path, plan: Path, args: list[str], status: int, text: str
) -> None:
    cli("init", str(plan))
    cli("agent", "add", "x", "--no-worktree")
    refs = git("for-each-ref", cwd=repo)
    cli(*args, status=status)
    assert text in cli.err
    assert "\x1b" not in cli.err
    if args[0] != "run":
        assert git("for-each-ref", cwd=repo) == refs
    answer = cli.json(*args, status=status) if args[0] not in {"log", "run"} else None
    assert answer is None or answer["error"]["message"]


def test_places_that_are_no_use_are_named(cli: Cli, repo: Path, tmp_path: Path) -> None:
    (tmp_path / "nothing").mkdir()
    cli("status", cwd=tmp_path / "nothing", status=2)
    assert "not in a git repository" in cli.err
    cli("status", cwd=tmp_path / "missing", status=2)
    cli("status", status=2)
    assert "`gitcoord init` makes one" in cli.err
    (tmp_path / "empty").mkdir()
    git("init", "-q", cwd=tmp_path / "empty")
    cli("init", cwd=tmp_path / "empty", status=2)
    assert "no commit yet" in cli.err
    git("checkout", "-q", "--detach", cwd=repo)
    cli("init", status=2)
    assert "no branch is checked out" in cli.err


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        (
            "repositoryformatversion = 1\n[extensions]\n\trefStorage = reftable",
            "git cannot read the refs",
        ),
        (
            "repositoryformatversion = 1\n[extensions]\n\tbranchless = true",
            "extensions that are not known: branchless",
        ),
        (
            "repositoryformatversion = 1\n[extensions]\n\tcompatObjectFormat = sha256",
            "a second object format",
        ),
        ("repositoryformatversion = 2", "the format version 2"),
    ],
)
def test_repositories_that_no_engine_can_open_get_one_clear_line(
    cli: Cli, repo: Path, lines: str, text: str
) -> None:
    from gitcoord.git.program import version

    if "reftable" in lines and version() >= (2, 45):
        pytest.skip("this git knows reftable")
    config = repo / ".git" / "config"
    config.write_text(f"{config.read_text()}[core]\n\t{lines}\n")
    cli("init", status=15)
    assert text in cli.err


@pytest.mark.parametrize("settings", [b'{"format": 3}\n', b'{"format": 2, "needs": "9.1"}\n'])
def test_a_ledger_that_needs_a_newer_gitcoord_is_left_alone(
    cli: Cli, repo: Path, plan: Path, settings: bytes
) -> None:
    from gitcoord.store.libgit import LibgitStore

    cli("init", str(plan))
    store = LibgitStore(repo / ".git")
    tip = store.read_ref("refs/heads/gitcoord/ledger")
    assert tip
    entry = store.read_entry(tip)
    tree = store.write_tree(entry.tree, {"settings.json": settings})
    newer = store.write_entry(tree, (tip,), "newer\n", ("x", "x"), entry.time)
    store.swap("refs/heads/gitcoord/ledger", tip, newer)
    for args in (["status"], ["agent", "add", "x"], ["claim", "--agent", "x"]):
        assert cli.json(*args, status=14)["error"]["reason"] == "newer-format"
        cli(*args, status=14)
        assert "install " in cli.err
    assert store.read_ref("refs/heads/gitcoord/ledger") == newer


def test_a_bare_repository_works_without_worktrees(
    cli: Cli, repo: Path, plan: Path, tmp_path: Path
) -> None:
    git("clone", "-q", "--bare", str(repo), str(tmp_path / "bare.git"), cwd=tmp_path)
    bare = tmp_path / "bare.git"
    cli("init", str(plan), cwd=bare)
    cli("agent", "add", "x", "--no-worktree", cwd=bare)
    assert cli.json("claim", "--agent", "x", cwd=bare)["checkout"] == "none"
    made = cli.json("agent", "add", "y", cwd=bare)
    assert Path(made["worktree"]).is_dir()


def test_a_git_directory_that_cannot_be_written_is_named(cli: Cli, repo: Path, plan: Path) -> None:
    if os.geteuid() == 0:
        private = repo / ".git" / "gitcoord"
        private.write_text("a file where a folder should be")
        cli("init", str(plan), status=15)
        assert "cannot be" in cli.err
        private.unlink()
        return
    (repo / ".git").chmod(0o500)
    cli("init", str(plan), status=15)
    assert "cannot be written" in cli.err
    (repo / ".git").chmod(0o700)


def test_an_old_or_missing_git_is_named(repo: Path, plan: Path, tmp_path: Path) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    command = [sys.executable, "-m", "gitcoord", "-C", str(repo), "init", str(plan)]
    done = subprocess.run(
        command, env=environment(PATH=str(folder)), capture_output=True, text=True, check=False
    )
    assert (done.returncode, "git program was not found" in done.stderr) == (15, True)
    (folder / "git").write_text("#!/bin/sh\necho git version 2.37.9\n")
    (folder / "git").chmod(0o755)
    done = subprocess.run(
        command, env=environment(PATH=f"{folder}:/bin"), capture_output=True, text=True, check=False
    )
    assert done.returncode == 15
    assert "git 2.37.9 is too old" in done.stderr
    assert not (repo / ".git" / "refs" / "heads" / "gitcoord").exists()


def test_a_full_disk_refuses_and_changes_nothing(repo: Path, plan: Path) -> None:
    command = [sys.executable, "-m", "gitcoord", "-C", str(repo), "--json"]
    subprocess.run(
        [*command, "init", str(plan)], env=environment(), check=True, capture_output=True
    )
    tip = git("rev-parse", "gitcoord/ledger", cwd=repo)
    limited = "ulimit -f 0; trap '' XFSZ; exec \"$@\""
    done = subprocess.run(
        ["bash", "-c", limited, "bash", *command, "agent", "add", "x"],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in {15, 1}, done.stdout
    assert git("rev-parse", "gitcoord/ledger", cwd=repo) == tip
    subprocess.run(
        [*command, "agent", "add", "x"], env=environment(), check=True, capture_output=True
    )


def test_waiting_claims_as_soon_as_a_task_is_ready_and_gives_up_in_time(
    cli: Cli, repo: Path, plan: Path
) -> None:
    cli("init", str(plan))
    for name in ("x", "y"):
        cli("agent", "add", name, "--no-worktree")
    cli("claim", "a", "--agent", "x")
    waiter = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "gitcoord",
            "-C",
            str(repo),
            "--agent",
            "y",
            "--json",
            "claim",
            "--wait",
        ],
        env=environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    cli.json("claim", "--agent", "y", "--wait", "--timeout", "0.3", status=10)
    cli("release", "--agent", "x")
    out, _ = waiter.communicate(timeout=60)
    assert json.loads(out)["task"]["id"] == "a"


def test_without_words_the_help_is_shown(cli: Cli) -> None:
    cli(status=2)
    assert "\n    -C DIR             work in DIR\n" in cli.err
    assert "\nFor agents:\n" in cli.err
    cli("plan", status=2)
    assert "apply" in cli.err


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to mount a small file system")
def test_a_disk_that_is_really_full_refuses_and_changes_nothing(
    cli: Cli, plan: Path, tmp_path: Path
) -> None:
    small = tmp_path / "small"
    small.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(small)],
        check=False,
        capture_output=True,
    ).returncode:
        pytest.skip("no file system can be mounted here")
    try:
        place = small / "repo"
        place.mkdir()
        git("init", "-q", "-b", "main", cwd=place)
        git("commit", "-q", "--allow-empty", "-m", "first", cwd=place)
        cli("init", str(plan), cwd=place)
        cli("agent", "add", "x", "--no-worktree", cwd=place)
        tip = git("rev-parse", "gitcoord/ledger", cwd=place)
        fill = small / "fill"
        with fill.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(b"x" * 1024)
            except OSError:
                pass
        error = cli.json("claim", "--agent", "x", status=15, cwd=place)["error"]
        assert "space on the disk" in error["hint"]
        assert git("rev-parse", "gitcoord/ledger", cwd=place) == tip
        cli("status", cwd=place)
        fill.unlink()
        cli("claim", "--agent", "x", cwd=place)
        cli("verify", cwd=place)
    finally:
        subprocess.run(["umount", "-l", str(small)], check=True)


def test_agents_may_not_orchestrate_from_their_worktree(cli: Cli, repo: Path, plan: Path) -> None:
    cli("init", str(plan))
    place = Path(cli.json("agent", "add", "x")["worktree"])
    assert cli.json("cancel", "a", cwd=place, status=14)["error"]["reason"] == "role"
    assert (
        cli.json("trust", "--yes", "--as-orchestrator", cwd=place, status=14)["error"]["reason"]
        == "role"
    )
    cli("cancel", "a", "--as-orchestrator", cwd=place)


def test_gates_and_checks_read_well(cli: Cli, repo: Path, tmp_path: Path) -> None:
    path = tmp_path / "gated.toml"
    gate = 'gates = [{name = "tests", run = "test -f a/ok"}]'
    path.write_text(
        f'[[phase]]\nname = "default"\n{gate}\n' + tasks("a") + 'check = "test -f a/file.txt"\n'
    )
    cli("init", str(path))
    assert cli.err.splitlines() == [
        "gitcoord: note: the plan would run on this machine: gate: test -f a/ok",
        "gitcoord: note: the plan would run on this machine: check: test -f a/file.txt",
        "gitcoord: note: `gitcoord trust` lists the plan's commands and allows exactly those",
    ]
    cli("agent", "add", "x")
    place = repo.with_name("repo.worktrees") / "x"
    cli("claim", cwd=place)
    write(place, "a/ok")
    error = cli.json("complete", cwd=place, status=14)["error"]
    assert (error["reason"], error["commands"]) == ("trust", ["check: test -f a/file.txt"])
    cli("trust", "--yes")
    error = cli.json("complete", cwd=place, status=14)["error"]
    assert (error["reason"], error["why"]) == ("check", "it ended with status 1")
    write(place, "a/file.txt")
    assert (
        cli("complete", cwd=place)
        == "a is done: 2 commit(s), 2 file(s), check passed\nnext: gitcoord claim\n"
    )
    assert "  gate tests: test -f a/ok (to be run)\n" in cli("phase", "check", "default")
    assert cli.json("phase", "land", "default", "--dry-run")["gates"][0]["trusted"] is True
    assert (
        clean(cli("phase", "land", "default"))
        == "phase default landed: main is at OID; gates passed: tests\n"
    )
    assert cli.err == ""


def test_a_failed_gate_says_what_it_gave_back(cli: Cli, repo: Path, tmp_path: Path) -> None:
    path = tmp_path / "gated.toml"
    path.write_text(
        '[[phase]]\nname="default"\ngates=[{name="g",run="! grep -r bad */"}]\n' + tasks("a", "b")
    )
    cli("init", str(path), "--trust")
    assert cli.err == ""
    for name, text in (("a", "bad\n"), ("b", "good\n")):
        cli("agent", "add", f"x{name}")
        place = repo.with_name("repo.worktrees") / f"x{name}"
        cli("claim", name, cwd=place)
        write(place, f"{name}/file.txt", text)
        cli("complete", cwd=place)
    error = cli.json("phase", "land", "default", status=18)["error"]
    assert (error["code"], error["reason"], error["tasks"], error["gate"]) == (
        "incomplete",
        "gate",
        ["a"],
        "g",
    )
    assert error["log"] == "a/file.txt:bad"
    assert "a/file.txt:bad" in cli("show", "a", "--log")
    cli("phase", "land", "default", status=14)
    assert clean(cli("phase", "land", "default", "--without", "a")).splitlines()[1:] == [
        "left out and cancelled: a"
    ]
    assert cli.json("show", "a")["task"]["state"] == "cancelled"


def test_a_repeated_init_and_a_second_plan_are_one_entry_each(cli: Cli, plan: Path) -> None:
    cli("init", str(plan))
    before = cli.json("verify")["entries"]
    plan.write_text(SHORT + tasks("b", "c"))
    answer = cli.json("plan", "apply", str(plan))
    assert (answer["added"], answer["changed"], answer["kept"]) == (1, 1, ["a"])
    assert cli.json("verify")["entries"] == before + 1


def test_templates_are_written_once(cli: Cli, repo: Path) -> None:
    cli("init", "--template", "phases")
    cli("init", "--template", "phases", status=2)
    cli("init", str(repo / "plan.toml"))


def test_options_may_stand_anywhere_but_after_two_dashes() -> None:
    rest, options = split_options(
        ["claim", "--json", "25", "--agent=x", "-C", "/d", "--", "--json"]
    )
    assert rest == ["claim", "25", "--", "--json"]
    assert (options["as_json"], options["agent"], options["start"]) == (True, "x", "/d")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_an_example(cli: Cli, name: str) -> None:
    out = cli(name, "--help")
    assert "Example: " in out or "Commands:" in out


def test_commands_and_completion_are_listed(cli: Cli) -> None:
    names = [one["name"] for one in cli.json("commands")["commands"]]
    assert {"claim", "plan apply", "phase land"} <= set(names)
    assert "_GITCOORD_COMPLETE" in cli("completion", "bash")


def test_a_bug_is_one_line_and_a_log(
    cli: Cli, repo: Path, plan: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli("init", str(plan))
    monkeypatch.setattr("gitcoord.features.inspect.facts.status", lambda _work: 1 // 0)
    error = cli.json("status", status=1)["error"]
    assert error["code"] == "internal"
    assert "ZeroDivisionError" in Path(error["log"]).read_text()


def test_claiming_imports_no_more_than_it_needs(repo: Path, plan: Path) -> None:
    env = environment(GITCOORD_AGENT="x")
    for args in (["init", str(plan)], ["agent", "add", "x", "--no-worktree"]):
        subprocess.run(
            [sys.executable, "-m", "gitcoord", "-C", str(repo), *args],
            env=env,
            check=True,
            capture_output=True,
        )
    script = (
        "import sys; from gitcoord.cli.main import run\n"
        f"assert run(['-C', {str(repo)!r}, 'claim', '--no-checkout']) == 0\n"
        "print(sorted({name.split('.')[0] for name in sys.modules} & set(sys.argv[1:])))"
    )
    unwanted = [
        "watchdog",
        "tomlkit",
        "tomllib",
        "asyncio",
        "dataclasses_json",
        "difflib",
        "tempfile",
        "email",
    ]
    done = subprocess.run(
        [sys.executable, "-c", script, *unwanted],
        env=env,
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_plan_check_counts_its_notices_and_reads_a_marked_file(
    cli: Cli, repo: Path, tmp_path: Path
) -> None:
    path = tmp_path / "marked.toml"
    text = '[[task]]\nid = "a"\ntitle = "A"\npaths = ["a/"]\n'
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert cli("plan", "check", str(path)) == f"{path}: 1 tasks in 1 phase(s), no problems\n"
    path.write_text(text.replace("a/", "x/a y/b"))
    assert (
        cli("plan", "check", str(path))
        == f"{path}: 1 tasks in 1 phase(s), valid, with 1 notice(s)\n"
    )
    assert "one path with spaces" in cli.err


def test_plan_apply_tells_changed_gates(cli: Cli, plan: Path) -> None:
    cli("init", str(plan))
    plan.write_text(
        plan.read_text() + '[[phase]]\nname = "default"\ngates = [{ name = "t", run = "true" }]\n'
    )
    assert (
        cli("plan", "apply", str(plan))
        == "0 tasks added, 0 changed; changed: phase default (gates)\n"
    )
    assert cli.json("plan", "apply", str(plan))["changed_parts"] == []
