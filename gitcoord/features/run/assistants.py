"""Start coding assistants for a run: recipes that are data, and what they are granted.

A recipe says which program is started with which words. What its hooks and
permissions are for this run goes in by its words alone, so that neither the
repository nor the user's folder is touched.
"""

from __future__ import annotations

import json
import os
import shutil
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gitcoord.core import hook_commands, ids
from gitcoord.core.assistant_output import DIALECTS
from gitcoord.core.codex_flags import codex_flags
from gitcoord.core.errors import NotFoundError, RefusedError, UnavailableError, UsageError
from gitcoord.core.ids import AgentId
from gitcoord.core.model import Budget, Resume
from gitcoord.core.shapes import NamedTuple
from gitcoord.core.version import VERSION
from gitcoord.features.assist.briefs import brief_of
from gitcoord.features.assist.codex_trust import ask_codex
from gitcoord.features.assist.setups import own_program
from gitcoord.features.workspace import Workspace
from gitcoord.git.places import discover
from gitcoord.host.shipped import shipped
from gitcoord.ledger.files import write_json

__all__ = [
    "REVIEW",
    "Assistant",
    "Crew",
    "load_assistant",
    "path_with_ours",
    "require_trusted_hooks",
]

FOLDER = "assistants"
MAX_RECIPE_BYTES = 64 * 1024
_KEYS = frozenset({"program", "arguments", "model", "grants", "output", "resume", "environment"})
_GRANTS = frozenset({"", "claude", "codex", "copilot"})
_TASK = (
    "Work on the task below until it is handed in with `gitcoord complete`, or given back with "
    "`gitcoord fail` or `gitcoord release`. Nobody is there to answer: `gitcoord escalate` asks."
    "\n\n"
)
REVIEW = (
    "Review the result below, which another agent handed in; it is checked out here. Judge it by "
    "`gitcoord review approve --message TEXT` or `gitcoord review reject --reason TEXT`. Change "
    "nothing: nothing that is changed here is kept. Nobody is there to answer.\n\n"
)
"""What a reviewer is asked for."""
_GO_ON = (
    "A usage limit ended this session, and you may go on now. The task is yours again; what you "
    "had done is there.\n\n"
)


class Assistant(NamedTuple):
    """An assistant as a run starts it."""

    name: str
    program: str
    arguments: tuple[str, ...]
    model: tuple[str, ...]
    grants: str
    output: str = ""
    """The dialect in which it tells of itself (``core.assistant_output``)."""
    resume: tuple[str, ...] = ()
    """The words by which it goes on with a session; none where it cannot."""
    model_name: str = ""
    environment: tuple[tuple[str, str], ...] = ()
    """What its environment has besides."""

    @property
    def maker(self) -> str:
        """Whose it is: several recipes of one program are of one maker."""
        return self.output or self.name

    def session_of(self, kept: Resume | None) -> str:
        """Return the session that it goes on with, of what a task keeps; else nothing."""
        if kept is None or kept["assistant"] != self.name or not self.resume:
            return ""
        return kept["session"]

    def command(
        self,
        work: Workspace,
        agent: AgentId,
        worktree: Path,
        session: str = "",
        instruction: str = _TASK,
    ) -> list[str]:
        """Return the command that starts it on what an agent holds, or goes on with a session."""
        prompt = instruction + brief_of(work, agent).text
        if session:
            prompt = _GO_ON + prompt
        words = [self.program]
        for word in self.arguments:
            if word == "{grants}":
                words += _granted(self.grants, worktree)
            elif word == "{model}":
                words += self.model
            elif word == "{resume}":
                words += [one.replace("{session}", session) for one in self.resume if session]
            else:
                words.append(word.replace("{prompt}", prompt))
        return words


class Crew(NamedTuple):
    """The assistants of a run: who works, who reviews by an agent of its own, for how much."""

    assistants: Sequence[Assistant] = ()
    reviewers: Sequence[Assistant] = ()
    budget: Budget = {}  # noqa: RUF012 - never changed; a named tuple's default


def load_assistant(name: str, model: str = "") -> Assistant:
    """Return an assistant by its recipe: the user's own, else the one that is shipped.

    Raises:
        NotFoundError: There is no such recipe.
        UsageError: It is not one, or its program is not on the path.

    """
    path = _recipe_of(name)
    recipe = _read(path)
    program = shutil.which(recipe["program"])
    if program is None:
        raise UsageError(
            f"{recipe['program']} is not on the path here, and {name} needs it",
            hint=f"install it, or name another program in {path}",
        )
    chosen = ()
    if model:
        chosen = tuple(word.replace("{name}", model) for word in recipe.get("model", ()))
    if model and not chosen:
        raise UsageError(f"{path} names no words for a model", hint="leave --model out")
    return Assistant(
        name,
        str(Path(program).absolute()),
        tuple(recipe["arguments"]),
        chosen,
        recipe.get("grants", ""),
        recipe.get("output", ""),
        tuple(recipe.get("resume", ())),
        model,
        tuple(recipe.get("environment", {}).items()),
    )


def require_trusted_hooks(assistant: Assistant, worktree: Path) -> None:
    """Refuse to start Codex where it would pass over the hooks of this run.

    Raises:
        RefusedError: It does not take them for trusted (reason ``trust``).
        UnavailableError: It does not say.

    """
    if assistant.grants != "codex":
        return
    flags = _granted("codex", worktree)
    known = ask_codex(assistant.program, worktree, flags)
    ours = [one for one in known if one.source.startswith("/<session-flags>/")]
    if len(ours) < len(hook_commands.codex_hooks("")) or any(
        one.trust != "trusted" for one in ours
    ):
        raise RefusedError(
            "this Codex does not take the hooks of a run for trusted, and would pass them over",
            reason="trust",
            hint="`gitcoord setup codex` enters hooks that you confirm in Codex itself; then start "
            "it by hand",
        )


def _recipe_of(name: str) -> Path:
    folders = [_own_folder(), shipped("templates") / FOLDER]
    if ids.is_id(name):
        for folder in folders:
            path = folder / f"{name}.toml"
            if path.is_file():
                return path
    known = sorted({path.stem for folder in folders for path in folder.glob("*.toml")})
    raise NotFoundError(
        f"there is no recipe for an assistant {name}",
        hint=f"there is {', '.join(known)}; a recipe of your own goes into {folders[0]}",
    )


def _own_folder() -> Path:
    base = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(base) / "gitcoord" / FOLDER


def _read(path: Path) -> dict[str, Any]:
    """Return a recipe.

    Raises:
        UsageError: It is not one; the key is named.

    """
    try:
        with path.open("rb") as file:
            recipe = tomllib.loads(file.read(MAX_RECIPE_BYTES).decode())
    except (OSError, ValueError) as error:
        raise _wrong(path, str(error)) from None
    unknown = sorted(set(recipe) - _KEYS)
    if unknown:
        raise _wrong(path, f"{unknown[0]} is not a key of a recipe")
    if not isinstance(recipe.get("program"), str) or not recipe["program"]:
        raise _wrong(path, "program has to name a program")
    for key in ("arguments", "model", "resume"):
        words = recipe.get(key, [])
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            raise _wrong(path, f"{key} has to be a list of words")
    if not any("{prompt}" in word for word in recipe.get("arguments", [])):
        raise _wrong(path, "arguments have to hold {prompt} in some word")
    if recipe.get("grants", "") not in _GRANTS:
        raise _wrong(path, "grants has to be claude, codex or copilot, if it is there")
    known = recipe.get("environment", {})
    if not isinstance(known, dict) or not all(isinstance(one, str) for one in known.values()):
        raise _wrong(path, "environment has to be a table of texts")
    if recipe.get("output", "") not in {"", *DIALECTS}:
        raise _wrong(path, f"output has to be one of {', '.join(DIALECTS)}, if it is there")
    return recipe


def _wrong(path: Path, why: str) -> UsageError:
    return UsageError(f"{path}: {why}", hint="correct that recipe, or take it away")


def _granted(grants: str, worktree: Path) -> list[str]:
    """Return the words that give hooks and permissions for one run in a worktree."""
    program = own_program("local")
    if grants == "claude":
        hooks: dict[str, list[Any]] = {}
        for event, group in hook_commands.claude_hooks(program, is_for_one_project=True):
            hooks.setdefault(event, []).append(group)
        allowed = {"allow": [*hook_commands.CLAUDE_ALLOW], "ask": [*hook_commands.CLAUDE_ASK]}
        return ["--settings", json.dumps({"hooks": hooks, "permissions": allowed})]
    if grants == "codex":
        place = discover(worktree)
        hooks_of_codex = hook_commands.codex_hooks(program)
        return codex_flags(hooks_of_codex, str(place.common_dir), str(place.git_dir))
    if grants == "copilot":
        return ["--plugin-dir", str(_copilot_plugin(program))]
    return []


def _copilot_plugin(program: str) -> Path:
    """Return a folder from which Copilot takes our hooks for one run.

    It lies in the user's cache, where no repository reaches it, and is
    written anew each time. If it is cut off, the next run writes it whole.
    """
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    folder = Path(base) / "gitcoord" / "copilot"
    about = {"name": "gitcoord", "description": "Coordinates agents on one repository"}
    files = {
        "plugin.json": {**about, "version": VERSION, "hooks": "hooks.json"},
        "hooks.json": hook_commands.copilot_hooks(program),
    }
    try:
        for name, value in files.items():
            write_json(folder / name, value)
    except OSError as error:
        raise UnavailableError(
            f"{folder} cannot be written: {error.strerror}",
            hint="set XDG_CACHE_HOME to a folder that can be",
        ) from None
    return folder


def path_with_ours(environment: dict[str, str]) -> dict[str, str]:
    """Return an environment in which an assistant's shell finds this gitcoord."""
    folder = str(Path(own_program("local")).parent)
    known = environment.get("PATH", os.defpath)
    return {**environment, "PATH": f"{folder}{os.pathsep}{known}"}
