"""The real Codex works under gitcoord, inside its sandbox; its model is scripted."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from gitcoord.core.codex_profile import without_profile
from gitcoord.core.mcp_settings import with_server
from gitcoord.features.assist.codex_trust import ask_codex
from gitcoord.features.workspace import Workspace
from tests.assistants.codex_terminal import CodexTerminal, codex_user
from tests.assistants.conftest import gitcoord, until
from tests.assistants.install import program
from tests.assistants.programs import GITCOORD, codex
from tests.assistants.scripted_model import ScriptedModel, patch, say, shell, tool
from tests.support.world import git

SANDBOXED = [
    "-c",
    "sandbox_workspace_write.exclude_slash_tmp=true",
    "-c",
    "sandbox_workspace_write.exclude_tmpdir_env_var=true",
    "-c",
    "allow_login_shell=false",
    "--sandbox",
    "workspace-write",
]
"""Codex's own sandbox, with the folder of these tests as read-only as any other."""


def agent(site: Path, *names: str) -> Path:
    """Add agents for Codex, in a sandbox that knows no exception for this test's folder."""
    for name in names:
        gitcoord(site, "agent", "add", name, "--assistant", "codex")
    place = site.parent / f"{site.name}.worktrees" / names[0]
    file = place / ".codex" / "config.toml"
    # Everything of the test lies below the temporary folder, which is writable by default.
    table = "[permissions.gitcoord.filesystem]\n"
    closed = f'{table}":slash_tmp" = "read"\n":tmpdir" = "read"\n'
    file.write_text(file.read_text().replace(table, closed))
    return place


def state(work: Workspace, task: str) -> str:
    return work.ledger.snapshot().require_task(task)["state"]


def test_a_whole_task_inside_the_sandbox(site: Path, work: Workspace, home: Path) -> None:
    place = agent(site, "one")
    gitcoord(place, "claim", "alpha")
    script = [
        patch("*** Add File: beta/no.txt", "+x"),
        patch("*** Add File: alpha/yes.txt", "+x"),
        say("I am done."),
        shell("gitcoord complete --dry-run --commit x"),
        shell('gitcoord complete --commit "Write alpha"'),
        say("Now it is done."),
    ]
    with ScriptedModel(script) as model:
        answer = codex(model, home, place, "Work on your gitcoord task")
    assert answer.status == 0, answer.stderr
    assert "# gitcoord: agent one holds task alpha" in model.bodies[0], (
        "session start shows the brief"
    )
    assert "is not part of task alpha" in model.sent, "the model is told of the refused edit"
    assert not (place / "beta").exists()
    assert "task alpha is still claimed by one" in model.sent, "the end of the turn is held"
    assert "would be handed in: 1 commit(s), 1 file(s)" in model.answered
    assert "alpha is done: 1 commit(s), 1 file(s)" in model.answered
    assert state(work, "alpha") == "done"


def test_claiming_inside_the_sandbox_and_going_on_after_a_crash(
    site: Path, work: Workspace, home: Path
) -> None:
    place = agent(site, "one")
    with ScriptedModel(
        [shell("gitcoord claim alpha"), say("a"), say("b"), say("c"), say("d")]
    ) as model:
        codex(model, home, place, "Claim")
    assert "claimed alpha" in model.answered
    with ScriptedModel(
        [shell("gitcoord claim --json"), shell("gitcoord release"), say("over")]
    ) as model:
        codex(model, home, place, "Go on")
    assert '"reissued": true' in model.answered
    assert state(work, "alpha") == "open"


@pytest.mark.skipif(sys.platform != "linux", reason="looks for the terminal in /proc")
def test_a_killed_terminal_gives_its_claim_to_the_next_though_its_server_goes_on(
    site: Path, work: Workspace, home: Path
) -> None:
    place = agent(site, "one")
    said = place / "said.json"
    again = f"gitcoord claim --json >{said}.part; mv {said}.part {said}"
    script = [shell("gitcoord claim alpha"), shell("sleep 600")]
    lanes = {"task title": [say("Claim")], "Go on": [shell(again), say("a"), say("b"), say("c")]}
    with ScriptedModel(script, lanes) as model, codex_user(model, home, site) as user:
        first = CodexTerminal(user, place, "Claim")
        until(lambda: state(work, "alpha") == "claimed", lambda: first.screen)
        first.kill()
        second = CodexTerminal(user, place, "Go on")
        until(said.exists, lambda: second.screen)
        second.kill()
    assert json.loads(said.read_text())["reissued"] is True


def test_without_a_profile_reading_works_and_a_write_names_the_way_out(
    site: Path, work: Workspace, home: Path
) -> None:
    place = agent(site, "one")
    (place / ".codex" / "config.toml").unlink()
    script = [
        shell("gitcoord status"),
        shell("gitcoord brief"),
        shell("gitcoord claim alpha --json"),
        say("over"),
    ]
    with ScriptedModel(script) as model:
        codex(model, home, place, "Look", *SANDBOXED)
    assert "ledger ledger" in model.answered
    assert "It holds no claim" in model.answered
    assert '"reason": "sandbox"' in model.answered
    assert "gitcoord setup codex" in model.answered
    assert "Traceback" not in model.answered
    assert state(work, "alpha") == "open"


def test_tools_over_mcp_work_where_the_sandbox_cannot_write_git(
    site: Path, work: Workspace, home: Path
) -> None:
    gitcoord(site, "setup", "codex", "--mcp")
    place = agent(site, "one")
    file = place / ".codex" / "config.toml"
    file.write_text(with_server(without_profile(file.read_text()), str(GITCOORD)))
    script = [
        tool("claim", task="alpha"),
        patch("*** Add File: alpha/yes.txt", "+x"),
        tool("progress", message="half", percent=50),
        shell("gitcoord progress --json x"),
        tool("complete", message="Write alpha"),
        say("over"),
    ]
    with ScriptedModel(script) as model:
        answer = codex(model, home, place, "Work on your gitcoord task", *SANDBOXED)
    assert answer.status == 0, answer.stderr
    assert '"reason": "sandbox"' in model.answered
    assert "gitcoord setup codex" in model.answered
    done = work.ledger.snapshot().require_task("alpha")
    assert (done["state"], done["result"] and done["result"]["agent"]) == ("done", "one")
    log = git("log", "--format=%B", "gitcoord/ledger", cwd=site)
    named = re.findall(r'"session":"([^"]*)"', log)
    thread = str(answer.lines[0]["thread_id"])
    assert named == [f"assistant:codex={thread}"], "its shell commands are of the same session"


ESCAPES = {
    "the worktree's link to the common folder": "echo /tmp/x > {own}/commondir",
    "that link, renamed away": "mv {own}/commondir {own}/commondir.old",
    "the link back": "echo /tmp/x > {own}/gitdir",
    "the worktree's own configuration": "echo '[core]' > {own}/config.worktree",
    "the repository's configuration": "git config core.fsmonitor /tmp/x",
    "a hook": "echo '#!/bin/sh' > {common}/hooks/post-commit",
    "attributes": "mkdir -p {common}/info && echo '* filter=x' > {common}/info/attributes",
    "a submodule's configuration": "mkdir {common}/modules",
    "another agent's tokens": "touch {common}/worktrees/two/gitcoord/x",
    "another agent's index": "touch {common}/worktrees/two/index.lock",
    "the main checkout's HEAD": "touch {common}/HEAD.lock",
    "packed refs": "touch {common}/packed-refs",
    "borrowed objects": "echo /tmp > {common}/objects/info/alternates",
    "the link of the worktree": "echo x > .git",
    "its own profile": "echo x >> .codex/config.toml",
    "another worktree": "touch ../two/x",
    "the main checkout": "touch {main}/x",
    "its own hooks": "touch {main}/.codex/hooks.json",
}
"""What was tried from inside the profile, and is denied."""
OPEN = {
    "a branch of others": "git update-ref refs/heads/stolen HEAD",
    "the target": "git update-ref refs/heads/main HEAD",
    "gitcoord's own folder": "touch {common}/gitcoord/x",
}
"""What a profile cannot deny: a commit, or gitcoord itself, needs it."""


def test_escapes_from_inside_the_profile(site: Path, home: Path) -> None:
    place = agent(site, "one", "two")
    common = site / ".git"
    names = {"own": common / "worktrees" / "one", "common": common, "main": site}
    rows = [*ESCAPES.items(), *OPEN.items()]
    lines = [
        f"if ( {line.format(**names)} ) >/dev/null 2>&1; then echo 'can {at};'; "
        f"else echo 'not {at};'; fi"
        for at, (_, line) in enumerate(rows)
    ]
    with ScriptedModel([shell("\n".join(lines)), say("over")]) as model:
        codex(model, home, place, "Try")
    told = model.answered
    did = {about for at, (about, _) in enumerate(rows) if f"can {at};" in told}
    did_not = {about for at, (about, _) in enumerate(rows) if f"not {at};" in told}
    assert (did, did_not) == (set(OPEN), set(ESCAPES))


def test_codex_tells_which_hooks_it_trusts(
    site: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent(site, "one")
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    assert ask_codex(str(program("codex")), site) == [], "a folder that is not trusted has no hooks"
    (home / ".codex").mkdir(exist_ok=True)
    (home / ".codex" / "config.toml").write_text(f'[projects."{site}"]\ntrust_level = "trusted"\n')
    known = ask_codex(str(program("codex")), site)
    assert len(known) == 6
    assert {one.trust for one in known} == {"untrusted"}
    assert all("hook codex" in one.command for one in known)
