"""What a result adds can be cloned, checked out and pushed, or it is refused."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from gitcoord.core.errors import RefusedError, UnavailableError
from gitcoord.git import soundness
from gitcoord.git.program import Git
from tests.git.building import commit, commit_tree, git
from tests.support import strace
from tests.support.broken import BROKEN, raw, without_its_tree


@pytest.fixture
def base(repo: Path) -> str:
    files = {"src/lexer/a.py": "a\n", "src/b.py": "b\n", "k": "k\n"}
    return commit(repo, files, git(repo, "rev-parse", "HEAD"))


@pytest.mark.parametrize("kind", BROKEN)
def test_a_commit_that_a_strict_server_would_not_take_is_refused(
    repo: Path, base: str, kind: str
) -> None:
    broken = BROKEN[kind](repo, base)
    with pytest.raises(RefusedError) as caught:
        soundness.require_sound(Git(repo), broken, [base])
    assert caught.value.reason == "broken-objects"
    assert caught.value.message.startswith(f"commit {broken[:12]} cannot be cloned or pushed: ")
    assert caught.value.message.isprintable()


NAMING = "rename,renameat,renameat2,link,linkat"


@pytest.mark.skipif(strace.STRACE is None, reason="there is no strace")
@pytest.mark.parametrize(
    ("step", "calls", "fault"),
    [
        # Where the looked-at objects are given their name.
        ("pack-objects", NAMING, "error=EIO"),
        ("pack-objects", NAMING, "error=ENOSPC"),
        ("pack-objects", NAMING, "signal=KILL"),
        ("pack-objects", "write", "error=EIO:when=1"),
        ("pack-objects", "write", "error=ENOSPC:when=1"),
        ("index-pack", "write", "error=ENOSPC:when=1"),
    ],
)
def test_a_disk_that_fails_is_no_fault_of_the_commit(
    step: str,
    calls: str,
    fault: str,
    repo: Path,
    base: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    failing = tmp_path / "programs" / "git"
    failing.parent.mkdir()
    failing.write_text(
        f'#!/bin/sh\ncase " $* " in *" {step} "*) ;; *) exec {shutil.which("git")} "$@" ;; esac\n'
        f"exec {strace.STRACE} -f -qq -o {tmp_path}/log -e trace={calls} "
        f'-e inject={calls}:{fault} {shutil.which("git")} "$@"\n'
    )
    failing.chmod(0o755)
    tip = commit(repo, {"src/b.py": "new\n"}, base)
    monkeypatch.setenv("PATH", f"{failing.parent}:{os.environ['PATH']}")
    with pytest.raises(UnavailableError, match="could not be looked at"):
        soundness.require_sound(Git(repo), tip, [base])
    assert list((repo / ".git" / "gitcoord" / "isolated").iterdir()) == []


def test_a_submodule_whose_address_is_an_option_is_refused(repo: Path, base: str) -> None:
    text = '[submodule "x"]\n\tpath = x\n\turl = -u./payload\n'
    with pytest.raises(RefusedError, match="gitmodulesUrl"):
        soundness.require_sound(Git(repo), commit(repo, {".gitmodules": text}, base), [base])


def test_sound_work_is_accepted_and_leaves_no_trace(repo: Path, base: str) -> None:
    one = commit(repo, {"out/a b": "x", "out/link": ("120000", "k"), "x": ("100755", "x")}, base)
    both = commit(repo, {"side": "x"}, one, commit(repo, {"side": "x"}, base))
    before = git(repo, "count-objects", "-v")
    for tip in (base, one, both):
        soundness.require_sound(Git(repo), tip, [base])
        assert soundness.is_whole(Git(repo), [tip], [base])
    assert git(repo, "count-objects", "-v") == before


def test_what_is_known_is_not_looked_at_again(repo: Path, base: str) -> None:
    broken = BROKEN["names out of order"](repo, base)
    top = commit(repo, {"fine": "x"}, broken, start=base)
    soundness.require_sound(Git(repo), top, [broken])


def test_packed_objects_with_a_bitmap_are_looked_at_like_any(repo: Path, base: str) -> None:
    result = commit(repo, {"m": "m"}, base)
    git(repo, "update-ref", "refs/heads/result", result)
    git(repo, "repack", "-adqb")
    soundness.require_sound(Git(repo), result, [base])


def test_whether_all_is_there_is_asked_of_the_disk(repo: Path, base: str) -> None:
    asked = Git(repo)
    made = commit(repo, {"m": "m"}, base)
    assert soundness.is_whole(asked, [made], [base])
    git(repo, "prune", "--expire=now")
    assert not soundness.is_whole(asked, [made], [base])


def test_objects_with_other_hashes_are_proved_alike(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "--object-format=sha256", "odd")
    odd = tmp_path / "odd"
    base = commit(odd, {"out/k": "k\n"})
    soundness.require_sound(Git(odd), commit(odd, {"out/m": "m\n"}, base), [base])
    broken = commit_tree(odd, raw(odd, "tree", b"100644 m\0" + b"\x12" * 32), base)
    with pytest.raises(RefusedError, match="cannot be cloned"):
        soundness.require_sound(Git(odd), broken, [base])


def test_a_partial_clone_proves_what_was_made_in_it(repo: Path, base: str, tmp_path: Path) -> None:
    git(repo, "update-ref", "refs/heads/main", base)
    git(repo, "config", "uploadpack.allowFilter", "true")
    place = tmp_path / "partial"
    git(repo, "clone", "-q", "--no-checkout", "--filter=blob:none", f"file://{repo}", str(place))
    result = commit(place, {"m": "m"}, base)
    soundness.require_sound(Git(place), result, [base])
    assert soundness.is_whole(Git(place), [result], [base])
    with pytest.raises(RefusedError, match="cannot be cloned"):
        soundness.require_sound(Git(place), without_its_tree(place, base), [base])
