"""A repository whose configuration names programs for every occasion."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gitcoord.features.setup import trust
from gitcoord.features.work import claims
from gitcoord.features.workspace import Workspace
from tests.support.builders import tasks
from tests.support.world import environment, found, git, write

VECTORS = {
    "fsmonitor": "core.fsmonitor",
    "clean": "filter.evil.clean",
    "smudge": "filter.evil.smudge",
    "extdiff": "diff.external",
    "textconv": "diff.evil.textconv",
    "diffcommand": "diff.evil.command",
    "ssh": "core.sshCommand",
    "pager": "core.pager",
    "editor": "core.editor",
    "askpass": "core.askPass",
    "credential": "credential.helper",
    "gpg": "gpg.program",
    "driver": "merge.evil.driver",
    "packhook": "uploadpack.packObjectsHook",
    "alternates": "core.alternateRefsCommand",
    "diffpager": "pager.diff",
    "sequence": "sequence.editor",
    "trailer": "trailer.gitcoord.command",
}
ALIASED = (
    "status",
    "diff-tree",
    "rev-list",
    "worktree",
    "merge-tree",
    "update-ref",
    "rev-parse",
    "read-tree",
)
HOOKS = (
    "pre-commit",
    "post-checkout",
    "post-index-change",
    "pre-auto-gc",
    "post-merge",
    "pre-merge-commit",
    "fsmonitor-watchman",
)
# Filters are the user's own: git lfs is one. They run
# where files are compared or checked out, as for any git command here.
USERS_OWN = {"clean", "smudge"}


def arm(repo: Path, tmp_path: Path) -> Path:
    """Let the configuration name a program for everything that can have one."""
    ran = tmp_path / "ran"
    ran.mkdir()

    def program(name: str, body: str = "exit 1") -> str:
        path = tmp_path / f"evil-{name}"
        path.write_text(f"#!/bin/sh\ntouch {ran}/{name}\n{body}\n")
        path.chmod(0o755)
        return str(path)

    for name, key in VECTORS.items():
        git(
            "config",
            key,
            program(name, "cat" if name in {"clean", "smudge"} else "exit 1"),
            cwd=repo,
        )
    for name in ALIASED:
        git("config", f"alias.{name}", f"!{program('alias')}", cwd=repo)
    git("config", "commit.gpgSign", "true", cwd=repo)
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    for name in HOOKS:
        shutil.copy(program("hook"), hooks / name)
    git("config", "core.hooksPath", str(hooks), cwd=repo)
    return ran


def embed(place: Path, tmp_path: Path) -> None:
    """Put a bare repository among the files, with a configuration of its own."""
    inner = place / "a" / "bare"
    subprocess.run(["git", "init", "-q", "--bare", str(inner)], check=True)
    path = tmp_path / "evil-embedded"
    path.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran/embedded\n")
    path.chmod(0o755)
    git("--git-dir", str(inner), "config", "core.fsmonitor", str(path), cwd=place)
    git("--git-dir", str(inner), "config", "core.worktree", str(place), cwd=place)
    (inner / "refs" / "keep").write_text("x\n")
    (inner / "objects" / "keep").write_text("x\n")


def traced(
    repo: Path, tmp_path: Path, *words: str
) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    """Run gitcoord under strace; list every program that was run."""
    out = tmp_path / "trace"
    done = subprocess.run(
        [
            "strace",
            "-f",
            "-qq",
            "-s",
            "300",
            "-e",
            "trace=execve",
            "-o",
            str(out),
            sys.executable,
            "-m",
            "gitcoord",
            *words,
        ],
        cwd=repo,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    started = [
        re.search(r'execve\("([^"]+)"', line)
        for line in out.read_text().splitlines()
        if line.endswith("= 0")
    ]
    return done, [match[1] for match in started if match]


@pytest.fixture
def armed(repo: Path, tmp_path: Path) -> tuple[Workspace, Path, Path]:
    (repo / ".gitattributes").write_text("* filter=evil diff=evil merge=evil\n")
    git("add", ".", cwd=repo)
    git("commit", "-qm", "attributes", cwd=repo)
    gates = '[[phase]]\nname = "default"\ngates = [{ name = "g", run = "test -f a/file.txt" }]\n'
    work = found(repo, gates + tasks("a") + 'check = "test -f a/file.txt"\n', "x")
    place = Path(claims.claim(work, "x", "a").worktree or "")
    write(place, "a/file.txt")
    (tmp_path / "ran").mkdir()
    embed(place, tmp_path)
    git("add", "-A", cwd=place)
    git("commit", "-qm", "embed", cwd=place)
    (tmp_path / "ran").rmdir()
    return work, place, arm(repo, tmp_path)


@pytest.mark.skipif(shutil.which("strace") is None, reason="no strace")
def test_no_program_of_a_hostile_configuration_runs(
    armed: tuple[Workspace, Path, Path], repo: Path, tmp_path: Path
) -> None:
    work, place, ran = armed
    done, programs = traced(place, tmp_path, "complete")
    assert done.returncode == 14, "not trusted yet"
    trust.trust(work, work.ledger.snapshot())
    done, more = traced(place, tmp_path, "complete")
    assert done.returncode == 0, done.stderr
    programs += more
    done, more = traced(repo, tmp_path, "phase", "land", "default")
    assert (done.returncode, "gpg.program is set in" in done.stderr) == (14, True)
    programs += more
    git("config", "--unset", "commit.gpgSign", cwd=repo)
    for words in (
        ["phase", "check", "default"],
        ["phase", "land", "default"],
        ["status"],
        ["show", "a"],
        ["verify"],
        ["log"],
    ):
        done, more = traced(repo, tmp_path, *words)
        assert done.returncode == 0, done.stderr
        programs += more
    names = {Path(path).name for path in programs}
    assert {path.name for path in ran.iterdir()} <= USERS_OWN
    allowed = {
        Path(sys.executable).name,
        "git",
        "sh",
        "cat",
        "touch",
        *(f"evil-{name}" for name in USERS_OWN),
    }
    assert names <= allowed | {Path(sys.executable).resolve().name}
    assert names & {"git"}
    assert git("-c", "core.fsmonitor=false", "rev-parse", "main^2", cwd=repo)


@pytest.mark.skipif(shutil.which("strace") is None, reason="no strace")
def test_reading_runs_no_program_but_git(
    armed: tuple[Workspace, Path, Path], repo: Path, tmp_path: Path
) -> None:
    _, _, ran = armed
    for words in (
        ["status"],
        ["show", "a"],
        ["verify"],
        ["log"],
        ["tasks"],
        ["phase", "list"],
        ["phase", "check", "default"],
    ):
        _, programs = traced(repo, tmp_path, *words)
        assert {Path(path).name for path in programs} <= {
            Path(sys.executable).name,
            Path(sys.executable).resolve().name,
            "git",
        }
    assert list(ran.iterdir()) == []
