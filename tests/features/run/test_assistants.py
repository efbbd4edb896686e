"""Assistants that a run starts, by recipes; the ledger alone says what they did."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from gitcoord.core.errors import NotFoundError, RefusedError, UsageError
from gitcoord.core.model import Budget
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
    done = runner.run(work, repo, [], jobs, notes.append, crew=runner.Crew(assistants))
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


QUICK = '[plan]\nlimit_wait = "1s"\n'


def spoken(name: str, script: str, *, dialect: str = "claude") -> None:
    """Make a recipe that speaks a dialect, and can go on with a session."""
    words = json.dumps(["-c", script, "sh", "{prompt}", "{resume}"])
    recipe(
        name,
        f'program = "sh"\narguments = {words}\noutput = "{dialect}"\nresume = ["{{session}}"]\n',
    )


def claudes(session: str, *, cost: float = 0.5, tokens: int = 100, limited: bool = False) -> str:
    """Print what Claude prints at the end of a session."""
    models = {"m": {"inputTokens": tokens, "outputTokens": 10}}
    line: dict[str, object] = {"type": "result", "session_id": session, "total_cost_usd": cost}
    line |= {"modelUsage": models, "is_error": limited}
    if limited:
        line["api_error_status"] = 429
    return f"echo '{json.dumps(line)}'"


def until_in(seconds: int) -> str:
    """Print what Claude prints of a limit."""
    info = {"status": "rejected", "resetsAt": int(time.time()) + seconds}
    return f"echo '{json.dumps({'type': 'rate_limit_event', 'rate_limit_info': info})}'"


def usages(work: Workspace) -> list[dict[str, object]]:
    log = git("log", "--reverse", "--format=%B", "gitcoord/ledger", cwd=work.place.common_dir)
    lines = [line.partition(": ")[2] for line in log.splitlines() if "Gitcoord-Event" in line]
    events = [json.loads(line) for line in lines]
    return [event["usage"] for event in events if event["op"] == "usage"]


def test_a_limit_is_waited_out_with_the_claim_kept_and_the_session_goes_on(repo: Path) -> None:
    work = found(repo, tasks("a", head=QUICK))
    limited = claudes("s-1", cost=0.2, limited=True)
    spoken("mine", f'if [ -z "$2" ]; then {limited}; exit 1; fi; echo "on with $2"; {WHOLE}')
    done, notes = run(work, repo, "mine")
    assert done.is_landed
    assert [note.what for note in notes][:3] == ["claimed", "at its limit", "completed"]
    task = record(work, "a")
    assert (task["attempt"], task["failures"], task["setbacks"]) == (1, 0, [])
    log = next(path for path in work.logs.attempts_of(task["id"]) if path.name == "run.log")
    assert "on with s-1" in log.read_text()
    work.close()


def test_a_longer_limit_gives_the_task_back_and_its_session_goes_on_later(repo: Path) -> None:
    work = found(repo, tasks("a", head='[plan]\nlimit_wait = "100ms"\n'))
    first = (
        f"mkdir a; echo half > a/half.txt; {until_in(2)}; {claudes('s-1', limited=True)}; exit 1"
    )
    second = f'test -e a/half.txt && echo "on with $2"; {WHOLE}'
    spoken("mine", f'if [ -z "$2" ]; then {first}; fi; {second}')
    done, notes = run(work, repo, "mine")
    assert done.is_landed
    assert [note.what for note in notes][:2] == ["claimed", "released"]
    task = record(work, "a")
    assert (task["attempt"], task["failures"]) == (2, 0)
    assert "mine has reached its usage limit" in reason_of(task["setbacks"][0])
    assert "resume" not in task
    assert {"a/half.txt", "a/brief.txt"} <= set(git("ls-files", cwd=repo).split())
    logs = [path.read_text() for path in work.logs.attempts_of(task["id"])]
    assert "on with s-1" in logs[-1]
    work.close()


def test_an_assistant_that_goes_on_with_no_session_starts_from_the_branch(repo: Path) -> None:
    work = found(repo, tasks("a", head='[plan]\nlimit_wait = "1ms"\n'))
    # A session takes longer than that, so that nothing is left to wait with its claim kept.
    error = json.dumps({"type": "session.error", "data": {"errorType": "rate_limit"}})
    script = f"test -e a/half.txt || {{ mkdir a; echo half > a/half.txt; echo '{error}'; exit 1; }}"
    words = json.dumps(["-c", f"{script}; {WHOLE}", "sh", "{prompt}"])
    recipe("mine", f'program = "sh"\narguments = {words}\noutput = "copilot"\n')
    done, _ = run(work, repo, "mine")
    assert done.is_landed
    task = record(work, "a")
    assert (task["attempt"], task["failures"]) == (2, 0)
    assert "a/half.txt" in git("ls-files", cwd=repo).split()
    work.close()


def test_a_run_narrows_to_what_has_something_left_and_says_when_it_goes_on(
    repo: Path, tmp_path: Path
) -> None:
    work = found(repo, tasks("a", "b"))
    mark = tmp_path / "full-was-here"
    full = f"touch {mark}; {until_in(3600)}; {claudes('s-1', limited=True)}; exit 1"
    spoken("full", full)
    scripted("free", f"while [ ! -e {mark} ]; do sleep 0.1; done; {WHOLE}")
    done, notes = run(work, repo, "full", "free", jobs=2)
    assert done.is_landed, "nobody waits an hour for an assistant that is not needed"
    told = "\n".join(note.text for note in notes)
    assert "full has reached its usage limit, and goes on at" in told
    assert "until then free alone" in told
    for task in ("a", "b"):
        assert record(work, task)["result"]["agent"] == "run-2"
        assert record(work, task)["failures"] == 0
    work.close()


def test_what_a_session_used_is_in_the_ledger_once(repo: Path) -> None:
    work = found(repo, tasks("a", head='[plan]\nlimit_wait = "100ms"\n'))
    first = f"{claudes('s-1', cost=0.2, tokens=50, limited=True)}; exit 1"
    spoken("mine", f'if [ -z "$2" ]; then {first}; fi; {WHOLE}; {claudes("s-1")}')
    run(work, repo, "mine")
    used = [(one["input_tokens"], one["cost_micros"], one["source"]) for one in usages(work)]
    assert used == [(50, 200_000, "reported"), (50, 300_000, "reported")], "as differences"
    work.close()


def test_beyond_the_budget_nothing_is_started_and_it_is_escalated_once(repo: Path) -> None:
    work = found(repo, tasks("a", "b", "c"))
    spoken("mine", f"{WHOLE}; sed s/TASK/$GITCOORD_TASK/ <<'END'\n{claudes('s-TASK')[6:-1]}\nEND")
    budget: Budget = {"cost_micros": 1_000_000}
    for _ in range(2):
        notes: list[Note] = []
        assistants = [load_assistant("mine")]
        done = runner.run(work, repo, [], 1, notes.append, crew=runner.Crew(assistants, (), budget))
        assert not done.is_landed
        assert "the budget is used up: 1.00 of 1.00 US dollars" in notes[-1].text
        assert done.counts == {"done": 2, "ready": 1}
    open_ones = [one["code"] for one in work.ledger.snapshot().escalations()]
    assert open_ones == ["budget"]
    work.close()


def test_the_plan_s_budget_holds_too(repo: Path) -> None:
    work = found(repo, tasks("a", "b", head="[plan]\nbudget = { tokens = 100 }\n"))
    spoken("mine", f"{WHOLE}; {claudes('s-1')}")
    done, _ = run(work, repo, "mine")
    assert done.counts == {"done": 1, "ready": 1}
    work.close()


def test_a_budget_that_could_not_be_held_is_refused_before_anything_is_claimed(repo: Path) -> None:
    work = found(repo, tasks("a"))
    scripted("silent", WHOLE)
    spoken("priced", WHOLE, dialect="codex")
    budget: Budget = {"cost_micros": 1_000_000}
    for name in ("silent", "priced"):
        assistants = [load_assistant(name)]
        with pytest.raises(RefusedError, match="does not say what it costs") as raised:
            runner.run(work, repo, [], 1, lambda _: None, crew=runner.Crew(assistants, (), budget))
        assert raised.value.reason == "budget"
    assert record(work, "a")["attempt"] == 0
    work.close()


def test_a_cost_is_estimated_from_the_user_s_prices_and_marked(repo: Path) -> None:
    work = found(repo, tasks("a"))
    counts = {"input_tokens": 1000, "cached_input_tokens": 400, "output_tokens": 100}
    line = json.dumps({"type": "turn.completed", "usage": counts})
    spoken("priced", f"{WHOLE}; echo '{line}'", dialect="codex")
    prices = Path(os.environ["XDG_CONFIG_HOME"]) / "gitcoord" / "prices.toml"
    prices.write_text("[priced]\ninput = 2\ncached = 0.5\noutput = 10\n")
    budget: Budget = {"cost_micros": 1_000_000}
    crew = runner.Crew([load_assistant("priced")], (), budget)
    assert runner.run(work, repo, [], 1, lambda _: None, None, None, crew).is_landed
    used = usages(work)
    assert [(one["cost_micros"], one["source"]) for one in used] == [(2400, "estimated")]
    prices.write_text("[priced]\ninput = 2\n")
    with pytest.raises(UsageError, match="the price of priced is not one"):
        runner.run(work, repo, [], 1, lambda _: None, None, None, crew)
    work.close()


REVIEWED = '[[phase]]\nname = "default"\nreviews = 1\n'


def reviewed(work: Workspace, repo: Path, *reviewers: str) -> tuple[runner.Run, list[Note]]:
    notes: list[Note] = []
    crew = runner.Crew([load_assistant("mine")], [load_assistant(name) for name in reviewers])
    return runner.run(work, repo, [], 1, notes.append, crew=crew), notes


def test_a_reviewer_gets_its_own_brief_and_its_rejection_is_heard(repo: Path) -> None:
    work = found(repo, tasks("a", head=REVIEWED))
    scripted("mine", WHOLE)
    judge = (
        'printf "%s" "$1"; test -e a/brief.txt || exit 9; '
        "if gitcoord show a --json | grep -q rejected; then gitcoord review approve; "
        "else gitcoord review reject --reason 'the brief is too long'; fi"
    )
    scripted("judge", judge)
    done, notes = reviewed(work, repo, "judge")
    assert done.is_landed
    told = [note.what for note in notes if note.agent == "run-review-1"]
    assert told == ["reviewing", "rejected", "reviewing", "approved"]
    task = record(work, "a")
    assert (task["failures"], task["attempt"]) == (1, 2)
    assert "the brief is too long" in reason_of(task["setbacks"][-1])
    logs = [path.read_text() for path in work.logs.attempts_of(task["id"]) if "review" in path.name]
    assert "Judge it by `gitcoord review approve" in logs[0]
    assert logs[0].startswith("Review the result below")
    assert git("worktree", "list", cwd=repo).count("\n") <= 2, "the reviewer's is gone"
    work.close()


def test_a_reviewer_without_a_verdict_gives_its_review_back_and_leaves_in_the_end(
    repo: Path,
) -> None:
    work = found(repo, tasks("a", head=REVIEWED))
    scripted("mine", WHOLE)
    scripted("mute", "echo approved")
    done, notes = reviewed(work, repo, "mute")
    assert not done.is_landed
    assert [note.what for note in notes].count("no verdict") == 3
    task = record(work, "a")
    assert (task["state"], task["reviews"]) == ("review", [])
    work.close()


def test_secrets_that_a_reviewer_prints_are_not_kept(repo: Path) -> None:
    work = found(repo, tasks("a", head=REVIEWED))
    folder = Path(os.environ["XDG_CONFIG_HOME"]) / "gitcoord"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "redact.toml").write_text("patterns = ['hush-[0-9]+']\n")
    scripted("mine", WHOLE)
    scripted("judge", "echo read with hush-42; gitcoord review approve")
    assert reviewed(work, repo, "judge")[0].is_landed
    logs = [path.read_text() for path in work.logs.attempts_of("a") if "review" in path.name]
    assert "read with" in logs[0]
    assert "hush-42" not in logs[0]
    work.close()


def test_what_a_reviewer_used_is_in_the_ledger_too(repo: Path) -> None:
    work = found(repo, tasks("a", head=REVIEWED))
    scripted("mine", WHOLE)
    spoken("judge", f"gitcoord review approve; {claudes('r-1', cost=0.1)}")
    assert reviewed(work, repo, "judge")[0].is_landed
    assert [(one["assistant"], one["cost_micros"]) for one in usages(work)] == [("judge", 100_000)]
    work.close()
