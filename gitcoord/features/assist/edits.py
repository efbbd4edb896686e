"""Judge the paths that an assistant is about to write, before it does.

Early advice: ``complete`` and landing judge again, from objects. Both the
path as it is written and the place that it leads to through links have to
be inside; what lies in no worktree of this repository, in the system's
folder for temporary files, is nobody's business here.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from gitcoord.core.boundary import Boundary, Layer
from gitcoord.core.shapes import NamedTuple
from gitcoord.features.assist.views import ClaimView

__all__ = ["Outside", "outside_of", "unheld"]

# A hook runs at every tool call, and pathlib costs as much as the judging.
_join, _real, _lexical = os.path.join, os.path.realpath, os.path.normpath


class Outside(NamedTuple):
    """A path that may not be written, and why."""

    path: str
    why: str


def outside_of(
    paths: Sequence[str], cwd: str, top: str, common_dir: str, claims: Sequence[ClaimView]
) -> Outside | None:
    """Return the first path that no claim of this worktree allows, or None."""
    boundaries = [
        Boundary(tuple(Layer(name, rules) for name, rules in one.layers)) for one in claims
    ]
    for path in paths:
        why = _problem(path, cwd, top, common_dir, boundaries)
        if why:
            return Outside(path, why)
    return None


def unheld(
    paths: Sequence[str], cwd: str, top: str, common_dir: str, claim: ClaimView
) -> list[str]:
    """Return the paths, from the top, if each is only outside of what the task itself may write."""
    boundary = [Boundary(tuple(Layer(name, rules) for name, rules in claim.layers))]
    found = []
    for path in paths:
        why = _problem(path, cwd, top, common_dir, boundary)
        if why is None:
            continue
        named = _lexical(_join(cwd, path))
        inside = _below(named, top) or _below(named, _real(top))
        if why != "outside" or inside is None:
            return []
        found.append(inside)
    return found


def _problem(
    path: str, cwd: str, top: str, common_dir: str, boundaries: Sequence[Boundary]
) -> str | None:
    if "\0" in path:
        return "it is not a path"
    named = _lexical(_join(cwd, path))
    leads_to = _real(named)
    real_top = _real(top)
    inside = _below(leads_to, real_top)
    is_named_inside = _below(named, top) or _below(named, real_top)
    if inside is None:
        if not is_named_inside and _is_temporary(leads_to, real_top, common_dir):
            return None
        return "it lies outside this worktree"
    written = is_named_inside or inside
    for shown in dict.fromkeys((written, inside)):
        problems = [one.problem(shown, is_new=not os.path.lexists(named)) for one in boundaries]
        if problems and all(problems):
            is_linked = shown != written
            if is_linked:
                return f"it leads to {shown}, which is {problems[0]}"
            return str(problems[0])
    return None


def _below(path: str, folder: str) -> str | None:
    """Return a path relative to a folder that holds it, or None."""
    prefix = folder.rstrip("/") + "/"
    if not path.startswith(prefix):
        return None
    return path[len(prefix) :]


def _is_temporary(path: str, top: str, common_dir: str) -> bool:
    """Return whether a path is a temporary file, and in no worktree of ours."""
    named = {os.environ.get(name, "") for name in ("TMPDIR", "CLAUDE_CODE_TMPDIR")}
    named.add("/tmp")  # noqa: S108 - nothing is written: this is where others write
    folders = [_real(folder) for folder in named if folder]
    if not any(_below(path, folder) for folder in folders):
        return False
    return not any(_below(path, one) for one in [top, *_worktrees(common_dir)])


def _worktrees(common_dir: str) -> list[str]:
    """List the folders of the repository and of every worktree it names."""
    real_common = _real(common_dir)
    found = [real_common, _real(os.path.dirname(real_common))]
    linked = _join(real_common, "worktrees")
    try:
        names = os.listdir(linked)
    except OSError:
        return found
    for name in names:
        try:
            with open(
                _join(linked, name, "gitdir"), encoding="utf-8", errors="surrogateescape"
            ) as file:
                found.append(_real(os.path.dirname(file.read().strip())))
        except OSError:
            continue
    return found
