"""Which session asks, by the variables of its environment."""

from __future__ import annotations

import pytest

from gitcoord.core.sessions import (
    MAX_CHARS,
    VARIABLES,
    assistant_of,
    is_named,
    is_of_assistant,
    makers_in,
    named_session,
    session_of_run,
    with_own,
)


def test_a_name_that_was_given_goes_before_all_others() -> None:
    session = named_session({"GITCOORD_SESSION": "mine", "CLAUDE_CODE_SESSION_ID": "s"})
    assert session == "named:mine"
    assert is_named("named:mine")
    assert not is_of_assistant("named:mine")


@pytest.mark.parametrize("assistant", VARIABLES)
def test_each_assistant_is_known_by_its_own_variable(assistant: str) -> None:
    session = named_session({VARIABLES[assistant]: "s1"})
    assert session == f"assistant:{assistant}=s1"
    assert is_of_assistant(session)
    assert not is_named(session)


def test_an_assistant_in_anothers_shell_is_a_session_of_its_own() -> None:
    outer = {"CODEX_SESSION_ID": "o"}
    inner = {**outer, "CLAUDE_CODE_SESSION_ID": "i"}
    assert named_session(inner) == "assistant:claude=i+codex=o"
    assert named_session(inner) != named_session(outer)


@pytest.mark.parametrize("environment", [{}, {"GITCOORD_SESSION": ""}, {"CODEX_SESSION_ID": ""}])
def test_nobody_is_nobody(environment: dict[str, str]) -> None:
    assert named_session(environment) is None


def test_a_name_is_bounded() -> None:
    assert named_session({"GITCOORD_SESSION": "x" * 500}) == "named:" + "x" * MAX_CHARS


def test_a_hook_names_the_session_that_its_shell_would() -> None:
    environment = {"PATH": "/bin"}
    hook = with_own(environment, "codex", "s1")
    assert named_session(hook) == named_session({"CODEX_SESSION_ID": "s1"})
    assert hook["PATH"] == "/bin"
    assert environment == {"PATH": "/bin"}
    for assistant, session in (("codex", ""), ("unknown", "s1")):
        assert with_own(environment, assistant, session) == environment


def test_a_session_tells_which_assistants_named_it() -> None:
    session = named_session({"CLAUDE_CODE_SESSION_ID": "1", "CODEX_SESSION_ID": "2"})
    assert assistant_of(str(session)) == "claude+codex"
    assert assistant_of("named:claude=1") == assistant_of("run:12:abc") == ""


def test_the_makers_are_the_assistants_that_work_in_a_session() -> None:
    run = session_of_run(12, "abc", "codex")
    assert run == "run:12:abc:codex"
    assert makers_in(run) == makers_in(f"named:{run}") == ("codex",)
    assert makers_in("assistant:claude=1+codex=2") == ("claude", "codex")
    nobody = (session_of_run(12, "abc"), "named:claude=1", "tty:7", "")
    assert [makers_in(one) for one in nobody] == [(), (), (), ()]
