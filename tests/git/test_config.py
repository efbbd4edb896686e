"""Git's configuration, read as git reads it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from gitcoord.git.config import UserConfig, incompatible, last_value, read_config, unsupported
from tests.git.building import git

V1 = "[core]\n\trepositoryFormatVersion = 1\n"


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ("[extensions]\n\tobjectFormat = sha256\n", "object format sha256"),
        ('[Extensions]\n\trefStorage = "reftable" # new\n', "refs as reftable"),
        ("[extensions] partialClone = origin\n", "partial clone"),
        ('[remote "origin"]\n\tpromisor\n', "partial clone"),
        ("[extensions]\n\tcompatObjectFormat = sha1\n", "second object format"),
        ("[extensions]\n\tobjectFormat = sha1\n\trefStorage = files\n; partialClone = x\n", None),
        ('[section "[extensions]"]\n\tpartialClone = \\"no\n', None),
        (f"{V1}[extensions]\n\tsubmodulePathConfig = true\n", "submodulepathconfig"),
        (f"{V1}[extensions]\n\tnoop-v1 = true\n", "noop-v1"),
        (f"{V1}[extensions]\n\trelativeWorktrees = true\n\tnoop = true\n", None),
    ],
)
def test_what_libgit2_cannot_open_is_named(tmp_path: Path, config: str, words: str | None) -> None:
    (tmp_path / "config").write_text(config)
    problem = unsupported(read_config(tmp_path))
    assert problem is None if words is None else problem is not None and words in problem


def test_no_configuration_hinders_nothing(tmp_path: Path) -> None:
    assert unsupported(read_config(tmp_path)) is None


def asked(repo: Path, key: str) -> str:
    """Return what git says that a key is."""
    done = subprocess.run(
        ["git", "config", "--null", "--get", key], cwd=repo, capture_output=True, check=False
    )
    return done.stdout.decode().removesuffix("\0")


VALUES = [
    "plain",
    "  two words  ",
    '"quoted  "',
    'half "quoted; and" half',
    '"a # inside" # and a comment',
    "before ; a comment",
    "before#hash",
    r"a\tb\nc\\d",
    r"\"kept\"",
    r"kept\t",
    '"one" two  ; three',
    '"one  " ; two',
    "",
    '""',
    "Ünïcode",
    "continued \\\nline",
]


@pytest.mark.parametrize("value", VALUES)
def test_a_value_is_what_git_makes_of_it(repo: Path, value: str) -> None:
    config = repo / ".git" / "config"
    config.write_text(f"{config.read_text()}[own]\n\tkey = {value}\n\tlater = x\n")
    assert last_value(read_config(repo / ".git"), "own", "key") == asked(repo, "own.key")
    assert last_value(read_config(repo / ".git"), "own", "later") == "x"


@pytest.mark.parametrize(
    ("text", "section", "key"),
    [
        ("[Own]\n\tKEY = x\n", "own", "key"),
        ("[own] key = x\n", "own", "key"),
        ("[own]\n\tkey\n", "own", "key"),
        ("[own]\nkey = a\n[other]\nkey = b\n[own]\nkey = c\n", "own", "key"),
        ("# [own]\n;key = x\n[own]\n\tkey = y\n", "own", "key"),
        ("[own]\nkey=a=b\n", "own", "key"),
    ],
)
def test_sections_and_keys_are_found_as_git_finds_them(
    repo: Path, text: str, section: str, key: str
) -> None:
    config = repo / ".git" / "config"
    config.write_text(config.read_text() + text)
    # A key without a value is git's way to say true.
    told = asked(repo, f"{section}.{key}") or "true"
    assert last_value(read_config(repo / ".git"), section, key) == told


def test_the_configuration_of_a_worktree_counts_where_it_is_switched_on(repo: Path) -> None:
    (repo / ".git" / "config.worktree").write_text("[core]\n\tnotes = own\n")
    assert last_value(read_config(repo / ".git"), "core", "notes") == ""
    git(repo, "config", "extensions.worktreeConfig", "true")
    assert last_value(read_config(repo / ".git"), "core", "notes") == "own"


# whose value counts


def chosen(repo: Path, section: str, key: str) -> tuple[str, list[str]]:
    """Return a value, and what git itself was asked for it."""
    questions: list[str] = []

    def ask(name: str) -> str:
        questions.append(name)
        return asked(repo, name)

    return UserConfig(repo / ".git", ask).get(section, key), questions


def test_the_repositorys_own_value_counts_before_the_users(repo: Path) -> None:
    assert chosen(repo, "user", "name") == ("Tester", [])
    git(repo, "config", "user.name", "Local")
    assert chosen(repo, "user", "name") == ("Local", [])


def test_of_the_users_files_the_later_counts(
    repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GIT_CONFIG_GLOBAL")
    system, xdg = tmp_path / "system", tmp_path / "home" / "config" / "git" / "config"
    xdg.parent.mkdir(parents=True)
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", str(system))
    for path in (system, xdg, Path(os.environ["HOME"]) / ".gitconfig"):
        path.write_text(f"[own]\n\tkey = {path.name}\n")
        # A system's file is not read where the environment says so.
        for is_without in ("0", "1"):
            monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", is_without)
            assert chosen(repo, "own", "key") == (asked(repo, "own.key"), [])


def test_what_includes_other_files_is_asked_of_git(repo: Path, tmp_path: Path) -> None:
    (tmp_path / "more").write_text("[own]\n\tkey = included\n")
    git(repo, "config", "own.key", "written")
    git(repo, "config", "include.path", str(tmp_path / "more"))
    assert chosen(repo, "own", "key") == ("included", ["own.key"])


def test_a_user_who_is_nowhere_is_asked_of_git(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    assert chosen(repo, "user", "name") == ("", ["user.name"])
    assert chosen(repo, "own", "key") == ("", [])


@pytest.mark.parametrize(
    ("extension", "words"),
    [
        ("submodulePathConfig = true", None),
        ("noop-v1 = true", None),
        ("noop-of-tomorrow = true", None),
        ("refStorage = reftable", None),
        ("refStorage = reftable:///srv/refs", "its refs elsewhere"),
        ("refStorage = files://refs", "its refs elsewhere"),
        ("of-tomorrow = true", "not known: of-tomorrow"),
    ],
)
def test_what_no_engine_can_write_is_refused_and_what_changes_nothing_is_not(
    tmp_path: Path, extension: str, words: str | None
) -> None:
    (tmp_path / "config").write_text(f"{V1}[extensions]\n\t{extension}\n")
    problem = incompatible(read_config(tmp_path))
    assert problem is None if words is None else problem is not None and words in problem


@pytest.mark.parametrize("name", ["GIT_REFERENCE_BACKEND", "GIT_REF_STORAGE"])
@pytest.mark.parametrize(
    ("value", "is_refused"), [("files", False), ("reftable", True), ("files:///srv/refs", True)]
)
def test_refs_that_the_environment_names_are_refused_unless_they_are_the_repositorys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, is_refused: bool
) -> None:
    monkeypatch.setenv(name, value)
    problem = incompatible(read_config(tmp_path))
    assert (problem is not None) is is_refused
    assert problem is None or name in problem
