"""What a sandbox puts into ``.git`` does not lead either engine astray."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from gitcoord.git.places import discover
from gitcoord.store.open import ENGINES, open_store


def _another_repository(place: Path) -> None:
    subprocess.run(["git", "init", "-q", "--bare", str(place)], check=True)


PLANTED: dict[str, Callable[[Path], object]] = {
    "an empty folder": lambda place: place.mkdir(),
    "an empty file": lambda place: place.touch(),
    "a link elsewhere": lambda place: place.write_text("gitdir: /nowhere\n"),
    "a repository": _another_repository,
}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("kind", PLANTED)
def test_the_repository_that_git_names_is_opened(
    repo: Path, monkeypatch: pytest.MonkeyPatch, engine: str, kind: str
) -> None:
    monkeypatch.setenv("GITCOORD_ENGINE", engine)
    asked = ["git", "rev-parse", "HEAD"]
    head = subprocess.run(
        asked, cwd=repo, check=True, capture_output=True, text=True
    ).stdout.strip()
    PLANTED[kind](repo / ".git" / ".git")
    store = open_store(discover(repo), is_durable=False)
    assert store.read_ref("refs/heads/main") == head
    assert store.read_entry(head).oid == head
    subprocess.run(["git", "gc", "-q"], cwd=repo, check=True)
    store.refresh()
    assert store.read_entry(head).oid == head
    store.close()
