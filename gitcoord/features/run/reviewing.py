"""Review as an agent of a run: one result after another, beside those who work."""

from __future__ import annotations

import os

from gitcoord.core.ids import AgentId
from gitcoord.core.sessions import session_of_run
from gitcoord.features.run.crew import Shared, Workers
from gitcoord.features.run.landing import land_what_is_whole
from gitcoord.features.run.review_assistants import Reviewer, review_with
from gitcoord.features.run.worker import REVIEW_POLL_S, is_budget_used_up
from gitcoord.features.work.wait import wait_for_change
from gitcoord.features.workspace import Workspace

__all__ = ["review_all"]

MAX_VAIN_REVIEWS = 3
"""How often in a row a reviewer may end without a verdict."""


def review_all(shared: Shared, work: Workspace, agent: AgentId, workers: Workers) -> None:
    """Review one result after another, until those who work have ended."""
    assistant = shared.reviewers[agent]
    session = session_of_run(os.getpid(), work.clock.token()[:8], assistant.maker)
    stop, means = shared.stop.is_set, shared.means
    reviewer = Reviewer(work, agent, session, assistant, means, stop, shared.tell)
    vain = 0
    while not shared.stop.is_set() and vain < MAX_VAIN_REVIEWS:
        tip = work.ledger.tip()
        if is_budget_used_up(shared, work, agent):
            break
        left_s = means.limits.left_s(assistant.name, work.clock)
        what = ""
        if not left_s:
            what = review_with(reviewer)
        if what:
            vain = (vain + 1) * (what == "no verdict")
            land_what_is_whole(work, shared)
            continue
        if not left_s:
            shared.idle[agent] = tip
        if workers.have_ended:
            break
        wait_for_change(work, tip, REVIEW_POLL_S, shared.stop)
    shared.left.add(agent)
