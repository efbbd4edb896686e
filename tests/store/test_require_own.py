from __future__ import annotations

import os
from pathlib import Path

import pytest

from gitcoord.core.errors import UnavailableError
from gitcoord.git.places import discover
from gitcoord.store.open import ENGINES, open_store

NOBODY = 65534


@pytest.fixture
def foreign(repo: Path) -> Path:
    """A repository of another user, which this one could read."""
    if os.geteuid() != 0:
        pytest.skip("only root can give files away")
    for path in (repo, *repo.rglob("*")):
        os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
    return repo


@pytest.mark.parametrize("engine", ENGINES)
def test_another_users_repository_is_refused_as_git_does(
    foreign: Path, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITCOORD_ENGINE", engine)
    with pytest.raises(UnavailableError, match="belongs to another user"):
        open_store(discover(foreign), is_durable=False)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("way", ["count", "global", "system"])
def test_another_users_repository_that_git_is_told_to_trust_is_trusted(
    foreign: Path, tmp_path: Path, engine: str, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITCOORD_ENGINE", engine)
    if way == "count":
        monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
        monkeypatch.setenv("GIT_CONFIG_KEY_0", "safe.directory")
        monkeypatch.setenv("GIT_CONFIG_VALUE_0", "*")
    else:
        config = tmp_path / "config"
        config.write_text("[safe]\n\tdirectory = *\n")
        monkeypatch.setenv(f"GIT_CONFIG_{way.upper()}", str(config))
        monkeypatch.delenv("GIT_CONFIG_NOSYSTEM")
    store = open_store(discover(foreign), is_durable=False)
    assert store.read_ref("refs/heads/main") is not None
    store.close()
