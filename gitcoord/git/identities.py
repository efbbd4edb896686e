"""Name and sign commits as the user, and compare commits without regard to either.

What a landing makes is a function of commits alone, but for who made it: two
machines make the same trees, parents, dates and messages, and sign with keys
of their own.
"""

from __future__ import annotations

import re

from gitcoord.core.errors import RefusedError
from gitcoord.core.ids import Oid
from gitcoord.git.batch import Contents, read_objects
from gitcoord.git.merges import NOBODY, Identity
from gitcoord.git.program import Git

__all__ = [
    "differ_by_identity_alone",
    "identity_of",
    "refuse_planted_signers",
]

_PERSON = re.compile(r"(.*) <(.*)> \d+ [+-]\d{4}")
_SIGNERS = r"^gpg\.(.+\.)?(program|defaultkeycommand)$"
_SIGNATURES = (b"gpgsig ", b"gpgsig-sha256 ")


def identity_of(git: Git) -> Identity:
    """Return who git says makes a commit here, and whether it would be signed.

    Where the user has no name or no address it is nobody: nothing fails for
    want of them.
    """
    asked = git.run("config", "--type=bool", "--get", "commit.gpgSign", check=False)
    return Identity(
        _person(git, "GIT_AUTHOR_IDENT", NOBODY.author),
        _person(git, "GIT_COMMITTER_IDENT", NOBODY.committer),
        is_signing=asked.text == "true",
    )


def refuse_planted_signers(git: Git) -> None:
    """Refuse to sign with a program that only the repository's configuration names.

    Any process here can write ``.git/config``: it is input, and names no program.

    Raises:
        RefusedError: It does, reason ``commit``.

    """
    listed = git.run("config", "--show-scope", "-z", "--get-regexp", _SIGNERS, check=False)
    fields = listed.stdout.decode("utf-8", "surrogateescape").split("\0")
    for scope, named in zip(fields[::2], fields[1::2], strict=False):
        if scope in {"local", "worktree"}:
            key = named.partition("\n")[0]
            raise RefusedError(
                f"{key} is set in the repository's own configuration, and names a program: a "
                "landing is signed by the user's alone",
                reason="commit",
                hint=f"look whether it is yours; then set it with `git config --global {key}`, "
                "and take it out of the repository's",
            )


def _person(git: Git, variable: str, otherwise: tuple[str, str]) -> tuple[str, str]:
    told = git.run("var", variable, check=False)
    found = _PERSON.fullmatch(told.text)
    if told.status != 0 or found is None:
        return otherwise
    return found[1], found[2]


def differ_by_identity_alone(git: Git, one: Oid, other: Oid) -> bool:
    """Return whether two commits are the same but for who made and signed them.

    So are then the commits before them, back to those that both have. A commit
    that is not there is like no other.
    """
    pairs = [(one, other)]
    seen = set(pairs)
    while pairs:
        left, right = pairs.pop()
        if left == right:
            continue
        mine, theirs = (_split(content) for content in read_objects(git, (left, right)))
        if mine is None or theirs is None:
            return False
        (parents, said), (other_parents, other_said) = mine, theirs
        if said != other_said or len(parents) != len(other_parents):
            return False
        before = [pair for pair in zip(parents, other_parents, strict=True) if pair not in seen]
        seen.update(before)
        pairs += before
    return True


def _split(commit: Contents | None) -> tuple[list[Oid], list[bytes]] | None:
    """Return a commit's parents, and what else it says but who made and signed it."""
    if commit is None or commit.kind != "commit":
        return None
    headers, _, message = commit.content.partition(b"\n\n")
    parents: list[Oid] = []
    kept = [message]
    is_signature = False
    for line in headers.split(b"\n"):
        is_signature = line.startswith(_SIGNATURES) or (is_signature and line.startswith(b" "))
        if line.startswith(b"parent "):
            parents.append(Oid(line[7:].decode("ascii", "replace")))
        elif line.startswith((b"author ", b"committer ")):
            # Its date counts, which is that of the result.
            kept.append(line.partition(b" ")[0] + line.rpartition(b">")[2])
        elif not is_signature:
            kept.append(line)
    return parents, kept
