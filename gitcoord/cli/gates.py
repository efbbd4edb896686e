"""Speak for gates: try them."""

from __future__ import annotations

import click

from gitcoord.cli.app import App, pass_app
from gitcoord.cli.groups import NearGroup
from gitcoord.cli.output import incomplete_if, table
from gitcoord.core.ids import PhaseId

__all__ = ["gate"]


@click.group(cls=NearGroup)
def gate() -> None:
    """Try the gates of phases."""


@gate.command("try")
@click.argument("name", metavar="PHASE")
@pass_app
def gate_try(app: App, name: PhaseId) -> int:
    """Run the gates of a phase on the target, and on syntax errors.

    Each folder of source in turn gets a syntax error in every file, in a
    commit that no branch holds. A gate that still passes did not look there,
    or looked at another tree. Exit 18 if a gate fails on the target, or if
    no gate sees the errors of a folder. Nothing is written to the ledger.

    Example: gitcoord gate try build
    """
    from gitcoord.features.land.gate_trials import try_gates

    folders, tried = try_gates(app.orchestrate(), name, app.out.notice)
    unseen = [folder for folder in folders if all(folder in one.blind for one in tried)]
    rows = []
    for one in tried:
        state = "passes" if one.passed else f"fails: {one.reason}"
        blind = ", ".join(one.blind) or "-"
        rows.append((one.gate, state, blind))
    lines = [table(rows, ("GATE", "ON THE TARGET", "PASSES OVER ERRORS IN"))]
    lines += [f"no gate sees a syntax error in {folder}" for folder in unseen]
    facts = {
        "phase": name,
        "folders": folders,
        "unseen": unseen,
        "gates": [one._asdict() for one in tried],
    }
    app.out.answer("gate try", facts, "\n".join(lines))
    return incomplete_if(len(unseen) + sum(not one.passed for one in tried))
