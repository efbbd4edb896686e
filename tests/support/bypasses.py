"""Ways round a boundary: by what a commit changes, and by its history."""

from __future__ import annotations

from collections.abc import Mapping

from gitcoord.features.work import claims, results
from tests.git.building import File, commit, commit_tree, git, tree
from tests.support.lab import WORLD, Lab, Way

__all__ = ["HISTORIES", "NAMES", "TREES"]

# one commit on the base, by what it changes

TREES: dict[str, Mapping[str, File]] = {
    "an edit": {"Makefile": "evil:\n"},
    "a new file": {"src/new.py": "x\n"},
    "a file at the top": {"x": "x\n"},
    "a sibling folder by prefix": {"src/lexer-evil/x.py": "x\n"},
    "a sibling file by prefix": {"src/lexer.py": "x\n"},
    "a longer name than a file's": {"notes.md.py": "x\n"},
    "below a name that is a file's": {"notes.md/x": "x\n"},
    "a file named as the folder": {
        **dict.fromkeys((path for path in WORLD if path.startswith("src/lexer/")), None),
        "src/lexer": "x\n",
    },
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
    "a list of submodules": {
        ".gitmodules": '[submodule "x"]\n\tpath = src/lexer/sub\n\turl = ../x\n'
    },
    "a submodule added inside": {"src/lexer/other": ("160000", "2" * 40)},
    "a submodule added outside": {"other": ("160000", "2" * 40)},
    "a submodule moved on": {"src/lexer/sub": ("160000", "2" * 40)},
    "a submodule removed": {"src/lexer/sub": None},
    "a submodule that becomes a file": {"src/lexer/sub": "x"},
    "a folder that becomes a submodule": {
        "src/lexer/dir/x.py": None,
        "src/lexer/dir": ("160000", "2" * 40),
    },
    "a link to an absolute path": {"src/lexer/link": ("120000", "/etc/passwd")},
    "a link out of the repository": {"src/lexer/link": ("120000", "../../../x")},
    "a link into .git": {"src/lexer/link": ("120000", "../../.git/hooks")},
    "a link into .GIT": {"src/lexer/link": ("120000", "../../.GIT/config")},
    "a link into git~1": {"src/lexer/link": ("120000", "../../git~1/config")},
    "a link up after a way down": {"src/lexer/link": ("120000", "dir/../../../..")},
    "a chain of links that leads up": {
        "src/lexer/one": ("120000", "two/../../.."),
        "src/lexer/two": ("120000", "dir"),
    },
    "a chain of links into .git": {
        "src/lexer/one": ("120000", "two/.git/hooks"),
        "src/lexer/two": ("120000", "../.."),
    },
    "a link with a backslash": {"src/lexer/link": ("120000", "..\\..\\..\\x")},
    "an empty link": {"src/lexer/link": ("120000", "")},
    "a link that is too long": {"src/lexer/link": ("120000", "x/" * 3000)},
    "a link whose target is changed later": {"src/lexer/here": ("120000", "/etc/passwd")},
    "a file that becomes a link out": {"src/lexer/a.py": ("120000", "/etc/passwd")},
    "a folder that becomes a link out": {
        "src/lexer/dir/x.py": None,
        "src/lexer/dir": ("120000", "../../../x"),
    },
    "a link outside that is changed": {"link": ("120000", "src/lexer")},
    "a link outside that becomes a folder": {"link": None, "link/x.py": "x"},
    "the boundary as a link": {
        **dict.fromkeys((path for path in WORLD if path.startswith("src/lexer/")), None),
        "src/lexer": ("120000", "parser"),
    },
}

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
    work, target = (
        lab.commit({"notes.md": "ours\n"}),
        lab.advance({"notes.md": "theirs\n", "Makefile": "new:\n"}),
    )
    return commit_tree(
        lab.repo, tree(lab.repo, target, {"notes.md": "both\n", "Makefile": "all:\n"}), work, target
    )


def _hidden_in_second_parent(lab: Lab) -> str:
    target = lab.advance({"t": "t"})
    evil = lab.commit({"Makefile": "evil:\n", "notes.md": "n"})
    return commit_tree(
        lab.repo, tree(lab.repo, target, {"notes.md": "n", "Makefile": "evil:\n"}), target, evil
    )


def _dropped_second_parent(lab: Lab) -> str:
    target = lab.advance({"t": "t"})
    evil = lab.commit({"Makefile": "evil:\n"})
    return commit_tree(lab.repo, tree(lab.repo, target, {"notes.md": "n"}), target, evil)


def _octopus(lab: Lab) -> str:
    work, target, other = (
        lab.commit({"notes.md": "n"}),
        lab.advance({"t": "t"}),
        lab.commit({"src/lexer/o": "o"}),
    )
    return commit_tree(
        lab.repo, tree(lab.repo, work, {"t": "t", "src/lexer/o": "o"}), work, target, other
    )


def _twice_the_same_parent(lab: Lab) -> str:
    content = tree(lab.repo, lab.base, {"Makefile": "evil:\n"})
    who = "x <x@example.invalid> 1 +0000"
    text = (
        f"tree {content}\nparent {lab.base}\nparent {lab.base}\nauthor {who}\ncommitter "
        f"{who}\n\nwork\n"
    )
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
    amended = lab.commit(
        {"Makefile": "mine:\n"}, git(lab.repo, "rev-parse", f"{lab.base}^"), start=lab.base
    )
    return lab.commit({"notes.md": "n"}, amended)


def _reworded_base(lab: Lab) -> str:
    parent = git(lab.repo, "rev-parse", f"{lab.base}^")
    return lab.commit(
        {"notes.md": "n"}, commit_tree(lab.repo, f"{lab.base}^{{tree}}", parent, message="reworded")
    )


def _orphan(lab: Lab) -> str:
    return commit_tree(lab.repo, tree(lab.repo, lab.base, {"notes.md": "n"}))


def _other_history(lab: Lab) -> str:
    root = commit(lab.repo, {"src/lexer/root": "r"})
    return lab.merged({}, lab.commit({"notes.md": "n"}), root)


def _revert_of_anothers(lab: Lab) -> str:
    lab.advance({"src/parser/b.py": "better\n"})
    return lab.commit(
        {"src/parser/b.py": "b\n" * 30, "notes.md": "n"}, git(lab.repo, "rev-parse", "main")
    )


def _on_anothers_work(lab: Lab) -> str:
    return lab.commit({"notes.md": "n"}, lab.commit({"src/parser/b.py": "half done\n"}))


def _target_set_back(lab: Lab) -> str:
    dropped = lab.advance({"Makefile": "dropped:\n"})
    lab.move_target(lab.base)
    return lab.commit({"notes.md": "n"}, dropped)


def _result_of_another(lab: Lab) -> str:
    other = claims.claim(lab.work, "y", "o", checkout=False).claim
    oid = lab.commit({"src/parser/b.py": "o\n"})
    results.complete(lab.work, "y", "o", other["token"], result=oid)
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
    "work that takes itself back": lambda lab: lab.commit(
        {"notes.md": None}, lab.commit({"notes.md": "n"})
    ),
}
