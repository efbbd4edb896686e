"""Words, options, help and errors of the command line."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gitcoord.cli.main import COMMANDS, split_options
from tests.support.cli import Cli
from tests.support.world import environment, git


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
        (["verify", "nonsense"], 2, "is not a range"),
        (["init"], 14, "already"),
        (
            ["init", "--template", "nope"],
            2,
            "known: directories, fixes, migration, minimal, phases",
        ),
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
    assert answer is None or answer["message"]


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
        assert cli.json(*args, status=14)["reason"] == "newer-format"
        cli(*args, status=14)
        assert "install " in cli.err
    assert store.read_ref("refs/heads/gitcoord/ledger") == newer


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


def test_a_file_where_a_folder_has_to_be_is_no_bug(cli: Cli, repo: Path, plan: Path) -> None:
    cli("init", str(plan))
    shutil.rmtree(repo / ".git" / "gitcoord")
    (repo / ".git" / "gitcoord").write_text("in the way\n")
    for words in (["hooks", "uninstall"], ["claim", "--agent", "x"], ["upkeep"]):
        assert cli.status_of(*words) in {2, 15}
        assert "  next: " in cli.err


def test_a_ledger_that_holds_something_else_is_told_with_the_next_step(
    cli: Cli, repo: Path, plan: Path
) -> None:
    cli("init", str(plan))
    git("update-ref", "refs/heads/gitcoord/ledger", "main", cwd=repo)
    for words in (["verify"], ["status"], ["claim", "--agent", "x"]):
        cli(*words, status=16)
        assert "  next: " in cli.err


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
        error = cli.json("claim", "--agent", "x", status=15, cwd=place)
        assert "room on the disk" in error["hint"]
        assert git("rev-parse", "gitcoord/ledger", cwd=place) == tip
        cli("status", cwd=place)
        fill.unlink()
        cli("claim", "--agent", "x", cwd=place)
        cli("verify", cwd=place)
    finally:
        subprocess.run(["umount", "-l", str(small)], check=True)


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
    error = cli.json("status", status=1)
    assert error["code"] == "internal"
    assert "ZeroDivisionError" in Path(error["log"]).read_text()
