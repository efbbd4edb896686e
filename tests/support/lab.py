"""Make a repository in which an agent holds a claim, for work of every kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from gitcoord.core.refs import result_ref
from gitcoord.features.work import claims, results
from gitcoord.features.workspace import Workspace, open_workspace
from gitcoord.git import merges
from gitcoord.git.program import Git
from tests.git.building import File, commit, commit_tree, git, tree
from tests.support.world import found

__all__ = ["WORLD", "Lab", "Way", "changing"]

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
    "src/lexer/a.py": "a\n" * 30,
    "src/lexer/dir/x.py": "x\n",
    "src/lexer/tool.sh": "run\n",
    "src/lexer/e\u0301.md": "e\n",
    "src/lexer/here": ("120000", "a.py"),
    "src/lexer/sub": ("160000", "1" * 40),
    "src/parser/b.py": "b\n" * 30,
    "lib/run.sh": "run\n",
    "lib/tool.sh": ("100755", "tool\n"),
    "Makefile": "all:\n",
    "link": ("120000", "src/parser"),
    "docs/Guide.md": "guide\n",
}


class Lab:
    """A repository with a plan, an agent, and its claim on task ``t``."""

    def __init__(self, repo: Path) -> None:
        """Open what ``equip`` made, here or in a copy."""
        self.repo = repo
        self.base = git(repo, "rev-parse", "main")
        self.work: Workspace = open_workspace(repo)
        self.task = "t"
        held = self.work.ledger.snapshot().require_task("t")["claim"]
        assert held is not None
        self.claim = held

    @staticmethod
    def equip(repo: Path) -> None:
        """Make the plan, the agents and the claim."""
        git(repo, "switch", "-q", "-c", "bench")
        git(
            repo,
            "update-ref",
            "refs/heads/main",
            commit(repo, WORLD, git(repo, "rev-parse", "HEAD")),
        )
        work = found(repo, PLAN, "x", "y", worktrees=False)
        claims.claim(work, "x", "t", checkout=False)
        work.close()

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
            rows = [row for row in known if row.partition("\t")[2] != part] + [
                f"040000 tree {inner}\t{part}"
            ]
            inner = git(self.repo, "mktree", stdin="\n".join(rows).encode() + b"\n")
        return commit_tree(self.repo, inner, self.base)

    def finish_need(self) -> str:
        """Hand the needed task in, and take the one that uses it instead."""
        need = claims.claim(self.work, "y", "n", checkout=False).claim
        done = results.complete(
            self.work, "y", "n", need["token"], result=self.commit({"need/n": "n"})
        )
        results.release(self.work, "x", "t", self.claim["token"])
        self.claim = claims.claim(self.work, "x", "u", checkout=False).claim
        self.task = "u"
        assert done.task["result"] is not None
        return str(done.task["result"]["oid"])

    def complete(self, result: str | None) -> None:
        results.complete(self.work, "x", self.task, self.claim["token"], result=result)

    def slip(self, oid: str) -> None:
        """Write the result into the ledger, past everything that looks at it."""
        snapshot = self.work.ledger.snapshot()
        names = [
            task
            for task in ("n", "o", "t", "u")
            if task != self.task and snapshot.require_task(task)["state"] != "done"
        ]
        for name in reversed(names):
            self.work.ledger.execute(
                {"op": "cancel", "task": name, "reason": ""}, agent="orchestrator"
            )
        self.work.ledger.hints.keep(result_ref("ledger", self.task, oid), oid)
        need = snapshot.require_task("n")["result"]
        built_on = {"n": str(need["oid"])} if need and self.task == "u" else {}
        facts = {
            "oid": oid,
            "tree": git(self.repo, "cat-file", "commit", oid).split()[1],
            "base": self.claim["base"],
            "built_on": built_on,
            "commits": 1,
            "files": 1,
        }
        command = {
            "op": "complete",
            "agent": "x",
            "task": self.task,
            "token": self.claim["token"],
            "result": facts,
        }
        self.work.ledger.execute(command, agent="x")


Way = Callable[[Lab], str]
"""Do some work for the claim, and return the commit to hand in."""


def changing(changes: Mapping[str, File]) -> Way:
    return lambda lab: lab.commit(changes)
