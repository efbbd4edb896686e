"""Measure the CPU of commands that are over in a moment, against ``import click``.

One round runs every command once, in a plan of a hundred tasks, beside one
``python -c 'import click'``; the figures are medians over the rounds of the
ratio within a round. ``--against DIR`` runs the package of another checkout
in turn with this one, on a ledger of its own.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.__main__ import SOURCE, cpu, installed, repository
from benchmarks.plans import many_tasks

ROUNDS = 15
AGENT = "x0"
ROUND = (
    ("claim --no-checkout", ("claim", "--no-checkout")),
    ("progress", ("progress", "half of it", "--percent", "50")),
    ("beat", ("beat",)),
    ("status", ("status",)),
    ("show", ("show", "1")),
    ("tasks", ("tasks",)),
    ("log", ("log",)),
    ("release", ("release",)),
    ("", ("claim", "--no-checkout")),
    ("complete --no-result", ("complete", "--no-result")),
)
"""The commands of one round with what they are called; one without a name is not told."""


class Checkout:
    """The package as one checkout has it, and a ledger that it made."""

    def __init__(self, source: str, folder: Path) -> None:
        self.env = {
            **installed(folder),
            "PYTHONPATH": source,
            # Else ``-m`` takes the package from where this runs, for every checkout.
            "PYTHONSAFEPATH": "1",
            "PYTHONPYCACHEPREFIX": str(folder / "compiled"),
        }
        repo = repository(folder / "repo")
        who = (("user.name", "Bench"), ("user.email", "bench@example.invalid"))
        for key, value in who:
            subprocess.run(["git", "config", key, value], cwd=repo, check=True)
        plan = folder / "plan.toml"
        plan.write_text(many_tasks(100) + 'result = "optional"\n')
        self.base = [sys.executable, "-m", "gitcoord", "-C", str(repo)]
        for words in (["init", str(plan)], ["agent", "add", AGENT, "--no-worktree"]):
            cpu([*self.base, *words], env=self.env)

    def round(self) -> Iterator[tuple[str, float]]:
        """Run each command once; give what it is called and its ratio to click's import."""
        click = cpu([sys.executable, "-c", "import click"], env=self.env)
        for name, words in ROUND:
            took = cpu([*self.base, "--agent", AGENT, *words], env=self.env)
            if name:
                yield name, took / click


def measure(checkouts: list[Checkout], rounds: int) -> dict[str, list[float]]:
    """Return for each command the median ratio of each checkout."""
    found: dict[str, list[list[float]]] = {}
    for number in range(rounds + 1):
        for place, checkout in enumerate(checkouts):
            for name, ratio in checkout.round():
                kept = found.setdefault(name, [[] for _ in checkouts])
                if number > 0:  # the first round compiles
                    kept[place].append(ratio)
    return {name: [statistics.median(each) for each in kept] for name, kept in found.items()}


def main() -> None:
    sources = [SOURCE]
    if "--against" in sys.argv:
        sources.append(str(Path(sys.argv[sys.argv.index("--against") + 1]).resolve()))
    with tempfile.TemporaryDirectory(prefix="gitcoord-bench-") as folder:
        checkouts = []
        for number, source in enumerate(sources):
            place = Path(folder) / str(number)
            place.mkdir()
            checkouts.append(Checkout(source, place))
        for name, ratios in measure(checkouts, ROUNDS).items():
            print(f"{name:<24} " + "   ".join(f"{ratio:5.2f}" for ratio in ratios), flush=True)


if __name__ == "__main__":
    main()
