"""Assistants that a run starts, by recipes; the ledger alone says what they did."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from gitcoord.core.errors import NotFoundError, RefusedError, UsageError
from gitcoord.core.sentences import reason_of
from gitcoord.features.run import runner
from gitcoord.features.run.assistants import load_assistant, require_trusted_hooks
from gitcoord.features.run.reviews import Note
from gitcoord.features.workspace import Workspace
from tests.support.builders import tasks
from tests.support.world import found, git, record

ONCE = "[plan]\nmax_attempts = 1\n"
WHOLE = (
    'mkdir -p "$GITCOORD_TASK"; printf "%s" "$1" > "$GITCOORD_TASK/brief.txt"; '
    'gitcoord complete --commit "Write $GITCOORD_TASK"'
)


def recipe(name: str, text: str) -> None:
    folder = Path(os.environ["XDG_CONFIG_HOME"]) / "gitcoord" / "assistants"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.toml").write_text(text)


def scripted(name: str, script: str) -> None:
    """Make a recipe for an assistant that does what a script says."""
    recipe(name, f'program = "sh"\narguments = ["-c", {json.dumps(script)}, "sh", "{{prompt}}"]\n')


def run(work: Workspace, repo: Path, *names: str, jobs: int = 1) -> tuple[runner.Run, list[Note]]:
    notes: list[Note] = []
    assistants = [load_assistant(name) for name in names]
    done = runner.run(work, repo, [], jobs, notes.append, assistants=assistants)
    return done, notes


def test_it_gets_the_brief_and_hands_in_itself(repo: Path) -> None:
    work = found(repo, tasks("a"))
    scripted("mine", WHOLE)
    done, notes = run(work, repo, "mine")
    assert done.is_landed
    assert [(note.task, note.what) for note in notes][:2] == [("a", "claimed"), ("a", "completed")]
    brief = git("show", "main:a/brief.txt", cwd=repo)
    assert "agent run-1 holds task a" in brief
    assert "gitcoord complete" in brief
    work.close()


def test_several_take_turns(repo: Path) -> None:
    work = found(repo, tasks("a", "b"))
    scripted("red", WHOLE.replace("brief.txt", "red.txt"))
    scripted("blue", WHOLE.replace("brief.txt", "blue.txt"))
    done, _ = run(work, repo, "red", "blue", jobs=2)
    assert done.is_landed
    for task in ("a", "b"):
        result = record(work, task)["result"]
        name = {"run-1": "red", "run-2": "blue"}[result["agent"]]
        assert f"{task}/{name}.txt" in git("ls-files", cwd=repo).split()
    work.close()


@pytest.mark.parametrize("status", [0, 3])
def test_success_that_the_ledger_does_not_know_is_a_failure(repo: Path, status: int) -> None:
    work = found(repo, ONCE + tasks("a"))
    scripted("liar", f"mkdir a; echo x > a/x; echo 'all is done!'; exit {status}")
    done, _ = run(work, repo, "liar")
    assert not done.is_landed
    task = record(work, "a")
    assert task["state"] == "failed"
    told = reason_of(task["setbacks"][-1])
    assert f"liar ended with the claim open, status {status}" in told
    assert git("status", "--porcelain", cwd=work.worktree_of("run-1") or repo) == ""
    work.close()


def test_an_exit_status_does_not_undo_what_was_handed_in(repo: Path) -> None:
    work = found(repo, tasks("a"))
    scripted("odd", f"{WHOLE}; exit 7")
    done, _ = run(work, repo, "odd")
    assert done.is_landed
    work.close()


def test_what_it_reports_itself_counts(repo: Path) -> None:
    work = found(repo, ONCE + tasks("a"))
    scripted("honest", "gitcoord fail --reason 'the needed file is not there' --kind permanent")
    run(work, repo, "honest")
    task = record(work, "a")
    assert task["state"] == "failed"
    assert "the needed file is not there" in reason_of(task["setbacks"][-1])
    assert len(task["setbacks"]) == 1
    work.close()


def test_what_it_claims_beside_its_task_is_given_back(repo: Path) -> None:
    work = found(repo, tasks("a", "b", "c"))
    scripted("greedy", f"{WHOLE}; unset GITCOORD_CLAIM; gitcoord claim")
    done, _ = run(work, repo, "greedy")
    assert done.is_landed
    work.close()


def test_a_recipe_of_the_users_comes_before_ours() -> None:
    scripted("claude", "exit 0")
    assert load_assistant("claude").arguments[0] == "-c"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("= x", "Invalid"),
        ('program = "sh"\narguments = ["{prompt}"]\nmodels = []\n', "models is not a key"),
        ('arguments = ["{prompt}"]\n', "program has to name a program"),
        ('program = "sh"\narguments = "{prompt}"\n', "arguments has to be a list of words"),
        ('program = "sh"\narguments = []\n', "arguments have to hold {prompt}"),
        ('program = "sh"\narguments = ["{prompt}"]\ngrants = "all"\n', "grants has to be"),
        ('program = "no-such-program"\narguments = ["{prompt}"]\n', "is not on the path"),
    ],
)
def test_a_recipe_that_is_wrong_is_named_with_what_is(text: str, told: str) -> None:
    recipe("mine", text)
    with pytest.raises(UsageError, match=told.replace("{", "\\{")) as raised:
        load_assistant("mine")
    assert "mine.toml" in raised.value.message + raised.value.hint


@pytest.mark.parametrize("name", ["nobody", "../claude", ""])
def test_an_unknown_assistant_names_those_that_there_are(name: str) -> None:
    with pytest.raises(NotFoundError) as raised:
        load_assistant(name)
    assert "claude, codex" in raised.value.hint


def test_a_model_is_named_where_the_recipe_takes_one() -> None:
    recipe(
        "mine",
        'program = "sh"\narguments = ["{model}", "{prompt}"]\nmodel = ["--model", "{name}"]\n',
    )
    assert load_assistant("mine", "small").model == ("--model", "small")
    recipe("plain", 'program = "sh"\narguments = ["{prompt}"]\n')
    with pytest.raises(UsageError, match="names no words for a model"):
        load_assistant("plain", "small")


def codex_that_says(folder: Path, trust: str) -> None:
    """Put a program in a recipe that answers as Codex's app server does."""
    hook = {
        "eventName": "stop",
        "command": "sh -c gitcoord",
        "sourcePath": "/<session-flags>/config.toml",
        "trustStatus": trust,
    }
    answer = {"id": 2, "result": {"data": [{"hooks": [hook] * 6}]}}
    program = folder / "codex"
    program.write_text(f"#!/bin/sh\necho '{json.dumps(answer)}'\ncat > /dev/null\n")
    program.chmod(0o755)
    recipe("codex", f'program = "{program}"\narguments = ["{{prompt}}"]\ngrants = "codex"\n')


def test_codex_is_not_started_where_it_would_pass_over_the_hooks(
    repo: Path, tmp_path: Path
) -> None:
    work = found(repo, tasks("a"))
    codex_that_says(tmp_path, "modified")
    with pytest.raises(RefusedError, match="would pass them over") as raised:
        run(work, repo, "codex")
    assert raised.value.reason == "trust"
    assert record(work, "a")["state"] == "open"
    assert record(work, "a")["attempt"] == 0
    codex_that_says(tmp_path, "trusted")
    require_trusted_hooks(load_assistant("codex"), work.worktree_of("run-1") or repo)
    work.close()
