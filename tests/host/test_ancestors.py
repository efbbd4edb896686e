"""Which process above ours started this session."""

from __future__ import annotations

import subprocess
import sys

import pytest

from gitcoord.host.ancestors import launcher_of
from gitcoord.host.processes import identity
from tests.support.world import environment

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
ASK = (
    "from gitcoord.host.ancestors import assistant_above_hook, launcher_of\n"
    "print(launcher_of({'ASSISTANT_SESSION': 's1'}), assistant_above_hook())\n"
)


def asked(*above: str, **variables: str) -> tuple[str, str]:
    """Ask below some programs that were started with the variables."""
    done = subprocess.run(
        [*above, sys.executable, "-c", ASK],
        env=environment(**variables),
        capture_output=True,
        text=True,
        check=True,
    )
    launcher, assistant = done.stdout.split()
    return launcher, assistant


def test_the_launcher_is_the_nearest_that_lacks_the_variables() -> None:
    us = identity()
    assert asked(ASSISTANT_SESSION="s1")[0] == us
    assert asked("sh", "-c", '"$@"; true', "sh", ASSISTANT_SESSION="s1")[0] == us
    deep = ("env", "ASSISTANT_SESSION=s1", "sh", "-c", '"$@"; true', "sh")
    assert asked("sh", "-c", '"$@"; true', "sh", *deep)[0] != us, "the outer shell set it"


def test_variables_of_another_session_are_none_of_ours() -> None:
    # Python, which has another value, is itself the nearest without this one.
    assert asked(ASSISTANT_SESSION="s2")[0] == identity()
    assert launcher_of({"NOBODY_HAS_THIS": "x"}) is not None


@pytest.mark.parametrize("shell", [("sh", "-c", '"$@"; true', "sh"), ("env",)])
def test_the_assistant_of_a_hook_is_above_its_shells(shell: tuple[str, ...]) -> None:
    assert asked(*shell)[1] == identity()
    assert asked(*shell, *shell)[1] == identity()
