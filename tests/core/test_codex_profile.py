"""The profile of one worktree: what it opens, and that the rest of a file stays."""

from __future__ import annotations

import tomllib

import pytest

from gitcoord.core.codex_profile import PROFILE, with_profile, without_profile

COMMON, OWN = "/r/.git", "/r/.git/worktrees/one"


def rules(text: str) -> dict[str, str]:
    found: dict[str, str] = tomllib.loads(text)["permissions"][PROFILE]["filesystem"]
    return found


def test_only_what_a_commit_and_gitcoord_need_is_writable() -> None:
    opened = {
        path for path, access in rules(with_profile("", COMMON, OWN)).items() if access == "write"
    }
    assert opened == {
        f"{COMMON}/objects",
        f"{COMMON}/refs",
        f"{COMMON}/logs",
        f"{COMMON}/gitcoord",
        OWN,
    }


def test_what_says_where_the_rest_is_can_be_read_alone() -> None:
    closed = {
        path for path, access in rules(with_profile("", COMMON, OWN)).items() if access == "read"
    }
    names = {"commondir", "gitdir", "config.worktree"}
    assert closed == {f"{COMMON}/objects/info", *(f"{OWN}/{name}" for name in names)}


@pytest.mark.parametrize(
    "mine",
    [
        "",
        'model = "x"\n',
        '# mine\nmodel = "x"\n\n[tools]\nweb = true\n',
        "[permissions.other]\nextends = 'x'\n",
    ],
)
def test_it_stands_beside_what_is_there_and_goes_again(mine: str) -> None:
    made = with_profile(mine, COMMON, OWN)
    found = tomllib.loads(made)
    assert found["default_permissions"] == PROFILE
    assert found["allow_login_shell"] is False
    for key, value in tomllib.loads(mine).items():
        if key != "permissions":
            assert found[key] == value
    assert with_profile(made, COMMON, OWN) == made
    assert without_profile(made) == mine


@pytest.mark.parametrize(
    "mine",
    ['default_permissions = "mine"\n', 'sandbox_mode = "read-only"\n', "not = toml = at all\n"],
)
def test_a_choice_of_the_users_is_not_overruled(mine: str) -> None:
    with pytest.raises(ValueError, match=r"already|Expected|Invalid"):
        with_profile(mine, COMMON, OWN)


def test_a_login_shell_that_was_asked_for_stays() -> None:
    found = tomllib.loads(with_profile("allow_login_shell = true\n", COMMON, OWN))
    assert found["allow_login_shell"] is True


@pytest.mark.parametrize(
    "odd", ['a "quoted" place', "back\\slash", "spaces and = signs", "\u00fcml\u00e4ut"]
)
def test_any_place_is_written_so_that_it_reads_the_same(odd: str) -> None:
    assert rules(with_profile("", f"/{odd}/.git", OWN))[f"/{odd}/.git/refs"] == "write"
