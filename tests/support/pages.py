"""Run a page of the documentation as its reader would.

A page is one session of a shell in a repository named ``shop``, from its
first block to its last:

- ``sh``: every command has to succeed;
- ``console``: what stands after ``$ `` is run, and prints what stands below;
- ``python``: run in the same folder; ``toml`` with tasks: a valid plan;
- a comment ``<!-- run`` ... ``-->`` is what a reader does between the lines:
  it is run like ``sh`` and not shown.

In what is printed ``...`` stands for anything, and on a line of its own for
any lines; object ids, tokens, times and durations match any of their kind.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
ELSEWHERE = {
    "pip install .": "tests/e2e/test_wheel.py",
    ".ci/run": ".ci/run",
    "spin": "tests/model/test_model.py",
}
"""Commands that set up this very project, with what runs them."""
_BLOCK = re.compile(
    r"^```(?P<kind>\w*)\n(?P<text>.*?)^```$|^<!-- run\n(?P<hidden>.*?)^-->$",
    re.MULTILINE | re.DOTALL,
)
_MARK = "\x01step "
_TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
_OID = r"[0-9a-f]{6,40}"
_DURATION = r"\d+(?:\.\d+)?(?:ms|[hms])(?: \d+[ms])?(?!\w)"
_VARYING = re.compile(
    rf"\.\.\.|{_TIME}|\b(?=[0-9a-f]*\d)(?=[0-9a-f]*[a-f]){_OID}\b|\b{_DURATION}| +"
)


class Step(NamedTuple):
    """One thing that a page has its reader do."""

    line: int
    kind: str
    command: str
    expected: str


def steps_of(page: Path) -> list[Step]:
    """Return what a page has its reader do, in its order."""
    text = page.read_text("utf-8")
    found: list[Step] = []
    for block in _BLOCK.finditer(text):
        line = text.count("\n", 0, block.start()) + 2
        kind = "run" if block["hidden"] is not None else block["kind"]
        body = block["hidden"] if block["hidden"] is not None else block["text"]
        if kind == "console":
            found += _console(body, line)
        elif kind in {"sh", "run", "python", "toml"}:
            found.append(Step(line, kind, body, ""))
    return found


def _console(body: str, line: int) -> list[Step]:
    found: list[Step] = []
    for offset, row in enumerate(body.splitlines()):
        if row.startswith("$ "):
            found.append(Step(line + offset, "console", row[2:] + "\n", ""))
        elif found and row.startswith("> ") and not found[-1].expected:
            found[-1] = found[-1]._replace(command=found[-1].command + row[2:] + "\n")
        elif found:
            found[-1] = found[-1]._replace(expected=found[-1].expected + row + "\n")
    return found


def run_page(page: Path, world: Path) -> list[str]:
    """Run a page in a new repository; return what is not as it says."""
    steps = [_without_elsewhere(step) for step in steps_of(page) if step.kind != "toml"]
    source = prepare(world)
    script = ["exec 2>&1", "cd shop"]
    for number, step in enumerate(steps):
        command = step.command
        if step.kind == "python":
            command = f"python - <<'PAGE_END'\n{command}PAGE_END\n"
        script.append("set +e" if step.kind == "console" else "set -e")
        script.append(command.rstrip("\n"))
        script.append(f"printf '\\n{_MARK}%s\\n' {number}")
    done = subprocess.run(
        ["bash", "-c", "\n".join(script)],
        cwd=source,
        env=_environment(world),
        capture_output=True,
        check=False,
        timeout=300,
        stdin=subprocess.DEVNULL,
    )
    return _compare(
        page, steps, done.stdout.decode("utf-8", "replace").replace(str(source), "/src")
    )


def _without_elsewhere(step: Step) -> Step:
    rows = [row for row in step.command.splitlines() if not any(one in row for one in ELSEWHERE)]
    return step._replace(command="\n".join(rows) + "\n")


def prepare(world: Path) -> Path:
    """Make the repository that pages are about; return the folder around it."""
    source = world / "src"
    shop = source / "shop"
    for name in ("README.md", "src/lexer/lexer.py", "src/parser/parser.py", "docs/manual.md"):
        (shop / name).parent.mkdir(parents=True, exist_ok=True)
        (shop / name).write_text(f"# {name}\n")
    programs = world / "bin"
    programs.mkdir()
    python = f'PYTHONPATH="{ROOT}" exec "{sys.executable}"'
    # Of the project's own targets it is looked at whether make knows them.
    for name, line in (
        ("gitcoord", f'{python} -m gitcoord "$@"'),
        ("python", f'{python} "$@"'),
        ("make", f'exec {shutil.which("make")} -n -C "{ROOT}" "$@"'),
    ):
        program = programs / name
        program.write_text(f"#!/bin/sh\n{line}\n")
        program.chmod(0o755)
    for command in (
        ["init", "-q", "-b", "main"],
        ["add", "."],
        ["commit", "-q", "-m", "Begin the shop"],
    ):
        subprocess.run(["git", *command], cwd=shop, check=True)
    return source


def _environment(world: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return kept | {"PATH": f"{world / 'bin'}:{os.environ['PATH']}", "GITCOORD_SESSION": "reader"}


def _compare(page: Path, steps: list[Step], output: str) -> list[str]:
    parts = re.split(rf"\n{_MARK}\d+\n", output)
    wrong: list[str] = []
    for step, got in zip(steps, parts, strict=False):
        if step.kind == "console" and not is_as_shown(step.expected, got):
            wrong.append(
                f"{page.name}:{step.line}: {step.command}shows\n{step.expected}and prints\n{got}"
            )
    if len(parts) <= len(steps):
        step = steps[len(parts) - 1]
        wrong.append(f"{page.name}:{step.line}: failed: {step.command}{parts[-1]}")
    return wrong


def is_as_shown(expected: str, got: str) -> bool:
    """Return whether what was printed is what the page shows."""
    rows = [row.rstrip() for row in expected.strip("\n").splitlines()]
    pattern = "".join(
        r"(?:.*\n)*" if row == "..." else _row_pattern(row) + r"[ ]*\n" for row in rows
    )
    printed = "".join(row.rstrip() + "\n" for row in got.strip("\n").splitlines())
    return re.fullmatch(pattern, printed) is not None


def _row_pattern(row: str) -> str:
    """Return a pattern for a line, with what varies from run to run."""
    parts: list[str] = []
    end = 0
    for found in _VARYING.finditer(row):
        parts += [re.escape(row[end : found.start()]), _stands_for(found[0])]
        end = found.end()
    return "".join([*parts, re.escape(row[end:])])


def _stands_for(text: str) -> str:
    if text == "...":
        return ".*"
    if text.isspace():
        return " +"
    for kind in (_TIME, _OID):
        if re.fullmatch(kind, text):
            return kind
    return _DURATION


_SPAN = re.compile(r"`(?:[A-Z_]+=\S+ )*(gitcoord [^`\n]+)`")


def named_commands(page: Path) -> list[str]:
    """Return every command of gitcoord that a page names within a line."""
    text = re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    return _SPAN.findall(text)
