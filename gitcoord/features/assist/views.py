"""Know the claims of one worktree cheaply: what a hook asks at every tool call.

What was read from the ledger is kept beside the tokens, with the tip that it
was read at. While the tip stands and nothing is due, an edit is judged from
that file alone; ``complete`` judges again from objects, so that a file which
somebody forged deceives nobody but the hook.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, cast

from gitcoord.core.shapes import NamedTuple
from gitcoord.features.assist.standing import Standing, read_small

if TYPE_CHECKING:  # at every tool call: nothing is imported for annotations alone
    from gitcoord.core.ids import AgentId, Oid, TaskId, Token

__all__ = ["ClaimView", "View", "as_json", "kept_view", "quick_view", "tokens_in", "view_file"]

RENEW_SHARE = 5
"""A lease is renewed by hooks after a fifth of it, or of the heartbeat."""
_join = os.path.join


class ClaimView(NamedTuple):
    """One claim whose token is kept here, as the ledger last told it.

    ``ended`` is empty while the token is current; else it says how the claim
    ended: ``complete``, ``fail``, ``release``, or ``lost``. ``layers`` are
    those of the boundary, by name; ``report_ns`` is when the holder is to be
    reminded to report.
    """

    agent: AgentId
    task: TaskId
    token: Token
    ended: str = ""
    holder: str = ""
    layers: tuple[tuple[str, tuple[str, ...]], ...] = ()
    heartbeat_ms: int = 0
    lease_ms: int = 0
    entry_ns: int = 0
    report_ns: int = 0


class View(NamedTuple):
    """What is known of a worktree, as of one tip of its ledger."""

    ledger: str
    tip: Oid
    renewed_ns: int
    claims: tuple[ClaimView, ...]
    oids: tuple[tuple[str, Oid], ...] = ()
    """The records that it was read from, by their paths in the ledger's tree."""

    @property
    def current(self) -> tuple[ClaimView, ...]:
        """The claims whose token the ledger still holds."""
        return tuple(claim for claim in self.claims if not claim.ended)

    @property
    def lost(self) -> tuple[ClaimView, ...]:
        """The claims that ended without their holder's doing."""
        return tuple(claim for claim in self.claims if claim.ended == "lost")

    def is_renewal_due(self, now_ns: int) -> bool:
        """Return whether it is time to renew the leases."""
        lengths = [min(one.lease_ms, one.heartbeat_ms) for one in self.current]
        return bool(lengths) and now_ns - self.renewed_ns > min(lengths) * 1_000_000 // RENEW_SHARE

    def is_report_due(self, now_ns: int) -> bool:
        """Return whether it is time to remind a holder to report."""
        return any(now_ns >= claim.report_ns for claim in self.current)


def tokens_in(git_dir: str) -> set[str]:
    """Return the tokens that a worktree keeps, of claims in any ledger."""
    folder = _join(git_dir, "gitcoord", "claims")
    try:
        ledgers = os.listdir(folder)
        names = [name for ledger in ledgers for name in os.listdir(_join(folder, ledger))]
    except OSError:
        return set()
    return {name.removesuffix(".json") for name in names if name.endswith(".json")}


def view_file(git_dir: str) -> str:
    """Return where a worktree's view is kept."""
    return _join(git_dir, "gitcoord", "assist", "view.json")


def quick_view(standing: Standing, now_ns: int) -> View | None:
    """Return the kept view if it is still true, and nothing is due; else None."""
    view = kept_view(standing.git_dir)
    if view is None or {claim.token for claim in view.claims} != tokens_in(standing.git_dir):
        return None
    tip = _tip(standing.common_dir, view.ledger)
    if not tip or (tip != view.tip and not _has_same_records(standing.common_dir, tip, view)):
        return None
    if view.is_renewal_due(now_ns) or view.is_report_due(now_ns):
        return None
    return view


def _has_same_records(common_dir: str, tip: Oid, view: View) -> bool:
    """Return whether a newer entry left everything that this view tells as it was."""
    if not view.oids:
        return False
    from gitcoord.features.assist.records import record_oids

    known = dict(view.oids)
    return record_oids(common_dir, tip, tuple(known)) == known


def _tip(common_dir: str, ledger: str) -> Oid | None:
    """Read a ledger's tip where it is a file of its own; None where it is not."""
    try:
        with open(_join(common_dir, "refs", "heads", "gitcoord", ledger), "rb") as file:
            return cast("Oid", file.read(128).decode("ascii").strip())
    except (OSError, ValueError):
        return None


def kept_view(git_dir: str) -> View | None:
    """Return the view that was kept last; None where it is not whole."""
    found: dict[str, Any] = read_small(view_file(git_dir))
    try:
        claims = []
        for one in found["claims"]:
            layers = tuple((str(name), tuple(map(str, rules))) for name, rules in one["layers"])
            claims.append(ClaimView(**{**one, "layers": layers}))
        oids = tuple((str(path), cast("Oid", str(oid))) for path, oid in found["oids"])
        ledger, tip = str(found["ledger"]), cast("Oid", str(found["tip"]))
        return View(ledger, tip, int(found["renewed_ns"]), tuple(claims), oids)
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def as_json(view: View) -> dict[str, Any]:
    """Return a view as it is kept in a file."""
    return {**view._asdict(), "claims": [claim._asdict() for claim in view.claims]}
