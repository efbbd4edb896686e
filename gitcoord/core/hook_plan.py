"""Plan what ``hooks install`` and ``hooks uninstall`` do, from what is there.

Pure: what was seen goes in, steps come out. What is somebody else's stays:
a hook in shell gets a block between two marks, any other is set aside and
run after ours, and where a manager of hooks is at home nothing is written
but the lines that its owner can add.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from typing import NamedTuple

__all__ = [
    "ASIDE", "EVENTS", "NOTHING", "Folder", "HookFile", "Seen", "Step", "block_of", "classify", "filled", "guard_of", "is_ours",
    "is_whole", "lines_for", "manager_of", "plan_install", "plan_uninstall", "python_of", "stripped",
]  # fmt: skip

EVENTS = ("pre-commit", "commit-msg", "pre-merge-commit", "pre-push", "reference-transaction")
ASIDE = ".gitcoord-user"
LEGACY = ".legacy"
CONFIGURABLE = (2, 54)
"""From this git on the configuration can name hooks."""

_BLOCK = re.compile(rb"^# >>> gitcoord >>>.*?^# <<< gitcoord <<<\n", re.MULTILINE | re.DOTALL)
_TAIL = re.compile(rb'\[ ! -x "\$\{0%/\*\}/[a-z-]+\.gitcoord-user" \] \|\| exec [^\n]*\n')
_SHELL = re.compile(rb"#! ?(?:/[^ \n]*/)?(?:env (?:-S ?)?)?(?:sh|bash|dash|ash|ksh|mksh)(?: +-[a-z]+)* *\n")
_SHEBANG = b"#!/bin/sh\n"
_MANAGERS = (("prek", b"prek"), ("pre-commit", b"pre-commit.com"), ("lefthook", b"lefthook"), ("hk", b"hk run"), ("husky", b"husky"))


class HookFile(NamedTuple):
    """What lies at a path: ``kind`` is none, file, link or other."""

    kind: str
    content: bytes = b""
    is_executable: bool = False


NOTHING = HookFile("none")


class Seen(NamedTuple):
    """What lies in a folder for one event, and what git's configuration names."""

    event: str
    hook: HookFile
    legacy: HookFile = NOTHING
    aside: HookFile = NOTHING
    command: str = ""


class Folder(NamedTuple):
    """A folder of hooks; ``why`` says why nothing is written there, if so."""

    path: str
    why: str = ""
    manager: str = ""


class Step(NamedTuple):
    """One thing to do, or to tell.

    ``act`` is write (``content`` at ``name``), remove, set-aside (link the
    hook to its other name, then write), restore (move it back), configure,
    unconfigure, advise (``text`` holds lines for a person) or keep.
    """

    act: str
    event: str
    name: str = ""
    text: str = ""
    content: bytes = b""


# what is ours in a file


def filled(shim: bytes, python: str, guard: str) -> bytes:
    """Write the interpreter and the guarded target into a shipped hook."""
    text = shim.replace(b"gitcoord_python=''", b"gitcoord_python=" + _quoted(python), 1)
    return text.replace(b"gitcoord_guard=''", b"gitcoord_guard=" + _quoted(guard), 1)


def _quoted(value: str) -> bytes:
    return shlex.quote(value).encode("utf-8", "surrogateescape")


def guard_of(content: bytes) -> str:
    """Read the guarded target out of an installed hook."""
    return _value(content, b"gitcoord_guard=")


def python_of(content: bytes) -> str:
    """Read the interpreter out of an installed hook."""
    return _value(content, b"gitcoord_python=")


def _value(content: bytes, name: bytes) -> str:
    line = next((line for line in (block_of(content) or b"").split(b"\n") if name in line), b"")
    try:
        words = shlex.split(line.decode("utf-8", "surrogateescape"), comments=True)
    except ValueError:
        return ""
    return next((word.partition("=")[2] for word in words if word.startswith(name.decode())), "")


def block_of(content: bytes) -> bytes | None:
    """Return the block between our marks, with them, or None."""
    found = _BLOCK.search(content)
    return found[0] if found else None


def is_ours(file: HookFile) -> bool:
    """Say whether a file holds our block."""
    return file.kind == "file" and block_of(file.content) is not None


def is_whole(content: bytes) -> bool:
    """Say whether a file is one that we made, and nobody added to."""
    block = block_of(content)
    tail = content[len(_SHEBANG) + len(block) :] if block else b""
    return block is not None and content.startswith(_SHEBANG + block) and _TAIL.fullmatch(tail) is not None


def stripped(content: bytes) -> bytes:
    """Take our block out of a file, and what only we put after it."""
    found = _BLOCK.search(content)
    if found is None:
        return content
    after = content[found.end() :]
    tail = _TAIL.match(after)
    return content[: found.start()] + (after[tail.end() :] if tail else after)


def manager_of(file: HookFile) -> str:
    """Name the manager that wrote a hook, by what such hooks say, or nothing."""
    rest = stripped(file.content)
    return next((name for name, mark in _MANAGERS if mark in rest), "") if file.kind == "file" else ""


# where git looks


def classify(effective: str, default: str, common_dir: str, worktrees: Sequence[str]) -> Folder:
    """Say whether hooks may be written to the folder that git looks in.

    All are real paths but ``default``, the folder in the common git
    directory; ``effective`` is what git answered.
    """
    if effective == default:
        return Folder(effective)
    manager = "husky" if "/.husky" in effective else "lefthook" if "/.lefthook" in effective else ""
    if effective.startswith(f"{common_dir}/"):
        return Folder(effective, "core.hooksPath names it", manager)
    inside = next((top for top in worktrees if effective == top or effective.startswith(f"{top}/")), None)
    where = f"it lies in the working tree {inside}" if inside else "it lies outside of the repository"
    return Folder(effective, f"core.hooksPath leads there, and {where}", manager)


# installing


def plan_install(
    folder: Folder, seen: Sequence[Seen], shims: Mapping[str, bytes], commands: Mapping[str, str], version: tuple[int, ...]
) -> list[Step]:
    """Say what has to be done so that git runs our hooks from a folder.

    ``shims`` are the filled hooks; ``commands`` is how the configuration of
    git 2.54 and newer names them.
    """
    steps: list[Step] = []
    for one in seen:
        if version >= CONFIGURABLE:
            steps += [step for step in _removal(one) if step.act != "unconfigure"]
            is_set = one.command == commands[one.event]
            text = "git runs it from its configuration"
            steps.append(Step("keep" if is_set else "configure", one.event, f"hook.gitcoord-{one.event}", text,
                              commands[one.event].encode("utf-8", "surrogateescape")))  # fmt: skip
            continue
        if one.command:
            steps.append(_unconfigured(one.event))
        if folder.why:
            steps.append(_advice(folder.manager, one.event, f"{folder.path}: {folder.why}"))
        else:
            steps.append(_placed(one, shims[one.event]))
    return steps


def _placed(one: Seen, shim: bytes) -> Step:
    """Find the place for our hook beside what there is."""
    event, hook = one.event, one.hook
    if hook.kind == "none":
        return Step("write", event, event, "a new file", shim)
    if is_ours(hook):
        return _renewed(one, shim)
    manager = manager_of(hook)
    if manager == "pre-commit" and (one.legacy.kind == "none" or is_ours(one.legacy)):
        is_current = one.legacy.content == shim and one.legacy.is_executable
        return Step("keep" if is_current else "write", event, event + LEGACY, "pre-commit runs it before its own checks", shim)
    if manager:
        return _advice(manager, event, f"{manager} made {event}")
    if hook.kind == "file" and hook.is_executable and (shebang := _SHELL.match(hook.content)):
        at = shebang.end()
        content = hook.content[:at] + (block_of(shim) or b"") + hook.content[at:]
        return Step("write", event, event, "a block in your hook, which runs after it", content)
    if hook.kind == "other" or one.aside.kind != "none":
        what = "a hook was set aside before and another one stands there" if one.aside.kind != "none" else "it is no file"
        return _advice("", event, f"{event}: {what}")
    runs = "which runs after ours" if hook.is_executable else "which is not executable and stays so"
    return Step("set-aside", event, event, f"your hook becomes {event}{ASIDE}, {runs}", shim)


def _renewed(one: Seen, shim: bytes) -> Step:
    """Bring our part of a hook up to date; the rest stays as it is."""
    content = one.hook.content
    new = shim if is_whole(content) else _BLOCK.sub(lambda _: block_of(shim) or b"", content, count=1)
    # A hook that its owner has switched off stays off.
    if new == content and (one.hook.is_executable or not is_whole(content)):
        return Step("keep", one.event, one.event, "it is there already")
    return Step("write", one.event, one.event, "our part is brought up to date", new)


# taking away


def plan_uninstall(seen: Sequence[Seen]) -> list[Step]:
    """Say what has to be done so that everything is as before ``install``."""
    return [step for one in seen for step in _removal(one)]


def _removal(one: Seen) -> list[Step]:
    event = one.event
    steps = [_unconfigured(event)] if one.command else []
    is_free = one.hook.kind == "none"
    for name, file in ((event, one.hook), (event + LEGACY, one.legacy)):
        if not is_ours(file):
            continue
        if not is_whole(file.content):
            steps.append(Step("write", event, name, "our block is taken out", stripped(file.content)))
        elif one.aside.kind != "none":
            # pre-commit may have moved our file: the user's takes its place.
            return [*steps, Step("restore", event, name, f"your hook comes back from {event}{ASIDE}")]
        else:
            steps.append(Step("remove", event, name, "the file that we made"))
    if one.aside.kind != "none":
        text = f"your hook comes back from {event}{ASIDE}" if is_free else f"{event}{ASIDE} stays: another hook has taken its place"
        steps.append(Step("restore" if is_free else "keep", event, event, text))
    return steps


def _unconfigured(event: str) -> Step:
    return Step("unconfigure", event, f"hook.gitcoord-{event}", "out of git's configuration")


# what to tell


def _advice(manager: str, event: str, why: str) -> Step:
    return Step("advise", event, manager, why, lines_for(manager, event).encode())


def lines_for(manager: str, event: str) -> str:
    """Give the lines that make a manager, or any shell hook, run our hook.

    They name no path of this machine, and do nothing in a clone without
    gitcoord, so that they can be committed.
    """
    if manager == "husky" and event == "reference-transaction":
        return "# husky runs no reference-transaction hook: complete, landing and verify see such moves"
    find = f'h="$(git rev-parse --git-common-dir)/gitcoord/hooks/{event}"; [ ! -x "$h" ] ||'
    if manager == "lefthook":
        stdin = "\n      use_stdin: true" if event in {"pre-push", "reference-transaction"} else ""
        return f'# in lefthook.yml\n{event}:\n  commands:\n    gitcoord:\n      run: {find} "$h" {{0}}{stdin}'
    if manager in {"pre-commit", "prek"}:
        return (f"# in .pre-commit-config.yaml\n- repo: local\n  hooks:\n  - id: gitcoord-{event}\n    name: gitcoord\n    language: system\n"
                f"    entry: sh -c '{find} exec \"$h\" \"$@\"' --\n    always_run: true\n"
                f"    pass_filenames: {'true' if event == 'commit-msg' else 'false'}\n    stages: [{event}]")  # fmt: skip
    where = f"# in .husky/{event}" if manager == "husky" else f"# a step of hk's {event}" if manager == "hk" else f"# in your {event} hook, in sh"
    return f'{where}\n{find} "$h" "$@" || exit 1'
