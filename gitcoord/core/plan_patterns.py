"""Say by which pattern of parallel work a plan is best shared out, and share it out. Pure.

Directory division, round robin and specialised pools are the three patterns
that are known to work; docs/how-to/patterns.md says when each does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from gitcoord.core.ids import AgentId, TaskId
from gitcoord.core.model import PlanDocument, TaskSpec
from gitcoord.core.paths import literal_prefix
from gitcoord.core.shapes import NamedTuple

__all__ = ["PATTERNS", "Pattern", "fitting_pattern", "shared_out"]

PATTERNS = ("directory", "round-robin", "pool")
MAX_SHARED = 0.3
"""With more tasks than this part writing where others write, agents mostly wait."""
MIN_OWN_FOLDER = 0.5


class Pattern(NamedTuple):
    """A pattern, ``none`` where work beside each other would mostly wait, and why."""

    name: str
    why: str


def fitting_pattern(document: PlanDocument) -> Pattern:
    """Return the pattern that fits a plan, by its pools and its paths."""
    tasks = document["tasks"]
    if len(tasks) < 2:
        return Pattern("none", "there is one task, or none: nothing is done side by side")
    places = [_places(task) for task in tasks]
    counted: Counter[str] = Counter()
    for own in places:
        counted.update(own)

    def shares(own: list[str]) -> bool:
        return not own or any(counted[place] > 1 for place in own)

    sharing = sum(map(shares, places))
    if sharing / len(tasks) > MAX_SHARED and not _is_in_order(tasks):
        why = f"{sharing} of {len(tasks)} tasks write where another writes: agents would wait"
        return Pattern("none", why)
    pools = sorted({task["pool"] for task in tasks})
    if len(pools) > 1:
        return Pattern("pool", f"the tasks are of {len(pools)} kinds: {', '.join(pools[:5])}")
    folders = sum(any(place.endswith("/") for place in own) for own in places)
    if folders / len(tasks) >= MIN_OWN_FOLDER:
        return Pattern("directory", f"{folders} of {len(tasks)} tasks write to a folder")
    return Pattern("round-robin", "the tasks are alike: each writes to files of its own")


def _places(task: TaskSpec) -> list[str]:
    """Return where a task writes: folders and files; nothing where it may write anywhere."""
    places = []
    for path in task["paths"] or []:
        place = literal_prefix(path).rstrip("/")
        if path.endswith("/") or "*" in path or "?" in path:
            place += "/"
        places.append(place)
    return places


def _is_in_order(tasks: Sequence[TaskSpec]) -> bool:
    """Return whether most tasks need others: then those that share a place follow each other."""
    needing = sum(bool(task["needs"]) for task in tasks)
    phases = len({task["phase"] for task in tasks})
    return needing + phases - 1 >= len(tasks) / 2


def shared_out(
    tasks: Sequence[TaskSpec], agents: Mapping[AgentId, Sequence[str]], by: str
) -> dict[TaskId, AgentId]:
    """Return which agent each task is for; ``agents`` maps each to its pools, none for all.

    ``directory`` gives what lies in one folder to one agent, ``round-robin``
    deals the tasks in turn, ``pool`` gives each pool to an agent of its own
    as far as there are enough. Nobody gets a task of a pool that is not
    theirs; a task that nobody may take is left out.
    """
    keys = {task["id"]: _key(task, by) for task in tasks}
    load = dict.fromkeys(agents, 0)
    holder: dict[tuple[str, str], AgentId] = {}
    shares: dict[TaskId, AgentId] = {}
    for task in tasks:
        key = (keys[task["id"]], task["pool"])
        if key not in holder:
            able = [one for one, pools in agents.items() if not pools or task["pool"] in pools]
            if not able:
                continue
            holder[key] = min(able, key=lambda one: load[one])
        shares[task["id"]] = holder[key]
        load[holder[key]] += 1
    return shares


def _key(task: TaskSpec, by: str) -> str:
    """Return what is given to one agent as a whole."""
    if by == "pool":
        return task["pool"]
    if by == "directory":
        first = next(iter(_places(task)), "")
        folder = first.rstrip("/")
        if not first.endswith("/"):
            folder = folder.rpartition("/")[0]
        return folder
    return task["id"]
