"""Run the command line under strace, with every git a process of its own.

strace counts the calls of a name for each process apart. So that exactly
one fault strikes, only one process of a command is traced in a run: the
command itself (number 0), or the n-th git that it or its git starts. A
stand-in for ``git`` counts them and starts the one that is meant under
strace.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from tests.support.forks import Forks

__all__ = [
    "CHANGING",
    "Call",
    "Fault",
    "Run",
    "command",
    "make_programs",
    "parse_trace",
    "run_again",
    "run_with_fault",
    "trace",
    "trace_file",
]

COMMAND = 0
STRACE = shutil.which("strace")
CHANGING = (
    "open",
    "openat",
    "creat",
    "write",
    "writev",
    "pwrite64",
    "pwritev",
    "rename",
    "renameat",
    "renameat2",
    "link",
    "linkat",
    "symlink",
    "symlinkat",
    "unlink",
    "unlinkat",
    "mkdir",
    "mkdirat",
    "rmdir",
    "fsync",
    "fdatasync",
    "ftruncate",
    "truncate",
    "chmod",
    "fchmod",
    "fchmodat",
    "utimensat",
    "copy_file_range",
    "sendfile",
)
_SPEC = ",".join(f"?{name}" for name in CHANGING)
_CALL = re.compile(r"^(\w+)\((.*)\)\s+= (-?\d+|\?)(<[^>]*>)?(.*)$")
_HANDLE = re.compile(r"^\d+<(?P<path>[^>]*)>")
_NAMED = re.compile(r'"((?:[^"\\]|\\.)*)"')
_WRITING = ("O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC")

STAND_IN = """#!/bin/sh
echo >> "$FAULT_FOLDER/count"
number=0
while read -r _; do number=$((number + 1)); done < "$FAULT_FOLDER/count"
log=$FAULT_FOLDER/trace.$number
if [ -n "$FAULT_TRACE" ]; then
    exec {strace} -qq -y -s 300 -o "$log" -e trace={spec} {git} "$@"
fi
if [ "$number" -ne "${{FAULT_NUMBER:-0}}" ]; then exec {git} "$@"; fi
if [ -z "$FAULT_ALL" ]; then exec {strace} -qq -o "$FAULT_FOLDER/log" $FAULT_INJECT {git} "$@"; fi
{strace} -qq -o "$FAULT_FOLDER/log" $FAULT_INJECT {git} "$@"
status=$?
if [ "$status" -lt 128 ]; then exit "$status"; fi
kill -KILL "-$FAULT_LEADER"
kill -KILL 0
"""


class Call(NamedTuple):
    """A system call: its ordinal among its process's calls of that name."""

    process: int
    name: str
    ordinal: int
    place: str
    other: str = ""


class Fault(NamedTuple):
    """What strikes at a call: ``KILL``, ``KILL-ALL`` or an errno's name."""

    call: Call
    kind: str


class Run(NamedTuple):
    """How a command ended, and whether the fault struck."""

    status: int
    stdout: str
    stderr: str
    struck: bool


def make_programs(folder: Path) -> None:
    """Make a folder of git's programs, the stand-in among them."""
    own = Path(
        subprocess.run(
            ["git", "--exec-path"], capture_output=True, text=True, check=True
        ).stdout.strip()
    )
    real = shutil.which("git")
    folder.mkdir(parents=True)
    for program in own.iterdir():
        if program.name != "git":
            (folder / program.name).symlink_to(program)
    stand_in = folder / "git"
    stand_in.write_text(STAND_IN.format(strace=STRACE, spec=_SPEC, git=real))
    stand_in.chmod(0o755)


def command(*argv: str) -> list[str]:
    """Give the command line of a gitcoord command."""
    return [sys.executable, "-m", "gitcoord", *argv]


def _run(
    forks: Forks,
    argv: tuple[str, ...],
    folder: Path,
    env: Mapping[str, str],
    tracer: list[str] | None = None,
) -> Run:
    """Run a command whose output goes into a folder, under a tracer where one is given."""
    pid = forks.start(argv, folder, env, stopped=tracer is not None)
    tracing = None
    if tracer is not None:
        tracing = subprocess.Popen([*tracer, "-p", str(pid)], stderr=subprocess.DEVNULL)
        while not _is_traced(pid):
            time.sleep(0.001)
        os.kill(pid, signal.SIGCONT)
    status = forks.wait()
    if tracing is not None:
        tracing.wait()
    return Run(
        status,
        (folder / "stdout").read_text("utf-8", "replace"),
        (folder / "stderr").read_text("utf-8", "replace"),
        struck=False,
    )


def _is_traced(pid: int) -> bool:
    return "\nTracerPid:\t0\n" not in Path(f"/proc/{pid}/status").read_text()


def _cleared(programs: Path, folder: Path) -> dict[str, str]:
    """Clear the folder of a run, and return the variables by which git is the stand-in."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "GIT_EXEC_PATH": str(programs),
        "FAULT_FOLDER": str(folder),
    }


def trace_file(path: Path) -> list[str]:
    """Give the traced prefix of a command whose trace goes to a file."""
    return [str(STRACE), "-qq", "-y", "-s", "300", "-o", str(path), "-e", f"trace={_SPEC}"]


def trace(
    forks: Forks, argv: tuple[str, ...], programs: Path, folder: Path, top: Path
) -> tuple[Run, list[Call]]:
    """Run a command undisturbed; list the calls that change what is in a folder."""
    env = {**_cleared(programs, folder), "FAULT_TRACE": "1"}
    done = _run(forks, argv, folder, env, trace_file(folder / "trace.0"))
    calls = []
    for path in sorted(folder.glob("trace.*"), key=lambda path: int(path.suffix[1:])):
        calls += parse_trace(path.read_text("utf-8", "replace"), top, int(path.suffix[1:]))
    return done, calls


def parse_trace(text: str, top: Path, process: int = COMMAND) -> list[Call]:
    """Read a trace: the successful calls that change what is in a folder."""
    counts: dict[str, int] = {}
    calls = []
    for line in text.splitlines():
        found = _CALL.match(line)
        if found is None:
            continue
        name, arguments, result, opened = found[1], found[2], found[3], found[4] or ""
        counts[name] = counts.get(name, 0) + 1
        if result.startswith("-"):
            continue
        handle = _HANDLE.match(arguments)
        if name in {"open", "openat", "creat"}:
            if name != "creat" and not any(flag in arguments for flag in _WRITING):
                continue
            places = [opened.strip("<>")]
        elif handle is not None:
            places = [handle["path"]]
        else:
            places = _NAMED.findall(arguments)
        # git works with relative paths, from a folder of the repository.
        if places and ":[" in places[0]:
            continue  # a pipe
        if places and (not places[-1].startswith("/") or Path(places[-1]).is_relative_to(top)):
            calls.append(
                Call(process, name, counts[name], places[0], places[-1] if len(places) > 1 else "")
            )
    return calls


def run_with_fault(
    forks: Forks, argv: tuple[str, ...], programs: Path, folder: Path, fault: Fault
) -> Run:
    """Run a command in which one call of one process fails, or kills."""
    name, ordinal, number = fault.call.name, fault.call.ordinal, fault.call.process
    what = "signal=KILL" if fault.kind.startswith("KILL") else f"error={fault.kind}"
    inject = ["-e", f"trace={name}", "-e", f"inject={name}:{what}:when={ordinal}"]
    log = folder / "log"
    env = {
        **_cleared(programs, folder),
        "FAULT_NUMBER": str(number),
        "FAULT_INJECT": " ".join(inject),
        "FAULT_ALL": "1" if fault.kind == "KILL-ALL" else "",
    }
    tracer = [str(STRACE), "-qq", "-o", str(log), *inject] if number == COMMAND else None
    done = _run(forks, argv, folder, env, tracer)
    text = log.read_text("utf-8", "replace") if log.exists() else ""
    return done._replace(struck="(INJECTED)" in text or "killed by SIGKILL" in text)


def run_again(forks: Forks, argv: tuple[str, ...], folder: Path) -> Run:
    """Run a command undisturbed and untraced, with git itself."""
    return _run(forks, argv, folder, {})
