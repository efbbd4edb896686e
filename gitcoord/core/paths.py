"""Decide what a boundary covers: normalise, match, overlap.

A pattern is anchored at the repository's root. ``a/b.py`` is that file,
``a/b/`` everything below; ``*`` and ``?`` stand within a component, ``**``
as a whole one. This is the one module that decides; every gate asks it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache

__all__ = [
    "covers",
    "inside",
    "is_portable",
    "is_safe",
    "literal_prefix",
    "matches",
    "overlap",
    "overlaps",
    "problem_of",
]

MAX_PATTERN_CHARS = 1024
MAX_NAME_BYTES = 255
MAX_PATH_BYTES = 1024
# Patterns are compiled when they are first matched: most commands look at no path.
_CONTROL = "[\x00-\x1f\x7f-\x9f]"
# How Python spells the bytes of a name that is not UTF-8.
_SURROGATE = "[\ud800-\udfff]"
# What HFS+ ignores in a name: ``.g\u200cit`` is ``.git`` there.
_IGNORED = "[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]"
_DEVICE = r"(?is)(?:con|prn|aux|nul|com[1-9]|lpt[1-9])(?:\..*)?"
_NTFS_GIT = r"(?i)git~\d+"


def _is_git_twin(component: str) -> bool:
    """Return whether some disk takes a name for ``.git``."""
    name = re.sub(_IGNORED, "", component).split(":", 1)[0].rstrip(" .").casefold()
    return name == ".git" or re.fullmatch(_NTFS_GIT, name) is not None


def _is_composed(text: str) -> bool:
    """Return whether a text is in Unicode's composed form (NFC)."""
    if text.isascii():
        return True
    import unicodedata  # few commands see such a path

    return unicodedata.is_normalized("NFC", text)


def is_safe(path: str) -> bool:
    """Return whether a path of a tree means the same on every disk."""
    if (
        "\\" in path
        or re.search(_CONTROL, path)
        or re.search(_SURROGATE, path)
        or not _is_composed(path)
    ):
        return False
    return all(part not in {"", ".", ".."} and not _is_git_twin(part) for part in path.split("/"))


def is_portable(path: str) -> bool:
    """Return whether no disk takes a new path for another one.

    NTFS drops dots and spaces at the end of a name and reads ``a:b`` as a
    stream of ``a``; HFS+ passes over some characters; devices are not files.
    A name that is too long could not be checked out.
    """
    if not is_safe(path) or len(path.encode()) > MAX_PATH_BYTES:
        return False
    return all(map(_is_portable_name, path.split("/")))


def _is_portable_name(name: str) -> bool:
    if name[-1] in " ." or ":" in name or len(name.encode()) > MAX_NAME_BYTES:
        return False
    return not (re.search(_IGNORED, name) or re.fullmatch(_DEVICE, name))


def problem_of(pattern: str) -> str | None:  # noqa: PLR0911 - a list of rules
    """Return why a pattern cannot stand in a plan, or None."""
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
    if re.search(_CONTROL, pattern):
        return "a path has no control characters"
    if not _is_composed(pattern):
        return "a path is in Unicode's composed form (NFC)"
    for part in pattern.removesuffix("/").split("/"):
        if part in {"", ".", ".."}:
            return "a path has no empty part, no '.' and no '..'"
        if _is_git_twin(part):
            return "a path never names .git, nor what some disk takes for it"
        if "**" in part and part != "**":
            return "'**' is a part of its own"
    return None


@lru_cache(maxsize=4096)
def _parts(pattern: str) -> tuple[str, ...]:
    """Split a pattern; ``a/`` is everything below: one part, then any."""
    parts = pattern.split("/")
    if pattern.endswith("/"):
        parts[-1:] = ["*", "**"]
    kept: list[str] = []
    for part in parts:
        # One "any" after another says no more than one alone.
        if part != "**" or kept[-1:] != ["**"]:
            kept.append(part)
    return tuple(kept)


def _has_wildcard(part: str) -> bool:
    return "*" in part or "?" in part


def _fits(
    pattern: Sequence[str], items: Sequence[str], many: str, do_fit: Callable[[str, str], bool]
) -> bool:
    """Return whether a row of items is one that a pattern stands for.

    Only the last ``many`` can need another try, so that the time is bounded
    by the product of both lengths: no name makes a pattern slow.
    """
    i = j = 0
    tried, mark = -1, 0
    while j < len(items):
        if i < len(pattern) and pattern[i] == many:
            tried, mark = i, j
            i += 1
        elif i < len(pattern) and do_fit(pattern[i], items[j]):
            i, j = i + 1, j + 1
        elif tried >= 0:
            mark += 1
            i, j = tried + 1, mark
        else:
            return False
    return all(rest == many for rest in pattern[i:])


def _part_fits(part: str, name: str) -> bool:
    if not _has_wildcard(part):
        return part == name
    return part == "*" or _fits(part, name, "*", lambda one, char: one in {char, "?"})


def matches(pattern: str, path: str) -> bool:
    """Return whether a pattern covers a path, with regard to case."""
    return _fits(_parts(pattern), path.split("/"), "**", _part_fits)


def inside(patterns: Iterable[str], path: str) -> bool:
    """Return whether a boundary covers a path; an unsafe path never is."""
    return is_safe(path) and any(matches(pattern, path) for pattern in patterns)


def literal_prefix(pattern: str) -> str:
    """Return the leading parts that have no wildcard, joined."""
    literal: list[str] = []
    for part in _parts(pattern):
        if _has_wildcard(part):
            break
        literal.append(part)
    return "/".join(literal)


def _meet(
    one: Sequence[str], other: Sequence[str], many: str, do_meet: Callable[[str, str], bool]
) -> bool:
    """Return whether two rows with wildcards have a row in common.

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
    """Return whether some name matches two wildcard parts."""
    if not ({"*", "?"} & {*one, *other}):
        return one == other
    return _meet(one, other, "*", lambda a, b: a == b or "?" in {a, b})


def _folded_simply(text: str) -> str:
    """Fold case without changing the length, so that ``?`` still fits."""
    return "".join(folded if len(folded := char.casefold()) == 1 else char for char in text)


@lru_cache(maxsize=8192)
def overlap(one: str, other: str) -> bool:
    """Return whether some path matches both patterns, exactly.

    Case is folded: on some disks ``src/A`` and ``src/a`` are one file, so
    two agents must not write them at the same time. Where folding changes a
    length (``\u00df`` is ``ss``) either reading counts.
    """
    folds = dict.fromkeys((fold(one), fold(other)) for fold in (_folded_simply, str.casefold))
    return any(_meet(_parts(a), _parts(b), "**", _parts_meet) for a, b in folds)


@lru_cache(maxsize=4096)
def _folded_prefix(pattern: str) -> str:
    """Return a pattern's literal prefix, with its case folded."""
    return literal_prefix(pattern).casefold()


def _could_overlap(one: str, other: str) -> bool:
    """Rule most pairs out by their literal prefixes."""
    a, b = _folded_prefix(one), _folded_prefix(other)
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
    """Return whether every inner pattern surely lies within one outer pattern.

    Never wrong when it says yes. It says no to what only several outer
    patterns cover together, and to some that are written in another way.
    """
    tops = list(outer)

    def is_covered(pattern: str) -> bool:
        return any(_is_within(pattern, top) for top in tops)

    return all(map(is_covered, inner))


def _is_within(pattern: str, top: str) -> bool:
    if not _has_wildcard(pattern) and not pattern.endswith("/"):
        return matches(top, pattern)
    return any(
        _absorbs(write(top), write(pattern), "**", _part_absorbs) for write in (_parts, _any_first)
    )


def _any_first(pattern: str) -> Sequence[str]:
    """Write ``*/**`` as ``**/*``: the same paths, followed in another order."""
    parts = list(_parts(pattern))
    for end in range(len(parts) - 1, 0, -1):
        if parts[end] == "**":
            start = end
            while start and parts[start - 1] == "*":
                start -= 1
            parts[start : end + 1] = ["**", *parts[start:end]]
    return parts


def _part_absorbs(top: str, part: str) -> bool:
    return part != "**" and (
        top in {"*", part}
        or _absorbs(top, part, "*", lambda one, char: char != "*" and one in {char, "?"})
    )


def _absorbs(
    top: Sequence[str], inner: Sequence[str], many: str, do_absorb: Callable[[str, str], bool]
) -> bool:
    """Return whether a pattern can follow another one item by item.

    ``many`` of the top takes any number of the inner's items, ``many``
    itself among them; nothing else takes that.
    """
    reach = {0}
    for item in [*inner, None]:
        stack = list(reach)
        while stack:
            i = stack.pop()
            if i < len(top) and top[i] == many and i + 1 not in reach:
                reach.add(i + 1)
                stack.append(i + 1)
        if item is None:
            break
        inside_top = [i for i in reach if i < len(top)]
        reach = {i for i in inside_top if top[i] == many}
        for i in inside_top:
            if top[i] != many and item != many and do_absorb(top[i], item):
                reach.add(i + 1)
    return len(top) in reach
