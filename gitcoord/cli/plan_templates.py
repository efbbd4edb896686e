"""Speak for the plans to start from: list them, write one."""

from __future__ import annotations

from collections.abc import Sequence

from gitcoord.cli.app import App
from gitcoord.cli.output import table
from gitcoord.core.errors import NotFoundError, UsageError
from gitcoord.core.plan_templates import PlanTemplate, read_template
from gitcoord.host.shipped import shipped

__all__ = ["list_templates", "write_template"]


def _templates() -> dict[str, PlanTemplate]:
    paths = sorted(shipped("templates").glob("*.toml"))
    return {path.stem: read_template(path.stem, path.read_text("utf-8")) for path in paths}


def list_templates(app: App) -> None:
    """List what there is to start from, each with what can be set in it."""
    found = list(_templates().values())
    facts = []
    for one in found:
        parameters = [parameter._asdict() for parameter in one.parameters]
        facts.append({"name": one.name, "what": one.what, "parameters": parameters})
    rows = [(one.name, one.what) for one in found]
    app.out.answer(
        "init",
        {"templates": facts},
        f"{table(rows)}\nnext: gitcoord init --template NAME",
    )


def write_template(app: App, name: str | None, given: Sequence[str]) -> None:
    """Write a plan to start from into plan.toml.

    Raises:
        NotFoundError: There is no such template.
        UsageError: Nothing of that name can be set in it, or the file is there already.

    """
    if name is None:
        raise UsageError("--with goes with --template", hint="name a template too")
    known = _templates()
    if name not in known:
        raise NotFoundError(
            f"there is no template {name!r}",
            hint=f"known: {', '.join(known)}; `gitcoord init --list-templates` says what for",
        )
    template = known[name]
    text = template.plan(dict(_pair(word) for word in given))
    goal = app.start / "plan.toml"
    try:
        with goal.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise UsageError(
            f"{goal} exists already", hint="move it away first: nothing was written"
        ) from None
    lines = [f"{goal} written"]
    values = ", ".join(one.name for one in template.parameters)
    if values and not given:
        lines.append(f"--with NAME=VALUE would set: {values}")
    lines.append(f"next: edit it, then gitcoord init {goal}")
    app.out.answer("init", {"plan_file": str(goal)}, "\n".join(lines))


def _pair(word: str) -> tuple[str, str]:
    name, sign, value = word.partition("=")
    if not sign:
        raise UsageError(f"{word!r} sets nothing", hint="write NAME=VALUE")
    return name, value
