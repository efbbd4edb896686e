"""Print how the code reads, in figures: what `docs/architecture.md` promises.

Run by ``make figures``; ``tests/test_house.py`` holds the limits.
"""

from __future__ import annotations

import ast
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

__all__ = ["Figures", "measure", "modules_without_a_test"]

TOP = Path(__file__).parents[1]
WIDTH = 100
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


class Figures(NamedTuple):
    """What one reading of the package counts."""

    files: int
    lines: int
    function_lines: list[int]
    conditionals: int
    nested_conditionals: list[str]
    comprehensions: int
    long_lines: list[str]
    skips: int
    exemptions: int
    beside_rooms: list[str]
    longest_file: int

    @property
    def conditionals_per_1000(self) -> float:
        """Conditional expressions per 1,000 lines."""
        return 1000 * self.conditionals / self.lines


def tracked(pattern: str) -> list[Path]:
    """Return the tracked files of a pattern, below the top of the repository."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--", pattern], cwd=TOP, capture_output=True, check=True
    )
    names = [name for name in listed.stdout.decode().split("\0") if name]
    return [TOP / name for name in names if (TOP / name).is_file()]


def measure() -> Figures:
    """Read every module of the package, and count."""
    figures = Figures(0, 0, [], 0, [], 0, [], 0, 0, [], 0)
    for path in tracked("gitcoord/*.py"):
        figures = _with_file(figures, path)
    return figures._replace(
        long_lines=[*_long_lines("*.py")],
        beside_rooms=[
            path.name
            for path in tracked("gitcoord/features/*.py")
            if path.parent.name == "features"
        ],
    )


def _with_file(figures: Figures, path: Path) -> Figures:
    text = path.read_text("utf-8")
    lines = text.count("\n")
    nodes = list(ast.walk(ast.parse(text)))
    conditionals = [node for node in nodes if isinstance(node, ast.IfExp)]
    functions = [node for node in nodes if isinstance(node, DEFINITIONS)]
    name = path.relative_to(TOP)
    return figures._replace(
        files=figures.files + 1,
        lines=figures.lines + lines,
        function_lines=figures.function_lines + [_length(node) for node in functions],
        conditionals=figures.conditionals + len(conditionals),
        nested_conditionals=figures.nested_conditionals
        + [f"{name}:{node.lineno}" for node in conditionals if _has_inner(node)],
        comprehensions=figures.comprehensions
        + sum(isinstance(node, COMPREHENSIONS) for node in nodes),
        skips=figures.skips + text.count("# fmt:"),
        exemptions=figures.exemptions + text.count("# noqa"),
        longest_file=max(figures.longest_file, lines),
    )


def _length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def _has_inner(node: ast.IfExp) -> bool:
    inner = (child for child in ast.walk(node) if child is not node)
    return any(isinstance(child, ast.IfExp) for child in inner)


def _long_lines(pattern: str) -> Iterator[str]:
    for path in tracked(pattern):
        for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1):
            if len(line) > WIDTH:
                yield f"{path.relative_to(TOP)}:{number}"


def modules_without_a_test() -> list[str]:
    """Return the modules that no test file mirrors, by folder and name."""
    tests = {path.relative_to(TOP / "tests") for path in tracked("tests/*.py")}
    missing = []
    for path in tracked("gitcoord/*.py"):
        name = path.relative_to(TOP / "gitcoord")
        mirror = name.with_name(f"test_{name.name}")
        if name.name not in {"__init__.py", "__main__.py"} and mirror not in tests:
            missing.append(str(name))
    return missing


def main() -> None:
    """Print the table."""
    figures = measure()
    lengths = sorted(figures.function_lines)
    untested = modules_without_a_test()
    nested = len(figures.nested_conditionals)
    rows = [
        ("files / lines", f"{figures.files} / {figures.lines:,}"),
        (
            "function lines: median, 90th percentile, longest",
            f"{statistics.median(lengths):.0f}, {lengths[len(lengths) * 9 // 10]}, {lengths[-1]}",
        ),
        (
            "conditional expressions per 1,000 lines (nested)",
            f"{figures.conditionals_per_1000:.1f} ({nested})",
        ),
        (
            "comprehensions per 1,000 lines",
            f"{1000 * figures.comprehensions / figures.lines:.1f}",
        ),
        (f"lines over {WIDTH} characters, tests included", str(len(figures.long_lines))),
        ("fmt: skip / noqa", f"{figures.skips} / {figures.exemptions}"),
        ("longest file", f"{figures.longest_file} lines"),
        ("files directly in features/", str(len(figures.beside_rooms))),
        ("modules with a test of their name", f"{1 - len(untested) / figures.files:.0%}"),
    ]
    for name, value in rows:
        sys.stdout.write(f"{name:<50} {value}\n")
    if "--where" in sys.argv:
        for place in [*figures.nested_conditionals, *figures.long_lines, *untested]:
            sys.stdout.write(f"  {place}\n")


if __name__ == "__main__":
    main()
