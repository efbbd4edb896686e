"""Find Python installations that lead back into this repository.

With ``pip install -e .`` an environment imports the code of the checkout
in which it was run. A check that uses that environment passes on whatever
lies there, and never sees the commit that it is to judge.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

__all__ = ["Misled", "leading_into", "misled", "site_folders"]

MAX_FILE_BYTES = 64 * 1024


class Misled(NamedTuple):
    """An installation through which a command would test another commit."""

    text: str
    advice: str


def misled(main: Path, commands: Iterable[str]) -> list[Misled]:
    """Return why the plan's commands may test the main checkout instead.

    A command that sets PYTHONPATH says itself where the code is, and the
    setup of a worktree tests nothing.
    """
    if not any(map(_may_be_misled, commands)):
        return []
    source = "."
    if (main / "src").is_dir():
        source = "src"
    advice = f"start the check with PYTHONPATH={source}, or build an environment of its own"
    found = []
    for folder in site_folders(main):
        for told in leading_into(folder, main):
            text = f"{told} (in {folder}): a check that uses it tests the main checkout"
            found.append(Misled(f"{text} instead of the commit", advice))
    return found


def _may_be_misled(command: str) -> bool:
    return "PYTHONPATH=" not in command and not command.startswith("worktree setup:")


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


def leading_into(folder: Path, main: Path) -> list[str]:
    """Return what in a package folder leads into a checkout, one line for each."""
    found = []
    for record in sorted(folder.glob("*.dist-info/direct_url.json")):
        place = _editable_place(record)
        if place is not None and _is_within(place, main):
            name = record.parent.name.split("-")[0]
            found.append(f"{name} is installed from {place}")
    if found:
        return found
    for links in sorted(folder.glob("*.pth")):
        for line in _lines(links):
            if Path(line).is_absolute() and _is_within(Path(line), main):
                found.append(f"{links.name} leads to {line}")
    return found


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


def _is_within(place: Path, main: Path) -> bool:
    return place.resolve().is_relative_to(main.resolve())
