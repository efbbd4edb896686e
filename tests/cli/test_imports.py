"""What a one-shot command may load: start-up is most of what it costs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gitcoord.features.work import claims, results
from tests.support.builders import tasks
from tests.support.world import environment, found, git

# What typing, contextlib, weakref and pathlib bring, which nearly every module of ours needs.
BASIC = {
    "__future__",
    "_collections",
    "_functools",
    "_operator",
    "_sre",
    "_typing",
    "collections",
    "contextlib",
    "copyreg",
    "enum",
    "errno",
    "functools",
    "importlib",
    "itertools",
    "keyword",
    "operator",
    "re",
    "reprlib",
    "types",
    "typing",
    "warnings",
    "weakref",
}
# What beats while a result is handed in, in a thread.
WITH_BEATS = {"_weakrefset", "threading"}
# Only what asks the index loads it, and without what the module around it brings.
WITH_INDEX = {"_sqlite3"}
ALLOWED = {
    "_heapq",
    "_json",
    "_sha1",
    "_sha2",
    "_sha256",
    "encodings",
    "fcntl",
    "fnmatch",
    "gc",
    "heapq",
    "ipaddress",
    "json",
    "_locale",
    "locale",
    "ntpath",
    "pathlib",
    "urllib",
    "zlib",
    # Fewer of ours may be loaded, never more without a reason.
    "gitcoord",
}
WITH_PACKS = WITH_BEATS | {
    "math",
    "subprocess",
    "_posixsubprocess",
    "selectors",
    "select",
    "signal",
}
# The newest Pythons load these with pathlib.
NEWER = {"glob", "pwd", "grp", "_opcode_metadata", "errno"}
if sys.version_info[:2] == (3, 12):
    NEWER.add("math")  # of urllib.parse, which only this one's pathlib loads
HEAVY = {
    "click",
    "inspect",
    "pygit2",
    "ssl",
    "_ssl",
    "tarfile",
    "asyncio",
    "tempfile",
    "shutil",
    "random",
    "hashlib",
    "_hashlib",
    "subprocess",
    "dataclasses",
    "logging",
    "email",
    "shlex",
    "socket",
    "sqlite3",
    "datetime",
    "unicodedata",
    "tomllib",
    "tomlkit",
    "watchdog",
    "traceback",
    "multiprocessing",
    "importlib.metadata",
}
RUN = """
import sys
before = set(sys.modules)
from gitcoord.cli.main import run
status = run(sys.argv[1:])
assert status == 0, status
print("\\n" + " ".join(set(sys.modules) - before))
"""
HOOK = """
import sys
before = set(sys.modules)
from gitcoord.cli.hook import answer
assert answer(["pre-commit"]) == 14
print(" ".join(set(sys.modules) - before))
"""


def loaded(repo: Path, *argv: str) -> set[str]:
    """Run a command; return the modules that it loads."""
    done = subprocess.run(
        [sys.executable, "-c", RUN, "-C", str(repo), "--agent", "x", *argv],
        env=environment(GITCOORD_UPKEEP="off"),
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.splitlines()[-1].split())


def tops(modules: set[str]) -> set[str]:
    return {name.partition(".")[0] for name in modules}


COMMANDS = [
    ["claim", "--no-checkout"],
    ["progress", "on"],
    ["beat"],
    ["complete", "--no-result"],
    ["release"],
    ["fail", "--reason", "x"],
]


@pytest.mark.parametrize("argv", COMMANDS, ids=lambda argv: argv[0])
def test_a_one_shot_command_loads_little(repo: Path, argv: list[str]) -> None:
    work = found(
        repo,
        '[[task]]\nid = "a"\ntitle = "A"\npaths = ["a/"]\nresult = "optional"\n',
        "x",
        worktrees=False,
    )
    # The identity is looked for in the repository first: without it git is asked.
    git("config", "user.name", "Tester", cwd=repo)
    git("config", "user.email", "tester@example.invalid", cwd=repo)
    if argv[0] != "claim":
        claims.claim(work, "x", "a", checkout=False)
    work.close()
    modules = loaded(repo, *argv)
    needed = BASIC | ALLOWED | NEWER
    if argv[0] in {"claim", "fail"}:
        needed |= WITH_INDEX  # what is ready, and who waits for a task
    if argv[0] == "complete":
        needed |= WITH_BEATS
    assert tops(modules) - needed == set()
    assert modules & HEAVY == set()
    assert rooms(modules) <= ROOMS[argv[0]]
    assert sum(name.startswith("gitcoord") for name in modules) < 110


READING = {
    "status": {"assist", "inspect", "land", "maintain", "prepared", "setup"},
    "tasks": {"inspect"},
    "show": {"inspect"},
    "why": {"inspect"},
    "impact": {"inspect"},
    "log": {"inspect"},
}
"""The commands that read, each with the rooms that it may load of the features."""
ROOMS = {
    **READING,
    "claim": {"work", "inspect", "maintain", "prepared"},
    "progress": {"work", "maintain"},
    "beat": {"work", "maintain"},
    "complete": {"work", "maintain", "assist"},
    "release": {"work", "maintain", "assist"},
    "fail": {"work", "maintain", "assist", "inspect"},
}


def rooms(modules: set[str]) -> set[str]:
    """Return the rooms of the features of which something was loaded."""
    names = {name.split(".")[2] for name in modules if name.startswith("gitcoord.features.")}
    return names - {"doors", "names", "sessions", "workspace"}


@pytest.mark.parametrize("command", READING)
def test_a_reading_command_loads_no_engine_and_no_room_that_writes(
    repo: Path, command: str
) -> None:
    work = found(repo, tasks("a", "b", "c") + 'result = "optional"\n', "x", worktrees=False)
    done = claims.claim(work, "x", "c", checkout=False)
    results.complete(work, "x", "c", done.claim["token"], no_result=True)
    claims.claim(work, "x", "a", checkout=False)
    work.close()
    named = {"show": ["a"], "why": ["b"], "impact": ["a"]}
    modules = loaded(repo, command, *named.get(command, []))
    needed = {"shlex"} if command == "tasks" else set()  # an agent's, asked of git grep
    assert modules & HEAVY == needed
    assert rooms(modules) <= READING[command]


def test_a_hook_loads_no_command_line_and_nothing_that_writes(repo: Path) -> None:
    work = found(repo, tasks("a"), "x")
    place = Path(claims.claim(work, "x", "a").worktree or "")
    work.close()
    (place / "README.md").write_text("outside")
    git("add", "README.md", cwd=place)
    done = subprocess.run(
        [sys.executable, "-c", HOOK],
        cwd=place,
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    modules = set(done.stdout.split())
    unwanted = modules & (
        HEAVY
        | {
            "click",
            "sqlite3",
            "threading",
            "selectors",
            "datetime",
            "gitcoord.ledger.ledger",
            "gitcoord.cli.main",
            "gitcoord.core.machine",
            "gitcoord.features.workspace",
        }
    )
    assert not unwanted, unwanted
    assert sum(name.startswith("gitcoord") for name in modules) < 55


def test_what_is_packed_costs_one_git_and_what_starts_it(repo: Path) -> None:
    found(repo, tasks("a"), "x", worktrees=False).close()
    git("config", "user.name", "Tester", cwd=repo)
    git("config", "user.email", "tester@example.invalid", cwd=repo)
    git("repack", "-q", "-a", "-d", cwd=repo)
    modules = loaded(repo, "claim", "--no-checkout")
    assert tops(modules) - BASIC - ALLOWED - NEWER - WITH_INDEX - WITH_PACKS == set()
    assert not modules & (HEAVY - WITH_PACKS)


def test_what_was_written_at_once_costs_no_git(repo: Path) -> None:
    found(repo, tasks(*(f"t{number}" for number in range(60))), "x", worktrees=False).close()
    git("config", "user.name", "Tester", cwd=repo)
    git("config", "user.email", "tester@example.invalid", cwd=repo)
    assert list((repo / ".git/objects/pack").glob("*.pack"))
    modules = loaded(repo, "claim", "--no-checkout")
    assert tops(modules) - BASIC - ALLOWED - NEWER - WITH_INDEX == set()
    assert not modules & HEAVY


def test_claiming_imports_no_more_than_it_needs(repo: Path, plan: Path) -> None:
    env = environment(GITCOORD_AGENT="x")
    for args in (["init", str(plan)], ["agent", "add", "x", "--no-worktree"]):
        subprocess.run(
            [sys.executable, "-m", "gitcoord", "-C", str(repo), *args],
            env=env,
            check=True,
            capture_output=True,
        )
    script = (
        "import sys; from gitcoord.cli.main import run\n"
        f"assert run(['-C', {str(repo)!r}, 'claim', '--no-checkout']) == 0\n"
        "print(sorted({name.split('.')[0] for name in sys.modules} & set(sys.argv[1:])))"
    )
    unwanted = [
        "watchdog",
        "tomlkit",
        "tomllib",
        "asyncio",
        "dataclasses_json",
        "difflib",
        "tempfile",
        "email",
    ]
    done = subprocess.run(
        [sys.executable, "-c", script, *unwanted],
        env=env,
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.splitlines()[-1] == "[]"
