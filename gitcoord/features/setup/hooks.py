"""Install git's hooks, take them away again, and say what git would run.

The plan is made in ``core.hook_plan``; this looks at the folders and does
the steps. Files are replaced in one step each, so that a kill leaves every
hook either as it was or as it shall be, and running it again goes on.
"""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

from gitcoord.core.errors import UnavailableError
from gitcoord.core.shapes import NamedTuple
from gitcoord.features.setup import hook_plan
from gitcoord.features.setup.hook_plan import (
    ASIDE,
    EVENTS,
    LEGACY,
    NOTHING,
    OLD,
    Folder,
    HookFile,
    Seen,
    Step,
)
from gitcoord.features.workspace import Workspace
from gitcoord.git.maintenance import config_value
from gitcoord.git.program import Git, require_git
from gitcoord.host.files import replace_file
from gitcoord.host.shipped import shipped
from gitcoord.ledger.files import read_json, write_json

__all__ = ["Row", "install", "status", "uninstall"]

_CONFIGS = (
    "lefthook.yml",
    "lefthook-local.yml",
    ".lefthook.yml",
    ".pre-commit-config.yaml",
    "prek.toml",
    "hk.pkl",
)
_MAX_BYTES = 1 << 20
_FAULTS = {
    "stale": "is of another gitcoord, or guards another target",
    "idle": "is not executable",
}
"""What is wrong with our part of a hook, by its state."""
_OFF = {"false", "no", "off", "0"}


class Row(NamedTuple):
    """What git would really run for one event in some worktrees."""

    event: str
    path: str
    worktrees: list[str]
    runs: str
    state: str
    problem: str


class _Set(NamedTuple):
    """A folder of hooks, the worktrees that use it, and what lies in it."""

    folder: Folder
    worktrees: list[Path]
    seen: list[Seen]


def install(
    work: Workspace,
    *,
    guard: bool | None = None,
    dry_run: bool = False,
    version: tuple[int, ...] | None = None,
) -> list[Step]:
    """Make git run our hooks, as far as nothing of somebody else's is in the way.

    ``guard`` says whether the target moves by landing only for everybody;
    None leaves that as it is. Returns the steps, done or only planned.

    Raises:
        UnavailableError: A file cannot be written; what was done so far
            stays, and both ``install`` and ``uninstall`` go on from there.

    """
    home = _home(work)
    is_guarded = guard
    if is_guarded is None:
        is_guarded = bool(_guarded(work))
    target = ""
    if is_guarded:
        target = _target(work)
    shims = _shims(target)
    commands = {event: _command(home / event) for event in EVENTS}
    sets, version = _sets(work), version or require_git()
    steps = []
    for one in sets:
        planned = hook_plan.plan_install(one.folder, one.seen, shims, commands, version)
        steps += [(one, _unless_added(one, step)) for step in planned if _is_due(sets, one, step)]
    if not dry_run:
        _keep_shims(home, shims, sets)
        for one, step in steps:
            _do(work, Path(one.folder.path), step)
    return [step for _, step in steps]


def uninstall(work: Workspace, *, dry_run: bool = False) -> list[Step]:
    """Take away all that ``install`` made; what was there before is back.

    Raises:
        UnavailableError: A file cannot be written; run it again.

    """
    home = _home(work)
    sets = _sets(work)
    if not any(one.folder.path == _default(work) for one in sets):
        # core.hooksPath came after us: git looks elsewhere by now, and what we wrote is there.
        sets.append(_set(work, _default(work), [], []))
    steps = []
    for one in sets:
        planned = hook_plan.plan_uninstall(one.seen)
        steps += [(one, step) for step in planned if _is_due(sets, one, step)]
    if dry_run:
        return [step for _, step in steps]
    for one, step in steps:
        _do(work, Path(one.folder.path), step)
    made = read_json(home / "made.json") or {}
    for name in (*EVENTS, "made.json"):
        (home / name).unlink(missing_ok=True)
    for folder in (*map(Path, made.get("folders", [])), home):
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
    return [step for _, step in steps]


def status(work: Workspace, *, version: tuple[int, ...] | None = None) -> list[Row]:
    """Return what git would run for each event, in which worktrees."""
    guard = ""
    if _guarded(work):
        guard = _target(work)
    version = version or require_git()
    beside: dict[str, list[str]] = {}
    if version >= hook_plan.CONFIGURABLE:
        beside = _configured(work)
    off: set[str] = set()
    if version >= hook_plan.SWITCHABLE:
        off = _switched_off(work)
    rows = []
    for one in _sets(work):
        for seen in one.seen:
            if seen.event in off:
                others = []
            else:
                others = beside.get(seen.event, [])
            rows.append(_row(one, seen, guard, version, others, is_off=seen.event in off))
    return rows


def _switched_off(work: Workspace) -> set[str]:
    """Return the events for which git runs no hook of its configuration."""
    settings = {event: config_value(work.git, f"hook.{event}.enabled") for event in EVENTS}
    return {event for event, value in settings.items() if value.lower() in _OFF}


def _configured(work: Workspace) -> dict[str, list[str]]:
    """Return the hooks of others that git's configuration runs, by event."""
    asked = work.git.run(
        "config", "-z", "--get-regexp", r"^hook\..+\.(event|command|enabled)$", check=False
    ).text
    found: dict[str, list[str]] = {}
    told: dict[tuple[str, str], str] = {}
    for line in asked.split("\0"):
        key, _, value = line.partition("\n")
        name, _, what = key.removeprefix("hook.").rpartition(".")
        told[name, what] = value
        if what == "event" and name != f"gitcoord-{value}":
            found.setdefault(value, []).append(name)

    def runs(name: str) -> bool:
        is_on = told.get((name, "enabled"), "").lower() not in _OFF
        return is_on and bool(told.get((name, "command")))

    return {event: list(filter(runs, names)) for event, names in found.items()}


def _row(
    one: _Set,
    seen: Seen,
    guard: str,
    version: tuple[int, ...],
    beside: list[str],
    *,
    is_off: bool = False,
) -> Row:
    """Look at one event, as git does when it comes to it."""
    path = str(Path(one.folder.path) / seen.event)
    theirs = _theirs(seen)
    is_named = bool(seen.command) and version >= hook_plan.CONFIGURABLE
    ours, problem = _ours(seen, theirs, guard, is_started=is_named and not is_off)
    if not ours and theirs:
        ours = _in_manager(one, seen.event)
    if is_named and not ours:
        ours, problem = "idle", _switched_off_by(seen, is_off=is_off)
    elif ours in {"stale", "idle"}:
        problem = problem or f"{path} {_FAULTS[ours]}: `gitcoord hooks install` fixes it"
    else:
        problem = _passed_over(one, seen.hook, path) or problem
    names = [*beside, theirs]
    if ours and ours != "idle":
        names.insert(0, "gitcoord")
    runs = " and ".join(filter(None, names)) or "nothing"
    places = [str(place) for place in one.worktrees]
    return Row(seen.event, path, places, runs, ours or "missing", problem)


def _theirs(seen: Seen) -> str:
    """Return what of others git starts for an event: a manager, or the user's hook."""
    hook = seen.hook
    if not hook.is_executable:
        # What is not executable git passes over, and what it would start with it.
        return ""
    manager = hook_plan.manager_of(hook)
    if manager:
        return manager
    is_only_ours = hook_plan.is_ours(hook) and hook_plan.is_whole(hook.content)
    has_aside = seen.aside.kind != "none" and seen.aside.is_executable
    if has_aside or (hook.kind != "none" and not is_only_ours):
        return "your hook"
    return ""


def _ours(seen: Seen, theirs: str, guard: str, *, is_started: bool) -> tuple[str, str]:
    """Return the state of the first hook of ours that git comes to, and a problem with it."""
    files = [seen.hook]
    if is_started:
        files.insert(0, seen.named)
    if theirs in hook_plan.RUN_LEGACY:
        files.append(seen.legacy)
    for file in files:
        if hook_plan.is_ours(file):
            python = hook_plan.python_of(file.content)
            state = _state_of(file, _shim(seen.event, python, guard))
            if not python or os.access(python, os.X_OK):
                return state, ""
            return state, (
                f"its interpreter {python} is gone: `gitcoord hooks install` names the one "
                "that runs now"
            )
    return "", ""


def _switched_off_by(seen: Seen, *, is_off: bool) -> str:
    name = f"hook.gitcoord-{seen.event}"
    if is_off:
        name = f"hook.{seen.event}.enabled"
    elif seen.gone:
        return f"{seen.gone} is gone: `gitcoord hooks install` writes it again"
    return (
        f"{name} is switched off, or names another place: git config --show-origin "
        f"--get-regexp {name}"
    )


def _passed_over(one: _Set, hook: HookFile, path: str) -> str:
    """Return why git passes a hook over, or nothing."""
    if one.folder.why and not Path(one.folder.path).is_dir():
        names = ", ".join(place.name for place in one.worktrees[:3])
        return f"{one.folder.path} is not there, so no hook at all runs in {names}"
    if hook.kind == "file" and not hook.is_executable:
        return f"{path} is not executable, so git passes it over"
    return ""


def _state_of(file: HookFile, shim: bytes) -> str:
    """Return how our part of a hook stands beside the one that we would write."""
    if not file.is_executable:
        return "idle"
    if hook_plan.block_of(file.content) == hook_plan.block_of(shim):
        return "current"
    return "stale"


def _unless_added(one: _Set, step: Step) -> Step:
    """Do not ask again for lines that somebody has added."""
    if step.act != "advise" or not _in_manager(one, step.event):
        return step
    return Step("keep", step.event, step.name, f"{step.name or 'your hook'} runs it already")


def _in_manager(one: _Set, event: str) -> str:
    """Return whether a manager's own files name our hook."""
    places = [
        *(top / name for top in one.worktrees[:1] for name in _CONFIGS),
        Path(one.folder.path) / event,
        Path(one.folder.path).parent / event,
    ]
    wanted = f"gitcoord/hooks/{event}".encode()
    if any(wanted in _file(place).content for place in places):
        return "current"
    return ""


# looking


def _home(work: Workspace) -> Path:
    return work.ledger.files.root / "hooks"


def _target(work: Workspace) -> str:
    return work.ledger.snapshot().target()


def _guarded(work: Workspace) -> str:
    """Return the target that the installed hooks guard for everybody, or nothing."""
    return hook_plan.guard_of(_file(_home(work) / "reference-transaction").content)


def _shims(guard: str) -> dict[str, bytes]:
    return {event: _shim(event, sys.executable or "", guard) for event in EVENTS}


def _shim(event: str, python: str, guard: str) -> bytes:
    return hook_plan.filled((shipped("hooks") / event).read_bytes(), python, guard)


def _file(path: Path) -> HookFile:
    try:
        if path.is_symlink():
            return HookFile("link", b"", os.access(path, os.X_OK))
        if not path.is_file():
            if not path.exists():
                return NOTHING
            return HookFile("other")
        with path.open("rb") as file:
            return HookFile("file", file.read(_MAX_BYTES), os.access(path, os.X_OK))
    except OSError as error:
        raise UnavailableError(
            f"{path} cannot be read: {error.strerror}", hint="check whose it is"
        ) from None


def _sets(work: Workspace) -> list[_Set]:
    """Find the folders in which git looks, that of the main worktree first."""
    from gitcoord.git.worktrees import list_all

    common = work.place.common_dir
    tops = [one.path for one in list_all(work.git) if one.path.is_dir()]
    used: dict[str, list[Path]] = {}
    for top in tops or [common]:
        # Asked for a hook, and not made absolute by git, which refuses a path below a file
        # or an empty one.
        asked = Git(top).run(
            "rev-parse", "--git-path", f"hooks/{EVENTS[0]}", hooks=True, check=False
        )
        if asked.status == 0:
            used.setdefault(os.path.realpath((top / asked.text).parent), []).append(top)
    return [_set(work, path, places, tops) for path, places in used.items()]


def _command(shim: Path) -> str:
    """Return what the configuration has git run for a hook of ours.

    git refuses a commit when a command that it knows of is not there, and
    does not say whose that was: a hook of ours that is gone fails open.
    """
    path = shlex.quote(str(shim))
    said = (
        f"gitcoord: warning: {shim.name} did not look, for its hook is gone; next: "
        "`gitcoord hooks install` writes it again"
    )
    return f"test -x {path} || {{ echo {shlex.quote(said)} >&2; exit 0; }}; {path}"


def _default(work: Workspace) -> str:
    return str(work.place.common_dir / "hooks")


def _set(work: Workspace, path: str, places: list[Path], tops: list[Path]) -> _Set:
    folder = hook_plan.classify(
        path, _default(work), str(work.place.common_dir), [os.path.realpath(top) for top in tops]
    )
    return _Set(folder, places, [_seen(work, Path(path), event) for event in EVENTS])


def _seen(work: Workspace, folder: Path, event: str) -> Seen:
    name, shim = f"hook.gitcoord-{event}", _home(work) / event
    command = config_value(work.git, f"{name}.command")
    is_on = (
        command == _command(shim) and config_value(work.git, f"{name}.enabled").lower() not in _OFF
    )
    named, gone = NOTHING, ""
    if is_on and config_value(work.git, f"{name}.event"):
        named = _file(shim)
        if named == NOTHING:
            gone = str(shim)
    hook, legacy, aside, old = (
        _file(folder / f"{event}{suffix}") for suffix in ("", LEGACY, ASIDE, OLD)
    )
    return Seen(event, hook, legacy, aside, command, named, old, gone)


def _is_due(sets: list[_Set], one: _Set, step: Step) -> bool:
    """Return whether a step is to be done: the configuration is one for all folders."""
    return one is sets[0] or not step.name.startswith("hook.gitcoord-")


# doing


def _keep_shims(home: Path, shims: dict[str, bytes], sets: list[_Set]) -> None:
    """Put our hooks where managers and the configuration find them."""
    known = read_json(home / "made.json") or {}
    made = [
        one.folder.path for one in sets if not one.folder.why and not Path(one.folder.path).exists()
    ]
    write_json(home / "made.json", {"folders": sorted({*known.get("folders", []), *made})})
    for event, shim in shims.items():
        if _file(home / event) != HookFile("file", shim, is_executable=True):
            _write(home / event, shim)


def _do(work: Workspace, folder: Path, step: Step) -> None:
    path = folder / step.name
    try:
        if step.act == "write":
            _write(path, step.content)
        elif step.act == "set-aside":
            # It has both names for a moment: there is no time without it.
            os.link(path, folder / f"{step.event}{ASIDE}", follow_symlinks=False)
            _write(path, step.content, is_new=True)
        elif step.act == "restore":
            (folder / f"{step.event}{ASIDE}").replace(path)
        elif step.act == "remove":
            path.unlink(missing_ok=True)
        elif step.act == "configure":
            work.git.run(
                "config",
                "--local",
                f"{step.name}.command",
                step.content.decode("utf-8", "surrogateescape"),
            )
            work.git.run("config", "--local", f"{step.name}.event", step.event)
        elif step.act == "unconfigure":
            work.git.run("config", "--local", "--remove-section", step.name)
    except OSError as error:
        raise UnavailableError(
            f"{path} cannot be written: {error.strerror}", hint="check whose it is, and try again"
        ) from None


def _write(path: Path, content: bytes, *, is_new: bool = False) -> None:
    """Replace a file in one step; somebody's hook keeps its mode."""
    kept = None
    if path.is_file() and not is_new and not hook_plan.is_whole(content):
        kept = path.stat().st_mode & 0o7777
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, content, mode=0o777, kept_mode=kept)
