"""The engine without libgit2: what it alone can do."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitcoord.store.plumbing import PlumbingStore
from gitcoord.store.protocol import ContendedError, MissingObjectError
from tests.support.world import git


def entry(store: PlumbingStore, text: bytes = b"x") -> str:
    tree = store.write_tree(None, {"a": text})
    return store.write_entry(tree, (), "m\n", ("x", "x@x"), 1_700_000_000)


def test_a_symbolic_ref_moves_the_branch_that_it_names(repo: Path) -> None:
    store = PlumbingStore(repo / ".git")
    git("symbolic-ref", "refs/heads/link", "refs/heads/side", cwd=repo)
    one, two = entry(store), entry(store, b"y")
    store.swap("refs/heads/link", None, one)
    assert store.read_ref("refs/heads/side") == one
    with pytest.raises(ContendedError):
        store.swap("refs/heads/link", two, one)
    store.swap("refs/heads/link", one, two)
    assert git("symbolic-ref", "refs/heads/link", cwd=repo) == "refs/heads/side"
    assert store.read_ref("refs/heads/side") == two
    store.close()


@pytest.mark.parametrize(
    ("name", "email", "who"),
    [
        ("Zoë <sly>", "zoe@example.invalid", "Zoë sly <zoe@example.invalid>"),
        ("", "zoe@example.invalid", "gitcoord <gitcoord@localhost.invalid>"),
        ("Zoë", "<>", "gitcoord <gitcoord@localhost.invalid>"),
    ],
)
def test_the_committer_is_the_user_or_a_name_that_nobody_has(
    repo: Path, monkeypatch: pytest.MonkeyPatch, name: str, email: str, who: str
) -> None:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    git("config", "user.useConfigOnly", "true", cwd=repo)
    git("config", "user.name", name, cwd=repo)
    git("config", "user.email", email, cwd=repo)
    store = PlumbingStore(repo / ".git")
    told = git("log", "-1", "--format=%cn <%ce>|%an <%ae>", entry(store), cwd=repo)
    assert told == f"{who}|x <x@x>"
    store.close()


def test_what_a_partial_clone_lacks_is_told_with_how_to_get_it(repo: Path, tmp_path: Path) -> None:
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
    store = PlumbingStore(place / ".git")
    with pytest.raises(MissingObjectError, match="git fetch --refetch --no-filter"):
        store.read_blob(git("rev-parse", "HEAD:README.md", cwd=repo))
    store.close()
    whole = PlumbingStore(repo / ".git")
    with pytest.raises(MissingObjectError, match="is not in this repository"):
        whole.read_blob("1" * 40)
    whole.close()


def test_a_closed_store_can_be_used_again(repo: Path) -> None:
    store = PlumbingStore(repo / ".git")
    git("gc", "-q", cwd=repo)
    oid = git("rev-parse", "HEAD:README.md", cwd=repo)
    for _ in range(2):
        assert store.read_blob(oid) == b"hello\n"
        store.refresh()
        store.close()
