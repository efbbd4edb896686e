"""gate try, from the command line."""

from __future__ import annotations

from pathlib import Path

from tests.support.cli import Cli
from tests.support.world import write


def test_gate_try_tells_what_no_gate_sees_and_exits_18(cli: Cli, repo: Path) -> None:
    write(repo, "app/main.sh", "exit 0\n")
    write(repo, "tools/build.sh", "exit 0\n")
    (repo / "p.toml").write_text(
        '[[phase]]\nname = "build"\ngates = [{ name = "app", run = "sh app/main.sh" }]\n'
        '[[task]]\nid = "a"\ntitle = "A"\nphase = "build"\npaths = ["app/"]\n'
    )
    cli("init", "p.toml", "--trust")
    assert "no gate sees a syntax error in tools/" in cli("gate", "try", "build", status=18)
    facts = cli.json("gate", "try", "build", status=18)
    assert (facts["folders"], facts["unseen"]) == (["app/", "tools/"], ["tools/"])
    assert facts["gates"] == [{"gate": "app", "passed": True, "reason": "", "blind": ["tools/"]}]
