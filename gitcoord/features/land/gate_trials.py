"""Try the gates of a phase: on the target as it is, and on code that cannot be right.

A gate that tests another tree than it is given, or nothing, passes on
anything. So each folder of source in turn gets a syntax error in every
file, in a commit that no branch holds, and a gate that still passes did
not look there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import PurePosixPath

from gitcoord.core import codec
from gitcoord.core.errors import RefusedError
from gitcoord.core.ids import Oid, PhaseId
from gitcoord.core.model import GateSpec
from gitcoord.core.shapes import NamedTuple
from gitcoord.features.names import named_phase
from gitcoord.features.setup.trust import gate_commands, require_trust
from gitcoord.features.work.checks import attempt
from gitcoord.features.workspace import Workspace
from gitcoord.git.merges import commit_merge, time_of
from gitcoord.git.program import LONG_S, Git
from gitcoord.git.temporary import temporary_folder

__all__ = ["Tried", "source_folders", "try_gates"]

MAX_FOLDERS = 20
_BROKEN = b"<<<<<<< this is a syntax error in any language (((\n"
_SOURCE = frozenset(
    [
        ".py",
        ".js",
        ".mjs",
        ".cjs",
        ".jsx",
        ".ts",
        ".tsx",
        ".go",
        ".rs",
        ".rb",
        ".java",
        ".kt",
        ".scala",
        ".c",
        ".cc",
        ".cpp",
        ".h",
        ".hpp",
        ".cs",
        ".php",
        ".swift",
        ".ex",
        ".exs",
        ".pl",
        ".pm",
        ".lua",
        ".sh",
    ]
)
_HOLDING_OTHERS = frozenset({"src", "lib", "packages", "crates", "apps", "cmd", "pkg", "internal"})

_NO_SOURCE = frozenset({"doc", "docs"})
"""What a gate may well pass over: the settings of a documentation are code, too."""


class Tried(NamedTuple):
    """What a gate said: of the target, and of each folder with syntax errors."""

    gate: str
    passed: bool
    reason: str
    blind: list[str]
    """The folders whose syntax errors it passed over."""


def try_gates(
    work: Workspace, phase: PhaseId, tell: Callable[[str], None] = lambda _text: None
) -> tuple[list[str], list[Tried]]:
    """Try each gate of a phase; return the folders that were broken, and what the gates said.

    Nothing is written to the ledger, and no pass is remembered.

    Raises:
        NotFoundError: The plan has no such phase.
        RefusedError: ``nothing-to-do``: it has no gate; ``trust``: nothing was run.

    """
    snapshot = work.ledger.snapshot()
    record = named_phase(snapshot, phase)
    gates = record["spec"]["gates"]
    if not gates:
        raise RefusedError(
            f"phase {record['id']} has no gate",
            reason="nothing-to-do",
            hint="`gates = [{ name = ..., run = ... }]` in the plan gives it one",
        )
    require_trust(work, [command for gate in gates for command in gate_commands(gate)])
    tip = work.target_tip(snapshot)
    names = _source_names(work.git, tip)
    folders = source_folders(names)[:MAX_FOLDERS]
    broken = {folder: _broken(work, tip, names, folder) for folder in folders}
    tried = []
    for gate in gates:
        tell(f"gate {gate['name']} on the target")
        seen = attempt(work, record["id"], gate, tip)
        blind = []
        if seen.is_passed:
            blind = list(_passed_over(work, record["id"], gate, broken, tell))
        tried.append(Tried(gate["name"], seen.is_passed, seen.reason, blind))
    return folders, tried


def _passed_over(
    work: Workspace,
    phase: PhaseId,
    gate: GateSpec,
    broken: dict[str, Oid],
    tell: Callable[[str], None],
) -> Iterator[str]:
    once: GateSpec = {**gate, "retry": 0}
    for folder, commit in broken.items():
        tell(f"gate {gate['name']} with syntax errors in {folder}")
        if attempt(work, phase, once, commit).is_passed:
            yield folder


def source_folders(names: Sequence[str]) -> list[str]:
    """Return the folders of source: those at the top, and what lies in ``src`` and its like."""
    folders: dict[str, None] = {}
    for name in names:
        parts = name.split("/")
        if parts[0] in _NO_SOURCE or parts[0].startswith("."):
            continue
        if len(parts) > 2 and parts[0] in _HOLDING_OTHERS:
            folders["/".join(parts[:2]) + "/"] = None
        elif len(parts) > 1:
            folders[f"{parts[0]}/"] = None
    return sorted(folders)


def _source_names(git: Git, commit: Oid) -> list[str]:
    listed = git.run("ls-tree", "-r", "-z", "--full-tree", "--name-only", commit).stdout
    names = listed.decode("utf-8", "surrogateescape").split("\0")
    return [name for name in names if PurePosixPath(name).suffix in _SOURCE]


def _broken(work: Workspace, tip: Oid, names: Sequence[str], folder: str) -> Oid:
    """Write a commit in which every source file of a folder is a syntax error."""
    blob = work.git.run("hash-object", "-w", "--stdin", stdin=_BROKEN).text
    rows = [f"100644 {blob}\t{name}\0" for name in names if _lies_in(name, folder)]
    with temporary_folder(work.ledger.files.root / "tried") as place:
        env = {"GIT_INDEX_FILE": str(place / "index")}
        work.git.run("read-tree", tip, env=env, timeout_s=LONG_S)
        listing = "".join(rows).encode("utf-8", "surrogateescape")
        work.git.run("update-index", "-z", "--index-info", stdin=listing, env=env)
        tree = Oid(work.git.run("write-tree", env=env).text)
    message = f"A syntax error in {codec.printable(folder)}, to try gates\n"
    return commit_merge(work.git, tree, [tip], message, time_of(work.git, [tip]))


def _lies_in(name: str, folder: str) -> bool:
    """Return whether a file counts for a folder; ``src/`` alone has only its own files."""
    return source_folders([name]) == [folder]
