"""The way out where ``.git`` cannot be written, by who runs us."""

from __future__ import annotations

import pytest

from gitcoord.host.remedies import remedy
from gitcoord.ledger.sandboxes import way_out


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"CODEX_SESSION_ID": "s"}, "`gitcoord setup codex`"),
        ({"CODEX_SANDBOX_NETWORK_DISABLED": "1"}, "`gitcoord setup codex`"),
        # Codex in Claude's shell: the inner sandbox is the one in the way.
        ({"CLAUDE_CODE_SESSION_ID": "s", "CODEX_SESSION_ID": "s"}, "Codex"),
        ({"CLAUDE_CODE_SESSION_ID": "s"}, "`gitcoord agent add ID --assistant claude`"),
    ],
)
def test_an_assistants_sandbox_is_named_with_what_helps(
    environment: dict[str, str], words: str
) -> None:
    assert words in way_out(environment)


@pytest.mark.parametrize("environment", [{}, {"CLAUDE_CODE_SESSION_ID": ""}, {"OTHER": "x"}])
def test_elsewhere_it_is_a_matter_of_permissions(environment: dict[str, str]) -> None:
    assert way_out(environment) == remedy("Permission denied")
