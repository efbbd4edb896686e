"""What only the git program can do for an engine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gitcoord.core.errors import UnavailableError
from gitcoord.store.git_program import GitProgram, keep_pack
from gitcoord.store.packs import PackedObjects
from gitcoord.store.protocol import MissingObjectError
from tests.support.formats import needs_sha1
from tests.support.world import environment, git

ANY = {"blob": 1 << 20, "tree": 1 << 20, "commit": 1 << 20}


@pytest.fixture
def program(repo: Path) -> Iterator[GitProgram]:
    made = GitProgram(repo / ".git")
    yield made
    made.end()


def readers() -> set[int]:
    """Return the children of ours that read objects."""
    listed = subprocess.run(
        ["ps", "-eww", "-o", "pid=,ppid=,args="], capture_output=True, text=True, check=True
    ).stdout
    rows = [line.split(None, 2) for line in listed.splitlines()]
    ours = str(os.getpid())
    return {int(pid) for pid, parent, args in rows if parent == ours and "cat-file" in args}


def test_objects_come_from_packs_too(repo: Path, program: GitProgram) -> None:
    oid = git("rev-parse", "HEAD:README.md", cwd=repo)
    assert program.read_object(oid, ANY) == ("blob", b"hello\n")
    git("gc", "-q", cwd=repo)
    assert program.read_object(oid, ANY) == ("blob", b"hello\n")
    assert program.has_object(oid)
    assert program.read_object("1" * 40, ANY) is None
    assert not program.has_object("1" * 40)


def test_a_ref_resolves_to_its_oid(repo: Path, program: GitProgram) -> None:
    assert program.resolve("refs/heads/main") == git("rev-parse", "main", cwd=repo)
    assert program.resolve("refs/heads/none") is None


@needs_sha1
def test_a_pack_that_came_later_is_found(repo: Path, program: GitProgram) -> None:
    assert not program.has_object("1" * 40), "the reader runs before the pack is there"
    packed = PackedObjects()
    oid = packed.add("blob", b"from a pack")
    keep_pack(repo / ".git", packed.stream())
    assert program.read_object(oid, ANY) == ("blob", b"from a pack")


def test_one_reader_answers_all_and_one_that_died_is_replaced(
    repo: Path, program: GitProgram
) -> None:
    oid, others = git("rev-parse", "HEAD", cwd=repo), readers()
    for _ in range(3):
        assert program.read_object(oid, ANY) is not None
    (reader,) = readers() - others
    os.kill(reader, signal.SIGKILL)
    assert program.read_object(oid, ANY) is not None
    (other,) = readers() - others
    assert other != reader
    program.end()
    assert readers() <= others
    assert program.has_object(oid)


def test_an_object_that_is_too_large_is_not_read_and_the_next_one_is(
    repo: Path, program: GitProgram
) -> None:
    oid = git("rev-parse", "HEAD:README.md", cwd=repo)
    with pytest.raises(MissingObjectError, match="too large for a blob"):
        program.read_object(oid, {"blob": 5})
    with pytest.raises(MissingObjectError):
        program.read_object(git("rev-parse", "HEAD", cwd=repo), {"blob": 1 << 20})
    assert program.read_object(oid, ANY) == ("blob", b"hello\n")


def test_a_fork_does_not_talk_into_its_parents_pipes(repo: Path) -> None:
    script = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from gitcoord.store.git_program import GitProgram\n"
        "program = GitProgram(Path(sys.argv[1])); any_ = {'blob': 99}\n"
        "assert program.read_object(sys.argv[2], any_)\n"
        "pid = os.fork()\n"
        "assert program.read_object(sys.argv[2], any_)\n"
        "program.end()\n"
        "if pid == 0: os._exit(0)\n"
        "assert os.waitpid(pid, 0)[1] == 0\n"
        "assert program.read_object(sys.argv[2], any_)\n"
        "program.end()\n"
    )
    oid = git("rev-parse", "HEAD:README.md", cwd=repo)
    done = subprocess.run(
        [sys.executable, "-c", script, str(repo / ".git"), oid],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr


def test_a_pack_that_is_none_is_refused_and_nothing_is_kept(repo: Path) -> None:
    before = sorted((repo / ".git" / "objects").rglob("*"))
    with pytest.raises(UnavailableError, match="a pack could not be written"):
        keep_pack(repo / ".git", b"PACK nonsense")
    after = sorted((repo / ".git" / "objects").rglob("*"))
    assert [path for path in after if path.suffix in {".pack", ".idx"}] == []
    # A maintenance of git's own, in the background, comes and goes.
    assert {path for path in before if path.suffix != ".lock"} <= set(after)


def test_nothing_is_fetched_behind_anybodys_back(repo: Path, tmp_path: Path) -> None:
    git("config", "uploadpack.allowFilter", "true", cwd=repo)
    place = tmp_path / "partial"
    git(
        "clone",
        "-q",
        "--no-checkout",
        "--filter=blob:none",
        f"file://{repo}",
        str(place),
        cwd=tmp_path,
    )
    oid = git("rev-parse", "HEAD:README.md", cwd=repo)
    program = GitProgram(place / ".git")
    assert program.read_object(oid, ANY) is None
    repo.rename(repo.with_name("away"))
    assert program.read_object(oid, ANY) is None
    program.end()
