"""Own every rule of the life of a task, and own them alone.

``decide`` turns what is asked into an event, with the clock and chance
that the context brings; ``check`` is its time-free half; ``apply`` says
which records change and never refuses. The replay law: for every entry,
``check`` passes on the parent's tree and ``apply`` gives the entry's tree,
byte for byte.
"""

from __future__ import annotations

from gitcoord.core.leases import Beat, Context
from gitcoord.core.machine.apply import apply
from gitcoord.core.machine.check import check
from gitcoord.core.machine.decide import decide

__all__ = ["Beat", "Context", "apply", "check", "decide"]
