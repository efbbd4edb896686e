"""Judge requests to the page that a watcher serves on this machine. Pure.

Other users of the machine, and every page that its browsers show, can reach
a local port. So a request has to name the address that was printed, as a
browser does that was not led elsewhere by a name server; it has to come from
that page itself; and facts are told to the bearer of the token alone.
"""

from __future__ import annotations

import hmac

from gitcoord.core.report_page import live_policy
from gitcoord.core.shapes import NamedTuple

__all__ = ["HEADERS", "PAGE", "REPORT", "Refusal", "Request", "page_policy", "refusal"]

PAGE = "/"
"""Where the page is: it knows nothing, and asks for the report."""
REPORT = "/report"
"""Where the report is, for who shows the token."""
METHODS = ("GET", "HEAD")
HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
"""What every answer says: keep it nowhere, tell nobody, take it for nothing else."""
_NOTHING = "default-src 'none'; frame-ancestors 'none'"
_OWN_SITES = frozenset({"same-origin", "none"})


class Request(NamedTuple):
    """What counts of a request; of headers all that were sent, as they were sent."""

    method: str
    target: str
    hosts: tuple[str, ...]
    origins: tuple[str, ...] = ()
    sites: tuple[str, ...] = ()
    authorizations: tuple[str, ...] = ()


class Refusal(NamedTuple):
    """A status of HTTP, and a sentence for who reads it."""

    status: int
    text: str


def refusal(request: Request, host: str, secret: str) -> Refusal | None:
    """Return why a request gets no answer; None where it does.

    ``host`` is the address and the port that are served, ``secret`` the token of the page.
    """
    if request.hosts != (host,):
        return Refusal(403, f"this is {host}, and answers to that name alone")
    is_elsewhere = any(origin != f"http://{host}" for origin in request.origins)
    if is_elsewhere or any(site not in _OWN_SITES for site in request.sites):
        return Refusal(403, "another page asks; open the address that the watcher printed")
    if request.method not in METHODS:
        return Refusal(405, "only looking is possible here")
    if request.target not in {PAGE, REPORT}:
        return Refusal(404, "there is nothing here")
    if request.target == REPORT and not _is_shown(secret, request.authorizations):
        return Refusal(401, "open the address that the watcher printed: it has the token")
    return None


def _is_shown(secret: str, authorizations: tuple[str, ...]) -> bool:
    """Compare in a time that does not tell how much of a guess was right."""
    if len(authorizations) != 1:
        return False
    wanted = f"Bearer {secret}".encode()
    return hmac.compare_digest(authorizations[0].encode("utf-8", "surrogateescape"), wanted)


def page_policy(target: str) -> str:
    """Return the content policy of an answer: only the page may run or ask anything."""
    if target != PAGE:
        return _NOTHING
    return f"{live_policy()}; frame-ancestors 'none'"
