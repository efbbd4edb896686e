"""Decide what a boundary covers: normalise, match, overlap.

A pattern is anchored at the repository's root. ``a/b.py`` is that file,
``a/b/`` everything below; ``*`` and ``?`` stand within a component, ``**``
as a whole one. This is the one module that decides; every gate asks it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from itertools import pairwise

__all__ = ["covers", "inside", "is_safe", "literal_prefix", "matches", "overlap", "overlaps", "problem_of"]

MAX_PATTERN_CHARS = 1024
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")
# What HFS+ ignores in a name: ``.g\u200cit`` is ``.git`` there.
_IGNORED = re.compile("[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]")
_NTFS_GIT = re.compile(r"git~\d+", re.IGNORECASE)


def _is_git_twin(component: str) -> bool:
    """Say whether some disk takes a name for ``.git``."""
    name = _IGNORED.sub("", component).split(":", 1)[0].rstrip(" .").casefold()
    return name == ".git" or _NTFS_GIT.fullmatch(name) is not None


def is_safe(path: str) -> bool:
    """Say whether a path of a tree means the same on every disk."""
    if "\\" in path or _CONTROL.search(path) or unicodedata.normalize("NFC", path) != path:
        return False
    return all(part not in {"", ".", ".."} and not _is_git_twin(part) for part in path.split("/"))


def problem_of(pattern: str) -> str | None:  # noqa: PLR0911 - a list of rules
    """Say why a pattern cannot stand in a plan, or None."""
    if not pattern or len(pattern) > MAX_PATTERN_CHARS:
        return f"a path has 1 to {MAX_PATTERN_CHARS} characters"
    if pattern.startswith("/"):
        return "a path is relative to the repository's root"
    if "\\" in pattern:
        return "a path has '/' between its parts"
    if pattern.startswith("!"):
        return "a path cannot be negated"
    if "[" in pattern or "]" in pattern:
        return "a path has no character classes, only * ? and **"
    if _CONTROL.search(pattern):
        return "a path has no control characters"
    if unicodedata.normalize("NFC", pattern) != pattern:
        return "a path is in Unicode's composed form (NFC)"
    for part in pattern.removesuffix("/").split("/"):
        if part in {"", ".", ".."}:
            return "a path has no empty part, no '.' and no '..'"
        if _is_git_twin(part):
            return "a path never names .git, nor what some disk takes for it"
        if "**" in part and part != "**":
            return "'**' is a part of its own"
    return None


@lru_cache(maxsize=1024)
def _parts(pattern: str) -> tuple[str, ...]:
    """Split a pattern; ``a/`` is everything below: one part, then any."""
    parts = [*pattern[:-1].split("/"), "*", "**"] if pattern.endswith("/") else pattern.split("/")
    return tuple(part for index, part in enumerate(parts) if part != "**" or index == 0 or parts[index - 1] != "**")


@lru_cache(maxsize=512)
def _compiled(pattern: str) -> re.Pattern[str]:
    """Turn a pattern into an expression that cannot run away.

    Whatever follows a wildcard is taken where it first fits, and never
    given back (``(?>...)``): the first fit leaves the most for the rest.
    Only behind the last wildcard there is something to come back for.
    """
    parts = _parts(pattern)
    wild = [index for index, part in enumerate(parts) if part == "**"]
    chunks = [
        "/".join(map(_component, parts[begin + 1 : end])) for begin, end in pairwise([-1, *wild, len(parts)])
    ]
    if not wild:
        return re.compile(chunks[0], re.DOTALL)
    head, *middle, tail = chunks
    text = ""
    for index, chunk in enumerate([head, *middle]):
        if chunk:
            found = f"(?:[^/]++/)*?{chunk}" if index else chunk
            text += ("/" if text else "") + f"(?>{found}(?![^/]))"
    below = "(?:/[^/]++)*"
    if tail:
        text += f"{below}/{tail}" if text else f"(?:[^/]++/)*{tail}"
    else:
        text += below if text else f"(?:[^/]++{below})?"
    return re.compile(text, re.DOTALL)


def _component(part: str) -> str:
    """Turn one part into an expression, ``*`` and ``?`` within it."""
    if part == "*":
        return "[^/]++"
    head, *pieces = [re.escape(piece).replace(r"\?", "[^/]") for piece in part.split("*")]
    if not pieces:
        return head
    return head + "".join(f"(?>[^/]*?{piece})" for piece in pieces[:-1] if piece) + "[^/]*" + pieces[-1] + "(?![^/])"


def matches(pattern: str, path: str) -> bool:
    """Say whether a pattern covers a path, with regard to case."""
    return _compiled(pattern).fullmatch(path) is not None


def inside(patterns: Iterable[str], path: str) -> bool:
    """Say whether a boundary covers a path; an unsafe path never is."""
    return is_safe(path) and any(matches(pattern, path) for pattern in patterns)


def literal_prefix(pattern: str) -> str:
    """Give the leading parts that have no wildcard, joined."""
    literal: list[str] = []
    for part in _parts(pattern):
        if "*" in part or "?" in part:
            break
        literal.append(part)
    return "/".join(literal)


def _meet(one: Sequence[str], other: Sequence[str], many: str, do_meet: Callable[[str, str], bool]) -> bool:
    """Say whether two rows with wildcards have a row in common.

    ``many`` stands for any number of items; of the rest ``do_meet`` says
    whether some item fits both. Bit j of ``reach`` says that all before
    ``other[j]`` can have the same items as all before the item of ``one``
    that we are at.
    """
    every = (1 << len(other) + 1) - 1
    places: dict[str, int] = {}
    for j, item in enumerate(other):
        places[item] = places.get(item, 0) | 1 << j
    skips = places.pop(many, 0)
    fitting: dict[str, int] = {}
    reach = _past(1, skips)
    for item in one:
        if item == many:
            # Any number of items: from the first place on, every place.
            reach = every & -(reach & -reach)
            continue
        if item not in fitting:
            fitting[item] = sum(bits for name, bits in places.items() if do_meet(item, name))
        # Many in the other row takes our item and stays, or ours fits its.
        reach = _past(reach & skips | (reach & fitting[item]) << 1, skips)
        if not reach:
            return False
    return bool(reach >> len(other))


def _past(reach: int, skips: int) -> int:
    """Let many stand for nothing: step over it."""
    while (more := reach | (reach & skips) << 1) != reach:
        reach = more
    return reach


@lru_cache(maxsize=4096)
def _parts_meet(one: str, other: str) -> bool:
    """Say whether some name matches two wildcard parts."""
    if not ({"*", "?"} & {*one, *other}):
        return one == other
    return _meet(one, other, "*", lambda a, b: a == b or "?" in {a, b})


@lru_cache(maxsize=8192)
def overlap(one: str, other: str) -> bool:
    """Say whether some path matches both patterns, exactly.

    Case is folded: on some disks ``src/A`` and ``src/a`` are one file, so
    two agents must not write them at the same time.
    """
    return _meet(_parts(one.casefold()), _parts(other.casefold()), "**", _parts_meet)


def _could_overlap(one: str, other: str) -> bool:
    """Rule most pairs out by their literal prefixes."""
    a, b = literal_prefix(one).casefold(), literal_prefix(other).casefold()
    return a == b or not a or not b or a.startswith(b + "/") or b.startswith(a + "/")


def overlaps(ones: Iterable[str], others: Iterable[str]) -> tuple[str, str] | None:
    """Return the first pair of patterns that some path matches, or None."""
    rest = list(others)
    for one in ones:
        for other in rest:
            if _could_overlap(one, other) and overlap(one, other):
                return one, other
    return None


def covers(outer: Iterable[str], inner: Iterable[str]) -> bool:
    """Say whether every inner pattern surely lies within an outer one.

    Never wrong when it says yes; where wildcards make it hard it says no.
    """
    tops = list(outer)
    return all(any(_is_within(pattern, top) for top in tops) for pattern in inner)


def _is_within(pattern: str, top: str) -> bool:
    if top in {pattern, "**"}:
        return True
    is_literal = "*" not in pattern and "?" not in pattern
    if is_literal and not pattern.endswith("/"):
        return matches(top, pattern)
    if top.endswith("/") and "*" not in top and "?" not in top:
        prefix = literal_prefix(pattern)
        stem = top[:-1]
        return prefix.startswith(stem + "/") or (prefix == stem and pattern != stem and len(_parts(pattern)) > len(_parts(stem)) and
                                                 _parts(pattern)[len(_parts(stem))] != "**")  # fmt: skip
    return False
