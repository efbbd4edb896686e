"""How the report looks: its colours by light and dark, on screens and on paper. Pure."""

from __future__ import annotations

from gitcoord.core.report_drawing import CLASSES, HOLLOW

__all__ = ["DARK", "LIGHT", "stylesheet"]

LIGHT = {
    "ground": "#ffffff",
    "raised": "#f3f5f8",
    "ink": "#1b1f24",
    "faint": "#57606a",
    "good": "#1a7f37",
    "bad": "#b3261e",
    "busy": "#8a5a00",
    "calm": "#0a5fb4",
    "other": "#6e4bb8",
    "rest": "#a8326e",
}
DARK = {
    "ground": "#0f1318",
    "raised": "#1a2027",
    "ink": "#e6edf3",
    "faint": "#9aa4af",
    "good": "#56d364",
    "bad": "#ff8a80",
    "busy": "#e3b341",
    "calm": "#79c0ff",
    "other": "#c4a7ff",
    "rest": "#ff9ecf",
}
"""The colours by what they say; each is read on the ground, and on what is raised from it."""

_STYLE = """
* { box-sizing: border-box; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 0; background: var(--ground);
  color: var(--ink); }
main { margin: 0 auto; max-width: 74rem; padding: 1.5rem 1rem 4rem; }
h1 { font-size: 1.6rem; margin: 0; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 2.2rem 0 .6rem; }
h3 { font-size: 1rem; margin: 1rem 0 .4rem; }
p { margin: .4rem 0; overflow-wrap: anywhere; }
code { font: .87em ui-monospace, monospace; background: var(--raised); padding: .1em .35em;
  border-radius: 4px; overflow-wrap: anywhere; }
table { border-collapse: collapse; width: 100%; font-size: .93rem; }
th, td { text-align: left; padding: .25rem .6rem; border-bottom: 1px solid var(--raised);
  vertical-align: top; overflow-wrap: break-word; max-width: 30rem; }
th { color: var(--faint); font-weight: 600; white-space: nowrap; position: sticky; top: 0;
  background: var(--ground); }
td:first-child { white-space: nowrap; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
#tasks tbody tr:hover, #tasks tbody tr.lit { background: var(--raised); }
.scroll { overflow: auto; max-height: 85vh; } svg { display: block; }
svg text { fill: var(--ink); font-size: 11px; } svg .strong { font-weight: 700; }
svg .phase { font-weight: 600; }
.faint { color: var(--faint); } svg .faint { fill: var(--faint); }
svg .dim { opacity: .12; } svg .lit { stroke: var(--ink); stroke-width: 2; }
svg g.lit { stroke: none; } svg g.lit text { text-decoration: underline; }
svg rect[data-task] { cursor: pointer; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(15rem, 1fr)); gap: .8rem;
  margin-bottom: .8rem; }
.card { background: var(--raised); border-radius: 8px; padding: .8rem 1rem; }
.card strong { display: block; font-size: 1.5rem; line-height: 1.3; }
.card p { font-size: .87rem; }
.card svg { width: 100%; height: 14px; margin: .3rem 0; }
.card .of { fill: var(--ground); } .card .limit { fill: var(--ink); }
.items { list-style: none; padding: 0; margin: 0; }
.items li { padding: .3rem 0 .3rem .8rem; border-left: 4px solid var(--faint); margin: .35rem 0;
  overflow-wrap: anywhere; }
.items .needs { border-color: var(--bad); } .items .stuck { border-color: var(--busy); }
.items .runs { border-color: var(--calm); } .items .next { border-color: var(--good); }
.state { white-space: nowrap; }
.state::before { content: ""; display: inline-block; width: .7em; height: .7em;
  border-radius: 2px; margin-right: .4em; }
.track { width: 240px; height: 12px; margin-top: .35em; background: var(--raised); }
.find { display: flex; flex-wrap: wrap; gap: .6rem 1rem; align-items: center; margin: .5rem 0; }
input, select, button { font: inherit; color: inherit; background: var(--ground);
  border: 1px solid var(--faint); border-radius: 6px; padding: .25rem .5rem; max-width: 100%; }
input { width: 18rem; }
:focus-visible { outline: 2px solid var(--calm); outline-offset: 1px; }
.top { display: flex; flex-wrap: wrap; gap: .5rem 1rem; justify-content: space-between;
  align-items: start; }
.live { position: sticky; top: 0; z-index: 1; display: flex; justify-content: end; gap: 1rem;
  align-items: center; margin: 0 auto; max-width: 74rem; padding: .4rem 1rem;
  background: var(--ground); }
.live button[aria-pressed=true] { background: var(--ink); color: var(--ground); }
#tip { position: fixed; z-index: 2; max-width: 26rem; padding: .35rem .6rem; border-radius: 6px;
  background: var(--ink); color: var(--ground); font-size: .87rem; overflow-wrap: anywhere;
  pointer-events: none; }
#tip[hidden] { display: none; }
.line { stroke: var(--faint); fill: none; stroke-opacity: .45; }
.chain { stroke: var(--ink); stroke-width: 2.5; stroke-opacity: 1; }
.rise { stroke: var(--good); stroke-width: 2; stroke-opacity: 1; }
.rise.other { stroke: var(--other); } .rise.waiting { stroke: var(--bad); stroke-dasharray: 5 3; }
.legend { display: flex; flex-wrap: wrap; gap: .2rem 1rem; font-size: .87rem; }
.legend svg { display: inline; }
@media print {
  .screen, #tip { display: none; } main { max-width: none; padding: 0; }
  .scroll { overflow: visible; max-height: none; } svg[role] { max-width: 100%; height: auto; }
  table { font-size: .72rem; } th, td, td:first-child, td.n { padding: .15rem .3rem; }
  .track { width: 110px; }
  td:not(.n), td:first-child { white-space: normal; overflow-wrap: anywhere; }
  h2, h3, .legend { break-after: avoid; } tr, .card, svg { break-inside: avoid; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
"""


def stylesheet() -> str:
    """Return the whole style: colours by the reader's settings or choice, light on paper."""
    light = _variables(LIGHT)
    dark = _variables(DARK)
    drawn = "".join(map(_drawn, CLASSES))
    return (
        f":root {{ color-scheme: light dark; {light} }}"
        "@media screen and (prefers-color-scheme: dark) "
        f"{{ :root:not([data-theme=light]) {{ {dark} }} }}"
        "@media screen { :root[data-theme=light] { color-scheme: light; }"
        f":root[data-theme=dark] {{ color-scheme: dark; {dark} }} }}"
        f"{drawn}{_STYLE}"
    )


def _drawn(name: str) -> str:
    """Return how a state, end or mark is drawn: full, or as an outline that can be pointed at."""
    colour = f"var(--{CLASSES[name]})"
    if name not in HOLLOW:
        return f".{name} {{ fill: {colour}; }}.state.{name}::before {{ background: {colour}; }}"
    return (
        f".{name} {{ fill: transparent; stroke: {colour}; stroke-width: 1.5; }}"
        f".state.{name}::before {{ border: 2px solid {colour}; }}"
    )


def _variables(colours: dict[str, str]) -> str:
    return "".join(f"--{name}: {value};" for name, value in colours.items())
