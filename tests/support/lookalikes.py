"""Work that looks like a way round a boundary, and is none."""

from __future__ import annotations

from tests.git.building import commit_tree, tree
from tests.support.lab import Lab, Way, changing

__all__ = ["LOOKALIKES"]


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
    return lab.merged(
        {"src/lexer/more.py": "m"},
        lab.commit({"src/lexer/a.py": "z\n"}, once),
        lab.advance({"u": "u"}),
    )


def _solved_inside(lab: Lab) -> str:
    work, target = (
        lab.commit({"notes.md": "ours\n"}),
        lab.advance({"notes.md": "theirs\n", "Makefile": "new:\n"}),
    )
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
    "a link to the rest of the repository": changing(
        {"src/lexer/link": ("120000", "../parser/b.py")}
    ),
    "a link that changes inside": changing({"src/lexer/here": ("120000", "tool.sh")}),
    "a folder that becomes a file": changing({"src/lexer/dir/x.py": None, "src/lexer/dir": "x"}),
    "a file that becomes a folder": changing({"src/lexer/a.py": None, "src/lexer/a.py/b.py": "b"}),
    "a link that becomes a file": changing({"src/lexer/here": "x"}),
    "attributes inside": changing({"src/lexer/.gitattributes": "*.py text\n"}),
    "a name that begins with a dash": changing({"src/lexer/--output=x": "x"}),
    "a name that looks like a device": changing(
        {"src/lexer/console.py": "x", "src/lexer/auxiliary": "x"}
    ),
    "a composed name": changing({"src/lexer/\u00fc.md": "u"}),
    "work that takes a part of itself back": lambda lab: lab.commit(
        {"src/lexer/b": None}, lab.commit({"src/lexer/b": "b", "notes.md": "n"})
    ),
    "an amended commit": lambda lab: lab.commit({"notes.md": "better"}),
    "an empty commit beside work": lambda lab: lab.commit({}, lab.commit({"notes.md": "n"})),
}
