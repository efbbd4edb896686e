"""Find installations that lead back into this repository: of Python, of node, of Go.

With ``pip install -e .`` an environment imports the code of the checkout
in which it was run. A check that uses that environment passes on whatever
lies there, and never sees the commit that it is to judge. So do ``npm link``,
a ``go.work`` above the repository, and a ``PYTHONPATH`` of the user's.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

from gitcoord.core.shapes import NamedTuple
from gitcoord.features.workspace import Workspace

__all__ = ["Misled", "leading_into", "misled", "misled_here", "site_folders"]

_TESTS = ("check: ", "gate: ")
"""How the commands that judge a commit are listed."""

MAX_FILE_BYTES = 64 * 1024


class Misled(NamedTuple):
    """An installation through which a command would test another commit."""

    text: str
    advice: str


def misled_here(work: Workspace, commands: Iterable[str]) -> list[Misled]:
    """Return why the plan's commands may test a worktree of this repository instead."""
    from gitcoord.git.worktrees import list_all

    main = work.place.main_worktree
    if main is None:
        return []
    return misled(main, commands, [one.path for one in list_all(work.git)])


def misled(main: Path, commands: Iterable[str], others: Iterable[Path] = ()) -> list[Misled]:
    """Return why the plan's commands may test a checkout of this repository instead.

    A command that says itself where the code is, and the setup of a worktree or
    of a gate, are not misled. ``others`` are the repository's other worktrees.
    """
    tests = [command for command in commands if command.startswith(_TESTS)]
    places = list(dict.fromkeys([main, *others]))
    found: list[Misled] = []
    if any("PYTHONPATH=" not in command for command in tests):
        found += _misled_pythons(main, places)
    if any("NODE_PATH=" not in command for command in tests):
        found += _misled_nodes(main, places)
    if any("GOWORK=" not in command for command in tests):
        found += _misled_go(main, places)
    return found


def _told(what: str, where: str, advice: str) -> Misled:
    text = f"{what} (in {where}): a check that uses it tests what lies there instead of the commit"
    return Misled(text, advice)


def _misled_pythons(main: Path, places: list[Path]) -> Iterator[Misled]:
    source = "."
    if (main / "src").is_dir():
        source = "src"
    advice = f"start the check with PYTHONPATH={source}, or build an environment of its own"
    for folder in site_folders(main):
        for told in leading_into(folder, *places):
            yield _told(told, str(folder), advice)
    for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep):
        if Path(entry).is_absolute() and _is_within(Path(entry), places):
            yield _told(f"PYTHONPATH leads to {entry}", "your environment", advice)


def _misled_nodes(main: Path, places: list[Path]) -> Iterator[Misled]:
    advice = "take the link away with npm's own unlink, or give the gate a setup and a cache"
    for folder in _node_folders(main):
        for link in sorted([*folder.glob("*"), *folder.glob("@*/*")]):
            if link.is_symlink() and _is_within(link, places):
                name = link.relative_to(folder)
                yield _told(f"{name} is linked to {link.resolve()}", str(folder), advice)


def _node_folders(main: Path) -> list[Path]:
    """Return where node and npm look for packages, outside of the commit under test.

    Throw-away worktrees lie beside the main one, so that both have the same folders above.
    """
    found = [above / "node_modules" for above in main.absolute().parents]
    prefixes = [os.environ.get(name, "") for name in ("NPM_CONFIG_PREFIX", "npm_config_prefix")]
    for line in _lines(Path.home() / ".npmrc"):
        key, _, value = line.partition("=")
        if key.strip() == "prefix":
            prefixes.append(value.strip().replace("${HOME}", str(Path.home())))
    for name in ("node", "npm"):
        program = shutil.which(name)
        if program is not None:
            prefixes.append(str(Path(program).absolute().parent.parent))
    prefixes.append("/usr/local")
    found += [Path(prefix) / "lib" / "node_modules" for prefix in prefixes if prefix]
    named = os.environ.get("NODE_PATH", "").split(os.pathsep)
    found += [Path(entry) for entry in named if Path(entry).is_absolute()]
    return [folder for folder in dict.fromkeys(found) if folder.is_dir()]


def _misled_go(main: Path, places: list[Path]) -> Iterator[Misled]:
    """Return the modules of a ``go.work`` above the repository that lie in it."""
    named = os.environ.get("GOWORK", "")
    if named == "off":
        return
    files = [above / "go.work" for above in main.absolute().parents]
    if named:
        files = [Path(named)]
    for file in files:
        for folder in _used_by(file):
            if _is_within(file.parent / folder, places):
                yield _told(f"go.work uses {folder}", str(file), "start the check with GOWORK=off")


def _used_by(file: Path) -> Iterator[str]:
    """Return the folders that a ``go.work`` uses, as it writes them."""
    is_block = False
    for line in _lines(file):
        words = line.partition("//")[0].split()
        if words[:2] == ["use", "("]:
            is_block = True
        elif is_block and words == [")"]:
            is_block = False
        elif is_block and words:
            yield words[0].strip('"`')
        elif words[:1] == ["use"] and len(words) > 1:
            yield words[1].strip('"`')


def site_folders(main: Path) -> list[Path]:
    """Return the package folders of the Pythons that a check may find.

    Nothing is run: where a Python keeps its packages follows from where it
    lies.
    """
    found: dict[Path, None] = {}
    for prefix in _prefixes(main):
        for folder in sorted(prefix.glob("lib/python3*/*-packages")):
            found[folder] = None
    return list(found)


def _prefixes(main: Path) -> Iterator[Path]:
    active = os.environ.get("VIRTUAL_ENV")
    if active:
        yield Path(active)
    for name in ("python", "python3"):
        program = shutil.which(name)
        if program is not None:
            yield Path(program).absolute().parent.parent
    for name in (".venv", "venv"):
        yield main / name


def leading_into(folder: Path, *places: Path) -> list[str]:
    """Return what in a package folder leads into a checkout, one line for each."""
    found = []
    for record in sorted(folder.glob("*.dist-info/direct_url.json")):
        place = _editable_place(record)
        if place is not None and _is_within(place, places):
            name = record.parent.name.split("-")[0]
            found.append(f"{name} is installed from {place}")
    for link in sorted(folder.glob("*.egg-link")):
        line = next(iter(_lines(link)), "")
        if line and _is_within(folder / line, places):
            found.append(f"{link.stem} is installed from {line}")
    if found:
        return found
    for links in sorted(folder.glob("*.pth")):
        for line in _lines(links):
            if _is_path(line) and _is_within(folder / line, places):
                found.append(f"{links.name} leads to {line}")
    return found


def _is_path(line: str) -> bool:
    """Return whether a line of a ``.pth`` file is a path, and not code or a comment."""
    return bool(line.strip()) and not line.startswith(("#", "import ", "import\t"))


def _editable_place(record: Path) -> Path | None:
    """Return the folder from which a package is installed in place."""
    try:
        facts = json.loads("\n".join(_lines(record)))
    except ValueError:
        return None
    if not isinstance(facts, dict) or not isinstance(facts.get("dir_info"), dict):
        return None
    url = urlsplit(str(facts.get("url", "")))
    if url.scheme != "file" or not facts["dir_info"].get("editable"):
        return None
    return Path(unquote(url.path))


def _lines(path: Path) -> list[str]:
    try:
        with path.open("rb") as file:
            return file.read(MAX_FILE_BYTES).decode("utf-8", "replace").splitlines()
    except OSError:
        return []


def _is_within(place: Path, places: Iterable[Path]) -> bool:
    found = place.resolve()
    return any(found.is_relative_to(one.resolve()) for one in places)
