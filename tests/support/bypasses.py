"""Ways round a boundary, each built in a real repository as a claim's work."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from gitcoord.features import claims, holding
from gitcoord.features.workspace import Workspace, result_ref
from gitcoord.git import merges
from gitcoord.git.program import Git
from tests.git.building import File, commit, commit_tree, git, tree
from tests.support.world import found

__all__ = ["ENVIRONMENT", "HISTORIES", "LOOKALIKES", "NAMES", "TOOLS", "TREES", "Lab", "Way", "changing", "elsewhere"]

PLAN = """
[plan]
target = "main"
[[task]]
id = "t"
title = "Write the lexer"
paths = ["src/lexer/", "notes.md"]
[[task]]
id = "n"
title = "Prepare"
paths = ["need/"]
[[task]]
id = "u"
title = "Use what was prepared"
paths = ["use/"]
needs = ["n"]
[[task]]
id = "o"
title = "Write the parser"
paths = ["src/parser/"]
"""

WORLD: dict[str, File] = {
    "src/lexer/a.py": "a\n" * 30, "src/lexer/dir/x.py": "x\n", "src/lexer/tool.sh": "run\n", "src/lexer/e\u0301.md": "e\n",
    "src/lexer/here": ("120000", "a.py"), "src/lexer/sub": ("160000", "1" * 40), "src/parser/b.py": "b\n" * 30, "lib/run.sh": "run\n",
    "lib/tool.sh": ("100755", "tool\n"), "Makefile": "all:\n", "link": ("120000", "src/parser"), "docs/Guide.md": "guide\n",
}  # fmt: skip


class Lab:
    """A repository with a plan, an agent, and its claim on task ``t``."""

    def __init__(self, repo: Path) -> None:
        self.repo = repo
        git(repo, "switch", "-q", "-c", "bench")
        self.base = commit(repo, WORLD, git(repo, "rev-parse", "HEAD"))
        self.move_target(self.base)
        self.work: Workspace = found(repo, PLAN, "x", "y", worktrees=False)
        self.claim = claims.claim(self.work, "x", "t", checkout=False).claim
        self.task = "t"

    def move_target(self, oid: str) -> None:
        git(self.repo, "update-ref", "refs/heads/main", oid)

    def commit(self, files: Mapping[str, File], *parents: str, start: str | None = None) -> str:
        """Write a commit, by default on the claim's base."""
        return commit(self.repo, files, *(parents or (self.base,)), start=start)

    def advance(self, files: Mapping[str, File]) -> str:
        """Let somebody else move the target."""
        tip = self.commit(files, git(self.repo, "rev-parse", "main"))
        self.move_target(tip)
        return tip

    def merged(self, files: Mapping[str, File], one: str, other: str) -> str:
        """Merge two commits as git would, then change some files in passing."""
        made = merges.merge_tree(Git(self.repo), one, other)
        return commit_tree(self.repo, tree(self.repo, made.tree, files), one, other)

    def with_folder(self, folder: str, name: str) -> str:
        """Write a commit with a folder that no index would take."""
        blob = git(self.repo, "hash-object", "-w", "--stdin", stdin=b"x")
        inner = git(self.repo, "mktree", stdin=f"100644 blob {blob}\tconfig\n".encode())
        for part in [name, *reversed(folder.split("/"))]:
            above = folder.rpartition(part)[0].rstrip("/") if part != name else folder
            known = git(self.repo, "ls-tree", f"{self.base}:{above}").splitlines()
            rows = [row for row in known if row.partition("\t")[2] != part] + [f"040000 tree {inner}\t{part}"]
            inner = git(self.repo, "mktree", stdin="\n".join(rows).encode() + b"\n")
        return commit_tree(self.repo, inner, self.base)

    def finish_need(self) -> str:
        """Hand the needed task in, and take the one that uses it instead."""
        need = claims.claim(self.work, "y", "n", checkout=False).claim
        done = holding.complete(self.work, "y", "n", need["token"], result=self.commit({"need/n": "n"}))
        holding.release(self.work, "x", "t", self.claim["token"])
        self.claim = claims.claim(self.work, "x", "u", checkout=False).claim
        self.task = "u"
        assert done.task["result"] is not None
        return str(done.task["result"]["oid"])

    def complete(self, result: str | None) -> None:
        holding.complete(self.work, "x", self.task, self.claim["token"], result=result)

    def slip(self, oid: str) -> None:
        """Write the result into the ledger, past everything that looks at it."""
        snapshot = self.work.ledger.snapshot()
        names = [task for task in ("n", "o", "t", "u") if task != self.task and snapshot.require_task(task)["state"] != "done"]
        for name in reversed(names):
            self.work.ledger.execute({"op": "cancel", "task": name, "reason": ""}, agent="orchestrator")
        self.work.ledger.keep(result_ref("ledger", self.task, oid), oid)
        need = snapshot.require_task("n")["result"]
        built_on = {"n": str(need["oid"])} if need and self.task == "u" else {}
        facts = {"oid": oid, "tree": git(self.repo, "rev-parse", f"{oid}^{{tree}}"), "base": self.claim["base"], "built_on": built_on,
                 "commits": 1, "files": 1}  # fmt: skip
        command = {"op": "complete", "agent": "x", "task": self.task, "token": self.claim["token"], "result": facts}
        self.work.ledger.execute(command, agent="x")


Way = Callable[[Lab], str]


# one commit on the base, by what it changes

TREES: dict[str, Mapping[str, File]] = {
    "an edit": {"Makefile": "evil:\n"},
    "a new file": {"src/new.py": "x\n"},
    "a file at the top": {"x": "x\n"},
    "a sibling folder by prefix": {"src/lexer-evil/x.py": "x\n"},
    "a sibling file by prefix": {"src/lexer.py": "x\n"},
    "a longer name than a file's": {"notes.md.py": "x\n"},
    "below a name that is a file's": {"notes.md/x": "x\n"},
    "a file named as the folder": {**dict.fromkeys((path for path in WORLD if path.startswith("src/lexer/")), None), "src/lexer": "x\n"},
    "a deletion": {"Makefile": None},
    "a rename out": {"src/lexer/a.py": None, "src/a.py": "a\n" * 30},
    "a rename in": {"src/parser/b.py": None, "src/lexer/b.py": "b\n" * 30},
    "a rename of a folder out": {"src/lexer/dir/x.py": None, "src/dir/x.py": "x\n"},
    "a copy out": {"copy.py": "a\n" * 30},
    "a mode change alone": {"lib/run.sh": ("100755", "run\n")},
    "an executable bit taken away": {"lib/tool.sh": "tool\n"},
    "a file outside that becomes a folder": {"Makefile": None, "Makefile/x": "x"},
    "a folder outside that becomes a file": {"docs/Guide.md": None, "docs": "x"},
    "attributes for everything": {".gitattributes": "* merge=ours\n"},
    "ignores for everything": {".gitignore": "*\n"},
    "a list of submodules": {".gitmodules": '[submodule "x"]\n\tpath = src/lexer/sub\n\turl = ../x\n'},
    "a submodule added inside": {"src/lexer/other": ("160000", "2" * 40)},
    "a submodule added outside": {"other": ("160000", "2" * 40)},
    "a submodule moved on": {"src/lexer/sub": ("160000", "2" * 40)},
    "a submodule removed": {"src/lexer/sub": None},
    "a submodule that becomes a file": {"src/lexer/sub": "x"},
    "a folder that becomes a submodule": {"src/lexer/dir/x.py": None, "src/lexer/dir": ("160000", "2" * 40)},
    "a link to an absolute path": {"src/lexer/link": ("120000", "/etc/passwd")},
    "a link out of the repository": {"src/lexer/link": ("120000", "../../../x")},
    "a link into .git": {"src/lexer/link": ("120000", "../../.git/hooks")},
    "a link into .GIT": {"src/lexer/link": ("120000", "../../.GIT/config")},
    "a link into git~1": {"src/lexer/link": ("120000", "../../git~1/config")},
    "a link up after a way down": {"src/lexer/link": ("120000", "dir/../../../..")},
    "a chain of links that leads up": {"src/lexer/one": ("120000", "two/../../.."), "src/lexer/two": ("120000", "dir")},
    "a chain of links into .git": {"src/lexer/one": ("120000", "two/.git/hooks"), "src/lexer/two": ("120000", "../..")},
    "a link with a backslash": {"src/lexer/link": ("120000", "..\\..\\..\\x")},
    "an empty link": {"src/lexer/link": ("120000", "")},
    "a link that is too long": {"src/lexer/link": ("120000", "x/" * 3000)},
    "a link whose target is changed later": {"src/lexer/here": ("120000", "/etc/passwd")},
    "a file that becomes a link out": {"src/lexer/a.py": ("120000", "/etc/passwd")},
    "a folder that becomes a link out": {"src/lexer/dir/x.py": None, "src/lexer/dir": ("120000", "../../../x")},
    "a link outside that is changed": {"link": ("120000", "src/lexer")},
    "a link outside that becomes a folder": {"link": None, "link/x.py": "x"},
    "the boundary as a link": {**dict.fromkeys((path for path in WORLD if path.startswith("src/lexer/")), None), "src/lexer": ("120000", "parser")},
}  # fmt: skip

# names inside the boundary, by every rule but that of disks

NAMES: dict[str, str] = {
    "a case twin of the boundary": "SRC/lexer/x.py",
    "a case twin of a file of the boundary": "Notes.md",
    "a case twin inside": "src/lexer/A.py",
    "a case twin of a folder inside": "src/lexer/DIR/y.py",
    "a decomposed name": "src/lexer/u\u0308.md",
    "a Unicode twin inside": "src/lexer/\u00e9.md",
    "a zero-width joiner": "src/lexer/a\u200c.py",
    "a right-to-left mark": "src/lexer/\u200fa.py",
    "a name with a newline": "src/lexer/a\nMakefile",
    "a name with an escape": "src/lexer/\x1b[31m",
    "a name that git quotes": '"src/lexer/q"',
    "a name that is no UTF-8": "src/lexer/caf\udce9",
    "a backslash for a slash": "src\\lexer\\x.py",
    "a way up by backslashes": "src/lexer/..\\..\\Makefile",
    "a device": "src/lexer/CON",
    "a device with an ending": "src/lexer/aux.py",
    "a dot at the end": "src/lexer/a.py.",
    "a space at the end": "src/lexer/a.py ",
    "a folder with a dot at the end": "src/lexer./x.py",
    "a stream of a file": "src/lexer/a.py:hidden",
    "a stream by its type": "notes.md::$DATA",
    "a name longer than a disk takes": "src/lexer/" + "y" * 300,
    "a path longer than a disk takes": "src/lexer/" + "deep/" * 1000 + "x",
    "a name of 5000 characters": "z" * 5000,
    "a name with pathspec magic": ":(top)src/lexer/x",
}

FOLDERS = (".git", ".GIT", ".git ", ".git.", "git~1", "GIT~2", ".g\u200cit", ".git::$INDEX_ALLOCATION", "..", ".")


# histories


def evil_merge(files: Mapping[str, File]) -> Way:
    def make(lab: Lab) -> str:
        target = lab.advance({"Makefile": "new:\n", "t": "t"})
        return lab.merged(files, lab.commit({"notes.md": "n"}), target)

    return make


def _made_and_reverted(lab: Lab) -> str:
    return lab.commit({"Makefile": "all:\n"}, lab.commit({"Makefile": "evil:\n", "notes.md": "n"}))


def _ours(lab: Lab) -> str:
    work, target = lab.commit({"notes.md": "n"}), lab.advance({"Makefile": "new:\n"})
    return commit_tree(lab.repo, f"{work}^{{tree}}", work, target)


def _evil_in_conflict(lab: Lab) -> str:
    work, target = lab.commit({"notes.md": "ours\n"}), lab.advance({"notes.md": "theirs\n", "Makefile": "new:\n"})
    return commit_tree(lab.repo, tree(lab.repo, target, {"notes.md": "both\n", "Makefile": "all:\n"}), work, target)


def _hidden_in_second_parent(lab: Lab) -> str:
    target = lab.advance({"t": "t"})
    evil = lab.commit({"Makefile": "evil:\n", "notes.md": "n"})
    return commit_tree(lab.repo, tree(lab.repo, target, {"notes.md": "n", "Makefile": "evil:\n"}), target, evil)


def _dropped_second_parent(lab: Lab) -> str:
    target = lab.advance({"t": "t"})
    evil = lab.commit({"Makefile": "evil:\n"})
    return commit_tree(lab.repo, tree(lab.repo, target, {"notes.md": "n"}), target, evil)


def _octopus(lab: Lab) -> str:
    work, target, other = lab.commit({"notes.md": "n"}), lab.advance({"t": "t"}), lab.commit({"src/lexer/o": "o"})
    return commit_tree(lab.repo, tree(lab.repo, work, {"t": "t", "src/lexer/o": "o"}), work, target, other)


def _twice_the_same_parent(lab: Lab) -> str:
    content = tree(lab.repo, lab.base, {"Makefile": "evil:\n"})
    who = "x <x@example.invalid> 1 +0000"
    text = f"tree {content}\nparent {lab.base}\nparent {lab.base}\nauthor {who}\ncommitter {who}\n\nwork\n"
    return git(lab.repo, "hash-object", "-t", "commit", "-w", "--stdin", stdin=text.encode())


def _foreign_branch(lab: Lab) -> str:
    return lab.merged({}, lab.commit({"notes.md": "n"}), lab.commit({"src/lexer/o": "o"}))


def _criss_cross(lab: Lab) -> str:
    one, other = lab.commit({"notes.md": "n"}), lab.advance({"t": "t"})
    left, right = lab.merged({}, one, other), lab.merged({}, other, one)
    lab.move_target(lab.commit({"u": "u"}, other))
    return lab.merged({"Makefile": "evil:\n"}, left, right)


def _more_in_a_criss_cross(lab: Lab) -> str:
    one, other = lab.commit({"notes.md": "n"}), lab.advance({"t": "t"})
    return lab.merged({"Makefile": "evil:\n"}, lab.merged({}, one, other), lab.advance({"u": "u"}))


def _amended_base(lab: Lab) -> str:
    amended = lab.commit({"Makefile": "mine:\n"}, git(lab.repo, "rev-parse", f"{lab.base}^"), start=lab.base)
    return lab.commit({"notes.md": "n"}, amended)


def _reworded_base(lab: Lab) -> str:
    parent = git(lab.repo, "rev-parse", f"{lab.base}^")
    return lab.commit({"notes.md": "n"}, commit_tree(lab.repo, f"{lab.base}^{{tree}}", parent, message="reworded"))


def _orphan(lab: Lab) -> str:
    return commit_tree(lab.repo, tree(lab.repo, lab.base, {"notes.md": "n"}))


def _other_history(lab: Lab) -> str:
    root = commit(lab.repo, {"src/lexer/root": "r"})
    return lab.merged({}, lab.commit({"notes.md": "n"}), root)


def _revert_of_anothers(lab: Lab) -> str:
    lab.advance({"src/parser/b.py": "better\n"})
    return lab.commit({"src/parser/b.py": "b\n" * 30, "notes.md": "n"}, git(lab.repo, "rev-parse", "main"))


def _on_anothers_work(lab: Lab) -> str:
    return lab.commit({"notes.md": "n"}, lab.commit({"src/parser/b.py": "half done\n"}))


def _target_set_back(lab: Lab) -> str:
    dropped = lab.advance({"Makefile": "dropped:\n"})
    lab.move_target(lab.base)
    return lab.commit({"notes.md": "n"}, dropped)


def _result_of_another(lab: Lab) -> str:
    other = claims.claim(lab.work, "y", "o", checkout=False).claim
    oid = lab.commit({"src/parser/b.py": "o\n"})
    holding.complete(lab.work, "y", "o", other["token"], result=oid)
    return oid


def _on_the_result_of_another(lab: Lab) -> str:
    return lab.commit({"src/parser/b.py": "mine\n", "notes.md": "n"}, _result_of_another(lab))


def _need_reverted(lab: Lab) -> str:
    return lab.commit({"need/n": None, "use/u": "u"}, lab.finish_need())


def _need_merged_with_more(lab: Lab) -> str:
    return lab.merged({"need/n": "mine\n"}, lab.commit({"use/u": "u"}), lab.finish_need())


def _written_to_the_target(lab: Lab) -> str:
    return lab.advance({"Makefile": "evil:\n"})


def _landed_and_reverted(lab: Lab) -> str:
    # The second look is at what landing would make of it: all that the
    # target reverted, others' work too, would come back with this result.
    target = lab.advance({"Makefile": "theirs:\n"})
    result = lab.commit({"notes.md": "n"}, target)
    lab.move_target(result)
    lab.advance({"notes.md": None, "Makefile": "all:\n"})
    return result


HISTORIES: dict[str, Way] = {
    "a change made and reverted": _made_and_reverted,
    "a file added in a merge": evil_merge({"evil": "x"}),
    "a file edited in a merge": evil_merge({"Makefile": "evil:\n"}),
    "a file removed in a merge": evil_merge({"t": None}),
    "a mode changed in a merge": evil_merge({"t": ("100755", "t")}),
    "a merge that drops the target's changes": _ours,
    "a merge in conflict that does more": _evil_in_conflict,
    "a change in the second parent": _hidden_in_second_parent,
    "a change in a second parent whose tree was dropped": _dropped_second_parent,
    "an octopus merge": _octopus,
    "a merge of a commit with itself": _twice_the_same_parent,
    "a merge of a foreign branch": _foreign_branch,
    "a criss-cross merge": _criss_cross,
    "a criss-cross merge that does more": _more_in_a_criss_cross,
    "an amended base": _amended_base,
    "a reworded base": _reworded_base,
    "an orphan commit": _orphan,
    "a merge of another history": _other_history,
    "a revert of another's work": _revert_of_anothers,
    "work on another's unfinished work": _on_anothers_work,
    "work on what the target dropped": _target_set_back,
    "the result of another task": _result_of_another,
    "a change to another's result": _on_the_result_of_another,
    "a needed result undone": _need_reverted,
    "a needed result changed in its merge": _need_merged_with_more,
    "a commit that went to the target directly": _written_to_the_target,
    "a result that landed and was reverted with others' work": _landed_and_reverted,
    "the target itself": lambda lab: lab.base,
    "an empty commit": lambda lab: lab.commit({}),
    "work that takes itself back": lambda lab: lab.commit({"notes.md": None}, lab.commit({"notes.md": "n"})),
}


# tools


def _evil(lab: Lab) -> str:
    return lab.commit({"Makefile": "evil:\n", "notes.md": "n"})


def _raw_commit(lab: Lab) -> str:
    who = "x <x@example.invalid> 1 +0000"
    text = f"tree {tree(lab.repo, lab.base, {'Makefile': 'evil'})}\nparent {lab.base}\nauthor {who}\ncommitter {who}\n\nwork\n"
    return git(lab.repo, "hash-object", "-t", "commit", "-w", "--stdin", stdin=text.encode())


def _fast_import(lab: Lab) -> str:
    stream = (f"commit refs/heads/imported\ncommitter x <x@example.invalid> 1 +0000\ndata 4\nwork\nfrom {lab.base}\n"
              "M 100644 inline Makefile\ndata 5\nevil\n\n")  # fmt: skip
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
    raw = b"".join(f"{mode.lstrip('0')} {name}\0".encode() + bytes.fromhex(oid) for mode, name, oid in entries)
    content = git(lab.repo, "hash-object", "-t", "tree", "-w", "--literally", "--stdin", stdin=raw)
    return commit_tree(lab.repo, content, lab.commit({"notes.md": "n"}))


def _worktree(lab: Lab) -> Path:
    place = lab.repo.parent / "place"
    git(lab.repo, "worktree", "add", "-q", "--no-track", "-b", lab.claim["branch"], str(place), lab.base)
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
    git(lab.repo, "replace", *(git(lab.repo, "--no-replace-objects", "rev-parse", f"{one}^{{tree}}") for one in (evil, good)))
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


def elsewhere(lab: Lab) -> str:
    """Write the objects into another repository, and return their commit."""
    other = lab.repo.parent / "other"
    git(lab.repo, "clone", "-q", "--no-local", f"file://{lab.repo}", str(other))
    git(other, "fetch", "-q", "origin", "main")
    return commit(other, {"Makefile": "evil:\n"}, lab.base)


def _alternates(lab: Lab) -> str:
    made = elsewhere(lab)
    (lab.repo / ".git" / "objects" / "info").mkdir(exist_ok=True)
    (lab.repo / ".git" / "objects" / "info" / "alternates").write_text(str(lab.repo.parent / "other" / ".git" / "objects") + "\n")
    return made


def _configured(*settings: tuple[str, str]) -> Way:
    def make(lab: Lab) -> str:
        for key, value in settings:
            git(lab.repo, "config", key, value)
        return _evil(lab)

    return make


def _ignored_submodule(lab: Lab) -> str:
    git(lab.repo, "config", "-f", ".gitmodules", "submodule.s.path", "src/lexer/sub")
    for key, value in (("submodule.s.path", "src/lexer/sub"), ("submodule.s.ignore", "all"), ("diff.ignoreSubmodules", "all")):
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


ENVIRONMENT = {"GIT_NAMESPACE": "other", "GIT_REPLACE_REF_BASE": "refs/other/", "GIT_EXTERNAL_DIFF": "true", "GIT_DIR": "/nowhere",
               "GIT_INDEX_FILE": "/nowhere", "GIT_OBJECT_DIRECTORY": "/nowhere", "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "core.bare",
               "GIT_CONFIG_VALUE_0": "true"}  # fmt: skip


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
    "objects of an alternate": _alternates,
    "renames taken for copies": _configured(("diff.renames", "copies"), ("merge.directoryRenames", "true")),
    "an external diff": _configured(("diff.external", "true"), ("core.fsmonitor", "true")),
    "only what is below here": _configured(("diff.relative", "true"), ("diff.noPrefix", "true")),
    "submodules that are ignored": _ignored_submodule,
    "submodules that follow": _configured(("submodule.recurse", "true"), ("diff.submodule", "log")),
    "attributes and a merge driver": _attributes,
    "line ends that are put right": _renormalised,
    "an environment that points elsewhere": _environment,
}


# what looks like one of them, and is none


def _need_merged(lab: Lab) -> str:
    return lab.merged({}, lab.commit({"use/u": "u"}), lab.finish_need())


def _on_the_need(lab: Lab) -> str:
    return lab.commit({"use/u": "u"}, lab.finish_need())


def _target_merged(lab: Lab) -> str:
    return lab.merged({}, lab.commit({"notes.md": "n"}), lab.advance({"Makefile": "new:\n"}))


def _merged_into_target(lab: Lab) -> str:
    work = lab.commit({"notes.md": "n"})
    return lab.merged({}, lab.advance({"Makefile": "new:\n"}), work)


def _merged_twice(lab: Lab) -> str:
    once = lab.merged({}, lab.commit({"notes.md": "n"}), lab.advance({"t": "t"}))
    return lab.merged({"src/lexer/more.py": "m"}, lab.commit({"src/lexer/a.py": "z\n"}, once), lab.advance({"u": "u"}))


def _solved_inside(lab: Lab) -> str:
    work, target = lab.commit({"notes.md": "ours\n"}), lab.advance({"notes.md": "theirs\n", "Makefile": "new:\n"})
    return commit_tree(lab.repo, tree(lab.repo, target, {"notes.md": "both\n"}), work, target)


def _rebased(lab: Lab) -> str:
    return lab.commit({"notes.md": "n"}, lab.advance({"Makefile": "new:\n"}))


def _on_an_older_target(lab: Lab) -> str:
    lab.advance({"Makefile": "new:\n"})
    return lab.commit({"notes.md": "n"})


def _clean_criss_cross(lab: Lab) -> str:
    one, other = lab.commit({"notes.md": "n"}), lab.advance({"t": "t"})
    left = lab.merged({}, one, other)
    return lab.merged({}, left, lab.advance({"u": "u"}))


def changing(changes: Mapping[str, File]) -> Way:
    return lambda lab: lab.commit(changes)


LOOKALIKES: dict[str, Way] = {
    "work inside": changing({"src/lexer/new.py": "n", "notes.md": "n"}),
    "the target merged": _target_merged,
    "the work merged into the target": _merged_into_target,
    "the target merged twice, with work between": _merged_twice,
    "a conflict solved inside": _solved_inside,
    "a criss-cross of clean merges": _clean_criss_cross,
    "a rebase onto the newer target": _rebased,
    "work on an older target": _on_an_older_target,
    "a needed result merged": _need_merged,
    "work on a needed result": _on_the_need,
    "a rename inside": changing({"src/lexer/a.py": None, "src/lexer/dir/a.py": "a\n" * 30}),
    "a rename of case inside": changing({"src/lexer/a.py": None, "src/lexer/A.py": "a\n" * 30}),
    "a mode change inside": changing({"src/lexer/tool.sh": ("100755", "run\n")}),
    "a deletion inside": changing({"src/lexer/a.py": None}),
    "a link inside": changing({"src/lexer/link": ("120000", "dir/x.py")}),
    "a link to the rest of the repository": changing({"src/lexer/link": ("120000", "../parser/b.py")}),
    "a link that changes inside": changing({"src/lexer/here": ("120000", "tool.sh")}),
    "a folder that becomes a file": changing({"src/lexer/dir/x.py": None, "src/lexer/dir": "x"}),
    "a file that becomes a folder": changing({"src/lexer/a.py": None, "src/lexer/a.py/b.py": "b"}),
    "a link that becomes a file": changing({"src/lexer/here": "x"}),
    "attributes inside": changing({"src/lexer/.gitattributes": "*.py text\n"}),
    "a name that begins with a dash": changing({"src/lexer/--output=x": "x"}),
    "a name that looks like a device": changing({"src/lexer/console.py": "x", "src/lexer/auxiliary": "x"}),
    "a composed name": changing({"src/lexer/\u00fc.md": "u"}),
    "work that takes a part of itself back": lambda lab: lab.commit({"src/lexer/b": None}, lab.commit({"src/lexer/b": "b", "notes.md": "n"})),
    "an amended commit": lambda lab: lab.commit({"notes.md": "better"}),
    "an empty commit beside work": lambda lab: lab.commit({}, lab.commit({"notes.md": "n"})),
}
