"""Ways round a boundary: by the tool that writes, and by what misleads git."""

from __future__ import annotations

import hashlib
import os
import struct
from pathlib import Path

from tests.git.building import commit, commit_tree, git, tree
from tests.support.bypasses import evil_merge
from tests.support.lab import Lab, Way

__all__ = ["ENVIRONMENT", "TOOLS", "elsewhere"]

FOLDERS = (
    ".git",
    ".GIT",
    ".git ",
    ".git.",
    "git~1",
    "GIT~2",
    ".g\u200cit",
    ".git::$INDEX_ALLOCATION",
    "..",
    ".",
)


def _evil(lab: Lab) -> str:
    return lab.commit({"Makefile": "evil:\n", "notes.md": "n"})


def _raw_commit(lab: Lab) -> str:
    who = "x <x@example.invalid> 1 +0000"
    text = (
        f"tree {tree(lab.repo, lab.base, {'Makefile': 'evil'})}\nparent {lab.base}\nauthor "
        f"{who}\ncommitter {who}\n\nwork\n"
    )
    return git(lab.repo, "hash-object", "-t", "commit", "-w", "--stdin", stdin=text.encode())


def _fast_import(lab: Lab) -> str:
    stream = (
        "commit refs/heads/imported\ncommitter x <x@example.invalid> 1 +0000\ndata 4\nwork\nfrom "
        f"{lab.base}\n"
        "M 100644 inline Makefile\ndata 5\nevil\n\n"
    )
    git(lab.repo, "fast-import", "--quiet", stdin=stream.encode())
    return git(lab.repo, "rev-parse", "refs/heads/imported")


def _twice_the_same_name(lab: Lab) -> str:
    """Write a tree by hand that has one name twice, the harmless one first."""
    rows = [row.split(None, 3) for row in git(lab.repo, "ls-tree", lab.base).splitlines()]
    evil = git(lab.repo, "hash-object", "-w", "--stdin", stdin=b"evil")
    entries = []
    for mode, _, oid, name in rows:
        entries.append((mode, name, oid))
        if name == "Makefile":
            entries.append((mode, name, evil))
    raw = b"".join(
        f"{mode.lstrip('0')} {name}\0".encode() + bytes.fromhex(oid) for mode, name, oid in entries
    )
    content = git(lab.repo, "hash-object", "-t", "tree", "-w", "--literally", "--stdin", stdin=raw)
    return commit_tree(lab.repo, content, lab.commit({"notes.md": "n"}))


def _worktree(lab: Lab) -> Path:
    place = lab.repo.parent / "place"
    git(
        lab.repo,
        "worktree",
        "add",
        "-q",
        "--no-track",
        "-b",
        lab.claim["branch"],
        str(place),
        lab.base,
    )
    return place


def _no_verify(lab: Lab) -> str:
    hook = lab.repo / ".git" / "hooks" / "pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    place = _worktree(lab)
    (place / "Makefile").write_text("evil:\n")
    git(place, "commit", "-qam", "work", "--no-verify")
    return git(place, "rev-parse", "HEAD")


def _hooks_path(lab: Lab) -> str:
    place = _worktree(lab)
    (place / "Makefile").write_text("evil:\n")
    git(place, "-c", "core.hooksPath=/dev/null", "commit", "-qam", "work")
    return git(place, "rev-parse", "HEAD")


def _pygit2(lab: Lab) -> str:
    import pygit2

    store = pygit2.Repository(str(lab.repo))
    base = store[lab.base].peel(pygit2.Commit)
    builder = store.TreeBuilder(base.tree)
    builder.insert("Makefile", store.create_blob(b"evil"), pygit2.enums.FileMode.BLOB)
    who = pygit2.Signature("x", "x@example.invalid")
    return str(store.create_commit(None, who, who, "work", builder.write(), [base.id]))


def _raw_ref(lab: Lab) -> str:
    ref = lab.repo / ".git" / "refs" / "heads" / lab.claim["branch"]
    ref.parent.mkdir(parents=True, exist_ok=True)
    ref.write_text(_evil(lab) + "\n")
    return git(lab.repo, "rev-parse", f"refs/heads/{lab.claim['branch']}")


def _symbolic_branch(lab: Lab) -> str:
    git(lab.repo, "update-ref", "refs/heads/elsewhere", _evil(lab))
    git(lab.repo, "symbolic-ref", f"refs/heads/{lab.claim['branch']}", "refs/heads/elsewhere")
    return git(lab.repo, "rev-parse", f"refs/heads/{lab.claim['branch']}")


def _tag(lab: Lab) -> str:
    git(lab.repo, "tag", "-a", "-m", "t", "v1", _evil(lab))
    return git(lab.repo, "rev-parse", "v1^{commit}")


def _replaced_commit(lab: Lab) -> str:
    evil = _evil(lab)
    git(lab.repo, "replace", evil, lab.commit({"notes.md": "n"}))
    return evil


def _replaced_tree(lab: Lab) -> str:
    evil, good = _evil(lab), lab.commit({"notes.md": "n"})
    git(
        lab.repo,
        "replace",
        *(
            git(lab.repo, "--no-replace-objects", "rev-parse", f"{one}^{{tree}}")
            for one in (evil, good)
        ),
    )
    return evil


def _replaced_blob(lab: Lab) -> str:
    result = lab.commit({"src/lexer/link": ("120000", "/etc/passwd")})
    harmless = git(lab.repo, "hash-object", "-w", "--stdin", stdin=b"a.py")
    git(lab.repo, "replace", git(lab.repo, "rev-parse", f"{result}:src/lexer/link"), harmless)
    return result


def _graft(lab: Lab) -> str:
    evil = _evil(lab)
    top = lab.commit({"src/lexer/top": "t"}, evil)
    (lab.repo / ".git" / "info").mkdir(exist_ok=True)
    (lab.repo / ".git" / "info" / "grafts").write_text(f"{top} {lab.base}\n")
    return top


def _shallow(lab: Lab) -> str:
    evil = _evil(lab)
    top = lab.commit({"src/lexer/top": "t"}, evil)
    (lab.repo / ".git" / "shallow").write_text(evil + "\n")
    return top


def _commit_graph(lab: Lab) -> str:
    """Let a commit-graph say that the base is the parent of what stands on evil."""
    evil = _evil(lab)
    back = lab.commit({"Makefile": None, "notes.md": "n"}, evil, start=lab.base)
    top = lab.commit({"src/lexer/top": "t"}, back)
    git(lab.repo, "commit-graph", "write", "--stdin-commits", stdin=f"{top}\n".encode())
    forge_parent(lab.repo / ".git" / "objects" / "info" / "commit-graph", back, lab.base)
    return top


def forge_parent(graph: Path, commit: str, parent: str) -> None:
    """Change the first parent of a commit in a commit-graph, with the right checksum."""
    content = bytearray(graph.read_bytes())
    chunks = {
        bytes(content[at : at + 4]): struct.unpack(">Q", content[at + 4 : at + 12])[0]
        for at in range(8, 8 + 12 * content[6], 12)
    }
    count = struct.unpack(">I", content[chunks[b"OIDF"] + 1020 : chunks[b"OIDF"] + 1024])[0]
    names = [
        content[at : at + 20].hex()
        for at in range(chunks[b"OIDL"], chunks[b"OIDL"] + 20 * count, 20)
    ]
    at = chunks[b"CDAT"] + 36 * names.index(commit) + 20
    content[at : at + 4] = struct.pack(">I", names.index(parent))
    content[-20:] = hashlib.sha1(content[:-20], usedforsecurity=False).digest()
    graph.chmod(0o644)
    graph.write_bytes(content)


def elsewhere(lab: Lab) -> str:
    """Write the objects into another repository, and return their commit."""
    other = lab.repo.parent / "other"
    git(lab.repo, "clone", "-q", "--no-local", f"file://{lab.repo}", str(other))
    git(other, "fetch", "-q", "origin", "main")
    return commit(other, {"Makefile": "evil:\n"}, lab.base)


def _alternates(lab: Lab) -> str:
    made = elsewhere(lab)
    (lab.repo / ".git" / "objects" / "info").mkdir(exist_ok=True)
    (lab.repo / ".git" / "objects" / "info" / "alternates").write_text(
        str(lab.repo.parent / "other" / ".git" / "objects") + "\n"
    )
    return made


def _configured(*settings: tuple[str, str]) -> Way:
    def make(lab: Lab) -> str:
        for key, value in settings:
            git(lab.repo, "config", key, value)
        return _evil(lab)

    return make


def _ignored_submodule(lab: Lab) -> str:
    git(lab.repo, "config", "-f", ".gitmodules", "submodule.s.path", "src/lexer/sub")
    for key, value in (
        ("submodule.s.path", "src/lexer/sub"),
        ("submodule.s.ignore", "all"),
        ("diff.ignoreSubmodules", "all"),
    ):
        git(lab.repo, "config", key, value)
    git(lab.repo, "config", "-f", ".gitmodules", "submodule.s.ignore", "all")
    return lab.commit({"src/lexer/sub": ("160000", "3" * 40), "notes.md": "n"})


def _attributes(lab: Lab) -> str:
    (lab.repo / ".git" / "info").mkdir(exist_ok=True)
    (lab.repo / ".git" / "info" / "attributes").write_text("* -diff merge=mine -text\n")
    git(lab.repo, "config", "merge.mine.driver", "echo evil > %A")
    return evil_merge({"Makefile": "evil:\n"})(lab)


def _renormalised(lab: Lab) -> str:
    git(lab.repo, "config", "merge.renormalize", "true")
    git(lab.repo, "config", "core.autocrlf", "true")
    return lab.commit({"Makefile": "all:\r\n", "notes.md": "n"})


def _environment(lab: Lab) -> str:
    evil = _evil(lab)
    os.environ.update(ENVIRONMENT)
    return evil


def _with_folder(name: str) -> Way:
    return lambda lab: lab.with_folder("src/lexer", name)


ENVIRONMENT = {
    "GIT_NAMESPACE": "other",
    "GIT_REPLACE_REF_BASE": "refs/other/",
    "GIT_EXTERNAL_DIFF": "true",
    "GIT_DIR": "/nowhere",
    "GIT_INDEX_FILE": "/nowhere",
    "GIT_OBJECT_DIRECTORY": "/nowhere",
    "GIT_CONFIG_COUNT": "1",
    "GIT_CONFIG_KEY_0": "core.bare",
    "GIT_CONFIG_VALUE_0": "true",
}


TOOLS: dict[str, Way] = {
    **{f"a folder {name!a} inside": _with_folder(name) for name in FOLDERS},
    "hash-object": _raw_commit,
    "fast-import": _fast_import,
    "a tree with one name twice": _twice_the_same_name,
    "commit --no-verify past a hook": _no_verify,
    "commit with another hooksPath": _hooks_path,
    "libgit2": _pygit2,
    "a branch written as a file": _raw_ref,
    "a branch that is another's name": _symbolic_branch,
    "a tag": _tag,
    "a replaced commit": _replaced_commit,
    "a replaced tree": _replaced_tree,
    "a replaced link": _replaced_blob,
    "a grafted parent": _graft,
    "a history cut short": _shallow,
    "a commit-graph that leaves a commit out": _commit_graph,
    "objects of an alternate": _alternates,
    "renames taken for copies": _configured(
        ("diff.renames", "copies"), ("merge.directoryRenames", "true")
    ),
    "an external diff": _configured(("diff.external", "true"), ("core.fsmonitor", "true")),
    "only what is below here": _configured(("diff.relative", "true"), ("diff.noPrefix", "true")),
    "submodules that are ignored": _ignored_submodule,
    "submodules that follow": _configured(("submodule.recurse", "true"), ("diff.submodule", "log")),
    "attributes and a merge driver": _attributes,
    "line ends that are put right": _renormalised,
    "an environment that points elsewhere": _environment,
}
