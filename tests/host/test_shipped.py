"""Hooks and templates are found in a source tree and in an installed package."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitcoord.host import shipped as module
from gitcoord.host.shipped import shipped


@pytest.mark.parametrize(("kind", "name"), [("hooks", "pre-commit"), ("templates", "minimal.toml")])
def test_a_source_tree_has_them_beside_the_package(kind: str, name: str) -> None:
    assert (shipped(kind) / name).is_file()


def test_an_installed_package_has_its_own_and_looks_nowhere_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "site-packages" / "gitcoord"
    monkeypatch.setattr(module, "__file__", str(package / "host" / "shipped.py"))
    (package / "_shipped" / "hooks").mkdir(parents=True)
    (tmp_path / "site-packages" / "hooks").mkdir()
    assert shipped("hooks") == package / "_shipped" / "hooks"
