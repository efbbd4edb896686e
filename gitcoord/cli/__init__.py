"""Speak click: the only place that does."""

from __future__ import annotations

import gc

# A command makes much, drops little, and is over: it is not worth looking for
# cycles among what click and we define at the start. What lives long does.
gc.set_threshold(50_000, 20, 20)
